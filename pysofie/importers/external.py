"""External data of ONNX models, read from the model's own folder and from nowhere else."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pysofie.errors import InvalidModelError

if TYPE_CHECKING:
    from onnx import TensorProto


def read_into(tensor: TensorProto, folder: Path | None, expected: int) -> str:
    """Replace a reference to external data by the data.

    Parameters
    ----------
    tensor : onnx.TensorProto
        Changed in place.
    folder : pathlib.Path or None
        The folder of the model file; None if the model did not come from a file.
    expected : int
        How many bytes the tensor's shape and type ask for.

    Returns
    -------
    str
        A digest of the data.

    Raises
    ------
    InvalidModelError
        The reference leads out of the folder, over a symbolic link, or to other than `expected` bytes.
    """
    what = f"external data of tensor {tensor.name!r}"
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if folder is None:
        raise InvalidModelError(f"{what}: the model was not read from a file, so its folder is unknown")
    path = _inside(folder, entries.get("location", ""), what)
    offset = _number(entries, "offset", 0, what)
    length = _number(entries, "length", expected, what)
    if length != expected:
        raise InvalidModelError(f"{what}: length {length}, but shape and type need {expected} bytes")
    data = _read(path, offset, length, what)
    tensor.raw_data = data
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    return hashlib.sha256(data).hexdigest()


def _inside(folder: Path, location: str, what: str) -> Path:
    relative = PurePosixPath(location)
    if (
        not location
        or "\0" in location
        or relative.is_absolute()
        or ".." in relative.parts
        or "\\" in location
    ):
        raise InvalidModelError(f"{what}: the location {location!r} is not inside the model's folder")
    path = folder
    for part in relative.parts:
        path = path / part
        if path.is_symlink():
            raise InvalidModelError(
                f"{what}: {path} is a symbolic link, which may lead anywhere; copy the file"
            )
    return path


def _number(entries: dict[str, str], key: str, default: int, what: str) -> int:
    text = entries.get(key, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidModelError(f"{what}: {key} {text[:40]!r} is not a size")
    return int(text)


def _read(path: Path, offset: int, length: int, what: str) -> bytes:
    try:
        # The link was refused above; O_NOFOLLOW refuses one that was put there since.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        raise InvalidModelError(f"{what}: cannot read {path}: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise InvalidModelError(f"{what}: {path} is not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        if offset + length > status.st_size:
            raise InvalidModelError(
                f"{what}: bytes {offset} to {offset + length} of {path}, which has {status.st_size}"
            )
        file.seek(offset)
        return file.read(length)
