"""A trigger in C++: emit the model, compile streaming.cpp with it, run it, draw how long decisions took.

    python tutorials/streaming.py                            # needs g++ (or $CXX) and matplotlib
    python tutorials/streaming.py --events 5000000 --rate 1000

It writes streaming.png: the distributions of the time that inference takes, and of the latency, from the
arrival of an event to the decision. For a quiet tail give each thread a processor to itself.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import pysofie
from pysofie.demo import MODEL
from pysofie.toolchains import host

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--events", type=int, default=500_000)
parser.add_argument("--rate", type=float, default=100, help="events per millisecond")
arguments = parser.parse_args()

# One event at a time: with the batch fixed, all sizes are known, and so is every loop.
pysofie.emit(MODEL, dims={"batch": 1})
config = [sys.executable, "-m", "pysofie", "config", "--cflags"]
flags = subprocess.run(config, capture_output=True, text=True, check=True).stdout.split()
source = Path(__file__).with_suffix(".cpp")
compiler = host.find().command
subprocess.run(
    [*compiler, "-O3", "-march=native", "-pthread", *flags, "-I.", source, "-o", "streaming"], check=True
)
subprocess.run(["./streaming", str(arguments.events), str(arguments.rate)], check=True)

low, high, inference, latency = np.loadtxt("streaming.txt", unpack=True)
figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, counts, colour in (("inference", inference, "#3f90da"), ("latency", latency, "#bd1f01")):
    axes.stairs(counts, [*low, high[-1]], color=colour, fill=True, alpha=0.5, label=name)
    below = np.cumsum(counts) / counts.sum()
    for fraction, style in ((0.5, "-"), (0.99, "--"), (0.999, ":")):
        axes.axvline(high[np.searchsorted(below, fraction)], color=colour, linestyle=style, linewidth=1)
filled = np.flatnonzero(inference + latency)
axes.set(
    xscale="log",
    yscale="log",
    xlim=(low[filled[0]] / 1.5, high[filled[-1]] * 1.5),
    xlabel="time per event [ns]; lines: median, p99, p99.9",
    ylabel="events per bin of 2%",
)
axes.legend()
figure.savefig("streaming.png", dpi=150)
