"""Codes of storage types against ml_dtypes: every code, and numbers at and between all of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from native import WIDTHS, program
from storage_types import SMALL_INTEGERS, TYPES, codes, scalar_type

SOURCE = Path(__file__).with_name("storage.cpp")


def between(name: str) -> np.ndarray:
    """Numbers at, next to and halfway between the elements of a type; infinities and NaN."""
    points = np.unique(codes(name).astype(np.float32))
    points = points[np.isfinite(points)]
    halves = points[1:] / 2 + points[:-1] / 2
    edges = [np.nextafter(x, np.float32(end)) for x in (points, halves) for end in (-np.inf, np.inf)]
    with np.errstate(over="ignore"):
        beyond = np.float32([1, 1.01, 1.5, 2, 100]) * points[-1]
    special = np.float32([np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-40, -1e-40])
    return np.concatenate([points, halves, *edges, beyond, -beyond, special]).astype(np.float32)


@pytest.fixture(scope="module", params=WIDTHS)
def convert(request, tmp_path_factory):
    compiled = program(SOURCE, tmp_path_factory.mktemp("storage"), "-O1", *WIDTHS[request.param])

    def convert(name: str, direction: str, mode: str, array: np.ndarray, dtype: str) -> np.ndarray:
        arguments = [str(compiled), name, direction, mode]
        done = subprocess.run(arguments, input=array.tobytes(), capture_output=True, check=True)
        return np.frombuffer(done.stdout, scalar_type(dtype))

    return convert


def assert_same(array: np.ndarray, expected: np.ndarray) -> None:
    """Compare numbers, and the signs of zeros; any NaN equals any other."""
    ours, theirs = array.astype(np.float32), expected.astype(np.float32)
    np.testing.assert_array_equal(ours, theirs)
    numbers = ~np.isnan(theirs)
    np.testing.assert_array_equal(np.signbit(ours)[numbers], np.signbit(theirs)[numbers])


@pytest.mark.parametrize("mode", ["elements", "vectors"])
@pytest.mark.parametrize("name", TYPES)
def test_decode(convert, name, mode):
    assert_same(convert(name, "decode", mode, codes(name), "float32"), codes(name).astype(np.float32))


@pytest.mark.parametrize("mode", ["elements", "vectors"])
@pytest.mark.parametrize("name", [name for name in TYPES if "float" in name and "e8m0" not in name])
def test_encode(convert, name, mode):
    numbers = between(name)
    if not np.isnan(codes(name).astype(np.float32)).any():
        numbers = numbers[~np.isnan(numbers)]  # what has no NaN has no code for one
    with np.errstate(over="ignore"):
        expected = numbers.astype(scalar_type(name))
    assert_same(convert(name, "encode", mode, numbers, name), expected)
    with np.errstate(invalid="ignore"):
        exact = codes(name).astype(np.float64)
    exact = exact[np.isfinite(exact)]
    assert_same(convert(name, "from_double", mode, exact, name), exact)


@pytest.mark.parametrize("mode", ["elements", "vectors"])
def test_a_double_is_rounded_once(convert, mode):
    numbers = np.float64([1 + 2**-11 + 2**-40, 1 + 2**-11, 1 - 2**-12 - 2**-40, 65520 - 2**-20] * 16)
    with np.errstate(over="ignore"):
        assert_same(convert("float16", "from_double", mode, numbers, "float16"), numbers.astype("float16"))


@pytest.mark.parametrize("mode", ["elements", "vectors"])
@pytest.mark.parametrize("name", SMALL_INTEGERS)
def test_the_last_bits_of_integers_are_kept(convert, name, mode):
    numbers = np.arange(-100, 100, dtype=np.int32)
    assert_same(convert(name, "from_integer", mode, numbers, name), numbers.astype(name))


@pytest.mark.parametrize("mode", ["elements", "vectors"])
def test_powers_of_two_drop_the_mantissa(convert, mode):
    powers = codes("float8_e8m0fnu").astype(np.float32)[1:-1]
    for numbers in (powers, powers * np.float32(1.5), powers * np.float32(1.999)):
        assert_same(convert("float8_e8m0fnu", "encode", mode, numbers, "float8_e8m0fnu"), powers)
