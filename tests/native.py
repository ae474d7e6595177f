"""C++ tests of the runtime headers: compile one file with the host's compiler and run it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pysofie.toolchains import host

ROOT = Path(__file__).parents[1]
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1")
# What the vectors are built for: the widest of this machine, and the narrowest of any.
WIDTHS = {"native": ("-march=native",), "sse": ()}


def output(source: Path, folder: Path, *flags: str, arguments: tuple[str, ...] = ()) -> str:
    """Standard output of a C++ program that includes runtime headers."""
    program = folder / source.stem
    options = ["-std=c++17", f"-I{ROOT / 'cpp' / 'runtime'}", "-fno-math-errno", "-fno-trapping-math", *WARNINGS, *flags]
    command = [
        *host.find().command,
        *options,
        f"-I{ROOT / 'cpp' / 'runtime'}",
        str(source),
        "-o",
        str(program),
    ]
    subprocess.run(command, check=True)
    # a preloaded allocator must not come before the sanitizer's
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    command = [str(program), *arguments]
    done = subprocess.run(command, text=True, capture_output=True, env=environment, check=False)
        [str(program), *arguments], text=True, capture_output=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
