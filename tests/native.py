"""C++ tests of the runtime headers: compile one file with the host's compiler and run it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from pysofie.toolchains import host

RUNTIME = Path(__file__).parents[1] / "cpp" / "runtime"
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Werror")
SANITIZERS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g1")
# What the vectors are built for: the widest of this machine, and the narrowest of any.
WIDTHS = {"native": ("-march=native",), "sse": ()}


def program(source: Path, folder: Path, *flags: str) -> Path:
    """Compile a C++ program that includes runtime headers."""
    result = folder / source.stem
    options = ["-std=c++17", "-fno-math-errno", "-fno-trapping-math", f"-I{RUNTIME}", *WARNINGS, *flags]
    subprocess.run([*host.find().command, *options, str(source), "-o", str(result)], check=True)
    return result


def output(source: Path, folder: Path, *flags: str) -> str:
    """Standard output of a C++ program that includes runtime headers."""
    # a preloaded allocator must not come before the sanitizer's
    environment = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    command = [str(program(source, folder, *flags))]
    done = subprocess.run(command, text=True, capture_output=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
