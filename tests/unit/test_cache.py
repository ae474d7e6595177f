"""The cache: content decides, processes may race, nothing half-written, nobody else's libraries."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import support

import pysofie
from pysofie import cache


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A cache of its own."""
    monkeypatch.setenv("PYSOFIE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()]


def test_content_decides(folder):
    pysofie.compile(support.mlp())
    pysofie.compile(support.mlp())
    pysofie.compile(support.mlp().SerializeToString(deterministic=True))
    assert len(entries(folder)) == 1
    pysofie.compile(support.mlp(batch=2))
    pysofie.compile(support.mlp(), dims={"batch": 1})
    pysofie.compile(support.mlp(), profile=True)
    assert len(entries(folder)) == 4
    pysofie.compile(support.mlp(batch=3), cache=False)
    assert len(entries(folder)) == 4


def test_private_to_the_owner(folder):
    pysofie.compile(support.mlp())
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(entry.stat().st_mode) == 0o700 for entry in entries(folder))


def test_a_warm_start_is_fast_and_light(folder, tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(support.mlp(), path)
    pysofie.compile(path)
    program = (
        "import sys, time, numpy, pysofie\n"
        "start = time.process_time()\n"
        f"pysofie.compile({str(path)!r})\n"
        "print(time.process_time() - start)\n"
        "assert 'onnx' not in sys.modules and 'rich' not in sys.modules\n"
    )
    times = [float(subprocess.check_output([sys.executable, "-c", program], cwd=tmp_path)) for _ in range(4)]
    assert min(times[1:]) < 0.05


def test_processes_race(folder, tmp_path):
    path = tmp_path / "net.onnx"
    onnx.save(support.mlp(), path)
    start = time.time() + 2
    program = (
        "import time, numpy, pysofie\n"
        f"time.sleep(max(0, {start} - time.time()))\n"
        f"print(pysofie.compile({str(path)!r})(numpy.ones((1, 3), 'float32')).tolist())\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    results = [run.communicate(timeout=300) for run in runs]
    assert {error for _, error in results} == {""}
    assert len({output for output, _ in results}) == 1
    assert len(entries(folder)) == 1


def test_a_failure_leaves_nothing(folder):
    def fail(entry: Path) -> None:
        (entry / "half").write_text("written")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        cache.fetch("name", fail)
    assert entries(folder) == []
    assert cache.fetch("name", lambda entry: None) == folder / "name"


def unusable_folders(tmp_path: Path) -> dict[str, Path]:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    file = tmp_path / "file"
    file.touch()
    return {
        "others may write": shared,
        "is not a folder": file,
        "cannot be written to": Path("/proc/pysofie"),
    }


@pytest.mark.parametrize("reason", ["others may write", "is not a folder", "cannot be written to"])
def test_unusable_folder(reason, tmp_path, monkeypatch):
    folder = unusable_folders(tmp_path)[reason]
    monkeypatch.setenv("PYSOFIE_CACHE_DIR", str(folder))
    with pytest.warns(UserWarning, match=reason):
        session = pysofie.compile(support.mlp())
    x = np.ones((1, 3), "float32")
    np.testing.assert_allclose(session(x), support.mlp_reference(x), rtol=1e-5)
    assert not folder.is_dir() or not entries(folder)


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere; run the tests as another user")
def test_read_only_folder(folder):
    pysofie.compile(support.mlp())
    folder.chmod(0o500)
    pysofie.compile(support.mlp())  # what is there is taken without a word
    with pytest.warns(UserWarning, match="cannot be written to"):
        pysofie.compile(support.mlp(batch=2))
    folder.chmod(0o700)


def test_foreign_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYSOFIE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.warns(UserWarning, match="another user"):
        pysofie.compile(support.mlp())


def test_broken_entries_are_reported(folder):
    pysofie.compile(support.mlp())
    weights = next(folder.glob("*/*.dat"))
    weights.write_bytes(weights.read_bytes()[:-8])
    with pytest.raises(pysofie.Error, match="dat"):
        pysofie.compile(support.mlp())
