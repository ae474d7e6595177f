"""Generated code under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys

import native
import nets
from generated import workshop

import pysofie


def library_of(name: str) -> str:
    return subprocess.check_output(["g++", f"-print-file-name={name}"], text=True).strip()


def test_no_access_goes_astray(tmp_path):
    models = [pysofie.load(make()) for make in nets.ALL.values()]
    workshop.sessions(models, tmp_path, "-O1", *native.SANITIZERS, load=False)
    # The sanitizer looks for the functions of libstdc++ when it starts, before Python has loaded them.
    preloaded = [library_of("libasan.so"), library_of("libstdc++.so.6")]
    done = subprocess.run(
        [sys.executable, str(workshop.HERE / "watched.py"), str(tmp_path)],
        env={
            **os.environ,
            "LD_PRELOAD": " ".join(preloaded),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python keeps some memory to its end
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": str(workshop.HERE.parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "all ran\n", done.stderr[-4000:]
