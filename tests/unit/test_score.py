"""Files of events become files of scores, whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
import support
from click.testing import CliRunner
from onnx import helper

import pysofie
from pysofie import interrupts, trees
from pysofie.cli import main
from pysofie.functor import functor

uproot = pytest.importorskip("uproot", reason="needs uproot: pip install 'pysofie[uproot]'")
ak = pytest.importorskip("awkward", reason="needs awkward: pip install 'pysofie[uproot]'")

NAMES = ["pt", "jet1_b-tag", "a.b/c"]


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    """Three features, one score."""
    proto = support.mlp()
    proto.graph.node[-1].output[0] = "two"
    proto.graph.node.append(helper.make_node("ReduceSum", ["two", "axis"], ["y"], keepdims=1))
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axis"))
    proto.graph.output[0].CopyFrom(support.floats("y", "batch", 1))
    path = tmp_path_factory.mktemp("net") / "net.onnx"
    onnx.save(proto, path)
    return path


def features(events, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.standard_normal(events).astype("float32") for name in NAMES}


def write(path, trees, *, chunk=None):
    """A ROOT file of trees, each a dict of branches."""
    with uproot.recreate(path) as file:
        for name, branches in trees.items():
            tree = file.mktree(name, {key: _type(values) for key, values in branches.items()})
            count = len(next(iter(branches.values())))
            step = chunk or max(count, 1)
            for first in range(0, count, step):
                tree.extend({key: values[first : first + step] for key, values in branches.items()})
    return path


def _type(values):
    return (
        np.dtype((values.dtype, values.shape[1:]))
        if isinstance(values, np.ndarray)
        else str(values.type.content)
    )


def read(path, tree="events", branch="score"):
    with uproot.open(path) as file:
        return file[tree][branch].array(library="np")


def expected(net, events):
    return functor(net, columns=NAMES)({name: events[name] for name in NAMES})


def left_overs(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def call(*arguments, code=0):
    result = CliRunner().invoke(main, ["score", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result.output


# --- what is written ------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("chunk", [1000, "5 kB", "1 GiB"])
def test_a_friend_tree(net, tmp_path, chunk, threads):
    events = features(20_001)
    file = write(tmp_path / "in.root", {"events": events}, chunk=3000)
    before = file.read_bytes()
    done = []
    count = pysofie.score(
        net, f"{file}:events", tmp_path / "out.root", columns=NAMES, chunk=chunk, threads=threads,
        progress=lambda *numbers: done.append(numbers),
    )  # fmt: skip
    assert count == 20_001
    scores = read(tmp_path / "out.root")
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(scores, expected(net, events))
    assert done[0] == (0, 20_001)
    assert done[-1] == (20_001, 20_001)
    assert file.read_bytes() == before
    assert left_overs(tmp_path) == []


def test_chunks_and_threads_change_nothing(net, tmp_path):
    file = write(tmp_path / "in.root", {"events": features(50_000)}, chunk=7000)
    results = []
    for number, (chunk, threads) in enumerate([("1 GB", 1), ("1 GB", 3), (8192, 2), (30_000, 1)]):
        path = tmp_path / f"{number}.root"
        pysofie.score(net, f"{file}:events", path, columns=NAMES, chunk=chunk, threads=threads)
        results.append(read(path))
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


def test_many_files_and_patterns(net, tmp_path):
    parts = [features(count, seed=count) for count in (5, 0, 12)]
    for number, part in enumerate(parts):
        write(tmp_path / f"in{number}.root", {"dir/events": part})
    write(tmp_path / "more.root", {"only": parts[2]})
    output = tmp_path / "out.root"
    count = pysofie.score(
        net, [f"{tmp_path}/in*.root:dir/events", tmp_path / "more.root"], output, columns=NAMES
    )
    assert count == 29
    together = {name: np.concatenate([part[name] for part in (*parts, parts[2])]) for name in NAMES}
    np.testing.assert_array_equal(read(output), expected(net, together))


@pytest.mark.parametrize(
    ("text", "file", "tree"),
    [
        ("root://host//a/b.root", "root://host//a/b.root", None),
        ("root://host:1094//a/b.root", "root://host:1094//a/b.root", None),
        ("root://host:1094//a/b.root:dir/tree", "root://host:1094//a/b.root", "dir/tree"),
        ("https://host/b.root:tree", "https://host/b.root", "tree"),
        ("https://host:80/b.root", "https://host:80/b.root", None),
    ],
)
def test_addresses(text, file, tree):
    assert trees._files(text) == [(file, tree)]


def test_names_of_files_with_colons(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a:b.root", "[1].root"):
        write(Path(name), {"events": {"x": np.ones(2, "f4")}})
    assert [tree.name for tree in trees.find(["a:b.root", "a:b.root:events", "[1].root:events"])] == [
        "events"
    ] * 3


def test_an_rntuple(net, tmp_path):
    events = features(100)
    names = ["pt", "eta", "phi"]
    with uproot.recreate(tmp_path / "in.root") as file:
        file.mkrntuple("events", dict(zip(names, events.values(), strict=True)))
    address = (tmp_path / "in.root").as_uri()
    pysofie.score(net, f"{address}:events", tmp_path / "out.root", columns=names, chunk="500 B")
    np.testing.assert_array_equal(read(tmp_path / "out.root"), expected(net, events))


def test_parquet(net, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs pyarrow: pip install 'pysofie[parquet]'")
    events = features(1000)
    file = write(tmp_path / "in.root", {"events": events})
    pysofie.score(net, file, tmp_path / "out.parquet", columns=NAMES, name="my score", chunk=300)
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == ["my score"]
    np.testing.assert_array_equal(table["my score"].to_numpy(), expected(net, events))
    assert parquet.ParquetFile(tmp_path / "out.parquet").num_row_groups == 4


@pytest.mark.parametrize("suffix", [".root", ".parquet"])
def test_no_events(net, tmp_path, suffix):
    if suffix == ".parquet":
        pytest.importorskip("pyarrow", reason="needs pyarrow: pip install 'pysofie[parquet]'")
    file = write(tmp_path / "in.root", {"events": features(0)})
    assert pysofie.score(net, file, tmp_path / f"out{suffix}", columns=NAMES) == 0
    if suffix == ".root":
        assert read(tmp_path / "out.root").shape == (0,)
        with uproot.open(tmp_path / "out.root") as written:
            assert written["events"].typenames() == {"score": "float"}


def test_what_is_not_finite_stays_so(net, tmp_path):
    events = features(4)
    events["pt"][:] = [np.nan, np.inf, -np.inf, 1]
    file = write(tmp_path / "in.root", {"events": events})
    pysofie.score(net, file, tmp_path / "out.root", columns=NAMES)
    scores = read(tmp_path / "out.root")
    np.testing.assert_array_equal(np.isfinite(scores), np.isfinite(expected(net, events)))
    assert np.isnan(scores[0])
    assert np.isfinite(scores[3])


@pytest.mark.parametrize("dtype", ["float64", "int8", "uint16", "int64", "bool"])
def test_columns_of_other_types(net, tmp_path, dtype):
    events = {name: (10 * values).astype(dtype) for name, values in features(100).items()}
    file = write(tmp_path / "in.root", {"events": events})
    pysofie.score(net, file, tmp_path / "out.root", columns=NAMES)
    np.testing.assert_allclose(read(tmp_path / "out.root"), expected(net, events), rtol=1e-5, atol=1e-6)


def test_several_values_for_each_event(tmp_path):
    file = write(tmp_path / "in.root", {"events": features(10)})
    pysofie.score(support.mlp(), file, tmp_path / "out.root", columns=NAMES, chunk=3)
    scores = read(tmp_path / "out.root")
    assert scores.shape == (10, 2)
    events = features(10)
    reference = support.mlp_reference(np.stack([events[name] for name in NAMES], axis=1))
    np.testing.assert_allclose(scores, reference, rtol=1e-4, atol=1e-5)


def test_options_reach_the_compiler(net, tmp_path):
    file = write(tmp_path / "in.root", {"events": features(10)})
    pysofie.score(net, file, tmp_path / "out.root", columns=NAMES, precision="bfloat16", dims={"batch": 1})
    np.testing.assert_allclose(read(tmp_path / "out.root"), expected(net, features(10)), rtol=0.1, atol=0.1)


# --- what is refused ------------------------------------------------------------------------------------


def refused(match, *arguments, **keywords):
    """Refused before the file to write is touched."""
    output = Path(arguments[2])
    before = output.read_bytes() if output.is_file() else None
    with pytest.raises(pysofie.Error, match=match):
        pysofie.score(*arguments, **keywords)
    assert (output.read_bytes() if output.is_file() else None) == before
    if output.parent.is_dir():
        assert left_overs(output.parent) == []


def test_what_does_not_fit_is_refused(net, tmp_path):
    events = features(3) | {"v": np.ones((3, 2), "f4")}
    file = write(tmp_path / "in.root", {"events": events, "others": events, "dir/third": events})
    output = tmp_path / "out.root"
    refused("no file 'nothing.root'", net, "nothing.root:tree", output, columns=NAMES)
    refused("no file", net, f"{tmp_path}/x*.root:tree", output, columns=NAMES)
    refused("no input", net, [], output, columns=NAMES)
    refused("cannot read .*not a ROOT file", net, net, output, columns=NAMES)
    refused("no tree 'event'; it has 'events', 'others', 'dir/third'", net, f"{file}:event", output)
    refused("say which tree.*'events', 'others'", net, file, output)
    refused("no branch 'jet1_btag'; did you mean jet1_b-tag", net, f"{file}:events", output,
            columns=["pt", "jet1_btag", "a.b/c"])  # fmt: skip
    refused("no branch 'z'; it has pt", net, f"{file}:events", output, columns=["pt", "z", "z"])
    refused("takes 3 values per event, got 2", net, f"{file}:events", output, columns=["pt", "pt"])
    refused("several outputs|outputs are", net, f"{file}:events", output, columns=NAMES, output="nope")
    refused("suffix", net, f"{file}:events", tmp_path / "out.txt", columns=NAMES)
    refused("no folder", net, f"{file}:events", tmp_path / "nowhere" / "out.root", columns=NAMES)
    refused("is a folder", net, f"{file}:events", _folder(tmp_path / "folder.root"), columns=NAMES)
    refused("engine", net, f"{file}:events", output, columns=NAMES, engine="spark")
    refused("a branch needs", net, f"{file}:events", output, columns=NAMES, name="")
    refused("chunk='many'", net, f"{file}:events", output, columns=NAMES, chunk="many")
    assert not output.exists()


def _folder(path):
    path.mkdir()
    return path


def test_branches_that_hold_no_numbers(net, tmp_path):
    with uproot.recreate(tmp_path / "in.root") as file:
        file.mktree("events", {"pt": "f4", "s": "string"})
        file["events"].extend({"pt": np.ones(2, "f4"), "s": ["a", "b"]})
    refused("branch 's' is of type .*numbers", net, tmp_path / "in.root", tmp_path / "out.root",
            columns=["pt", "pt", "s"])  # fmt: skip


def test_files_are_replaced_only_if_asked(net, tmp_path):
    file = write(tmp_path / "in.root", {"events": features(3)})
    output = tmp_path / "out.root"
    output.write_bytes(b"precious")
    refused("exists", net, file, output, columns=NAMES)
    assert pysofie.score(net, file, output, columns=NAMES, overwrite=True) == 3
    assert read(output).shape == (3,)
    refused("is an input", net, file, file, columns=NAMES, overwrite=True)
    (tmp_path / "link.root").symlink_to(file)
    refused("is an input", net, file, tmp_path / "link.root", columns=NAMES, overwrite=True)


def test_an_error_in_the_middle_leaves_nothing(net, tmp_path):
    file = write(tmp_path / "in.root", {"events": features(10_000)}, chunk=1000)

    def stop(done, _total):
        if done > 3000:
            raise RuntimeError("stop")

    for threads in (1, 2):
        with pytest.raises(RuntimeError, match="stop"):
            pysofie.score(
                net, file, tmp_path / "out.root", columns=NAMES, chunk=1000, threads=threads, progress=stop
            )
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.root"]


def test_a_damaged_file_leaves_nothing(net, tmp_path):
    file = write(tmp_path / "in.root", {"events": features(100_000)}, chunk=1000)
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 50_000] = bytes(50_000)
    file.write_bytes(content)
    with pytest.raises(pysofie.Error, match="cannot read the tree 'events' of"):
        pysofie.score(net, file, tmp_path / "out.root", columns=NAMES, chunk=1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.root"]


# --- processes ------------------------------------------------------------------------------------------


def start(net, file, output, *arguments, **keywords):
    code = "import sys; from pysofie.cli import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "score", net, file, "--columns", ",".join(NAMES), "-o", output]
    return subprocess.Popen(
        [os.fspath(argument) for argument in (*command, *arguments)],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        **keywords,
    )


@pytest.fixture(scope="module")
def long_file(net, tmp_path_factory):
    """Far more events than are read in chunks of 50 while a test runs; the model is in the cache, too."""
    pysofie.compile(net)
    return write(tmp_path_factory.mktemp("long") / "in.root", {"events": features(1_000_000)}, chunk=100_000)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interrupted(net, long_file, tmp_path, number, overwrite):
    output = tmp_path / "out.root"
    if overwrite:
        output.write_bytes(b"precious")
    process = start(net, long_file, output, "--chunk", "50", *(["--overwrite"] if overwrite else []))
    wait_for_a_part(process, tmp_path)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.root"] * overwrite
    assert not overwrite or output.read_bytes() == b"precious"


def test_signals_wait_for_the_end():
    """A first one does; a second one is not made to wait, and other threads do not know of signals."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    reached = []

    def interrupted(*steps, error=None):
        with interrupts.held():
            for step in steps:
                signal.raise_signal(signal.SIGINT)
                reached.append(step)
            if error is not None:
                raise error

    with pytest.raises(KeyboardInterrupt):
        interrupted(1)
    with pytest.raises(KeyboardInterrupt):
        interrupted(2, 3)
    with pytest.raises(ValueError, match="the first error"):
        interrupted(error=ValueError("the first error"))
    assert reached == [1, 2]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def elsewhere():
        with interrupts.held():
            reached.append(4)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    signal.signal(signal.SIGINT, before)
    assert reached == [1, 2, 4]


def wait_for_a_part(process, folder):
    """Until the process has begun to write."""
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 5000 for path in folder.glob(".*.part")):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_full_disk(net, long_file, tmp_path):
    """A limit on the size of files stands in for it."""
    process = start(
        net, long_file, tmp_path / "out.root",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
    )  # fmt: skip
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "error: " in errors
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
def test_two_processes_that_write_the_same_file(net, tmp_path, overwrite):
    events = features(30_000)
    file = write(tmp_path / "in.root", {"events": events})
    output = tmp_path / "out.root"
    processes = [start(net, file, output, *(["--overwrite"] if overwrite else [])) for _ in range(2)]
    errors = [process.communicate(timeout=100)[1] for process in processes]
    codes = sorted(process.returncode for process in processes)
    assert codes == ([0, 0] if overwrite else [0, 1]), errors
    assert overwrite or any("exists" in text for text in errors)
    np.testing.assert_array_equal(read(output), expected(net, events))
    assert left_overs(tmp_path) == []


def test_no_links_on_this_file_system(net, tmp_path, monkeypatch):
    def refuse(*_arguments):
        raise PermissionError("no links here")

    file = write(tmp_path / "in.root", {"events": features(3)})
    monkeypatch.setattr(os, "link", refuse)
    assert pysofie.score(net, file, tmp_path / "out.root", columns=NAMES) == 3
    assert read(tmp_path / "out.root").shape == (3,)


# --- the command ----------------------------------------------------------------------------------------


def test_the_command(net, tmp_path):
    events = features(100)
    file = write(tmp_path / "in.root", {"events": events})
    output = call(
        net, f"{file}:events", "-o", tmp_path / "out.root", "--columns", "pt,jet1_b-tag",
        "--columns", "a.b/c", "--name", "mlp", "--chunk", "30", "--take", "0", "-j", "2",
    )  # fmt: skip
    assert "100 events" in output
    assert "per second" in output
    np.testing.assert_array_equal(read(tmp_path / "out.root", branch="mlp"), expected(net, events))
    assert "exists" in call(net, file, "-o", tmp_path / "out.root", "--columns", ",".join(NAMES), code=1)


def test_columns_of_several_inputs(tmp_path):
    inputs = [support.floats("x", "batch", 2), support.floats("m", "batch", 1)]
    nodes = [
        helper.make_node("Mul", ["x", "m"], ["product"]),
        helper.make_node("ReduceSum", ["product", "axis"], ["y"], keepdims=1),
    ]
    proto = support.model(nodes, inputs, [support.floats("y", "batch", 1)], {"axis": np.array([1])})
    onnx.save(proto, tmp_path / "two.onnx")
    events = features(10)
    file = write(tmp_path / "in.root", {"events": events})
    common = (tmp_path / "two.onnx", file, "-o", tmp_path / "out.root")
    call(*common, "--columns", "x=pt,jet1_b-tag", "--columns", "m=a.b/c")
    np.testing.assert_allclose(
        read(tmp_path / "out.root"), (events["pt"] + events["jet1_b-tag"]) * events["a.b/c"], rtol=1e-5
    )
    assert "for all inputs" in call(*common, "--columns", "x=pt,a", "--columns", "b", code=2)
