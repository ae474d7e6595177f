"""Models of TensorFlow, and DeepMind's Graph Nets, where TensorFlow is installed."""

from __future__ import annotations

import numpy as np
import pytest
from frameworks.layers import compile_all, difference

import pysofie

HOW = "pip install 'pysofie[tensorflow]'"
tf = pytest.importorskip("tensorflow", reason=f"needs TensorFlow: {HOW}")
pytest.importorskip("tf2onnx", reason=f"needs tf2onnx: {HOW}")

# Nodes and edges of the graphs of one event.
EVENTS = {
    "one graph": [(4, 7)],
    "three graphs": [(5, 9), (1, 0), (3, 20)],
    "no edges": [(3, 0)],
    "no nodes": [(0, 0)],
    "a graph without nodes among others": [(4, 6), (0, 0), (2, 1)],
}
NETWORKS = ["network", "independent", "interaction", "encode-process-decode", "maxima"]


@pytest.fixture(scope="module")
def graph_networks():
    """By name the network, ours, and its session, compiled together."""
    gn = pytest.importorskip("graph_nets", reason="needs Graph Nets: pip install dm-sonnet graph-nets")
    sonnet = pytest.importorskip("sonnet", reason="needs Sonnet: pip install dm-sonnet")
    tf.random.set_seed(0)

    def mlp():
        return sonnet.Sequential(
            [sonnet.nets.MLP([8, 6], activate_final=True), sonnet.LayerNorm(-1, True, True)]
        )

    class EncodeProcessDecode(sonnet.Module):
        def __init__(self):
            super().__init__()
            self.encoder = gn.modules.GraphIndependent(mlp, mlp, mlp)
            self.core = gn.modules.GraphNetwork(mlp, mlp, mlp)
            self.decoder = gn.modules.GraphIndependent(mlp, mlp, mlp)

        def __call__(self, graphs):
            first = latent = self.encoder(graphs)
            for _ in range(2):
                latent = self.core(gn.utils_tf.concat([first, latent], axis=1))
            return self.decoder(latent)

    networks = {
        "network": gn.modules.GraphNetwork(mlp, mlp, mlp),
        "independent": gn.modules.GraphIndependent(mlp, mlp, mlp),
        "interaction": gn.modules.InteractionNetwork(mlp, mlp),
        "encode-process-decode": EncodeProcessDecode(),
        "maxima": gn.modules.GraphNetwork(mlp, mlp, mlp, tf.math.unsorted_segment_max),
    }
    example = graphs_tuple([(3, 4), (2, 2)])
    loaded = {
        name: pysofie.load(network, example_inputs=example, name=f"graph_{i}")
        for i, (name, network) in enumerate(networks.items())
    }
    sessions = compile_all(loaded)
    return {name: (networks[name], loaded[name], sessions[name]) for name in networks}


def graphs_tuple(sizes):
    from graph_nets.graphs import GraphsTuple

    rng = np.random.default_rng(len(sizes))
    nodes, edges = np.array(sizes, "int32").T
    first = np.repeat(np.cumsum(nodes) - nodes, edges)
    senders, receivers = (first + rng.integers(0, np.repeat(nodes, edges)) for _ in range(2))
    rows = {"nodes": (nodes.sum(), 4), "edges": (edges.sum(), 3), "globals": (len(sizes), 2)}
    features = {name: rng.standard_normal(shape).astype("float32") for name, shape in rows.items()}
    ends = {"senders": senders.astype("int32"), "receivers": receivers.astype("int32")}
    fields = features | ends | {"n_node": nodes, "n_edge": edges}
    return GraphsTuple(**{name: tf.convert_to_tensor(array) for name, array in fields.items()})


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("name", NETWORKS)
def test_graph_networks(graph_networks, name, event):
    network, _, session = graph_networks[name]
    graph = graphs_tuple(EVENTS[event])
    expected = network(graph)
    outputs = session.run({field: value.numpy() for field, value in graph._asdict().items()})
    assert set(outputs) >= {"nodes_output", "edges_output"}
    for output, array in outputs.items():
        reference = getattr(expected, output.removesuffix("_output")).numpy()
        assert array.shape == reference.shape
        np.testing.assert_allclose(array, reference, rtol=1e-4, atol=1e-5)


def test_symbols_of_graphs(graph_networks):
    model = graph_networks["network"][1]
    assert [str(tensor) for tensor in model.inputs] == [
        "nodes: float32[n_nodes, 4]",
        "edges: float32[n_edges, 3]",
        "receivers: int32[n_edges]",
        "senders: int32[n_edges]",
        "globals: float32[n_graphs, 2]",
        "n_node: int32[n_graphs]",
        "n_edge: int32[n_graphs]",
    ]


class Module(tf.Module):
    """A layer with a signature."""

    def __init__(self):
        super().__init__()
        self.w = tf.Variable(tf.reshape(tf.range(12.0), (4, 3)) / 10)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], name="x")])
    def __call__(self, x):
        return {"y": tf.nn.softmax(x @ self.w), "sum": tf.reduce_sum(x, axis=1)}


def test_modules_functions_and_saved_models(tmp_path):
    module = Module()
    tf.saved_model.save(module, str(tmp_path / "saved"))

    def scaled(x, factor):
        return tf.nn.relu(x @ module.w) * factor

    example = (np.ones((2, 4), "float32"), np.float32(2))
    models = {
        "module": pysofie.load(module, name="m0"),
        "concrete": pysofie.load(module.__call__.get_concrete_function(), name="m1"),
        "function": pysofie.load(tf.function(scaled), example_inputs=example, name="m2"),
        "saved": pysofie.load(tmp_path / "saved", trust=True, name="m3"),
        "file": pysofie.load(tmp_path / "saved" / "saved_model.pb", trust=True, name="m4"),
    }
    for name, session in compile_all(models).items():
        assert difference(models[name], session) == "", name
    assert [str(t) for t in models["module"].inputs] == ["x: float32[batch, 4]"]
    assert [t.name for t in models["module"].outputs] == ["sum", "y"]
    assert [str(t) for t in models["function"].inputs] == ["x: float32[batch, 4]", "factor: float32[]"]


@pytest.mark.parametrize("reduce", ["sum", "prod", "max", "min", "mean"])
def test_segments(reduce):
    """Negative segments are left out, and empty ones are what TensorFlow says."""
    function = getattr(tf.math, f"unsorted_segment_{reduce}")

    @tf.function(
        input_signature=[tf.TensorSpec([None, 2], name="x"), tf.TensorSpec([None], tf.int32, name="s")]
    )
    def model(x, s):
        return function(x, s, 4)

    session = pysofie.compile(pysofie.load(model))
    for segments in ([], [1], [3, -1, 0, 3, 0], [2] * 9):
        x = np.random.default_rng(0).standard_normal((len(segments), 2)).astype("float32")
        s = np.array(segments, "int32")
        np.testing.assert_allclose(session(x, s), model(x, s).numpy(), rtol=1e-5)


def test_a_saved_model_asks_for_trust(tmp_path):
    tf.saved_model.save(Module(), str(tmp_path / "saved"))
    with pytest.raises(pysofie.UnsupportedError, match=r"a program.*trust=True"):
        pysofie.load(tmp_path / "saved")


def test_a_broken_saved_model(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(pysofie.InvalidModelError, match="TensorFlow cannot read it"):
        pysofie.load(tmp_path, trust=True)


def test_what_does_not_say_what_it_takes():
    with pytest.raises(pysofie.UnsupportedError, match="example_inputs"):
        pysofie.load(tf.function(lambda x: x))
