"""A network in NumPy: load, compile, call, check, time.

python tutorials/numpy_tour.py
"""

import numpy as np

import pysofie
from pysofie.demo import MODEL

# What is in the file?
model = pysofie.load(MODEL)
print("inputs: ", *model.inputs)
print("outputs:", *model.outputs)

# Compiled for this processor; the second time the result comes from a cache.
session = pysofie.compile(model)

# One call scores any number of events. Arrays are passed without a copy.
rng = np.random.default_rng(1)
events = rng.uniform(0.2, 2.0, size=(1000, 28)).astype("float32")
scores = session(events)
print("scores: ", scores.shape, scores.dtype, scores[:3, 0])

# Inputs and outputs can also be named.
by_name = session.run({"features": events})
assert np.array_equal(by_name["score"], scores)

# What does not fit is refused, with the reason.
try:
    session(events[:, :27])
except pysofie.ShapeError as error:
    print("refused:", error)

# The loop runs in C++, so this is the time of the model and nothing else.
nanoseconds = session.benchmark({"features": events[:1]}, repeat=10_000)
print(f"one event takes {np.median(nanoseconds) / 1000:.2f} us")
