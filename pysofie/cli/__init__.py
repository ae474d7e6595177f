"""The command line: ``pysofie info | check | explain | emit | run | verify | bench | plot | ...``."""

from __future__ import annotations

import sys

import click

from pysofie.errors import Error


class _Group(click.Group):
    """Turns errors that are meant for the user into one message and exit code 1."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (Error, OSError, IndexError) as error:
            click.secho("error: ", fg="red", bold=True, nl=False, err=True)
            click.echo(str(error), err=True)
            sys.exit(1)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pysofie")
def main() -> None:
    """Compile trained networks (ONNX) to C++ and run them.

    \b
    Examples:
      pysofie demo                          a Higgs classifier in RDataFrame
      pysofie check model.onnx              can it be compiled?
      pysofie explain model.onnx -o net.svg what becomes of it?
      pysofie emit model.onnx -o generated  write model.hxx and model.dat

    Set PYSOFIE_DEBUG=graph,kernels,plan,code to see the stages of a compilation.
    """


from pysofie.cli import commands, demo, explain, measuring, score  # noqa: E402, F401 - registers the commands
