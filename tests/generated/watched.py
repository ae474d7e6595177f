"""Runs sanitized models; run by test_sanitizers.py in a process into which the sanitizer is preloaded."""

from __future__ import annotations

import sys
from pathlib import Path

import nets
import numpy as np
from generated import workshop

import pysofie

SIZES = (1, 0, 2, 3, 5, 9, 17, 33, 4)
SPECIAL = (np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-40, -0.0)


def calls(session: pysofie.Session) -> None:
    """All sizes, so that vectors are full, partial and absent; then data that no one expects."""
    for size in SIZES:
        for other in (size, 7):
            sizes = {symbol: (size, other)[i % 2] for i, symbol in enumerate(session.symbols)}
            feeds = workshop.feeds(session, sizes, seed=size)
            session.run(feeds)
            rng = np.random.default_rng(size)
            for array in feeds.values():
                if array.dtype.kind == "f":
                    array[...] = rng.choice(SPECIAL, array.shape)
                elif array.dtype.kind == "i":
                    limits = np.iinfo(array.dtype)
                    array[...] = rng.choice([limits.min, limits.max, 0, -1], array.shape)
            try:
                session.run(feeds)
            except IndexError:
                assert session.name in ("gather", "message_passing")


if __name__ == "__main__":
    for opened in workshop.open_sessions(Path(sys.argv[1]), len(nets.ALL)):
        calls(opened)
    print("all ran")
