"""An operator of the user's in a PyTorch module, exported by a translation, as an operator of pysofie."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import pysofie
from pysofie import custom

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'pysofie[torch]'")
onnxscript = pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'pysofie[torch]'")
pytestmark = pytest.mark.torch


def invariant_mass(p, q):
    total = p + q
    square = total[..., 0] ** 2 - (total[..., 1:] ** 2).sum(-1)
    return np.sqrt(np.maximum(square, 0))


def test_custom_op_with_a_translation():

    @torch.library.custom_op("pysofie_test::invariant_mass", mutates_args=())
    def mass(p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        total = (p + q) ** 2
        return torch.sqrt(torch.clamp(total[..., 0] - total[..., 1:].sum(-1), min=0))

    @mass.register_fake
    def _(p, q):
        return p.new_empty(p.shape[:-1])

    parameters = [onnx.defs.OpSchema.FormalParameter(name, "T") for name in ("p", "q", "mass")]
    schema = onnx.defs.OpSchema(
        "InvariantMass",
        "torch.test",
        1,
        inputs=parameters[:2],
        outputs=parameters[2:],
        type_constraints=[("T", ["tensor(float)"], "")],
    )
    node = onnxscript.values.Op(onnxscript.values.Opset("torch.test", 1), "InvariantMass", schema)

    def write_mass(p, q):
        return node(p, q)

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(1, 3)

        def forward(self, p, q):
            return torch.tanh(self.layer(mass(p, q)[:, None]))

    torch.manual_seed(3)
    network = Network().eval()
    p, q = (torch.randn(6, 4).abs() * torch.tensor([9.0, 1.0, 1.0, 1.0]) for _ in "pq")
    events = torch.export.Dim("events")
    program = torch.onnx.export(
        network,
        (p, q),
        dynamo=True,
        verbose=False,
        dynamic_shapes=({0: events}, {0: events}),
        custom_translation_table={torch.ops.pysofie_test.invariant_mass.default: write_mass},
    )
    pysofie.operator("torch.test", "InvariantMass")(invariant_mass)
    try:
        session = pysofie.compile(program.model_proto)
    finally:
        custom.unregister("torch.test", "InvariantMass")
    for rows in (6, 2):
        with torch.no_grad():
            expected = network(p[:rows], q[:rows]).numpy()
        np.testing.assert_allclose(
            session(p[:rows].numpy(), q[:rows].numpy()), expected, rtol=1e-5, atol=1e-6
        )
