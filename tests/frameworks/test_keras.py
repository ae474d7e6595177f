"""Models of Keras 3 and their files, on whichever backend is installed."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from frameworks.layers import compile_all, difference

import pysofie
from pysofie import _core
from pysofie.importers.keras import choose_backend

choose_backend()

keras = pytest.importorskip("keras", reason="needs Keras: pip install 'pysofie[keras]'")
h5py = pytest.importorskip("h5py")
layers = keras.layers


@pytest.fixture(autouse=True)
def _same_weights():
    keras.utils.set_random_seed(3)


def functional():
    """Two inputs, two outputs."""
    image, kin = keras.Input((8, 8, 1), name="image"), keras.Input((4,), name="kin")
    h = layers.Conv2D(3, 3, activation="relu")(image)
    h = layers.Concatenate()([layers.Flatten()(h), kin])
    classes = layers.Dense(3, activation="softmax", name="classes")(h)
    return keras.Model([image, kin], [classes, layers.Dense(1, name="mass")(h)])


def sequential():
    return keras.Sequential(
        [keras.Input((5,), name="x"), layers.Dense(4, activation="relu"), layers.Dense(2)]
    )


@keras.saving.register_keras_serializable("pysofie")
class Subclassed(keras.Model):
    """A class with two arguments."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.first, self.second = layers.Dense(4), layers.Dense(2)

    def call(self, x, scale):
        return {"y": self.second(keras.ops.tanh(self.first(x)) * scale), "h": scale + 1}


class Listed(keras.Model):
    """A class with a list of inputs."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(3)

    def call(self, inputs, training=False):
        a, b = inputs
        return self.dense(keras.ops.concatenate([a, b], axis=-1))


def called(model, *arguments):
    """A model that has been called, as a trained one has."""
    model(*arguments)
    return model


def saved(model, folder, suffix):
    path = folder / f"{type(model).__name__.lower()}{suffix}"
    model.save(path)
    return path


def ones(*shape):
    return np.ones(shape, "float32")


SHAPES = {"x": ("batch", 5), "scale": ("batch", 1)}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of every kind, compiled together: by name the framework's, and ours with its session."""
    folder = tmp_path_factory.mktemp("models")
    keras.utils.set_random_seed(3)
    subclassed = called(Subclassed(), ones(2, 5), ones(2, 1))
    masked = keras.Sequential([keras.Input((4, 3)), layers.Masking(), layers.LSTM(5)])
    sources = {
        "functional": (functional(), {}),
        "sequential": (sequential(), {"columns": list("abcde")}),
        "subclassed": (subclassed, {"example_inputs": (ones(2, 5), ones(2, 1))}),
        "subclassed, shapes": (subclassed, {"shapes": SHAPES}),
        "called": (called(Listed(), [ones(2, 3), ones(2, 4)]), {}),
        "list": (Listed(), {"example_inputs": ([ones(2, 3), ones(2, 4)],)}),
        "dict": (dictionaries(), {}),
        "open": (open_image(), {"shapes": {"image": ("batch", "height", 12, 2)}}),
        "masked": (masked, {}),
        "layer": (layers.Dense(3, activation="tanh"), {"example_inputs": ones(2, 4)}),
        "file": (saved(functional(), folder, ".keras"), {}),
        "file of a class": (saved(subclassed, folder, ".keras"), {"shapes": SHAPES}),
        "hdf5": (saved(sequential(), folder, ".h5"), {}),
    }
    loaded = {
        name: pysofie.load(source, name=f"model_{i}", **keywords)
        for i, (name, (source, keywords)) in enumerate(sources.items())
    }
    sessions = compile_all(loaded)
    return {name: (sources[name][0], loaded[name], sessions[name]) for name in sources}


KINDS = [
    "functional",
    "sequential",
    "subclassed",
    "subclassed, shapes",
    "called",
    "list",
    "dict",
    "open",
    "layer",
    "masked",
    "file",
    "file of a class",
    "hdf5",
]


def dictionaries():
    """Inputs and outputs in dicts, whose keys are not in order."""
    inputs = {"z": keras.Input((2,), name="z"), "a": keras.Input((3,), name="a")}
    both = layers.Concatenate()([inputs["z"], inputs["a"]])
    return keras.Model(inputs, {"second": layers.Dense(2)(both), "first": layers.Dense(1)(both)})


def open_image():
    """An image of any size."""
    image = keras.Input((None, None, 2), name="image")
    return keras.Model(
        image, layers.GlobalAveragePooling2D()(layers.Conv2D(3, 3, padding="same")(image)), name="open"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gives_the_numbers_of_keras(models, kind):
    _, model, session = models[kind]
    assert difference(model, session) == ""


@pytest.mark.parametrize("kind", ["functional", "subclassed"])
def test_keras_itself_agrees(models, kind):
    """The reference may err as the export does; so Keras is called here as its users call it."""
    source, _, session = models[kind]
    rng = np.random.default_rng(4)
    for batch in (1, 4):
        arrays = [
            rng.standard_normal([batch if dim == "batch" else dim for dim in tensor.shape]).astype("float32")
            for tensor in session.inputs
        ]
        expected = source(arrays) if kind == "functional" else source(*arrays)
        by_name = (
            expected if isinstance(expected, dict) else dict(zip(source.output_names, expected, strict=True))
        )
        for name, array in session.run(dict(zip(session.input_names, arrays, strict=True))).items():
            np.testing.assert_allclose(array, keras.ops.convert_to_numpy(by_name[name]), rtol=1e-4, atol=1e-5)


def test_names_and_shapes(models):
    def described(kind):
        model = models[kind][1]
        return [str(tensor) for tensor in (*model.inputs, *model.outputs)]

    assert described("functional") == [
        "image: float32[batch, 8, 8, 1]",
        "kin: float32[batch, 4]",
        "classes: float32[batch, 3]",
        "mass: float32[batch, 1]",
    ]
    assert described("subclassed") == described("subclassed, shapes")
    assert described("subclassed, shapes") == [
        "x: float32[batch, 5]",
        "scale: float32[batch, 1]",
        "h: float32[batch, 1]",
        "y: float32[batch, 2]",
    ]
    assert described("list")[:2] == ["inputs_0: float32[batch, 3]", "inputs_1: float32[batch, 4]"]
    assert described("open")[0] == "image: float32[batch, height, 12, 2]"


def test_columns(models):
    assert models["sequential"][1].feature_names == list("abcde")


def test_the_model_stays_as_it_was():
    model = sequential()
    model.compile(optimizer="sgd", loss="mse")
    model.fit(ones(4, 5), ones(4, 2), verbose=0)
    steps, weights = int(model.optimizer.iterations), model.get_weights()
    modes = [getattr(layer, "training", None) for layer in model.layers]
    pysofie.load(model)
    assert [getattr(layer, "training", None) for layer in model.layers] == modes
    assert int(model.optimizer.iterations) == steps
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))
    assert all(variable.trainable for variable in model.trainable_variables)
    model.fit(ones(4, 5), ones(4, 2), verbose=0)
    assert int(model.optimizer.iterations) == steps + 1


# --- what is refused --------------------------------------------------------------------------------------


def test_a_class_that_was_not_called():
    with pytest.raises(pysofie.UnsupportedError, match=r"what Subclassed takes.*example_inputs"):
        pysofie.load(Subclassed())


def test_shapes_that_do_not_fit():
    with pytest.raises(pysofie.ShapeError, match=r"shapes\['x'\] = \('batch', 6\) does not fit"):
        pysofie.load(sequential(), shapes={"x": ("batch", 6)})
    with pytest.raises(pysofie.ShapeError, match="'y', which is no input"):
        pysofie.load(sequential(), shapes={"y": ("batch", 5)})


def test_example_inputs_that_do_not_fit():
    with pytest.raises(pysofie.ShapeError, match="1 arrays; the model takes image"):
        pysofie.load(functional(), example_inputs=ones(2, 8, 8, 1))


def test_wrong_inputs(models):
    session = models["sequential"][2]
    with pytest.raises(pysofie.ShapeError, match="'x'"):
        session(ones(2, 4))


class Baked(layers.Layer):
    """Computes with the size of its batch, as a number that any trace of it keeps."""

    def call(self, x):
        return x * float(len(keras.ops.convert_to_numpy(x)))


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="tracing is not that simple elsewhere")
def test_a_difference_is_an_error_that_says_where():
    x = keras.Input((3,), name="x")
    model = keras.Model(x, layers.Dense(2)(Baked(name="odd")(x)))
    with pytest.raises(pysofie.UnsupportedError, match="begins with the layer 'odd' "):
        pysofie.load(model)


def test_what_is_no_model():
    with pytest.raises(pysofie.UnsupportedError, match="SGD is no model of Keras"):
        pysofie.load(keras.optimizers.SGD())


# --- hostile files ----------------------------------------------------------------------------------------


def rewritten(path, change):
    """The archive with its configuration changed."""
    target = path.with_name(f"changed_{path.name}")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as archive:
        for member in source.infolist():
            content = source.read(member)
            if member.filename == "config.json":
                config = json.loads(content)
                change(config)
                content = json.dumps(config).encode()
            archive.writestr(member, content)
    return target


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_lambda_in_a_file_is_refused(tmp_path, suffix):
    x = keras.Input((3,), name="x")
    path = saved(keras.Model(x, layers.Lambda(lambda x: 2 * x)(x)), tmp_path, suffix)
    with pytest.raises(pysofie.UnsupportedError, match=r"Lambda, which brings code.*trust=True"):
        pysofie.load(path)


def test_a_trusted_lambda(tmp_path):
    x = keras.Input((3,), name="x")
    path = saved(keras.Model(x, layers.Lambda(lambda x: 2 * x, output_shape=(3,))(x)), tmp_path, ".keras")
    assert pysofie.load(path, trust=True).inputs[0].name == "x"


@pytest.mark.parametrize(
    ("place", "entry", "complaint"),
    [
        ("activation", {"module": "os", "class_name": "function", "config": "system"}, "function 'system'"),
        (
            "activation",
            {"module": "keras.utils", "class_name": "function", "config": "get_file"},
            "function 'get_file'",
        ),
        (
            "kernel_initializer",
            {"module": "runpy", "class_name": "run_path", "config": {}},
            "class 'run_path'",
        ),
    ],
)
def test_code_named_in_a_file_is_refused(tmp_path, place, entry, complaint):
    def change(config):
        config["config"]["layers"][1]["config"][place] = entry

    path = rewritten(saved(sequential(), tmp_path, ".keras"), change)
    with pytest.raises(pysofie.UnsupportedError, match=complaint):
        pysofie.load(path)


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "assets/../../escaped", "a\\b"])
def test_members_that_lead_outside_are_refused(tmp_path, name):
    path = saved(sequential(), tmp_path, ".keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    with pytest.raises(pysofie.InvalidModelError, match="would lie outside"):
        pysofie.load(path)


def test_links_in_archives_are_refused(tmp_path):
    path = saved(sequential(), tmp_path, ".keras")
    with zipfile.ZipFile(path, "a") as archive:
        link = zipfile.ZipInfo("assets")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc")
    with pytest.raises(pysofie.InvalidModelError, match="would lie outside"):
        pysofie.load(path)


def test_a_bomb_is_refused(tmp_path):
    path = saved(sequential(), tmp_path, ".keras")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("assets/zeros", bytes(100_000_000))
    with pytest.raises(pysofie.InvalidModelError, match="times its size"):
        pysofie.load(path)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_weights_in_other_files_are_refused(tmp_path, suffix):
    path = saved(sequential(), tmp_path, suffix)
    weights = path if suffix == ".h5" else tmp_path / "model.weights.h5"
    if suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            weights.write_bytes(archive.read("model.weights.h5"))
    with h5py.File(weights, "a") as file:
        file["elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")
    if suffix == ".keras":
        path = with_member(path, "model.weights.h5", weights.read_bytes())
    with pytest.raises(pysofie.InvalidModelError, match="'elsewhere' lie, or may lie, in another file"):
        pysofie.load(path)


def with_member(path, name, content):
    """The archive with one member exchanged."""
    target = path.with_name(f"changed_{path.name}")
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w") as archive:
        for member in source.infolist():
            archive.writestr(member, content if member.filename == name else source.read(member))
    return target


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"\x89HDF\r\n\x1a\nnonsense"])
def test_broken_files(tmp_path, suffix, content):
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(pysofie.InvalidModelError, match="broken"):
        pysofie.load(path)


def test_weights_alone_are_no_model(tmp_path):
    path = tmp_path / "only.weights.h5"
    sequential().save_weights(path)
    with pytest.raises(pysofie.InvalidModelError, match="only weights"):
        pysofie.load(path)


# --- generated code ---------------------------------------------------------------------------------------


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="jax2onnx 0.17 writes a pooling that does not run"
)
def test_channels_last_networks_are_not_transposed():
    """Only what computes is left: two convolutions, two poolings, two products."""
    image = keras.Input((16, 16, 3), name="image")
    h = layers.MaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    h = layers.MaxPooling2D()(layers.Conv2D(8, 3, activation="relu")(h))
    h = layers.Dense(10, activation="relu")(layers.Flatten()(h))
    model = keras.Model(image, layers.Dense(2)(h))
    kernels = _core.Program(pysofie.load(model).graph).memory({"batch": 3})["kernels"]
    assert len(kernels) == 6


def test_in_rdataframe():
    root = pytest.importorskip("ROOT", reason="needs ROOT: pip install 'pysofie[root]'")
    model = sequential()
    score = pysofie.functor(model, columns=list("abcde"), output="output[0]")
    df = root.RDataFrame(8)
    for place, column in enumerate("abcde"):
        df = df.Define(column, f"float(rdfentry_) / {place + 2}")
    scores = df.Define("score", score).AsNumpy(["score"])["score"]
    events = np.arange(8, dtype="float32")[:, None] / np.arange(2, 7, dtype="float32")
    expected = keras.ops.convert_to_numpy(model(events))[:, 0]
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-6)
