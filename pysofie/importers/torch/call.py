"""The call of a module that is exported: flat tensors, their names, and the dims that may change."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ml_dtypes
import numpy as np
import torch
from torch.utils import _pytree as pytree

from pysofie.errors import ShapeError, UnsupportedError
from pysofie.importers.frameworks import Wishes

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: What a leaf of the arguments is that the caller gives; the others are constants of the export.
_GIVEN = object()
_BATCH = "batch"


class Flat(torch.nn.Module):  # type: ignore[misc]
    """A module that takes tensors and returns a tuple of tensors, whatever the one in it takes and returns.

    Parameters
    ----------
    module : torch.nn.Module
        What computes.
    leaves : sequence
        The arguments, flattened; `_GIVEN` in the places of tensors.
    spec : torch.utils._pytree.TreeSpec
        How the leaves make positional and keyword arguments.
    has_modes : bool
        Whether it can be trained; an exported program cannot.
    """

    def __init__(
        self, module: torch.nn.Module, leaves: Sequence[Any], spec: Any, *, has_modes: bool = True
    ) -> None:
        super().__init__()
        self.module = module
        self.leaves = tuple(_GIVEN if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves)
        self.spec = spec
        self.has_modes = has_modes
        self.training = False

    def train(self, mode: bool = True) -> Flat:
        """Set the mode of what has one."""
        return super().train(mode) if self.has_modes else self

    def result(self, tensors: Iterable[torch.Tensor]) -> Any:
        """What the module returns."""
        given = iter(tensors)
        leaves = [next(given) if leaf is _GIVEN else leaf for leaf in self.leaves]
        positional, keywords = pytree.tree_unflatten(leaves, self.spec)
        return self.module(*positional, **keywords)

    def forward(self, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        leaves = pytree.tree_leaves(self.result(tensors))
        return tuple(leaf for leaf in leaves if isinstance(leaf, torch.Tensor))


@dataclass(frozen=True)
class Call:
    """A call of a module with flat tensors.

    Attributes
    ----------
    module : Flat
        What computes.
    program : torch.export.ExportedProgram or None
        The same, where the user exported it already.
    inputs : dict of str to torch.Tensor
        The example inputs.
    shapes : dict of str to tuple of int or str
        Their shapes; names are dims that may change.
    outputs : tuple of str
        What the outputs are called.
    """

    module: Flat
    program: torch.export.ExportedProgram | None
    inputs: dict[str, torch.Tensor]
    shapes: dict[str, tuple[int | str, ...]]
    outputs: tuple[str, ...]

    @property
    def symbols(self) -> dict[str, int]:
        """The dims that may change, with their sizes in the example inputs."""
        return {
            dim: int(self.inputs[name].shape[axis])
            for name, shape in self.shapes.items()
            for axis, dim in enumerate(shape)
            if isinstance(dim, str)
        }

    @property
    def kind(self) -> str:
        """The class of the module."""
        return type(self.module.module).__qualname__

    @property
    def advice(self) -> str:
        """How the user says that dims may not change."""
        if not self.symbols:
            return ""
        fixed = {name: tuple(tensor.shape) for name, tensor in self.inputs.items()}
        return (
            f"It was asked for with any {', '.join(self.symbols)}; what is fixed is a number in shapes=, all "
            f"of it in pysofie.load(..., shapes={fixed})"
        )

    def compute(self, inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Call the module."""
        results = self.module(*(inputs[name] for name in self.inputs))
        return dict(zip(self.outputs, results, strict=True))

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Call the module with arrays."""
        tensors = {
            name: as_tensor(np.asarray(feeds[name])).to(example.device)
            for name, example in self.inputs.items()
        }
        return {name: as_array(tensor) for name, tensor in self.compute(tensors).items()}


def of_module(module: torch.nn.Module, wishes: Wishes) -> Call:
    """The call of a module with the example inputs."""
    if not wishes.example_inputs:
        raise UnsupportedError(
            f"a {type(module).__qualname__} does not say what it is called with; give a tensor for each "
            "parameter of its forward: "
            f"pysofie.load(module, example_inputs=({', '.join(_parameters(module))},))"
        )
    names, leaves, spec = _flattened(module, wishes.example_inputs)
    inputs = {
        name: leaf.detach()
        for name, leaf in zip(names, leaves, strict=True)
        if isinstance(leaf, torch.Tensor)
    }
    flat = Flat(module, leaves, spec)
    shapes = _wished(wishes, inputs, _default_shapes(inputs))
    return Call(flat, None, inputs, shapes, _output_names(flat, inputs))


def of_program(program: torch.export.ExportedProgram, wishes: Wishes) -> Call:
    """The call of an exported program, which says what it is called with."""
    given = (wishes.example_inputs, {}) if wishes.example_inputs else program.example_inputs
    if not given:
        raise UnsupportedError(
            "this exported program was saved without example inputs; give what it is called with: "
            "pysofie.load(program, example_inputs=...)"
        )
    leaves, spec = pytree.tree_flatten((tuple(map(_tensors, given[0])), dict(given[1])))
    if spec != program.call_spec.in_spec:
        raise ShapeError(
            f"the program is called with {program.call_spec.in_spec}, and example_inputs are {spec}"
        )
    values = _placeholders(program)
    tensors = [leaf.detach() for leaf in leaves if isinstance(leaf, torch.Tensor)]
    inputs = dict(zip(values, tensors, strict=True))
    flat = Flat(program.module(), leaves, spec, has_modes=False)
    shapes = _wished(wishes, inputs, _program_shapes(values, wishes))
    return Call(flat, program, inputs, shapes, _output_names(flat, inputs))


@contextmanager
def evaluating(flat: Flat) -> Iterator[None]:
    """Have a module in evaluation mode and without gradients; afterwards every part is in the mode it had."""
    module = flat.module
    parts = [part for part in module.modules() if isinstance(getattr(part, "training", None), bool)]
    modes = [part.training for part in parts] if flat.has_modes else []
    was_trained = bool(modes) and modes[0]
    try:
        if any(modes):
            module.eval()
        with torch.no_grad():
            yield
    finally:
        # A module may do more than remember the mode, so it is told first; then its parts have their own.
        if was_trained:
            module.train()
        for part, mode in zip(parts, modes, strict=False):
            part.training = mode


# --- arguments and results --------------------------------------------------------------------------------


def _parameters(module: torch.nn.Module) -> list[str]:
    """The names of the positional parameters of `forward`; one that takes any number has a star."""
    if isinstance(module, torch.jit.ScriptModule):
        return [argument.name for argument in module.forward.schema.arguments[1:]]
    return [
        f"*{parameter.name}" if parameter.kind == inspect.Parameter.VAR_POSITIONAL else parameter.name
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.kind not in (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
    ]


def _flattened(module: torch.nn.Module, arguments: Sequence[Any]) -> tuple[list[str], list[Any], Any]:
    """The names and values of all tensors and constants in the arguments."""
    tensors = tuple(map(_tensors, arguments))
    paths, spec = pytree.tree_flatten_with_path((tensors, {}))
    roots = _roots(module, len(tensors))
    names = [_joined(roots[path[1].idx], path[2:]) for path, _ in paths]
    if len(set(names)) < len(names):
        raise ShapeError(f"two of the example inputs would be called the same: {', '.join(names)}")
    return names, [leaf for _, leaf in paths], spec


def _roots(module: torch.nn.Module, count: int) -> list[str]:
    """What each of `count` positional arguments is called."""
    names = _parameters(module)
    if names and names[-1].startswith("*"):
        star = names.pop().removeprefix("*")
        names += [f"{star}_{i}" for i in range(count - len(names))]
    if count > len(names):
        raise ShapeError(
            f"there are {count} example inputs, and forward of {type(module).__qualname__} takes "
            f"{len(names)}: {', '.join(names)}"
        )
    return names


def _tensors(argument: Any) -> Any:
    """An argument with tensors in the place of arrays."""
    return pytree.tree_map(lambda x: as_tensor(x) if isinstance(x, np.ndarray) else x, argument)


def _output_names(flat: Flat, inputs: Mapping[str, torch.Tensor]) -> tuple[str, ...]:
    """What the tensors are called that the module returns."""
    kind = type(flat.module).__qualname__
    with evaluating(flat):
        try:
            result = flat.result(inputs.values())
        except Exception as error:  # whatever the module raises
            shapes = ", ".join(f"{name}{list(tensor.shape)}" for name, tensor in inputs.items())
            raise ShapeError(f"{kind} cannot be called with the example inputs {shapes}: {error}") from error
    paths = [path for path, x in pytree.tree_flatten_with_path(result)[0] if isinstance(x, torch.Tensor)]
    if not paths:
        raise UnsupportedError(f"{kind} returns no tensor")
    taken = set(inputs)
    names = []
    for path in paths:
        name = _joined("output" if not path or isinstance(path[0], pytree.SequenceKey) else "", path)
        while name in taken:
            name = f"{name}_output"
        taken.add(name)
        names.append(name)
    return tuple(names)


def _joined(root: str, path: Sequence[Any]) -> str:
    """The name of a leaf: fields, keys and places on the way to it."""
    parts = [getattr(key, "name", getattr(key, "key", getattr(key, "idx", key))) for key in path]
    return "_".join(filter(None, [root, *map(str, parts)]))


# --- shapes -----------------------------------------------------------------------------------------------


def _default_shapes(inputs: Mapping[str, torch.Tensor]) -> dict[str, tuple[int | str, ...]]:
    """The leading dim may change where all inputs share it."""
    shapes = {name: tuple(tensor.shape) for name, tensor in inputs.items()}
    if len({shape[:1] for shape in shapes.values()} - {()}) != 1 or () in shapes.values():
        return {name: tuple(map(int, shape)) for name, shape in shapes.items()}
    return {name: (_BATCH, *map(int, shape[1:])) for name, shape in shapes.items()}


def _wished(
    wishes: Wishes,
    inputs: Mapping[str, torch.Tensor],
    default: dict[str, tuple[int | str, ...]],
) -> dict[str, tuple[int | str, ...]]:
    """The shapes that the user gives, checked, in the place of the default."""
    unknown = [name for name in wishes.shapes if name not in inputs]
    if unknown:
        raise ShapeError(
            f"shapes names {', '.join(map(repr, unknown))}; the inputs are {', '.join(map(repr, inputs))}"
        )
    sizes: dict[str, int] = {}
    for name, shape in wishes.shapes.items():
        came = tuple(inputs[name].shape)
        if len(shape) != len(came) or any(
            (sizes.setdefault(dim, size) if isinstance(dim, str) else dim) != size
            for dim, size in zip(shape, came, strict=False)
        ):
            raise ShapeError(f"shapes[{name!r}] is {shape}, and its example input has the shape {came}")
    return default | {name: wishes.shapes[name] for name in inputs if name in wishes.shapes}


def _placeholders(program: torch.export.ExportedProgram) -> dict[str, torch.Tensor]:
    """The tensors that an exported program is called with, as it knows them."""
    nodes = {node.name: node for node in program.graph.nodes if node.op == "placeholder"}
    values = {name: nodes[name].meta["val"] for name in program.graph_signature.user_inputs if name in nodes}
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


def _program_shapes(values: Mapping[str, torch.Tensor], wishes: Wishes) -> dict[str, tuple[int | str, ...]]:
    """The shapes of an exported program, which fixed what may change; the user may name it."""
    names: dict[str, str] = {}
    for name, shape in wishes.shapes.items():
        for dim, size in zip(shape, values[name].shape if name in values else (), strict=False):
            if isinstance(dim, str) and isinstance(size, int):
                raise ShapeError(
                    f"shapes[{name!r}] names the dim {dim!r}, which is {size} in this exported program; "
                    "export it with dynamic_shapes="
                )
            if isinstance(dim, str):
                names[str(size)] = dim
    for name, value in values.items():
        for axis, size in enumerate(value.shape):
            if not isinstance(size, int):
                default = f"{name}_dim{axis}" if axis or _BATCH in names.values() else _BATCH
                names.setdefault(str(size), default)
    return {
        name: tuple(size if isinstance(size, int) else names[str(size)] for size in value.shape)
        for name, value in values.items()
    }


# --- arrays -----------------------------------------------------------------------------------------------


def as_array(tensor: torch.Tensor) -> NDArray[Any]:
    """A tensor as an array of the same dtype."""
    plain = tensor.detach().cpu().contiguous()
    if plain.dtype == torch.bfloat16:  # which NumPy itself does not have
        return plain.view(torch.int16).numpy().view(ml_dtypes.bfloat16)  # type: ignore[no-any-return]
    return plain.numpy()  # type: ignore[no-any-return]


def as_tensor(array: NDArray[Any]) -> torch.Tensor:
    """An array as a tensor of the same dtype, with memory of its own."""
    copy = np.array(array)
    if copy.dtype == ml_dtypes.bfloat16:
        return torch.from_numpy(copy.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(copy)
