"""RNN, GRU and LSTM with sequences and batches of any size, against onnxruntime."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from comparison import Comparison, Nodes
from hypothesis import given, settings
from hypothesis import strategies as st

import pysofie

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
FUNCTIONS = {"RNN": 1, "GRU": 2, "LSTM": 3}
INPUTS, HIDDEN = 5, 9
ACTIVATIONS = ["Relu", "Tanh", "Sigmoid", "Softsign", "HardSigmoid", "LeakyRelu", "Elu", "ScaledTanh"]


def recurrent(nodes: Nodes, op: str, direction: str, *, lengths: bool, stateful: bool, **attributes) -> None:
    """One operator, whose states are inputs of the model if it is stateful."""
    directions = 2 if direction == "bidirectional" else 1
    columns = GATES[op] * HIDDEN
    inputs = [
        "x",
        nodes.weights(directions, columns, INPUTS),
        nodes.weights(directions, columns, HIDDEN),
        nodes.choice("", nodes.weights(directions, 2 * columns)),
        "lengths" if lengths else "",
    ]
    state = f"state{directions}"
    inputs.append(state if stateful else "")
    if op == "LSTM":
        inputs += [state if stateful else "", nodes.choice("", nodes.weights(directions, 3 * HIDDEN))]
    outputs = 3 if op == "LSTM" else 2
    nodes.add(op, inputs, outputs, hidden_size=HIDDEN, direction=direction, **attributes)


@functools.cache
def operators(op: str) -> Comparison:
    states = {f"state{d}": ("float32", (d, "n", HIDDEN)) for d in (1, 2)}
    tensors = {"x": ("float32", ("t", "n", INPUTS)), "lengths": ("int32", ("n",))}
    nodes = Nodes(tensors | states, opset=14, seed=len(op))
    variants = {"GRU": "linear_before_reset", "LSTM": "input_forget"}
    for direction in ("forward", "reverse", "bidirectional"):
        for lengths in (False, True):
            recurrent(nodes, op, direction, lengths=lengths, stateful=not lengths)
    for flag in (0, 1):
        functions = [nodes.choice(*ACTIVATIONS) for _ in range(2 * FUNCTIONS[op])]
        attributes = {variants[op]: flag} if op in variants else {}
        recurrent(
            nodes, op, "bidirectional", lengths=False, stateful=True, activations=functions,
            activation_alpha=[0.3] * 6, activation_beta=[0.4] * 6, clip=1.5, **attributes,
        )  # fmt: skip
    return nodes.compile()


@pytest.mark.parametrize("op", GATES)
@settings(max_examples=20, deadline=None)
@given(steps=st.integers(1, 6), batch=st.integers(1, 5), seed=st.integers(0, 1000))
def test_recurrent(op, steps, batch, seed):
    rng = np.random.default_rng(seed)
    feeds = {"x": rng.uniform(-2, 2, (steps, batch, INPUTS)), "lengths": rng.integers(1, steps + 1, batch)}
    feeds |= {f"state{d}": rng.uniform(-1, 1, (d, batch, HIDDEN)) for d in (1, 2)}
    operators(op).check({k: v.astype("int32" if k == "lengths" else "float32") for k, v in feeds.items()})


@pytest.mark.parametrize("op", GATES)
def test_features_counted_by_a_symbol(op):
    """The weights tell how many there are: as many as they have columns."""
    nodes = Nodes({"x": ("float32", ("t", "n", "features"))}, opset=14)
    weights = [nodes.weights(1, GATES[op] * HIDDEN, size) for size in (INPUTS, HIDDEN)]
    nodes.add(op, ["x", *weights], 2, hidden_size=HIDDEN)
    rng = np.random.default_rng(0)
    nodes.compile().check({"x": rng.uniform(-2, 2, (3, 2, INPUTS)).astype("float32")})


@pytest.mark.parametrize("op", GATES)
def test_batch_first_is_the_same_transposed(op):
    """Layout 1 is refused by onnxruntime."""
    nodes = Nodes({"x": ("float32", ("t", "n", INPUTS)), "z": ("float32", ("n", "t", INPUTS))}, opset=22)
    weights = [nodes.weights(2, GATES[op] * HIDDEN, size) for size in (INPUTS, HIDDEN)]
    for x, layout in (("x", 0), ("z", 1)):
        nodes.add(op, [x, *weights], 2, hidden_size=HIDDEN, direction="bidirectional", layout=layout)
    session = pysofie.compile(nodes.proto())
    x = np.random.default_rng(0).uniform(-1, 1, (4, 3, INPUTS)).astype("float32")
    y, last, y_first, last_first = session.run({"x": x, "z": x.swapaxes(0, 1).copy()}).values()
    np.testing.assert_allclose(y.transpose(2, 0, 1, 3), y_first, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last.swapaxes(0, 1), last_first, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("op", GATES)
def test_no_steps_leave_the_initial_state(op):
    nodes = Nodes(
        {"x": ("float32", ("t", 2, INPUTS)), "state1": ("float32", (1, 2, HIDDEN))}, opset=14, seed=2
    )
    weights = [nodes.weights(1, GATES[op] * HIDDEN, size) for size in (INPUTS, HIDDEN)]
    nodes.add(op, ["x", *weights, "", "", "state1"], 2, hidden_size=HIDDEN)
    state = np.random.default_rng(0).uniform(-1, 1, (1, 2, HIDDEN)).astype("float32")
    y, last = (
        pysofie.compile(nodes.proto()).run({"x": np.zeros((0, 2, INPUTS), "f"), "state1": state}).values()
    )
    assert y.shape == (0, 1, 2, HIDDEN)
    np.testing.assert_array_equal(last, state)
