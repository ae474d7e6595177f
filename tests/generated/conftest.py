"""What the tests of generated code share."""

from __future__ import annotations

from pathlib import Path

import nets
import pytest

import pysofie


@pytest.fixture(scope="session")
def headers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the code of all small networks: `<name>` with its weights in a file, `<name>_inline`."""
    folder = tmp_path_factory.mktemp("headers")
    for name, make in nets.ALL.items():
        pysofie.emit(make(), folder)
        pysofie.emit(make(), folder, weights="inline", name=f"{name}_inline")
    return folder
