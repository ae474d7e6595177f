"""Generated code under the address and undefined-behaviour sanitizers."""

from __future__ import annotations

import os
import subprocess
import sys

import native
import nets
from generated import workshop

import pysofie


def test_no_access_goes_astray(tmp_path):
    models = [pysofie.load(make()) for make in nets.ALL.values()]
    workshop.sessions(models, tmp_path, "-O1", *native.SANITIZERS, load=False)
    runtime = subprocess.check_output(["g++", "-print-file-name=libasan.so"], text=True).strip()
    done = subprocess.run(
        [sys.executable, str(workshop.HERE / "watched.py"), str(tmp_path)],
        env={
            **os.environ,
            "LD_PRELOAD": runtime,
            "ASAN_OPTIONS": "detect_leaks=0",  # Python keeps some memory to its end
            "PYTHONMALLOC": "malloc",
            "PYTHONPATH": str(workshop.HERE.parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "all ran\n", done.stderr[-4000:]
