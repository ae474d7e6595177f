"""Gradients of a network: what it looks at, and a fit with the network inside.

python tutorials/gradients.py            (the fit needs ROOT)
"""

import matplotlib.pyplot as plt
import numpy as np

import pysofie
from pysofie.demo import MODEL

session = pysofie.compile(MODEL, gradient=True)
rng = np.random.default_rng(1)
events = rng.uniform(0.2, 2.0, size=(2000, 28)).astype("float32")

# What does the network look at? The change of the score with each feature, one row per event.
values, gradients = session.value_and_gradient(events)
saliency = np.abs(gradients["features"] * events).mean(axis=0)
print("the score depends most on features", np.argsort(saliency)[::-1][:5])
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
axes.bar(np.arange(28), saliency)
axes.set(xlabel="feature", ylabel="|gradient x value|", title="What the Higgs classifier looks at")
figure.savefig("saliency.png")

# A fit: data whose energies are off by an unknown scale, and whose background is off by an unknown shift.
# The network's scores tell both.
TRUE_SCALE, TRUE_SHIFT = 1.05, -0.03
observed = session((events * TRUE_SCALE + TRUE_SHIFT).astype("float32"))


def chi2(parameters):
    """Sum of the squared differences of scores, and its gradient by the chain rule."""
    scale, shift = parameters[0], parameters[1]
    x = (events * scale + shift).astype("float32")
    score = session(x)
    by_feature = session.gradient(x, seed=2 * (score - observed))["features"]
    return float(np.sum((score - observed) ** 2)), [
        float(np.sum(by_feature * events)),
        float(np.sum(by_feature)),
    ]


def minimise(function):
    """Let ROOT's Minuit2 find the minimum; it asks for values and for gradients."""
    import ROOT

    minimiser = ROOT.Math.Factory.CreateMinimizer("Minuit2", "Migrad")

    def value(parameters):
        return function(parameters)[0]

    def slope(parameters, i):
        return function(parameters)[1][i]

    target = ROOT.Math.GradFunctor(value, slope, 2)  # which does not keep the functions alive
    minimiser.SetFunction(target)
    minimiser.SetVariable(0, "scale", 1.0, 0.01)
    minimiser.SetVariable(1, "shift", 0.0, 0.01)
    assert minimiser.Minimize(), "Minuit found no minimum"
    return minimiser.X()[0], minimiser.X()[1], minimiser.NCalls()


scale, shift, calls = minimise(chi2)
print(f"scale {scale:.4f} (true {TRUE_SCALE}), shift {shift:.4f} (true {TRUE_SHIFT}), {calls} calls")
