"""ONNX's own backend tests, compiled in groups because one by one they would take an hour.

Many of them feed what decides a shape (the axes of a reduction, the target of a Reshape) as an input. pysofie
generates code for shapes that are known, so there these inputs become constants, with the values of the test.
"""

from __future__ import annotations

import fnmatch
import functools
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

import pysofie
from pysofie import backend

HERE = Path(__file__).parent
GROUP = 25
KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
# Absolute tolerances where the expected values themselves are off by more than the case allows: these have
# 1.9e-7 where the exact result is zero.
ATOL = {"test_dft_inverse": 2e-7, "test_dft_inverse_opset19": 2e-7}
# Relative tolerances: that of ONNX's own runner for bfloat16, two units in the last place; and as many where
# the expected values were rounded to float16 at every step.
RTOL = {
    "bfloat16": 2**-6,
    "test_attention_4d_causal_fp16": 2**-9,
    "test_attention_4d_causal_fp16_expanded": 2**-9,
}
# The results of these are random: ONNX promises no values, "even if a seed is specified".
RANDOM = {"Bernoulli", "RandomUniformLike"}
DECIDING = (TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL)


@dataclass
class Case:
    """One test of the suite.

    Attributes
    ----------
    name : str
        As ONNX names it.
    content : bytes
        The model; kept serialised, because there are two thousand of them.
    data : list
        Pairs of inputs and outputs, or the folder that holds them.
    """

    name: str
    content: bytes
    rtol: float
    atol: float
    operators: set[str]
    types: set[str]
    data: Any
    folder: Path | None
    constants: list[str] = field(default_factory=list)

    def model(self) -> pysofie.Model:
        """Load the model, after making constants of the inputs that decide shapes."""
        while True:
            proto = onnx.ModelProto.FromString(self.content)
            names = [value.name for value in proto.graph.input]
            inputs = dict(zip(names, self.data_sets()[0][0], strict=False))
            for name in self.constants:
                proto.graph.initializer.append(numpy_helper.from_array(np.asarray(inputs[name]), name))
            try:
                return pysofie.load(proto, name=self.name, dims=self._lengths(inputs))
            except pysofie.UnsupportedError as error:
                more = self._deciders(str(error), proto)
                if len(self.data_sets()) > 1 or not more:
                    raise
                self.constants += more

    @staticmethod
    def _lengths(inputs: dict[str, Any]) -> dict[str, Any]:
        """Shapes of the tensors in sequences; optionals that are absent."""
        lengths: dict[str, Any] = {name: 0 for name, value in inputs.items() if value is None}
        sequences = {name: value for name, value in inputs.items() if isinstance(value, list)}
        return lengths | {name: [np.shape(x) for x in value] or 0 for name, value in sequences.items()}

    def _deciders(self, message: str, proto: onnx.ModelProto) -> list[str]:
        """The inputs that a refusal asks to know: those it names, else all shapes and conditions."""
        if "must be known when code is generated" not in message and "must be a constant" not in message:
            return []
        types = {value.name: value.type.tensor_type for value in proto.graph.input}
        free = [name for name in types if name not in self.constants]
        named = [
            name for name in free if f"'{name}' is computed" in message or f"'{name}' must be" in message
        ]
        integers = [
            name for name in free if types[name].elem_type in DECIDING and len(types[name].shape.dim) <= 1
        ]
        return named or integers

    def data_sets(self) -> list[tuple[list[Any], list[Any]]]:
        if self.folder is None:
            return [(_arrays(inputs), _arrays(outputs)) for inputs, outputs in self.data]
        folders = sorted(self.folder.glob("test_data_set_*"))
        return [(_read(folder, "input"), _read(folder, "output")) for folder in folders]


def _arrays(values: list[Any]) -> list[Any]:
    return [numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v for v in values]


def _read(folder: Path, kind: str) -> list[Any]:
    files = sorted(folder.glob(f"{kind}_*.pb"), key=lambda path: int(path.stem.rpartition("_")[2]))
    return [numpy_helper.to_array(onnx.load_tensor(path)) for path in files]


@functools.cache
def cases() -> dict[str, Case]:
    """All cases by name, in the order of their names."""
    from onnx.backend.test import loader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # making the cases divides by zero, on purpose
        found = [case for kind in KINDS for case in loader.load_model_tests(kind=kind)]
    result = {}
    for case in sorted(found, key=lambda case: case.name):
        folder = Path(case.model_dir) if case.model is None else None
        proto = onnx.load(folder / "model.onnx") if folder else case.model
        result[case.name] = Case(
            case.name,
            proto.SerializeToString(),
            case.rtol,
            case.atol,
            {node.op_type for node in proto.graph.node},
            _types(proto),
            case.data_sets,
            folder,
        )
    return result


def _types(proto: onnx.ModelProto) -> set[str]:
    """The element types of a model, as it states them; "sequence" or "optional" for what is no tensor."""
    numbers = {tensor.data_type for tensor in proto.graph.initializer}
    others = set()
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        kind = value.type.WhichOneof("value")
        if kind == "tensor_type":
            numbers.add(value.type.tensor_type.elem_type)
        else:
            others.add(kind.removesuffix("_type"))
    for node in proto.graph.node:
        numbers |= {attribute.i for attribute in node.attribute if attribute.name in ("to", "dtype")}
    return others | {TensorProto.DataType.Name(number).lower() for number in numbers if number}


@dataclass(frozen=True)
class Refusal:
    """A line of refused.txt: an operator, an element type or a pattern of names, and why."""

    kind: str
    pattern: str
    reason: str

    def matches(self, case: Case) -> bool:
        if self.kind == "operator":
            return self.pattern in case.operators
        if self.kind == "type":
            return self.pattern in case.types
        return fnmatch.fnmatchcase(case.name, self.pattern)


@functools.cache
def refusals() -> list[Refusal]:
    lines = (HERE / "refused.txt").read_text().splitlines()
    return [Refusal(*line.split(None, 2)) for line in lines if line.strip() and not line.startswith("#")]


def refusal(case: Case) -> Refusal | None:
    """Why this case is refused, if it is."""
    return next((line for line in refusals() if line.matches(case)), None)


@functools.cache
def groups() -> dict[str, list[str]]:
    """The names of the cases that are compiled together with a case."""
    names = [name for name, case in cases().items() if refusal(case) is None]
    chunks = [names[i : i + GROUP] for i in range(0, len(names), GROUP)]
    return {name: chunk for chunk in chunks for name in chunk}


@functools.cache
def compile_group(names: tuple[str, ...], target: str = "cpu") -> dict[str, Any]:
    """Compile a group of cases for a target; a case that cannot be compiled maps to its error."""
    result: dict[str, Any] = {}
    models = {}
    for name in names:
        try:
            models[name] = cases()[name].model()
        except pysofie.Error as error:
            result[name] = error
    try:
        sessions = backend.prepare_many(list(models.values()), target=target)
    except Exception as error:  # whichever it is: halving finds the case that is at fault
        if len(models) == 1:
            return result | dict.fromkeys(models, error)
        half = len(models) // 2
        parts = (tuple(models)[:half], tuple(models)[half:])
        return result | compile_group(parts[0], target) | compile_group(parts[1], target)
    return result | dict(zip(models, sessions, strict=True))


def prepared(name: str) -> Any:
    """The compiled case.

    Raises
    ------
    Exception
        What stood against it.
    """
    entry = compile_group(tuple(groups()[name]))[name]
    if isinstance(entry, Exception):
        raise entry
    return entry


def check(case: Case, session: Any) -> None:
    """Compare with the expected outputs, as ONNX's own runner does; of what is random only the kind."""
    for inputs, expected in case.data_sets():
        names = [value.name for value in onnx.ModelProto.FromString(case.content).graph.input]
        outputs = session.run({n: x for n, x in zip(names, inputs, strict=False) if n not in case.constants})
        assert len(outputs) == len(expected)
        for output, reference in zip(outputs, expected, strict=True):
            _compare(output, reference, case)


def _compare(output: Any, reference: Any, case: Case) -> None:
    """Compare a tensor, a sequence, or an optional that is absent."""
    if reference is None or isinstance(reference, list):
        assert type(output) is type(reference)
        for one, other in zip(output or [], reference or [], strict=True):
            _compare(one, other, case)
        return
    reference = np.asarray(reference)
    assert output.shape == reference.shape
    assert output.dtype == reference.dtype
    if case.operators & RANDOM:
        assert np.isin(output, (0, 1)).all()  # all of these cases draw one or the other
        return
    rtol = max(RTOL.get(case.name, case.rtol), RTOL.get(output.dtype.name, 0))
    atol = ATOL.get(case.name, case.atol)
    np.testing.assert_allclose(_comparable(output), _comparable(reference), rtol=rtol, atol=atol)


def _comparable(array: np.ndarray) -> np.ndarray:
    """The same numbers in a dtype that NumPy computes with."""
    return array.astype(np.float32) if hasattr(ml_dtypes, array.dtype.name) else array
