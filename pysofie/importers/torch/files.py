"""Models of PyTorch in files; what could run code while it is read asks for the user's word."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pysofie.errors import InvalidModelError, UnsupportedError


def read(path: Path, *, trust: bool) -> Any:
    """Read the model in a file.

    Parameters
    ----------
    path : pathlib.Path
        An exported program (``.pt2``), TorchScript or a pickled module.
    trust : bool
        Whether it may run code while it is read, as all but TorchScript can.

    Returns
    -------
    torch.nn.Module or torch.export.ExportedProgram

    Raises
    ------
    UnsupportedError
        The file needs to be trusted, or it holds weights without a module.
    InvalidModelError
        torch cannot read it.
    """
    try:
        if _is_torchscript(path):
            return torch.jit.load(path, map_location="cpu")
        if path.suffix.lower() == ".pt2":
            return _read_program(path, trust)
        return _checked(path, _read_pickle(path, trust))
    except (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise InvalidModelError(f"torch cannot read {path}: {_first_line(error)}") from error


def _is_torchscript(path: Path) -> bool:
    """Whether this is an archive of TorchScript, which holds text and tensors and no pickled objects."""
    if path.read_bytes()[:4] != b"PK\x03\x04":
        return False
    records = torch._C.PyTorchFileReader(str(path)).get_all_records()
    return "constants.pkl" in records and any(record.startswith("code/") for record in records)


def _read_program(path: Path, trust: bool) -> Any:
    if not trust:
        raise UnsupportedError(
            f"{path}: torch runs code that may be in an exported program while it reads it; if the file is "
            f"your own, pysofie.load({path.name!r}, trust=True)"
        )
    return torch.export.load(path)


def _read_pickle(path: Path, trust: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust)
    except pickle.UnpicklingError as error:
        if trust:
            raise
        raise UnsupportedError(
            f"{path} is a pickle of more than weights, which can run any code while it is read; if the file "
            f"is your own, pysofie.load({path.name!r}, trust=True, example_inputs=...). Better save what "
            "needs no trust: torch.jit.trace(module, inputs).save(...)"
        ) from error


def _checked(path: Path, content: Any) -> Any:
    if isinstance(content, torch.nn.Module):
        return content
    if isinstance(content, Mapping):
        keys = ", ".join(map(repr, list(content)[:4]))
        what = f"a dict ({keys}{', ...' if len(content) > 4 else ''})"
    else:
        what = f"a {type(content).__qualname__}"
    raise UnsupportedError(
        f"{path} holds {what}, and no module: make the module, give it its weights by "
        "module.load_state_dict(torch.load(...)), and then pysofie.load(module, example_inputs=...)"
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
