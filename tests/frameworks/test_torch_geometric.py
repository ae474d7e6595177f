"""Graph networks of PyTorch Geometric: any number of nodes and edges, zero included."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import pysofie
from pysofie.compile import compile_many

torch = pytest.importorskip("torch", reason="pip install 'pysofie[torch]'")
pytest.importorskip("onnxscript", reason="pip install 'pysofie[torch]'")
geometric = pytest.importorskip("torch_geometric.nn", reason="pip install 'pysofie[geometric]'")
nn = torch.nn

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

NODES = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
EDGES = torch.tensor([[0, 1, 2, 3, 4, 0, 2], [1, 1, 1, 2, 3, 4, 0]])
NONE = torch.zeros(2, 0, dtype=torch.int64)
SHAPES = {"x": ("nodes", 3), "edge_index": (2, "edges")}


def network(*sizes: int) -> nn.Module:
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    return nn.Sequential(*(part for layer in layers for part in (layer, nn.ReLU())))


class Messages(geometric.MessagePassing):
    """Message passing as one writes it oneself, with features of the edges."""

    def __init__(self, aggr: str) -> None:
        super().__init__(aggr=aggr)
        self.message_network = network(7, 8, 4)
        self.node_network = network(7, 5)

    def forward(self, x, edge_index, edge_attr):
        return self.node_network(torch.cat([x, self.propagate(edge_index, x=x, edge_attr=edge_attr)], -1))

    def message(self, x_i, x_j, edge_attr):
        return self.message_network(torch.cat([x_i, x_j - x_i, edge_attr], -1))


class DynamicEdges(nn.Module):
    """EdgeConv over the nearest neighbours in the space of the features, which the model finds itself."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k
        self.conv = geometric.EdgeConv(network(6, 8, 4), aggr="max")

    def forward(self, x):
        near = torch.cdist(x, x).topk(self.k, dim=1, largest=False).indices
        receivers = torch.arange(x.shape[0])[:, None].expand(-1, self.k)
        return self.conv(x, torch.stack([near.reshape(-1), receivers.reshape(-1)]))


class GravNet(nn.Module):
    """GravNet: distances in a learned space weigh what neighbours send."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k
        self.space, self.features = nn.Linear(3, 2), nn.Linear(3, 4)
        self.output = nn.Linear(3 + 8, 5)

    def forward(self, x):
        place = self.space(x)
        distances, near = torch.cdist(place, place).topk(self.k, dim=1, largest=False)
        sent = self.features(x)[near] * torch.exp(-10 * distances.square())[..., None]
        return self.output(torch.cat([x, sent.mean(1), sent.amax(1)], -1))


def seeded(make):
    torch.manual_seed(0)
    return make().eval()


LAYERS = {
    "EdgeConv": lambda: geometric.EdgeConv(network(6, 8, 4), aggr="max"),
    "GATv2Conv": lambda: geometric.GATv2Conv(3, 4, heads=2),
    "GATv2Conv without loops": lambda: geometric.GATv2Conv(3, 4, heads=2, add_self_loops=False),
    "GCNConv": lambda: geometric.GCNConv(3, 4),
    "SAGEConv": lambda: geometric.SAGEConv(3, 4),
}
GRAPHS = ((NODES, EDGES), (NODES.repeat(2, 1), EDGES), (NODES, NONE), (NODES[:0], NONE))


def same(session, module, *inputs) -> None:
    with torch.no_grad():
        expected = module(*inputs).numpy()
    result = session(*(x.numpy() for x in inputs))
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def sessions():
    """All layers, compiled together."""
    models = [
        pysofie.load(seeded(make), example_inputs=(NODES, EDGES), shapes=SHAPES, name=f"layer_{i}")
        for i, make in enumerate(LAYERS.values())
    ]
    return dict(zip(LAYERS, compile_many(models), strict=True))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize(
    "graph", GRAPHS, ids=lambda graph: f"{len(graph[0])} nodes, {graph[1].shape[1]} edges"
)
def test_layer(sessions, name, graph):
    same(sessions[name], seeded(LAYERS[name]), *graph)


@pytest.mark.parametrize("aggr", ["add", "mean", "max"])
def test_message_passing(aggr):
    module = seeded(lambda: Messages(aggr))
    attributes = torch.ones(7, 1)
    shapes = SHAPES | {"edge_attr": ("edges", 1)}
    model = pysofie.load(module, example_inputs=(NODES, EDGES, attributes), shapes=shapes)
    session = pysofie.compile(model)
    for nodes, edges in GRAPHS:
        same(session, module, nodes, edges, attributes[:1].repeat(edges.shape[1], 1))


@pytest.mark.parametrize("make", [DynamicEdges, GravNet])
def test_neighbours_that_the_model_finds(make):
    module = seeded(lambda: make(3))
    session = pysofie.compile(pysofie.load(module, example_inputs=NODES, shapes={"x": ("nodes", 3)}))
    generator = torch.Generator().manual_seed(2)
    for count in (3, 4, 20):
        same(session, module, torch.randn(count, 3, generator=generator))
