"""Files of Keras, checked before Keras reads them: they come from anywhere, and could name any code."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pysofie.errors import InvalidModelError, UnsupportedError

ARCHIVE = ".keras"
SUFFIXES = (ARCHIVE, ".h5", ".hdf5")

# These layers carry code, or pickles, in their configuration.
_CODE = {"Lambda", "__lambda__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"}
# Where functions that layers name may come from; elsewhere Keras has some that load files or start programs.
_FUNCTIONS = {"activations", "constraints", "initializers", "ops", "regularizers"}
# Weights hardly compress, so an archive that unpacks to much more than itself is a bomb.
_MAX_RATIO = 200


def read(path: Path, *, trust: bool) -> Any:
    """Load a model from a file.

    Parameters
    ----------
    path : pathlib.Path
        A ``.keras`` archive or an HDF5 file.
    trust : bool
        Whether the file may bring code.

    Returns
    -------
    keras.Model

    Raises
    ------
    InvalidModelError
        The file is broken, or leads out of itself.
    UnsupportedError
        It brings code, and is not trusted.
    """
    import keras

    config = _archive_config(path) if path.suffix.lower() == ARCHIVE else _hdf5_config(path)
    if not trust:
        _refuse_code(path, config)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=not trust)
    except Exception as error:  # Keras has no class of its own for what is wrong with a file
        raise InvalidModelError(f"{path}: Keras cannot read this file: {error}") from error


def _archive_config(path: Path) -> Any:
    """The configuration in an archive whose members stay where they belong."""
    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            for member in members:
                _check_member(path, member)
            if sum(member.file_size for member in members) > _MAX_RATIO * path.stat().st_size:
                raise InvalidModelError(f"{path} unpacks to more than {_MAX_RATIO} times its size")
            for member in members:
                if member.filename.endswith(".h5"):
                    with h5py.File(io.BytesIO(archive.read(member))) as file:
                        _check_links(path, file)
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise InvalidModelError(f"{path} is no archive of Keras, or is broken: {error}") from error
    return {key: value for key, value in config.items() if key != "compile_config"}


def _check_member(path: Path, member: zipfile.ZipInfo) -> None:
    name = PurePosixPath(member.filename)
    is_link = stat.S_ISLNK(member.external_attr >> 16)
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename or is_link:
        raise InvalidModelError(f"{path}: the member {member.filename!r} would lie outside of the archive")


def _hdf5_config(path: Path) -> Any:
    import h5py

    try:
        with h5py.File(path) as file:
            _check_links(path, file)
            config = file.attrs.get("model_config")
    except OSError as error:
        raise InvalidModelError(f"{path} is no HDF5 file, or is broken: {error}") from error
    if config is None:
        raise InvalidModelError(
            f"{path} holds no model, only weights perhaps; load them into the model and give the model, "
            "or save it by model.save('model.keras')"
        )
    try:
        return json.loads(config)
    except ValueError as error:
        raise InvalidModelError(f"{path}: the configuration is broken: {error}") from error


def _check_links(path: Path, file: Any) -> None:
    """Refuse data that lie in other files, which HDF5 would read in silence."""
    import h5py

    def is_link(name: str, link: Any) -> str | None:
        return None if isinstance(link, h5py.HardLink) else name

    def is_elsewhere(name: str, item: Any) -> str | None:
        return name if isinstance(item, h5py.Dataset) and (item.external or item.is_virtual) else None

    name = file.visititems_links(is_link) or file.visititems(is_elsewhere)
    if name is not None:
        raise InvalidModelError(f"{path}: the data of {name!r} lie, or may lie, in another file")


def _refuse_code(path: Path, config: Any) -> None:
    import keras

    known = set(keras.saving.get_custom_objects())
    for entry in _objects(config):
        name = str(entry["class_name"])
        module = entry.get("module")
        if name in _CODE:
            reason = f"a layer {name}, which brings code of its own"
        elif str(entry.get("registered_name")) in known:
            continue
        elif name == "function" and not _is_harmless(str(module)):
            reason = f"the function {entry.get('config')!r} of module {module!r}"
        elif module and str(module).partition(".")[0] not in ("keras", "builtins"):
            reason = f"the class {name!r} of module {module!r}"
        else:
            continue
        raise UnsupportedError(
            f"{path} asks for {reason}; register what is yours by keras.saving.register_keras_serializable, "
            "or say trust=True if you know the file"
        )


def _is_harmless(module: str) -> bool:
    parts = module.split(".")
    return module == "builtins" or (parts[0] == "keras" and not _FUNCTIONS.isdisjoint(parts[1:3]))


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """The objects that a configuration describes, at any depth."""
    waiting = [config]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
