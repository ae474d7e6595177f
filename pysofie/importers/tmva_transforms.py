"""What TMVA does to variables before a method sees them, and to targets behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from pysofie.errors import InvalidModelError, UnsupportedError
from pysofie.importers.tmva_file import Element, WeightFile, child, integer, last_class, real, reals, text
from pysofie.importers.writer import Writer


def write_transforms(writer: Writer, x: str, file: WeightFile) -> str:
    """Write what is done to the variables, in order.

    TMVA keeps variables in float32 between the steps.

    Raises
    ------
    InvalidModelError
        A transformation is damaged.
    UnsupportedError
        It is of a kind that is not taken.
    """
    for transform in _transforms(file):
        places = [place for kind, place in _selected(transform, file, "Input") if kind == "Variable"]
        stored = [place for kind, place in _selected(transform, file, "Output") if kind == "Variable"]
        if len(places) != len(stored):
            raise InvalidModelError("a <Transform> writes another number of variables than it reads")
        if places:
            x = _replace(writer, x, stored, _write(writer, x, transform, file), len(file.variables))
    return x


def write_inverse(writer: Writer, values: str, file: WeightFile) -> str:
    """Write what gives targets, of shape (batch, targets), their scale back."""
    for transform in reversed(_transforms(file)):
        selected = _selected(transform, file, "Input")
        targets = [(row, place) for row, (kind, place) in enumerate(selected) if kind == "Target"]
        if not targets:
            continue
        if text(transform, "Name") != "Normalize":
            raise UnsupportedError(
                f"the transformation {text(transform, 'Name')!r} of targets has no inverse in TMVA"
            )
        low, scale = _ranges(transform, len(selected))
        rows = [row for row, _ in targets]
        shifted = writer.add("Div", writer.add("Add", values, np.float32(1)), scale[rows] * np.float32(2))
        whole = writer.add("Add", shifted, low[rows])
        values = _replace(writer, values, [place for _, place in targets], whole, len(file.targets))
    return values


def _transforms(file: WeightFile) -> list[Element]:
    found = file.root.find("Transformations")
    return [] if found is None else found.findall("Transform")


def _selected(transform: Element, file: WeightFile, way: str) -> list[tuple[str, int]]:
    """The variables and targets that a transformation reads or writes: their kinds and places."""
    selection = transform.find("Selection")
    if selection is None:
        raise UnsupportedError(
            "the transformations in this file are written as TMVA did before 4.1; read and write it with a "
            "newer TMVA"
        )
    names = {"Variable": file.variables, "Target": file.targets}
    result = []
    for entry in child(selection, way):
        kind, label = text(entry, "Type"), text(entry, "Label")
        if kind not in names:
            raise UnsupportedError(
                f"a transformation of {kind[:40]!r} is not taken, only of variables and targets"
            )
        if label not in names[kind]:
            raise InvalidModelError(f"a transformation selects {label[:80]!r}, which the file does not list")
        result.append((kind, names[kind].index(label)))
    return result


def _write(writer: Writer, x: str, transform: Element, file: WeightFile) -> str:
    """Write the transformed ones of the variables that are read."""
    selected = _selected(transform, file, "Input")
    rows = [row for row, (kind, _) in enumerate(selected) if kind == "Variable"]
    x = _columns(writer, x, [selected[row][1] for row in rows], len(file.variables))
    name = text(transform, "Name")
    if name == "Normalize":
        low, scale = _ranges(transform, len(selected))
        scaled = writer.add("Mul", writer.add("Sub", x, low[rows]), scale[rows] * np.float32(2))
        return writer.add("Sub", scaled, np.float32(1))
    if len(rows) < len(selected):
        raise UnsupportedError(f"the transformation {name!r} mixes variables and targets")
    if name == "Decorrelation":
        return _product(writer, x, _decorrelation(transform, len(rows)).T)
    if name == "PCA":
        means, vectors = _principal_axes(transform, len(rows))
        return _product(writer, x, vectors, means)
    raise UnsupportedError(
        f"the transformation {name[:40]!r} of variables is not taken; those that are: Normalize, "
        f"Decorrelation, PCA"
    )


def _product(
    writer: Writer, x: str, matrix: NDArray[np.float64], means: NDArray[np.float64] | None = None
) -> str:
    """In float64, as TMVA does it: rounding would move values over the cuts of trees."""
    wide = writer.add("Cast", x, to=TensorProto.DOUBLE)
    if means is not None:
        wide = writer.add("Sub", wide, means)
    return writer.add("Cast", writer.add("MatMul", wide, matrix), to=TensorProto.FLOAT)


def _columns(writer: Writer, x: str, places: list[int], count: int) -> str:
    if places == list(range(count)):
        return x
    return writer.add("Gather", x, np.asarray(places, np.int64), axis=1)


def _replace(writer: Writer, x: str, places: list[int], columns: str, count: int) -> str:
    """The same with other columns in some places."""
    if places == list(range(count)):
        return columns
    order = list(range(count))
    for row, place in enumerate(places):
        order[place] = count + row
    return _columns(writer, writer.add("Concat", x, columns, axis=1), order, -1)


def _ranges(transform: Element, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Of what is normalised the least value, and one over the range."""
    found = last_class(transform.iter("Class"))
    if found is None:
        raise InvalidModelError("<Transform> lacks <Class>")
    ranges = child(found, "Ranges").findall("Range")
    if sorted(integer(entry, "Index") for entry in ranges) != list(range(count)):
        raise InvalidModelError(f"<Ranges> does not hold one range for each of {count} inputs")
    ranges.sort(key=lambda entry: integer(entry, "Index"))
    low = np.asarray([real(entry, "Min") for entry in ranges], np.float32)
    width = np.asarray([real(entry, "Max") for entry in ranges], np.float32) - low
    if np.any(width == 0):
        raise InvalidModelError("<Range> is empty: Min and Max are equal")
    return low, (1.0 / width.astype(np.float64)).astype(np.float32)


def _decorrelation(transform: Element, count: int) -> NDArray[np.float64]:
    matrices = transform.findall("Matrix")
    if not matrices:
        raise InvalidModelError("<Transform> lacks <Matrix>")
    return _matrix(matrices[-1], "Rows", "Columns", count)


def _principal_axes(transform: Element, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    means, vectors = last_class(transform.iter("Statistics")), last_class(transform.iter("Eigenvectors"))
    if means is None or vectors is None:
        raise InvalidModelError("<Transform> lacks <Statistics> or <Eigenvectors>")
    return reals(means, count), _matrix(vectors, "NRows", "NCols", count)


def _matrix(element: Element, rows: str, columns: str, count: int) -> NDArray[np.float64]:
    shape = integer(element, rows), integer(element, columns)
    if shape != (count, count):
        raise InvalidModelError(f"<{element.tag}> is of {shape[0]} x {shape[1]} for {count} variables")
    return reals(element, count * count).reshape(shape)
