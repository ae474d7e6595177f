"""Gradients against PyTorch's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pysofie

torch = pytest.importorskip("torch", reason="no PyTorch: pip install 'pysofie[torch]'")
nn = torch.nn

pytestmark = pytest.mark.torch


class Residual(nn.Module):
    """A convolutional block with a shortcut, normalisation, poolings and a dense head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.block = nn.Sequential(
            nn.BatchNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 4, 3, stride=2, padding=1, groups=2),
            nn.PReLU(4),
        )
        self.shortcut = nn.Conv2d(4, 4, 1, stride=2)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Any) -> Any:
        x = nn.functional.max_pool2d(self.stem(x), 2)
        x = nn.functional.silu(self.block(x) + self.shortcut(x))
        return nn.functional.log_softmax(self.head(x.mean((2, 3))), -1)


class Recurrent(nn.Module):
    """A bidirectional LSTM, and a GRU behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(5, 4, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(8, 3, batch_first=True)

    def forward(self, x: Any) -> Any:
        return self.gru(self.lstm(x)[0])[0][:, -1]


class MessagePassing(nn.Module):
    """Messages along edges, gathered from nodes and summed at nodes."""

    def __init__(self) -> None:
        super().__init__()
        self.message = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 4), nn.Softplus())
        self.norm = nn.LayerNorm(4)

    def forward(self, nodes: Any, edges: Any) -> Any:
        sender, receiver = edges[0], edges[1]
        messages = self.message(torch.cat([nodes[sender], nodes[receiver] - nodes[sender]], 1))
        summed = torch.zeros_like(nodes).index_add(0, receiver, messages)
        return self.norm(nodes + summed)


def attention() -> Any:
    return nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, activation="gelu")


def activations() -> Any:
    layers = [nn.ELU(), nn.LeakyReLU(), nn.Sigmoid(), nn.Hardswish(), nn.Mish(), nn.SELU(), nn.Softsign()]
    return nn.Sequential(*(part for layer in layers for part in (nn.Linear(6, 6), layer)))


NETWORKS = {
    "activations": (activations, [(7, 6)]),
    "convolutions": (Residual, [(3, 2, 8, 8)]),
    "recurrence": (Recurrent, [(2, 5, 5)]),
    "attention": (attention, [(2, 6, 8)]),
}


def _agree(network: Any, inputs: tuple[Any, ...], **shapes: tuple[int | str, ...]) -> None:
    network.eval()
    session = pysofie.compile(pysofie.load(network, example_inputs=inputs, shapes=shapes))
    output = network(*inputs)
    seed = torch.randn_like(output)
    output.backward(seed)
    arrays = [tensor.detach().numpy() for tensor in inputs]
    feeds = {tensor.name: array for tensor, array in zip(session.inputs, arrays, strict=True)}
    gradients = session.gradient(feeds, seed=seed.numpy())
    floats = [tensor for tensor in inputs if tensor.requires_grad]
    for gradient, tensor in zip(gradients.values(), floats, strict=True):
        expected = tensor.grad.numpy()
        np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_networks(name):
    torch.manual_seed(1)
    make, shapes = NETWORKS[name]
    _agree(make(), tuple(torch.randn(shape, requires_grad=True) for shape in shapes))


def test_message_passing():
    """Nodes that send to many, that receive from many, and that do neither."""
    torch.manual_seed(2)
    nodes = torch.randn(5, 4, requires_grad=True)
    edges = torch.tensor([[0, 0, 1, 2, 0], [1, 2, 2, 2, 1]])
    _agree(MessagePassing(), (nodes, edges), nodes=("n", 4), edges=(2, "e"))


def test_ties():
    """Of equal elements in a window the first has the gradient, and Relu has none at zero."""
    network = nn.Sequential(nn.MaxPool2d(3, 2, 1), nn.ReLU(), nn.Softmax(-1))
    x = torch.randint(-1, 2, (3, 2, 8, 8), generator=torch.Generator().manual_seed(0)).float()
    _agree(network, (x.requires_grad_(),))
