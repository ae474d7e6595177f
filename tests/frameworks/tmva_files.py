"""Weight files as TMVA writes them, of trees and networks drawn at random, and what TMVA answers for them.

The answers follow TMVA's sources (MethodBDT, DecisionTreeNode, MethodANNBase, Variable*Transform), event by
event and neuron by neuron; nothing here is shared with the importer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

VARIABLES = ("jet_pt", "jet_eta", "log(mass)", "n < 3")


@dataclass
class File:
    """What a weight file says, and the function that answers as TMVA does."""

    method: str
    analysis: str
    weights: str
    answer: Callable[[np.ndarray], Sequence[float]]
    options: dict[str, str] = field(default_factory=dict)
    release: str = "4.2.1 [262657]"
    transforms: str = ""
    prepare: Callable[[np.ndarray], np.ndarray] = lambda event: event
    finish: Callable[[np.ndarray], np.ndarray] = lambda answer: answer
    targets: int = 0
    classes: int = 2

    def text(self) -> str:
        """The file."""
        options = "".join(
            f'<Option name={quoteattr(name)} modified="Yes">{value}</Option>'
            for name, value in self.options.items()
        )
        variables = "".join(
            f'<Variable VarIndex="{i}" Expression={quoteattr(name)} Label={quoteattr(name)} '
            f'Title={quoteattr(name)} Unit="" Internal="v{i}" Type="F" Min="-3.0e+00" Max="3.0e+00"/>'
            for i, name in enumerate(VARIABLES)
        )
        classes = "".join(f'<Class Name="class_{i}" Index="{i}"/>' for i in range(self.classes))
        targets = "".join(
            f'<Target TargetIndex="{i}" Expression="t{i}" Label="t{i}" Title="t{i}" Unit="" Internal="t{i}" '
            f'Type="F" Min="0" Max="1"/>'
            for i in range(self.targets)
        )
        return (
            f'<?xml version="1.0"?>\n<MethodSetup Method="{self.method}::{self.method}">\n<GeneralInfo>'
            f'<Info name="TMVA Release" value="{self.release}"/><Info name="ROOT Release" value="6.30/02"/>'
            f'<Info name="AnalysisType" value="{self.analysis}"/></GeneralInfo>\n'
            f"<Options>{options}</Options>\n"
            f'<Variables NVar="{len(VARIABLES)}">{variables}</Variables>\n<Spectators NSpec="0"/>\n'
            f'<Classes NClass="{self.classes}">{classes}</Classes>\n'
            f'<Targets NTrgt="{self.targets}">{targets}</Targets>\n'
            f"<Transformations>{self.transforms}</Transformations>\n<MVAPdfs/>\n{self.weights}\n</MethodSetup>\n"
        )

    def answers(self, x: np.ndarray) -> np.ndarray:
        """What TMVA's Reader gives for events."""
        rows = [self.finish(np.asarray(self.answer(self.prepare(event)), np.float64)) for event in x]
        return np.asarray(rows, np.float32)


# --- boosted decision trees --------------------------------------------------------------------------------


def node(rng: np.random.Generator, depth: int) -> dict[str, Any]:
    """A node with what follows it."""
    leaf = {"res": rng.normal() * 0.2, "purity": rng.random(), "nType": rng.choice([-1, 1])}
    if depth == 0 or rng.random() < 0.15:
        return leaf
    return leaf | {
        "nType": 0,
        "IVar": rng.integers(len(VARIABLES)),
        "Cut": float(np.float32(rng.choice([-0.5, 0.25, rng.normal()]))),
        "cType": rng.integers(2),
        "l": node(rng, depth - 1),
        "r": node(rng, depth - 1),
    }


def node_text(tree: dict[str, Any], position: str = "s", depth: int = 0) -> str:
    """The node as TMVA writes it."""
    inside = "".join(node_text(tree[way], way, depth + 1) for way in "lr" if way in tree)
    return (
        f'<Node pos="{position}" depth="{depth}" NCoef="0" IVar="{tree.get("IVar", -1)}" '
        f'Cut="{tree.get("Cut", 0.0):.16e}" cType="{tree.get("cType", 1)}" res="{tree["res"]:.16e}" '
        f'rms="0.0000000000000000e+00" purity="{tree["purity"]:.16e}" nType="{tree["nType"]}">{inside}</Node>'
    )


def leaf_of(tree: dict[str, Any], event: np.ndarray) -> dict[str, Any]:
    """Where an event ends up, as DecisionTreeNode::GoesRight decides."""
    while tree["nType"] == 0:
        right = bool(event[tree["IVar"]] >= np.float32(tree["Cut"]))
        tree = tree["r" if right == bool(tree["cType"]) else "l"]
    return tree


def trees(
    seed: int, boost: str, analysis: str = "Classification", yes_no: bool = False, count: int = 12
) -> File:
    """A forest."""
    rng = np.random.default_rng(seed)
    forest = [node(rng, 4) for _ in range(count)]
    weights = [1.0] * count if boost in ("Grad", "Bagging") else rng.uniform(0.1, 1, count).tolist()
    if boost == "Grad" and analysis == "Regression":
        weights[0] = 91.25
    classes = 3 if analysis == "Multiclass" else 2
    by_response = boost == "Grad" or analysis == "Regression"

    def leaf_values(event: np.ndarray) -> np.ndarray:
        key = "res" if by_response else "nType" if yes_no else "purity"
        return np.asarray([np.float32(leaf_of(tree, event)[key]) for tree in forest], np.float64)

    def answer(event: np.ndarray) -> Sequence[float]:
        values, boosts = leaf_values(event), np.float32(weights).astype(float)
        if analysis == "Multiclass":
            sums = np.asarray([values[k::classes].sum() for k in range(classes)])
            return [1 / np.exp(sums - own).sum() for own in sums]
        if boost == "Grad":
            total = values.sum()
            return [total + boosts[0]] if analysis == "Regression" else [2 / (1 + np.exp(-2 * total)) - 1]
        if boost == "AdaBoostR2":
            return [about_the_median(values, boosts)]
        return [(boosts * values).sum() / boosts.sum()]

    body = "".join(
        f'<BinaryTree type="DecisionTree" boostWeight="{weight:.16e}" itree="{i}">'
        f"{node_text(tree)}</BinaryTree>"
        for i, (tree, weight) in enumerate(zip(forest, weights, strict=True))
    )
    return File(
        "BDT",
        analysis,
        f'<Weights NTrees="{count}" AnalysisType="{int(by_response)}">{body}</Weights>',
        answer,
        {"BoostType": boost, "UseYesNoLeaf": str(yes_no), "DoPreselection": "False"},
        targets=int(analysis == "Regression"),
        classes=1 if analysis == "Regression" else classes,
    )


def about_the_median(values: np.ndarray, weights: np.ndarray) -> float:
    """MethodBDT::GetRegressionValues of AdaBoostR2, step by step."""
    order = np.argsort(values, kind="stable")
    values, weights = values[order], weights[order]
    reached, total = 0, 0.0
    while total <= weights.sum() / 2:
        total += weights[reached]
        reached += 1
    sixth = len(values) // 6
    low, high = max(0, int(reached - sixth - 0.5)), min(len(values), int(reached + sixth + 0.5))
    return float(values[low:high].mean())


# --- multilayer perceptrons --------------------------------------------------------------------------------


def fast_tanh(x: float) -> float:
    """TActivationTanh::fast_tanh."""
    if abs(x) > 4.97:
        return float(np.sign(x))
    x2 = x * x
    return x * (135135 + x2 * (17325 + x2 * (378 + x2))) / (135135 + x2 * (62370 + x2 * (3150 + x2 * 28)))


ACTIVATIONS: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": fast_tanh,
    "ReLU": lambda x: max(x, 0.0),
    "linear": lambda x: x,
    "radial": lambda x: np.exp(-x * x / 2),
}
SUMS: dict[str, Callable[[np.ndarray], float]] = {
    "sum": lambda terms: float(terms.sum()),
    "sqsum": lambda terms: float((terms * terms).sum()),
    "abssum": lambda terms: float(np.abs(terms).sum()),
}


def network(
    seed: int,
    activation: str = "tanh",
    total: str = "sum",
    analysis: str = "Classification",
    estimator: str = "CE",
    release: str = "4.2.1 [262657]",
) -> File:
    """Two hidden layers, of 5 and 4 neurons."""
    rng = np.random.default_rng(seed)
    outputs = {"Multiclass": 3, "Regression": 2}.get(analysis, 1)
    sizes = [len(VARIABLES), 5, 4, outputs]
    layers = [rng.normal(size=(sizes[i] + 1, sizes[i + 1])).round(6) for i in range(3)]
    act = np.tanh if activation == "tanh" and release < "4.2.1" else ACTIVATIONS[activation]

    def answer(event: np.ndarray) -> Sequence[float]:
        values = np.asarray(event, np.float64)
        for i, weights in enumerate(layers):
            values = np.append(values, 1.0)
            sums = [SUMS[total](values * weights[:, neuron]) for neuron in range(sizes[i + 1])]
            values = np.asarray([act(s) for s in sums] if i < 2 else sums)
        if estimator == "CE":
            values = 1 / (1 + np.exp(-values))
        return (
            [1 / np.exp(values - own).sum() for own in values] if analysis == "Multiclass" else list(values)
        )

    body = ""
    for i in range(4):
        count = sizes[i] + (i < 3)
        neurons = "".join(
            f'<Neuron NSynapses="{sizes[i + 1]}">{" ".join(f"{w:.16e}" for w in layers[i][j])} </Neuron>'
            if i < 3
            else '<Neuron NSynapses="0"/>'
            for j in range(count)
        )
        body += f'<Layer Index="{i}" NNeurons="{count}">{neurons}</Layer>'
    return File(
        "MLP",
        analysis,
        f'<Weights><Layout NLayers="4">{body}</Layout></Weights>',
        answer,
        {"NeuronType": activation, "NeuronInputType": total, "EstimatorType": estimator},
        release=release,
        targets=outputs if analysis == "Regression" else 0,
        classes=outputs if analysis == "Multiclass" else 2,
    )


# --- transformations ---------------------------------------------------------------------------------------


def selection(places: Sequence[int], targets: int = 0) -> str:
    """Which variables a transformation reads and writes."""

    def entries(tag: str) -> str:
        listed = [("Variable", VARIABLES[place]) for place in places] + [
            ("Target", f"t{i}") for i in range(targets)
        ]
        inside = "".join(
            f'<{tag} Type="{kind}" Label={quoteattr(name)} Expression={quoteattr(name)}/>'
            for kind, name in listed
        )
        return f'<{tag} N{tag}s="{len(listed)}">{inside}</{tag}>'

    return f"<Selection>{entries('Input')}{entries('Output')}</Selection>"


def normalized(file: File, places: Sequence[int] = range(4), targets: int = 0) -> File:
    """With its variables, and targets, between -1 and 1 for what lies in their ranges."""
    rng = np.random.default_rng(7)
    count = len(places) + targets
    low, high = np.float32(-rng.uniform(1, 4, count)), np.float32(rng.uniform(1, 4, count))
    groups = ""
    for group in range(3):  # signal, background, and all of them, which is what the Reader takes
        shift = 0.0 if group == 2 else 0.5
        ranges = "".join(
            f'<Range Index="{i}" Min="{low[i] - shift:.16e}" Max="{high[i] + shift:.16e}"/>'
            for i in range(count)
        )
        groups += f'<Class ClassIndex="{group}"><Ranges>{ranges}</Ranges></Class>'
    scale = np.float32(1.0 / (high - low).astype(float))
    before = file.prepare

    def prepare(event: np.ndarray) -> np.ndarray:
        event = before(event).copy()
        for row, place in enumerate(places):
            event[place] = (event[place] - low[row]) * scale[row] * np.float32(2) - np.float32(1)
        return event

    def finish(answer: np.ndarray) -> np.ndarray:
        return low[-targets:] + (answer + 1) / (scale[-targets:] * 2.0)

    file.prepare = prepare
    file.transforms += f'<Transform Name="Normalize">{selection(places, targets)}{groups}</Transform>'
    if targets:
        file.finish = finish
    return file


def rotated(file: File, kind: str) -> File:
    """With its variables decorrelated, or replaced by their principal components."""
    rng = np.random.default_rng(8)
    count = len(VARIABLES)
    matrices, means = rng.normal(size=(3, count, count)).round(6), rng.normal(size=(3, count)).round(6)
    before = file.prepare

    def prepare(event: np.ndarray) -> np.ndarray:
        wide = before(event).astype(np.float64)
        turned = matrices[-1] @ wide if kind == "Decorrelation" else (wide - means[-1]) @ matrices[-1]
        return turned.astype(np.float32)

    def numbers(values: np.ndarray) -> str:
        return " ".join(f"{value:.16e}" for value in values.ravel())

    inside = ""
    for i in range(3):
        if kind == "Decorrelation":
            inside += f'<Matrix Rows="{count}" Columns="{count}">{numbers(matrices[i])}</Matrix>'
        else:
            inside += (
                f'<Statistics Class="x" ClassIndex="{i}" NRows="{count}">{numbers(means[i])}</Statistics>'
                f'<Eigenvectors Class="x" ClassIndex="{i}" NRows="{count}" NCols="{count}">'
                f"{numbers(matrices[i])}</Eigenvectors>"
            )
    file.prepare = prepare
    file.transforms += f'<Transform Name="{kind}">{selection(range(count))}{inside}</Transform>'
    return file
