"""Clusters of two worker processes on this machine."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_COMPILER = """#!/bin/sh
echo compiled >> {log}
exec {compiler} "$@"
"""


def require(backend: str) -> None:
    """Skip the test if the backend is not installed."""
    if backend == "dask":
        pytest.importorskip("distributed", reason="needs Dask: pip install 'pysofie[dask]'")
        return
    pytest.importorskip("pyspark", reason="needs Spark: pip install 'pysofie[spark]'")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java: apt install default-jre-headless")


class Cluster:
    """Workers with an empty cache of their own and a compiler that counts its calls.

    Attributes
    ----------
    executor : distributed.Client or pyspark.SparkContext
        What data frames are given.
    """

    def __init__(self, backend: str, folder: Path) -> None:
        require(backend)
        self._log = folder / "compilations"
        self._log.touch()
        compiler = folder / "compiler"
        compiler.write_text(_COMPILER.format(log=self._log, compiler=shutil.which("c++")))
        compiler.chmod(0o755)
        cache = folder / "cache"
        cache.mkdir(mode=0o700)
        environment = {"PYSOFIE_CACHE_DIR": str(cache), "CXX": str(compiler)}
        start = {"dask": _start_dask, "spark": _start_spark}[backend]
        self.executor, self._stop = start(environment)

    def compilations(self) -> int:
        return len(self._log.read_text().splitlines())

    def stop(self) -> None:
        for stop in self._stop:
            stop()

    @contextmanager
    def environment(self, variables: dict[str, str]) -> Iterator[None]:
        """Other environment variables in workers of Dask; others cannot be told while they run."""
        saved = self.executor.run(_set_environment, variables)
        try:
            yield
        finally:
            self.executor.run(_set_environment, next(iter(saved.values())))


def _start_dask(environment: dict[str, str]) -> Any:
    from distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", env=environment)
    client = Client(cluster)
    return client, (client.close, cluster.close)


def _start_spark(environment: dict[str, str]) -> Any:
    from pyspark import SparkConf, SparkContext

    os.environ["PYSPARK_PYTHON"] = sys.executable
    settings = SparkConf().setMaster("local[2]").set("spark.ui.enabled", "false")
    context = SparkContext(conf=settings, environment=environment)
    context.setLogLevel("OFF")
    return context, (context.stop,)


def _set_environment(variables: dict[str, str]) -> dict[str, str]:
    saved = {name: os.environ.get(name, "") for name in variables}
    os.environ.update(variables)
    return saved
