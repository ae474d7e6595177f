"""What networks look at: gradients of their outputs by their inputs.

Run it with PyTorch installed (pip install 'pysofie[torch]'):

    python tutorials/gradients.py

It writes saliency.png, what moves the score of a Higgs classifier, and jet_saliency.png, what a convolutional
network sees in images of jets that have one prong or two. A fit with a network inside is roofit.py.
"""

import matplotlib.pyplot as plt
import numpy as np
import torch
from torch import nn

import pysofie
from pysofie.demo import MODEL

rng = np.random.default_rng(1)
torch.manual_seed(1)

# The change of the score with each feature, one row per event: values and gradients come in one go.
model = pysofie.load(MODEL)
session = pysofie.compile(model, gradient=True)
events = rng.uniform(0.2, 2.0, size=(2000, 28)).astype("float32")
values, gradients = session.value_and_gradient(events)
saliency = np.abs(gradients["features"] * events).mean(axis=0)
order = np.argsort(saliency)
print("the score depends most on", ", ".join(model.feature_names[i] for i in order[:-6:-1]))
figure, axes = plt.subplots(figsize=(6, 6), layout="constrained")
axes.barh([model.feature_names[i] for i in order], saliency[order])
axes.set(xlabel="mean of |gradient x value|", title="What the Higgs classifier looks at")
figure.savefig("saliency.png")

# Images of jets: each pixel has its share of the energy. The harder prong lies in the middle.
PIXELS, HALF_WIDTH = 24, 0.8


def jet_images(two_prongs):
    """Simulate jets, of one prong or of two, as images of shape (jets, 1, eta, phi)."""
    jets, constituents = len(two_prongs), 30
    size = jets, constituents
    in_second = rng.uniform(size=size) < (two_prongs * rng.uniform(0.25, 0.5, jets))[:, np.newaxis]
    opening = rng.normal(0.5, 0.08, jets)[:, np.newaxis]
    radius, angle = rng.exponential(0.1, size), rng.uniform(0, 2 * np.pi, size)
    places = np.stack([radius * np.sin(angle) - opening * in_second, radius * np.cos(angle)])
    energies = rng.exponential(size=size)
    soft = rng.uniform(size=size) < 0.25  # radiation from elsewhere
    places = np.where(soft, rng.uniform(-HALF_WIDTH, HALF_WIDTH, places.shape), places)
    energies[soft] *= 0.4
    images = np.zeros((jets, 1, PIXELS, PIXELS), "float32")
    eta, phi = np.floor((places / HALF_WIDTH + 1) / 2 * PIXELS).astype(int)
    jet, constituent = np.nonzero((eta >= 0) & (eta < PIXELS) & (phi >= 0) & (phi < PIXELS))
    pixels = eta[jet, constituent], phi[jet, constituent]
    np.add.at(images, (jet, 0, *pixels), energies[jet, constituent])
    return images / images.sum(axis=(1, 2, 3), keepdims=True)


def train(jets, passes=3):
    """Train a convolutional network to tell jets of two prongs."""
    network = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * (PIXELS // 4) ** 2, 32),
        nn.ReLU(),
        nn.Linear(32, 1),
    )
    labels = rng.uniform(size=jets) < 0.5
    data = torch.utils.data.TensorDataset(torch.tensor(jet_images(labels)), torch.tensor(labels))
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(passes):
        for images, truth in torch.utils.data.DataLoader(data, batch_size=100, shuffle=True):
            loss = nn.functional.binary_cross_entropy_with_logits(network(images)[:, 0], truth.float())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return network.eval()


def without(images, saliency, pixels=5):
    """Images that lack the pixels of greatest saliency."""
    flat, changed = saliency.reshape(len(images), -1), images.reshape(len(images), -1).copy()
    np.put_along_axis(changed, np.argsort(flat, axis=1)[:, -pixels:], 0, axis=1)
    return changed.reshape(images.shape)


network = train(16_000)
images = jet_images(np.arange(2000) % 2 == 1)
session = pysofie.compile(pysofie.load(network, example_inputs=torch.tensor(images[:2]), name="jets"))
(gradient,) = session.gradient(images).values()
seen = gradient * images  # what each pixel adds to the score, to first order

x = torch.tensor(images, requires_grad=True)
network(x).sum().backward()
expected = x.grad.numpy()
difference = np.linalg.norm(gradient - expected) / np.linalg.norm(expected)
print(f"relative difference from PyTorch's gradients: {difference:.1e}")

# Without the few pixels that speak most for two prongs, jets are no longer taken for such.
two_prongs = images[1::2]
for what, changed in {
    "with all pixels": two_prongs,
    "without 5 random ones": without(two_prongs, rng.uniform(size=two_prongs.shape) * (two_prongs > 0)),
    "without the 5 most salient": without(two_prongs, seen[1::2]),
}.items():
    print(f"jets of two prongs {what}: {np.mean(session(changed) > 0):.3f} are found")

figure, axes = plt.subplots(2, 2, figsize=(9, 7.5), layout="compressed", sharex=True, sharey=True)
extent = (-HALF_WIDTH, HALF_WIDTH) * 2
for row, chosen, title in (
    (axes[0], slice(1, 2), "a jet of two prongs"),
    (axes[1], slice(1, None, 2), "mean of 1000 such jets"),
):
    share, added = images[chosen, 0].mean(axis=0), seen[chosen, 0].mean(axis=0)
    limit = np.abs(added).max()
    for ax, picture, label, look in (
        (row[0], share, "share of the energy", {"norm": "log"}),
        (row[1], added, "gradient x share", {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}),
    ):
        drawn = ax.imshow(picture, origin="lower", extent=extent, **look)
        figure.colorbar(drawn, ax=ax, label=label)
    row[0].set(title=title, ylabel="$\\Delta\\eta$")
    row[1].set(title="what the network sees of it")
for ax in axes[1]:
    ax.set(xlabel="$\\Delta\\phi$")
figure.savefig("jet_saliency.png")
