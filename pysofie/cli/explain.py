"""``pysofie explain``: what becomes of a model, as tables, a picture or JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

import pysofie
from pysofie.cli import main, options


@main.command()
@options.model
@click.option("--nodes", is_flag=True, help="List every node.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
@click.option(
    "-o", "--plot", type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the graph; the suffix (.svg, .png, .pdf) says the format.",
)  # fmt: skip
@options.target
@options.dims
def explain(
    model: Path, nodes: bool, as_json: bool, plot: Path | None, target: str, dims: dict[str, Any]
) -> None:
    """Show what becomes of a model: its kernels, what is fused, what it costs, what is not supported.

    It works on models that cannot be compiled, too. Symbols that are neither fixed nor bounded are 1.

    \b
    Examples:
      pysofie explain model.onnx
      pysofie explain model.onnx --dim batch=16 -o model.svg
      pysofie explain model.onnx --json | jq '.kernels[] | [.label, .operations]'
    """
    from pysofie.explain_tables import tables

    explanation = pysofie.explain(model, dims=dims, target=target)
    if plot is not None:
        explanation.plot(plot)
    if as_json:
        click.echo(json.dumps(explanation.to_dict(), indent=2))
        return
    options.console.print(tables(explanation, nodes=nodes, width=options.console.width))
    if plot is not None:
        click.echo(f"wrote {plot}")
