"""Operators of torch.library in modules of PyTorch, which become nodes of users' operators."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import pysofie
from pysofie import custom

torch = pytest.importorskip("torch", reason="needs PyTorch: pip install 'pysofie[torch]'")
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install 'pysofie[torch]'")
pytestmark = pytest.mark.torch


@torch.library.custom_op("pysofie_test::invariant_mass", mutates_args=())
def mass(p: torch.Tensor, q: torch.Tensor, scale: float = 2.0) -> torch.Tensor:
    squares = (p + q) ** 2
    return scale * torch.sqrt(torch.clamp(squares[..., 0] - squares[..., 1:].sum(-1), min=0))


@mass.register_fake
def _(p, q, scale=2.0):
    return p.new_empty(p.shape[:-1])


@torch.library.custom_op("pysofie_test::split", mutates_args=())
def split(
    x: torch.Tensor,
    shift: torch.Tensor | None,
    factors: list[float],
    power: int,
    is_summed: bool,
    mode: str,
    parts: list[torch.Tensor],
) -> tuple[torch.Tensor, torch.Tensor]:
    head = x if shift is None else x + shift
    tail = torch.stack([factor * part**power for factor, part in zip(factors, parts, strict=True)]).sum(0)
    return (head + tail if is_summed else head), torch.exp(tail) if mode == "exp" else tail


@split.register_fake
def _(x, shift, factors, power, is_summed, mode, parts):
    return torch.empty_like(x), torch.empty_like(x)


@torch.library.custom_op("pysofie_test::nameless", mutates_args=())
def nameless(x: torch.Tensor) -> torch.Tensor:
    return x + 1


@nameless.register_fake
def _(x):
    return torch.empty_like(x)


def invariant_mass(p, q, *, scale=1.0):
    total = p + q
    square = total[..., 0] ** 2 - (total[..., 1:] ** 2).sum(-1)
    return np.sqrt(np.maximum(square, 0)) * scale


def halves(x, shift, *parts, factors, power, is_summed, mode):
    head = x if shift is None else x + shift
    tail = sum(factor * part**power for factor, part in zip(factors, parts, strict=True))
    return (head + tail if is_summed else head), np.exp(tail) if mode == "exp" else tail


@pytest.fixture
def register():
    """Register operators for one test."""
    before = dict(custom._registered)
    yield pysofie.operator
    custom._registered.clear()
    custom._registered.update(before)


class Masses(torch.nn.Module):
    """Calls an operator with a default and without."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.layer = torch.nn.Linear(1, 3)

    def forward(self, p, q):
        pairs = torch.ops.pysofie_test.invariant_mass(p, q)
        halves = torch.ops.pysofie_test.invariant_mass(p, q, 0.5)
        return self.layer((pairs + halves)[:, None])


class Splits(torch.nn.Module):
    """Calls an operator of two outputs with arguments of many kinds."""

    def forward(self, x, y):
        first, second = torch.ops.pysofie_test.split(x, None, [0.5, 2.0], 2, True, "exp", [x, y])
        third, fourth = torch.ops.pysofie_test.split(x, y, [1.5], 3, False, "", [torch.sin(x)])
        return first - second, third * fourth


def momenta():
    torch.manual_seed(5)
    return tuple(torch.randn(6, 4).abs() * torch.tensor([9.0, 1.0, 1.0, 1.0]) for _ in "pq")


def forms(module, inputs):
    """A module as users have it."""
    yield module
    yield torch.jit.trace(module, inputs)
    yield torch.jit.script(module)
    batch = torch.export.Dim("batch")
    yield torch.export.export(module, inputs, dynamic_shapes=tuple({0: batch} for _ in inputs))


@pytest.mark.parametrize("module", [Masses(), Splits()], ids=lambda module: type(module).__name__)
def test_modules_call_operators(register, module):
    register("torch.test", "InvariantMass", torch="pysofie_test::invariant_mass")(invariant_mass)
    register("torch.test", "Split", torch="pysofie_test::split.default")(halves)
    inputs = momenta()
    with torch.no_grad():
        expected = [module(*(x[:rows] for x in inputs)) for rows in (6, 2)]
    for form in forms(module.eval(), inputs):
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # all of these are compared with the module
            model = pysofie.load(form, example_inputs=inputs)
        is_trace = isinstance(form, torch.jit.ScriptModule)
        (opset,) = (entry.version for entry in model.source.proto().proto.opset_import if not entry.domain)
        assert opset == (17 if is_trace else 18)  # which exporter wrote it
        session = pysofie.compile(model)
        for results in expected:
            wanted = results if isinstance(results, tuple) else (results,)
            rows = len(wanted[0])
            got = session(*(x[:rows].numpy() for x in inputs))
            for y, reference in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
                np.testing.assert_allclose(y, reference.numpy(), rtol=1e-4, atol=1e-5)


def test_a_routine_is_not_compared_with_the_module(register):
    text = """double square = 0;
for (int i = 0; i < 4; ++i) square += (i == 0 ? 1 : -1) * double(p[4 * item + i] + q[4 * item + i])
                                      * double(p[4 * item + i] + q[4 * item + i]);
mass[item] = scale * rt::sqrt(square > 0 ? square : 0.0);"""

    def rule(p, q, *, scale):
        outputs = {"mass": (p.dtype, p.shape[:1])}
        return pysofie.Routine(outputs, items=p.shape[0], arguments={"scale": scale})

    register("torch.test", "Text", torch="pysofie_test::invariant_mass", text=text)(rule)
    module, inputs = Masses(), momenta()
    with pytest.warns(UserWarning, match="operators of torch.test, so what torch wrote was not compared"):
        model = pysofie.load(module, example_inputs=inputs)
    with torch.no_grad():
        expected = module(*inputs).numpy()
    y = pysofie.compile(model)(*(x.numpy() for x in inputs))
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_a_meaning_that_differs_from_the_operator_is_refused(register):
    register("torch.test", "Wrong", torch="pysofie_test::invariant_mass")(
        lambda p, q, *, scale: invariant_mass(p, q, scale=scale + 1)
    )
    with pytest.raises(pysofie.UnsupportedError, match="computes something else: output 'output': off by"):
        pysofie.load(Masses(), example_inputs=momenta())


class Computed(torch.nn.Module):
    """Calls an operator with a number that is a size."""

    def forward(self, p, q):
        return torch.ops.pysofie_test.split(p, q, [1.0], p.shape[0], True, "", [p])[0]


def test_attributes_are_constants(register):
    register("torch.test", "Split", torch="pysofie_test::split")(halves)
    with pytest.raises(pysofie.UnsupportedError, match=r"is called with power=.*make power a tensor"):
        pysofie.load(Computed(), example_inputs=momenta())


class Nameless(torch.nn.Module):
    """Calls an operator that has no meaning."""

    def forward(self, x):
        return torch.ops.pysofie_test.nameless(x)


def test_operators_without_a_meaning(register):
    advice = r"pysofie.operator\(domain, name, torch='pysofie_test::nameless'\) can say"
    for module in (Nameless(), torch.jit.script(Nameless())):
        with pytest.raises(pysofie.UnsupportedError, match=advice):
            pysofie.load(module, example_inputs=momenta()[0])
    with pytest.raises(
        pysofie.Error, match="torch names an operator as 'library::operator', 'mass' does not"
    ):
        register("torch.test", "InvariantMass", torch="mass")(invariant_mass)
    register("torch.test", "Nobody", torch="nobody::has_this")(invariant_mass)
    pysofie.load(torch.nn.Linear(4, 2), example_inputs=momenta()[0])
    register("torch.test", "Generator", torch="aten::rand.generator")(invariant_mass)
    with pytest.raises(pysofie.UnsupportedError, match=r"cannot become a node torch.test.Generator: its"):
        pysofie.load(torch.nn.Linear(4, 2), example_inputs=momenta()[0])


class Product(torch.nn.Module):
    """Calls an operator of torch that its exporter does not know."""

    def forward(self, x):
        return x * torch.vdot(x[0], x[-1])


def test_operators_of_torch_that_its_exporters_lack(register):
    register("torch.test", "Vdot", torch="aten::vdot")(lambda x, y: (x * y).sum())
    x = momenta()[0]
    model = pysofie.load(torch.jit.trace(Product(), (x,)), example_inputs=x)
    np.testing.assert_allclose(pysofie.compile(model)(x.numpy()), Product()(x).numpy(), rtol=1e-5)
