"""Boosted decision trees of TMVA."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from pysofie.errors import InvalidModelError, UnsupportedError
from pysofie.importers.forest import GREATER_EQUAL, Forest, Tree
from pysofie.importers.tmva_file import REGRESSION, Element, WeightFile, integer, real
from pysofie.importers.writer import Writer


def write_trees(writer: Writer, x: str, file: WeightFile) -> str:
    """Write the answer, of shape (batch, 1) or (batch, classes).

    Raises
    ------
    InvalidModelError
        The trees are damaged.
    UnsupportedError
        They are of a kind that is not taken.
    """
    if file.option("DoPreselection", "false") == "true":
        raise UnsupportedError("the trees were trained with DoPreselection, whose cuts are not taken")
    elements = file.weights.findall("BinaryTree")
    if len(elements) != integer(file.weights, "NTrees") or not elements:
        raise InvalidModelError(f"<Weights> holds {len(elements)} trees, but NTrees says otherwise, or none")
    weights = np.asarray([real(element, "boostWeight") for element in elements], np.float32).astype(
        np.float64
    )
    trees = _Trees(file, elements)
    boost = file.option("BoostType", "adaboost")
    if file.analysis == "Multiclass":
        if boost != "grad":
            raise UnsupportedError(f"BoostType={boost} of several classes is not taken, only Grad")
        return writer.add("Softmax", trees.write(writer, x, targets=len(file.classes)), axis=1)
    if boost == "grad":
        total = trees.write(writer, x)
        if file.analysis == "Regression":
            return writer.add("Add", total, np.float32(weights[0]))
        return writer.add("Tanh", total)
    if file.analysis == "Regression" and boost == "adaboostr2":
        return _median(writer, trees.write(writer, x, targets=len(elements)), weights)
    norm = weights.sum()
    share = weights / norm if norm > np.finfo(np.float64).eps else np.zeros_like(weights)
    return trees.write(writer, x, share)


class _Trees:
    """The trees of a file, and how their leaves answer."""

    def __init__(self, file: WeightFile, elements: list[Element]) -> None:
        kind = "AnalysisType" if "AnalysisType" in file.weights.attrib else "TreeType"
        self._answers_by_response = integer(file.weights, kind) == REGRESSION
        self._answers_by_type = file.option("UseYesNoLeaf", "true") == "true"
        self._features = len(file.variables)
        self._elements = elements

    def write(
        self, writer: Writer, x: str, weights: NDArray[np.float64] | None = None, targets: int = 1
    ) -> str:
        """Write the sums of trees: the first tree adds to the first target, the second to the second."""
        forest = Forest(self._features, targets)
        for i, element in enumerate(self._elements):
            forest.add(self._tree(element, 1 if weights is None else weights[i]), i % targets)
        return forest.write(writer, x)

    def _tree(self, element: Element, weight: float) -> Tree:
        nodes = list(_nodes(element))
        branches = [(node, left, right) for node, left, right in nodes if left > 0]
        table = np.zeros((4, len(nodes)))
        children = np.full((2, len(nodes)), -1)
        for i, (node, left, right) in enumerate(nodes):
            if left > 0:
                selects_signal = integer(node, "cType") != 0
                table[:2, i] = integer(node, "IVar"), real(node, "Cut")
                children[:, i] = (right, left) if selects_signal else (left, right)
            else:
                table[2, i] = self._answer(node) * weight
        if any("NCoef" in node.attrib and integer(node, "NCoef") for node, _, _ in branches):
            raise UnsupportedError(
                "the trees cut on Fisher discriminants (UseFisherCuts), which is not taken"
            )
        return Tree(
            feature=table[0].astype(np.int64),
            threshold=table[1],
            mode=GREATER_EQUAL,
            yes=children[0],
            no=children[1],
            missing_yes=np.zeros(len(nodes), bool),
            value=table[2],
        )

    def _answer(self, leaf: Element) -> float:
        if self._answers_by_response:
            return real(leaf, "res")
        if self._answers_by_type:
            return integer(leaf, "nType")
        if "purity" in leaf.attrib:
            return real(leaf, "purity")
        signal, background = real(leaf, "nS"), real(leaf, "nB")
        return signal / (signal + background) if signal + background else 0.5


def _nodes(tree: Element) -> Iterator[tuple[Element, int, int]]:
    """The nodes level by level, with the places of the left and right one that follow; -1 at leaves."""
    nodes = tree.findall("Node")
    if len(nodes) != 1:
        raise InvalidModelError(f"<BinaryTree> holds {len(nodes)} roots in place of one")
    for node in nodes:
        if integer(node, "nType") != 0:
            yield node, -1, -1
            continue
        following = {child.get("pos"): child for child in node.findall("Node")}
        if set(following) != {"l", "r"}:
            raise InvalidModelError("a <Node> with nType 0 lacks a left or right <Node>, or has more")
        yield node, len(nodes), len(nodes) + 1
        nodes += [following["l"], following["r"]]


def _median(writer: Writer, answers: str, weights: NDArray[np.float64]) -> str:
    """The mean of the answers about their weighted median: a sixth of the trees on each side.

    The median is where the weights of lower answers come to more than half.
    """
    count, axis = len(weights), np.asarray([1], np.int64)
    everything = np.asarray([count], np.int64)
    ascending, order = writer.add_all(2, "TopK", answers, everything, axis=1, largest=0)
    lower = writer.add("CumSum", writer.add("Gather", weights, order), np.asarray(1), exclusive=1)
    is_lower = writer.add("LessOrEqual", lower, np.asarray(weights.sum() / 2))
    median = writer.add("ReduceSum", writer.add("Cast", is_lower, to=TensorProto.INT64), axis)
    places = np.arange(count)
    first = writer.add("GreaterOrEqual", places, writer.add("Sub", median, np.asarray(count // 6 + 1)))
    last = writer.add("Less", places, writer.add("Add", median, np.asarray(count // 6)))
    near = writer.add("Cast", writer.add("And", first, last), to=TensorProto.FLOAT)
    total = writer.add("ReduceSum", writer.add("Mul", ascending, near), axis)
    return writer.add("Div", total, writer.add("ReduceSum", near, axis))
