"""Train the Higgs classifier of ``pysofie demo`` and write it to ``pysofie/data/higgs.onnx``.

The sample comes with ROOT: 10,000 simulated gg -> H -> WWbb events and as many of ttbar, with 28 features
each (Baldi, Sadowski and Whiteson, Nature Commun. 5, 4308). The last quarter of each tree is held out: it
takes no part in training, nor in choosing when to stop. Features are standardised inside the network, so that
a user feeds columns as they are in the tree, and their names travel in the file's metadata.

    python tutorials/train_higgs.py            # half a minute; needs ROOT, torch and onnxscript
"""

from __future__ import annotations

import argparse
import copy
import json
from pathlib import Path

import numpy as np
import onnx
import ROOT
import torch
from torch import nn

from pysofie.demo import HELD_OUT_FRACTION, MODEL, area_under_curve, sample_file

VALIDATION_FRACTION = 0.15
SEED = 20


class Classifier(nn.Module):
    """28-64-64-1 behind a standardisation of the features, and with a sigmoid at the end.

    Momenta, masses and energies fall steeply, so their logarithm is standardised.
    """

    def __init__(self, names: list[str], sample: torch.Tensor) -> None:
        super().__init__()
        signed = [any(word in name for word in ("eta", "phi", "b-tag")) for name in names]
        self.register_buffer("positive", ~torch.tensor(signed))
        prepared = self.prepare(sample)
        self.register_buffer("mean", prepared.mean(dim=0))
        self.register_buffer("scale", 1 / prepared.std(dim=0))
        self.layers = nn.Sequential(
            nn.Linear(len(names), 64),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Linear(64, 64),
            nn.SiLU(),
            nn.Dropout(0.2),
            nn.Linear(64, 1),
        )

    def prepare(self, features: torch.Tensor) -> torch.Tensor:
        """The features, or their logarithm."""
        return torch.where(self.positive, torch.log(features.clamp_min(1e-3)), features)

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Before the sigmoid, shape (batch, 1)."""
        return self.layers((self.prepare(features) - self.mean) * self.scale)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Probability of signal, shape (batch, 1), of features (batch, 28)."""
        return torch.sigmoid(self.logits(features))


class Symmetries:
    """Physics stays the same when an event is turned about the beam or mirrored: more to learn from."""

    HALF_TURN = 1.7437  # of the angles phi in the units of this sample

    def __init__(self, names: list[str]) -> None:
        self.eta = [i for i, name in enumerate(names) if "eta" in name]
        self.phi = [i for i, name in enumerate(names) if "phi" in name]

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Each event, of shape (batch, 28), turned by an angle of its own and mirrored or not."""
        turned = features.clone()
        signs = torch.randint(2, (2, len(features), 1)) * 2.0 - 1.0
        turn = torch.rand(len(features), 1) * 2 * self.HALF_TURN
        turned[:, self.eta] *= signs[0]
        phi = turned[:, self.phi] * signs[1] + turn
        turned[:, self.phi] = torch.remainder(phi, 2 * self.HALF_TURN) - self.HALF_TURN
        return turned


def read() -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of the features, and signal and background of shape (10000, 28), in the order of the trees."""
    trees = [ROOT.RDataFrame(tree, sample_file()) for tree in ("sig_tree", "bkg_tree")]
    names = [str(name) for name in trees[0].GetColumnNames() if str(name) != "Type"]
    arrays = [tree.AsNumpy(names) for tree in trees]
    signal, background = (np.stack([array[name] for name in names], axis=1) for array in arrays)
    return names, signal.astype(np.float32), background.astype(np.float32)


def split(
    signal: np.ndarray, background: np.ndarray, begin: float, end: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (n, 28) and labels (n, 1) of the entries between two fractions of each tree."""
    parts = [sample[int(begin * len(sample)) : int(end * len(sample))] for sample in (signal, background)]
    labels = np.repeat([1, 0], [len(part) for part in parts]).astype(np.float32)
    return torch.from_numpy(np.concatenate(parts)), torch.from_numpy(labels)[:, None]


def train(
    model: Classifier,
    symmetries: Symmetries,
    data: tuple[torch.Tensor, ...],
    validation: tuple[torch.Tensor, ...],
    epochs: int,
) -> None:
    """Adam with cosine decay; the weights of the epoch that was best on the validation events stay."""
    features, labels = data
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=2e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    loss = nn.BCEWithLogitsLoss()
    best = (float("inf"), copy.deepcopy(model.state_dict()))
    for epoch in range(epochs):
        model.train()
        for chosen in torch.randperm(len(features)).split(256):
            optimizer.zero_grad()
            loss(model.logits(symmetries(features[chosen])), labels[chosen]).backward()
            optimizer.step()
        schedule.step()
        model.eval()
        with torch.no_grad():
            value = loss(model.logits(validation[0]), validation[1]).item()
        if value < best[0]:
            best = (value, copy.deepcopy(model.state_dict()))
            print(f"epoch {epoch + 1:3d}: validation loss {value:.4f}")
    model.load_state_dict(best[1])


def export(model: Classifier, names: list[str], path: Path) -> None:
    """Write one ONNX file: input "features", output "score", dynamic batch, names in the metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    program = torch.onnx.export(
        model,
        (torch.zeros(2, len(names)),),
        input_names=["features"],
        output_names=["score"],
        dynamic_shapes={"features": {0: torch.export.Dim("batch")}},
        dynamo=True,
        external_data=False,
    )
    proto = program.model_proto
    proto.graph.name = "higgs"
    onnx.helper.set_model_props(proto, {"feature_names": json.dumps(names)})
    graph = proto.graph
    for part in [graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer]:
        part.ClearField("metadata_props")  # the exporter's notes to itself
    onnx.save(proto, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=MODEL)
    parser.add_argument("--epochs", type=int, default=150)
    arguments = parser.parse_args()

    torch.manual_seed(SEED)
    names, signal, background = read()
    begin = 1 - HELD_OUT_FRACTION
    data = split(signal, background, 0, begin - VALIDATION_FRACTION)
    validation = split(signal, background, begin - VALIDATION_FRACTION, begin)

    model = Classifier(names, data[0])
    train(model, Symmetries(names), data, validation, arguments.epochs)
    model.eval()
    features, labels = split(signal, background, begin, 1)
    with torch.no_grad():
        scores = model(features).numpy().ravel()
    held_out = labels.numpy().ravel()
    area = area_under_curve(scores[held_out == 1], scores[held_out == 0])
    print(f"area under the ROC curve on {len(scores)} held-out events: {area:.4f}")
    export(model, names, arguments.output)
    print(f"wrote {arguments.output} ({arguments.output.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
    main()
