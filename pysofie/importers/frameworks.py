"""The frameworks whose models are taken, and what a module here does for each of them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from pysofie.errors import UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

#: Computes the outputs of a model, by name, with the framework that it comes from.
Reference: TypeAlias = Callable[[Mapping[str, "NDArray[Any]"]], Mapping[str, "NDArray[Any]"]]


@dataclass(frozen=True)
class Wishes:
    """What the user says about a model of a framework.

    Attributes
    ----------
    example_inputs : tuple
        Arrays or tensors that the model can be called with; empty if none are given.
    shapes : dict of str to tuple of int or str
        Shapes of inputs, in which a name stands for a dim that may change; inputs that are left out have
        the default of the framework.
    columns : sequence of str or None
        What the features are called.
    trust : bool
        Whether the file may run code while it is read, as pickles do.
    """

    example_inputs: tuple[Any, ...] = ()
    shapes: Mapping[str, tuple[int | str, ...]] = field(default_factory=dict)
    columns: Sequence[str] | None = None
    trust: bool = False

    @classmethod
    def given(
        cls,
        example_inputs: Any = (),
        shapes: Mapping[str, Sequence[int | str]] | None = None,
        columns: Sequence[str] | None = None,
        trust: bool = False,
    ) -> Wishes:
        """What was said, as `pysofie.load` takes it: a single input need not be in a tuple."""
        # A named tuple, as of graphs, is one argument.
        is_tuple = isinstance(example_inputs, tuple) and not hasattr(example_inputs, "_fields")
        inputs = example_inputs if is_tuple else (example_inputs,)
        dims = {name: tuple(shape) for name, shape in (shapes or {}).items()}
        return cls(inputs, dims, columns, trust)

    def __bool__(self) -> bool:
        return bool(self.example_inputs or self.shapes or self.columns or self.trust)


@dataclass(frozen=True)
class Exported:
    """A model of a framework as ONNX.

    Attributes
    ----------
    proto : onnx.ModelProto
        The model.
    reference : Reference or None
        Computes the same with the framework; None where there is none to ask.
    """

    proto: ModelProto
    reference: Reference | None


class Importer(Protocol):
    """A module of this package that exports the models of a framework."""

    def export(self, source: Any, wishes: Wishes) -> Exported:
        """Write an object, or the file at a `pathlib.Path`, as ONNX."""


@dataclass(frozen=True)
class Framework:
    """A framework whose models are taken.

    Attributes
    ----------
    name : str
        What its users call it.
    module : str
        The `Importer`, in this package.
    packages : tuple of str
        The top packages of the classes of its models.
    suffixes : tuple of str
        How the names of its files end.
    extra : str
        What to install: ``pip install 'pysofie[extra]'``.
    """

    name: str
    module: str
    packages: tuple[str, ...]
    suffixes: tuple[str, ...]
    extra: str

    def export(self, source: Any, wishes: Wishes) -> Exported:
        """Write a model as ONNX.

        Raises
        ------
        UnsupportedError
            The framework is not installed, or cannot write this model as ONNX.
        """
        try:
            importer: Importer = importlib.import_module(f"pysofie.importers.{self.module}")
            return importer.export(source, wishes)
        except ImportError as error:
            raise UnsupportedError(
                f"a model of {self.name} needs {error.name or error}: pip install 'pysofie[{self.extra}]'"
            ) from error


FRAMEWORKS: tuple[Framework, ...] = (
    Framework("Keras", "keras", ("keras",), (".keras", ".h5", ".hdf5"), "keras"),
    Framework(
        "TensorFlow", "tensorflow", ("tensorflow", "sonnet", "graph_nets"), ("saved_model.pb",), "tensorflow"
    ),
    Framework("PyTorch", "torch", ("torch",), (".pt2", ".pt", ".pth"), "torch"),
    Framework("JAX", "jax", ("flax", "equinox", "jax", "jaxlib"), (), "jax"),
    Framework("XGBoost", "xgboost", ("xgboost",), (".json", ".ubj"), "xgboost"),
    Framework("LightGBM", "lightgbm", ("lightgbm",), (".txt",), "lightgbm"),
    Framework("scikit-learn", "sklearn", ("sklearn",), (".joblib", ".pkl", ".pickle", ".skops"), "sklearn"),
    Framework("TMVA", "tmva", (), (".xml",), "verify"),
)


def by_suffix(path: Path) -> Framework | None:
    """The framework that writes files like this; None for an ONNX file and what is not known."""
    # What a folder is, a file in it tells: a SavedModel of TensorFlow.
    name = "saved_model.pb" if (path / "saved_model.pb").exists() else path.name.lower()
    return next((framework for framework in FRAMEWORKS if name.endswith(framework.suffixes)), None)


def by_class(source: Any) -> Framework | None:
    """The framework that an object, or one of its base classes, comes from."""
    packages = [base.__module__.partition(".")[0] for base in type(source).__mro__]
    matches = (f for package in packages for f in FRAMEWORKS if package in f.packages)
    return next(matches, None)


# How users of other frameworks write ONNX, by the package of a class and the suffix of a file.
_OTHERS = {
    "catboost": "model.save_model('model.onnx', format='onnx')",
    "coremltools": "onnxmltools.convert_coreml(model)",
    "mxnet": "mxnet.onnx.export_model(symbol, parameters, shapes, types, 'model.onnx')",
    "paddle": "paddle.onnx.export(layer, 'model', input_spec=[...])",
    "pyspark": "onnxmltools.convert_sparkml(model, 'model', initial_types)",
    ".cbm": "catboost.CatBoost().load_model(path).save_model('model.onnx', format='onnx')",
    ".tflite": "python -m tf2onnx.convert --tflite model.tflite --output model.onnx",
    ".pb": "python -m tf2onnx.convert --graphdef model.pb --inputs x:0 --outputs y:0 --output model.onnx",
    ".pdmodel": "paddle2onnx --model_dir . --model_filename model.pdmodel --save_file model.onnx",
    ".mlmodel": "onnxmltools.convert_coreml(coremltools.utils.load_spec('model.mlmodel'))",
}


def command_for(source: Any) -> str | None:
    """How to write ONNX of an object, or of the file at a `pathlib.Path`, that no importer takes."""
    if isinstance(source, Path):
        return _OTHERS.get(source.suffix.lower())
    packages = [base.__module__.partition(".")[0] for base in type(source).__mro__]
    return next((_OTHERS[package] for package in packages if package in _OTHERS), None)
