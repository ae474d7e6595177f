"""A fit with RooFit in which the shape is a network, and Minuit has the network's gradient.

Run it with ROOT, scikit-learn and its converter to ONNX installed (pip install 'pysofie[root,sklearn]'):

    python tutorials/roofit.py

Electrons are calibrated with Z -> ee. The measured mass of the pairs depends on a shift of the energy scale,
on the resolution, and on the chance that an electron radiates; there is no formula for it, but a simulation.
A network that tells simulated masses from uniform ones, for all values of these parameters, learns the
logarithm of the density, and roofit.hxx makes a pdf of its C++ code. ROOT's wheel comes without clad, by
which RooFit differentiates likelihoods (EvalBackend("codegen")), so the gradient is that of pysofie, which
RooAbsReal::gradient hands to Minuit; all else is RooFit's. It writes roofit.png: the masses with the fitted
shape, and the likelihood as a function of the shift.
"""

import warnings
from pathlib import Path

import numpy as np
import ROOT
from skl2onnx import to_onnx
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import pysofie

MASSES = 70, 110  # GeV
RANGES = {"shift": (-3, 3), "resolution": (1, 5), "radiation": (0, 60)}  # in percent
TRUTH = {"shift": 0.8, "resolution": 2.2, "radiation": 25.0}
STARTS = {"shift": 0.0, "resolution": 3.0, "radiation": 40.0}
rng = np.random.default_rng(1)


def simulate(parameters):
    """Simulate a measured mass for each row of parameters."""
    masses = np.zeros(len(parameters))
    while len(rows := np.flatnonzero((masses <= MASSES[0]) | (masses >= MASSES[1]))):
        shift, resolution, radiation = parameters[rows].T / 100
        electrons = 2, len(rows)
        lost = np.where(rng.uniform(size=electrons) < radiation, rng.exponential(0.1, electrons), 0)
        energies = (1 + shift) * np.exp(-lost) * (1 + resolution * rng.standard_normal(electrons))
        masses[rows] = 91.19 + 2.495 / 2 * rng.standard_cauchy(len(rows))  # the Z boson's mass and width
        masses[rows] *= np.sqrt(np.maximum(energies.prod(axis=0), 0))
    return masses


def sample(events):
    """Simulate masses, and draw as many uniform ones, at parameters from all over their ranges."""
    parameters = rng.uniform(*np.transpose(list(RANGES.values())), (events, len(RANGES)))
    masses = np.concatenate([simulate(parameters), rng.uniform(*MASSES, events)])
    return np.column_stack([masses, np.tile(parameters, (2, 1))]), np.repeat([1, 0], events)


def train(events):
    """Train a network to tell simulated from uniform masses; each step sees new ones."""
    scaler = StandardScaler().fit(sample(events)[0])
    network = MLPClassifier((32, 32), "tanh", batch_size=1000, max_iter=1, warm_start=True, random_state=1)
    warnings.simplefilter("ignore", ConvergenceWarning)  # a single step does not converge
    with threadpool_limits(1):  # for matrices as small as these, threads would wait for each other
        for rate in np.geomspace(1e-2, 1e-4, 16):
            features, labels = sample(events)
            network.set_params(learning_rate_init=rate).fit(scaler.transform(features), labels)
    return make_pipeline(scaler, network)


def log_density(classifier):
    """Make a model of what stands before the last sigmoid: the logarithm of the ratio of both densities.

    It is computed in float64, as Minuit asks for. The parameters are one input for all events, so that the
    gradient by them is that of the whole sample.
    """

    def features(mass, parameters):
        rows = np.broadcast_to(parameters, (mass.shape[0], len(RANGES)))
        return {"X": np.concatenate([mass[:, np.newaxis], rows], axis=1)}

    proto = to_onnx(classifier, np.zeros((1, 1 + len(RANGES))), options={"zipmap": False})
    (logit,) = (node.input[0] for node in proto.graph.node if node.op_type == "Sigmoid")
    return pysofie.load(
        proto,
        name="mass_shape",
        outputs=[logit],
        pre=features,
        inputs={"mass": "float64[events]", "parameters": f"float64[{len(RANGES)}]"},
    )


def minimise(likelihood):
    """Let Minuit find the minimum; gives the number of evaluations that took, and the result."""
    minimiser = ROOT.RooMinimizer(likelihood)
    minimiser.setPrintLevel(-1)
    assert minimiser.migrad() == 0, "Minuit found no minimum"
    return minimiser.evalCounter(), minimiser.save()


def put_back(values):
    """Set the parameters, and forget their errors, from which Minuit would take its steps."""
    for name, value in values.items():
        parameters[name].setVal(value)
        parameters[name].setError(0)


def heights(function, parameter, values):
    """Compute a function at values of a parameter, above its minimum."""
    results = []
    for value in values:
        parameter.setVal(value)
        results.append(function.getVal())
    return np.array(results) - min(results)


pysofie.emit(log_density(train(150_000)), "generated", weights="inline", gradient=True)
ROOT.gROOT.SetBatch(True)
ROOT.RooMsgService.instance().setGlobalKillBelow(ROOT.RooFit.WARNING)
for folder in ("generated", Path(__file__).parent):
    ROOT.gInterpreter.AddIncludePath(str(folder))
assert ROOT.gInterpreter.Declare('#include "roofit.hxx"')

# In RooFit the network is a pdf like any other.
mass = ROOT.RooRealVar("mass", "m_{ee}", *MASSES, "GeV")
parameters = {name: ROOT.RooRealVar(name, name, *limits, "%") for name, limits in RANGES.items()}
pdf = ROOT.MassShape("pdf", mass, list(parameters.values()))
observed = simulate(np.tile(list(TRUTH.values()), (5000, 1)))
data = ROOT.RooDataSet.from_numpy({"mass": observed}, [mass])
likelihood = pdf.createNLL(data)
with_gradient = ROOT.MassLikelihood(data, mass, list(parameters.values()))

put_back(STARTS)
evaluations, numeric = minimise(likelihood)
print(f"without the gradient: {evaluations} evaluations of the likelihood")
put_back(STARTS)
evaluations, result = minimise(with_gradient)
gradients = with_gradient.gradients()
print(f"with the gradient: {evaluations} evaluations of the likelihood, and {gradients} gradients")
best, errors = {}, {}
for found in result.floatParsFinal():
    name = found.GetName()
    best[name], errors[name] = found.getVal(), found.getError()
    other = numeric.floatParsFinal().find(name).getVal()
    print(
        f"{name}: {best[name]:.3f} +- {errors[name]:.3f} %; truth {TRUTH[name]}; without gradient {other:.3f}"
    )

# The uncertainty once more: where the likelihood is 1/2 above its minimum, with the others fitted again.
shift = parameters["shift"]
shifts = best["shift"] + errors["shift"] * np.linspace(-2.5, 2.5, 21)
put_back(best)
fixed = heights(with_gradient, shift, shifts)
profile = heights(with_gradient.createProfile({shift}), shift, shifts)
low = np.interp(0.5, profile[10::-1], shifts[10::-1])
high = np.interp(0.5, profile[10:], shifts[10:])
print(f"scan of the shift: {best['shift']:.3f} {low - best['shift']:+.3f} {high - best['shift']:+.3f} %")

canvas = ROOT.TCanvas("canvas", "", 1200, 500)
canvas.Divide(2, 1)
canvas.cd(1)
frame = mass.frame(Title=" ", Bins=80)
legends = [ROOT.TLegend(0.14, 0.68, 0.42, 0.86), ROOT.TLegend(0.34, 0.62, 0.68, 0.86)]
data.plotOn(frame, Name="data", MarkerSize=0.5)
put_back(STARTS)
pdf.plotOn(frame, Name="start", LineColor="kGray+1", LineStyle="--")
put_back(best)
pdf.plotOn(frame, Name="fit", LineColor="kRed+1")
frame.Draw()
for name, title, look in (
    ("data", "data", "ep"),
    ("start", "before the fit", "l"),
    ("fit", "fitted network", "l"),
):
    legends[0].AddEntry(frame.findObject(name), title, look)

canvas.cd(2)
curves = ROOT.TMultiGraph("curves", ";shift of the energy scale [%];#minus log L above its minimum")
for title, heights, color in (
    ("other parameters fitted", profile, ROOT.kRed + 1),
    ("other parameters fixed", fixed, ROOT.kAzure + 1),
):
    curve = ROOT.TGraph(len(shifts), shifts, heights)
    curve.SetLineColor(color)
    curve.SetLineWidth(3)
    curves.Add(curve)
    legends[1].AddEntry(curve, title, "l")
curves.SetMaximum(4)
curves.Draw("al")
marks = [ROOT.TLine(low, 0.5, high, 0.5), ROOT.TLine(TRUTH["shift"], 0, TRUTH["shift"], 2.5)]
for mark, title in zip(marks, ("68% confidence", "true value"), strict=True):
    mark.SetLineStyle(ROOT.kDashed if mark.GetY1() else ROOT.kDotted)
    mark.SetLineWidth(2)
    mark.Draw()
    legends[1].AddEntry(mark, title, "l")
for number, legend in enumerate(legends, 1):
    canvas.cd(number)
    legend.SetBorderSize(0)
    legend.Draw()
canvas.SaveAs("roofit.png")
