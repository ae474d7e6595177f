"""What all tests share."""

from __future__ import annotations

import ctypes
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


def pytest_configure() -> None:
    """Take the wheels of pysofie[sycl] if they were installed beside pytest.

    ROOT brings a libtbb.so.12 too, and a process has one of that name. The newer serves both.
    """
    root = Path(os.environ.get("PYSOFIE_SYCL_ROOT", sys.prefix))
    if (root / "include" / "sycl" / "sycl.hpp").exists():
        os.environ["PYSOFIE_SYCL_ROOT"] = str(root)
        ctypes.CDLL(str(root / "lib" / "libtbb.so.12"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the text in tests/golden")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    os.environ["PYSOFIE_CACHE_DIR"] = str(folder)


@pytest.fixture(autouse=True, scope="session")
def _own_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Work away from the sources: processes of tests would import them in place of what is installed."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("work"))
    yield
    os.chdir(before)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how much of ONNX's suite passes."""
    passed = [report for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    cases = [properties for report in passed if "conformance" in (properties := dict(report.user_properties))]
    outcomes = Counter(case["conformance"] for case in cases)
    if not cases:
        return
    fixed = sum(1 for case in cases if case.get("constants"))
    terminalreporter.write_line(
        f"ONNX backend tests: {outcomes['right']} right ({fixed} of them after inputs that decide shapes or "
        f"branches were made constants), {outcomes['refused']} refused (see refused.txt)"
    )
