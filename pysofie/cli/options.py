"""What several commands take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console

from pysofie.errors import ShapeError
from pysofie.generate import PRECISIONS
from pysofie.toolchains import TARGETS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pysofie.session import Session

console = Console()

model = click.argument("model", type=click.Path(exists=True, dir_okay=False, path_type=Path))
target = click.option(
    "--target", type=click.Choice(TARGETS), default="cpu", show_default=True, help="Kind of code."
)
precision = click.option(
    "--precision", type=click.Choice(PRECISIONS), default="float32", show_default=True, help="What to round."
)


def _parse_dims(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """Read ``batch=1`` and ``n=0:128``."""
    dims: dict[str, Any] = {}
    for text in values:
        symbol, equals, value = text.rpartition("=")
        try:
            numbers = [int(part) for part in value.split(":")]
        except ValueError:
            numbers = []
        if not equals or len(numbers) not in (1, 2):
            raise click.BadParameter(f"{text!r} is neither SYMBOL=NUMBER nor SYMBOL=LOW:HIGH")
        dims[symbol] = numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])
    return dims


dims = click.option(
    "--dim", "dims", multiple=True, callback=_parse_dims, metavar="SYMBOL=N|LOW:HIGH",
    help="Fix or bound a dynamic dim; may be repeated.",
)  # fmt: skip

wanted = click.option(
    "--tensor", "wanted", multiple=True, callback=lambda _context, _option, names: names or None,
    metavar="NAME",
    help="Compute this tensor of the graph in place of the model's outputs; may be repeated.",
)  # fmt: skip


def _parse_expressions(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> dict[str, str] | None:
    """Read ``name=expression``."""
    expressions = dict(text.partition("=")[::2] for text in values)
    if "" in expressions or "" in expressions.values():
        raise click.BadParameter(f"{list(values)} are not all NAME=EXPRESSION")
    return expressions or None


pre = click.option(
    "--pre", multiple=True, callback=_parse_expressions, metavar="INPUT=EXPRESSION",
    help="Compute this input of the model, in C++; may be repeated.",
)  # fmt: skip
post = click.option(
    "--post", multiple=True, callback=_parse_expressions, metavar="OUTPUT=EXPRESSION",
    help="Compute this output in place of those that the expression reads, in C++; may be repeated.",
)  # fmt: skip


def _parse_columns(
    _context: click.Context, _option: click.Parameter, values: tuple[str, ...]
) -> list[str] | dict[str, list[str]] | None:
    """Read ``a,b`` or ``input=a,b``."""
    named: dict[str, list[str]] = {}
    for text in values:
        name, _, listed = text.rpartition("=")
        named.setdefault(name, []).extend(column.strip() for column in listed.split(","))
    if "" in named and len(named) > 1:
        raise click.BadParameter("give INPUT=a,b for all inputs of the model, or for none")
    return named.get("", named) or None


def _parse_output(_context: click.Context, _option: click.Parameter, value: str | None) -> int | str | None:
    return int(value) if value is not None and value.isdecimal() else value


columns = click.option(
    "--columns", multiple=True, callback=_parse_columns, metavar="[INPUT=]A,B,...",
    help="The columns that feed the model; by default its features or inputs. May be repeated.",
)  # fmt: skip
take = click.option(
    "--take", callback=_parse_output, metavar="NAME|INDEX",
    help="Which output of the model is the score, or which element: 'probs[1]'.",
)  # fmt: skip


def parse_types(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Read ``column=type``."""
    types = dict(text.rpartition("=")[::2] for text in values)
    if "" in types or "" in types.values():
        raise click.BadParameter(f"{list(values)} are not all COLUMN=TYPE")
    return types


def read_inputs(inputs: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Arrays from ``.npz`` files, or from ``NAME=FILE.npy``."""
    import numpy as np

    feeds: dict[str, NDArray[Any]] = {}
    for text in inputs:
        name, equals, path = text.rpartition("=")
        try:
            content = np.load(path, allow_pickle=False)
        except ValueError as error:
            raise ShapeError(f"{path} is neither a .npy nor a .npz file: {error}") from error
        if equals:
            feeds[name] = content
        else:
            feeds.update(content)
    return feeds


def random_inputs(session: Session, sizes: Mapping[str, int] | None = None) -> dict[str, NDArray[Any]]:
    """Random arrays; symbols without a size are 1."""
    import numpy as np

    from pysofie.verify import random_array

    rng: np.random.Generator = np.random.default_rng(0)
    chosen = sizes or {}
    return {
        tensor.name: random_array(
            rng, tensor.dtype, [chosen.get(dim, 1) if isinstance(dim, str) else dim for dim in tensor.shape]
        )
        for tensor in session.inputs
    }
