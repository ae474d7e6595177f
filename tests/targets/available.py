"""Which device targets can run on this machine, and what to do about the others."""

from __future__ import annotations

import os
import shutil

import pytest

from pysofie.errors import CompileError
from pysofie.toolchains import alpaka, sycl

TARGETS = ("sycl", "alpaka")


def require(target: str) -> None:
    """Skip the test unless code for the target can be compiled and run."""
    if target == "sycl" and sycl.compiler() is None and not os.environ.get("PYSOFIE_SYCL_ROOT"):
        pytest.skip(sycl.MISSING)
    if target == "alpaka":
        require_alpaka()


def require_alpaka(compiler: str | None = None) -> None:
    """Skip the test unless alpaka's headers are here, and the compiler if one is named."""
    try:
        alpaka.include_folder()
    except CompileError as error:
        pytest.skip(str(error))
    if compiler and shutil.which(compiler) is None:
        pytest.skip(f"no {compiler} on the PATH")
