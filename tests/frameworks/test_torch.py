"""Models of PyTorch: modules, exported programs, TorchScript; what its exporters lose is found."""

from __future__ import annotations

import collections
import pickle

import numpy as np
import pytest

import pysofie

torch = pytest.importorskip("torch", reason="pip install 'pysofie[torch]'")
pytest.importorskip("onnxscript", reason="pip install 'pysofie[torch]'")
nn = torch.nn

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of torch.jit, which is tested here
]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))


def computed(module, *inputs) -> np.ndarray:
    """What the module computes in evaluation mode."""
    modes = [part.training for part in module.modules()]
    module.eval()
    with torch.no_grad():
        result = module(*inputs).numpy()
    for part, mode in zip(module.modules(), modes, strict=True):
        part.training = mode
    return result


def same(model, module, *inputs) -> None:
    """Compile, and compare on these inputs."""
    result = pysofie.compile(model)(*(x.numpy() for x in inputs))
    np.testing.assert_allclose(result, computed(module, *inputs), rtol=1e-5, atol=1e-6)


# --- sources ----------------------------------------------------------------------------------------------


def test_a_module_takes_any_batch_and_computes_the_same(network):
    model = pysofie.load(network, example_inputs=torch.randn(2, 4))
    assert [(x.name, x.dtype, x.shape) for x in model.inputs] == [("input", "float32", ("batch", 4))]
    assert [(y.name, y.shape) for y in model.outputs] == [("output", ("batch", 3))]
    assert all(row.ok for row in pysofie.verify(model, sizes=(1, 5)))
    same(model, network, torch.randn(7, 4))
    assert pysofie.compile(model)(np.zeros((0, 4), "float32")).shape == (0, 3)
    with torch.no_grad():
        network[0].weight.add_(0.1)
    changed = pysofie.verify(model, sizes=(5,))
    assert [each.output for each in changed.divergence.exporter] == ["output"]


def test_every_part_of_a_module_is_left_in_its_mode(network):
    network.train()
    network[3].eval()
    before = [part.training for part in network.modules()]
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    model = pysofie.load(network, example_inputs=torch.randn(2, 4))
    assert [part.training for part in network.modules()] == before
    model.source.reference({"input": np.ones((3, 4), "float32")})
    assert [part.training for part in network.modules()] == before
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())
    same(model, network, torch.randn(3, 4))  # dropout and batch statistics are those of evaluation


def test_the_mode_comes_back_after_an_error_too():
    class Broken(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x):
            if not self.training:
                raise ValueError("no evaluation today")
            return self.layer(x)

    module = Broken().train()
    with pytest.raises(pysofie.ShapeError, match="no evaluation today"):
        pysofie.load(module, example_inputs=torch.randn(2, 4))
    assert module.training
    assert module.layer.training


def test_an_exported_program_says_itself_what_may_change(network, tmp_path):
    dynamic = {"input": {0: torch.export.Dim.DYNAMIC}}
    program = torch.export.export(network.eval(), (torch.randn(3, 4),), dynamic_shapes=dynamic)
    model = pysofie.load(program)
    assert model.inputs[0].shape == ("batch", 4)
    same(model, network, torch.randn(5, 4))
    named = pysofie.load(program, shapes={"input": ("events", 4)})
    assert named.inputs[0].shape == ("events", 4)
    path = tmp_path / "network.pt2"
    torch.export.save(program, path)
    with pytest.raises(pysofie.UnsupportedError, match="trust=True"):
        pysofie.load(path)
    same(pysofie.load(path, trust=True), network, torch.randn(5, 4))


def test_a_program_with_a_fixed_dim_is_not_asked_for_another(network):
    program = torch.export.export(network.eval(), (torch.randn(3, 4),))
    assert pysofie.load(program).inputs[0].shape == (3, 4)
    with pytest.raises(pysofie.ShapeError, match="dynamic_shapes="):
        pysofie.load(program, shapes={"input": ("events", 4)})


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_torchscript_is_read_without_trust(network, tmp_path, suffix):
    path = tmp_path / f"network{suffix}"
    traced = torch.jit.trace(network.eval(), torch.randn(2, 4))
    traced.save(path)
    with pytest.raises(pysofie.UnsupportedError, match="example_inputs="):
        pysofie.load(path)
    x = torch.randn(5, 4)
    same(pysofie.load(path, example_inputs=torch.randn(2, 4)), network, x)
    scripted = torch.jit.script(network.train())
    model = pysofie.load(scripted, example_inputs=torch.randn(2, 4))
    assert scripted.training
    same(model, network, x)


class Evil:
    """A pickle that runs a command."""

    def __reduce__(self):
        import os

        return os.mkdir, ("evil",)


def test_pickles_are_read_for_those_who_trust_them(network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    whole, weights, evil = tmp_path / "whole.pt", tmp_path / "weights.pth", tmp_path / "evil.pt"
    torch.save(network, whole)
    torch.save(network.state_dict(), weights)
    torch.save(Evil(), evil)
    x = torch.randn(2, 4)
    for path in (whole, evil):
        with pytest.raises(pysofie.UnsupportedError, match="trust=True"):
            pysofie.load(path, example_inputs=x)
    assert not (tmp_path / "evil").exists()
    with pytest.raises(pysofie.UnsupportedError, match="load_state_dict"):
        pysofie.load(weights, example_inputs=x)
    same(pysofie.load(whole, example_inputs=x, trust=True), network, x)


def test_what_is_no_model_of_torch_is_refused(tmp_path):
    with pytest.raises(pysofie.UnsupportedError, match=r"torch\.nn\.Module"):
        pysofie.load(torch.zeros(3))
    broken = tmp_path / "broken.pt"
    broken.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(pysofie.InvalidModelError, match=r"broken\.pt"):
        pysofie.load(broken, example_inputs=torch.zeros(3))
    broken.write_bytes(pickle.dumps({"a": 1})[:5])
    with pytest.raises(pysofie.Error, match=r"broken\.pt"):
        pysofie.load(broken, example_inputs=torch.zeros(3))


# --- the call ---------------------------------------------------------------------------------------------


def test_example_inputs_are_asked_for_by_name(network):
    class Two(nn.Module):
        def forward(self, tracks, mask):
            return tracks * mask

    with pytest.raises(pysofie.UnsupportedError, match=r"example_inputs=\(tracks, mask,\)"):
        pysofie.load(Two())
    with pytest.raises(pysofie.ShapeError, match="tracks, mask"):
        pysofie.load(Two(), example_inputs=(torch.ones(2),) * 3)
    with pytest.raises(pysofie.ShapeError, match=r"input\[2, 5\]"):
        pysofie.load(network, example_inputs=torch.randn(2, 5))


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"y": ("batch", 4)}, "the inputs are 'input'"),
        ({"input": ("batch", 5)}, "example input"),
        ({"input": ("batch",)}, "example input"),
        ({"input": ("n", "n")}, "example input"),
    ],
)
def test_shapes_must_fit_the_examples(network, shapes, message):
    with pytest.raises(pysofie.ShapeError, match=message):
        pysofie.load(network, example_inputs=torch.randn(2, 4), shapes=shapes)


def test_a_dim_that_cannot_change_is_named_with_the_shapes_to_give(network):
    x = torch.randn(4)  # one event: its leading dim is that of the features
    layer = network[0]
    with pytest.raises(pysofie.UnsupportedError, match=r"shapes=\{'input': \(4,\)\}"):
        pysofie.load(layer, example_inputs=x)
    same(pysofie.load(layer, example_inputs=x, shapes={"input": (4,)}), layer, x)


def test_example_inputs_may_be_arrays_and_one_event(network):
    model = pysofie.load(network, example_inputs=np.ones((1, 4), "float32"))
    assert model.inputs[0].shape == ("batch", 4)
    same(model, network, torch.randn(6, 4))


Scores = collections.namedtuple("Scores", ["signal", "background"])


class Nested(nn.Module):
    """Takes and returns structures."""

    def forward(self, pair, extra):
        first, second = pair
        total = first + second
        return {
            "total": total,
            "scores": Scores(torch.sigmoid(total), -total),
            "given": extra["bias"],
            "list": [total * 2, 7, None],
        }


def test_structures_of_inputs_and_outputs_are_named():
    x, y, bias = torch.randn(2, 3), torch.randn(2, 3), torch.randn(2, 1)
    model = pysofie.load(Nested(), example_inputs=((x, y), {"bias": bias}))
    assert [i.name for i in model.inputs] == ["pair_0", "pair_1", "extra_bias"]
    outputs = pysofie.compile(model).run({"pair_0": x, "pair_1": y, "extra_bias": bias})
    assert list(outputs) == ["total", "scores_signal", "scores_background", "given", "list_0"]
    np.testing.assert_allclose(outputs["scores_signal"], torch.sigmoid(x + y), rtol=1e-6)
    np.testing.assert_array_equal(outputs["given"], bias)


def test_names_of_inputs_and_outputs_do_not_clash_with_those_inside():
    class Clashing(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, linear, output):
            return {"linear": self.linear(linear), "add": linear, "again": linear + output}

    module, x = Clashing(), torch.randn(2, 3)
    model = pysofie.load(module, example_inputs=(x, x))
    assert [i.name for i in model.inputs] == ["linear", "output"]
    assert [o.name for o in model.outputs] == ["linear_output", "add", "again"]
    assert all(row.ok for row in pysofie.verify(model, sizes=(3,)))


def test_two_outputs_that_are_one_tensor_and_any_number_of_arguments():
    class Twice(nn.Module):
        def forward(self, *tensors):
            total = sum(tensors)
            return total, total

    model = pysofie.load(Twice(), example_inputs=(torch.ones(2, 3),) * 3)
    assert [i.name for i in model.inputs] == ["tensors_0", "tensors_1", "tensors_2"]
    first, second = pysofie.compile(model)(*(np.ones((1, 3), "float32"),) * 3)
    assert (first == 3).all()
    assert (second == 3).all()


def test_columns_and_precision_of_the_module_are_kept():
    module = nn.Linear(2, 1).double()
    x = torch.randn(2, 2, dtype=torch.float64)
    model = pysofie.load(module, example_inputs=x, columns=["pt", "eta"])
    assert model.feature_names == ["pt", "eta"]
    assert model.inputs[0].dtype == model.outputs[0].dtype == "float64"
    assert all(row.ok for row in pysofie.verify(model, sizes=(3,)))


def test_a_functor_takes_columns(network):
    functor = pysofie.functor(pysofie.load(network, example_inputs=torch.randn(2, 4), columns=list("abcd")))
    events = torch.randn(6, 4)
    scores = functor({name: events[:, i].numpy() for i, name in enumerate("abcd")})
    np.testing.assert_allclose(np.stack(list(scores)), computed(network, events), rtol=1e-5, atol=1e-6)


# --- faults of the exporters ------------------------------------------------------------------------------


class Accumulated(nn.Module):
    """Messages summed at their receivers."""

    def forward(self, nodes, edges):
        senders, receivers = edges
        return torch.zeros_like(nodes).index_put((receivers,), nodes[senders], accumulate=True)


GRAPH = (torch.randn(4, 3), torch.tensor([[0, 1, 2, 3, 0], [1, 1, 1, 2, 3]]))
GRAPH_SHAPES = {"nodes": ("nodes", 3), "edges": (2, "edges")}


def only_traces(monkeypatch) -> None:
    """Leave torch with its exporter of traces."""
    from pysofie.importers.torch import exporters

    monkeypatch.setattr(exporters, "_from_program", exporters._from_trace)


def test_index_put_accumulates():
    module = Accumulated()
    model = pysofie.load(module, example_inputs=GRAPH, shapes=GRAPH_SHAPES)
    same(model, module, *GRAPH)
    nothing = torch.zeros(2, 0, dtype=torch.int64)
    same(model, module, GRAPH[0], nothing)
    same(model, module, GRAPH[0][:0], nothing)


def test_what_the_exporter_of_traces_loses_is_found(monkeypatch):
    """It writes index_put without accumulation in silence."""
    only_traces(monkeypatch)
    with pytest.raises(pysofie.UnsupportedError, match="output 'output'") as caught:
        pysofie.load(nn.Sequential(ToFirst()), example_inputs=GRAPH[0][:3], shapes={"input": ("n", 3)})
    assert "'0' (ToFirst)" in str(caught.value)


class ToFirst(nn.Module):
    """Every row added to the first."""

    def forward(self, x):
        return torch.zeros_like(x).index_put(
            (torch.zeros_like(x[:, 0], dtype=torch.int64),), x, accumulate=True
        )


def test_an_encoder_takes_any_length(monkeypatch):
    """The exporter of traces bakes the lengths of its example into the shapes."""
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).train()
    arguments = {"example_inputs": torch.randn(1, 5, 8), "shapes": {"src": ("batch", "length", 8)}}
    model = pysofie.load(layer, **arguments)
    same(model, layer, torch.randn(3, 9, 8))
    only_traces(monkeypatch)
    with pytest.raises(pysofie.UnsupportedError, match="self_attn"):
        pysofie.load(layer, **arguments)


def test_the_smallest_constants_are_kept():
    class Ratio(nn.Module):
        def forward(self, x):
            return x / (x + 1e-8) + 1 / (x.abs().sum(-1, keepdim=True) + 1e-8)

    model = pysofie.load(Ratio(), example_inputs=torch.rand(2, 3))
    same(model, Ratio(), torch.zeros(2, 3))
    same(model, Ratio(), torch.rand(4, 3) * 1e-8)


def test_a_branch_that_the_data_decide_is_refused():
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(pysofie.UnsupportedError, match="torch does not write"):
        pysofie.load(Branch(), example_inputs=torch.randn(2, 3))


def test_a_module_that_draws_random_numbers_is_taken_with_a_warning():
    class Noise(nn.Module):
        def forward(self, x):
            return x + torch.randn_like(x)

    with pytest.warns(UserWarning, match="random numbers"):
        pysofie.load(Noise(), example_inputs=torch.randn(2, 3))


def test_sizes_that_a_module_does_not_take_are_told():
    with pytest.raises(pysofie.UnsupportedError, match=r"does not take batch="):
        pysofie.load(nn.Unflatten(0, (2, 1)), example_inputs=torch.randn(2, 3))
    model = pysofie.load(
        nn.PixelUnshuffle(2),
        example_inputs=torch.randn(1, 3, 4, 6),
        shapes={"input": ("batch", 3, "height", "width")},
    )
    same(model, nn.PixelUnshuffle(2), torch.randn(2, 3, 8, 2))
