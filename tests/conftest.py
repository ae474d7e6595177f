"""What all tests share."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import pytest


def pytest_configure() -> None:
    """Take the wheels of pysofie[sycl] if they were installed beside pytest.

    ROOT brings a libtbb.so.12 too, and a process has one of that name. The newer serves both.
    """
    root = Path(os.environ.get("PYSOFIE_SYCL_ROOT", sys.prefix))
    if (root / "include" / "sycl" / "sycl.hpp").exists():
        os.environ["PYSOFIE_SYCL_ROOT"] = str(root)
        ctypes.CDLL(str(root / "lib" / "libtbb.so.12"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite the text in tests/golden")


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests out of the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    folder.chmod(0o700)
    os.environ["PYSOFIE_CACHE_DIR"] = str(folder)
