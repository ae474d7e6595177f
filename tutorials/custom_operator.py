"""An operator of one's own: the Lorentz-invariant mass of two leptons, inside a model.

Run it with ROOT installed (pip install 'pysofie[root]'):

    python tutorials/custom_operator.py

The model has a node that ONNX does not know, hep.InvariantMass. It is given a meaning twice: as a Python
function over tensors, and as C++ text. Both are compared in an event loop over generated Z bosons and
background. It writes dilepton_mass.png: the mass, and how much of it a cut on the model's score keeps.
"""

import numpy as np
import onnx
import ROOT
from onnx import TensorProto, helper

import pysofie

ROOT.EnableImplicitMT()
ROOT.gROOT.SetBatch(True)
ROOT.gStyle.SetOptStat(0)


# --- the meaning: a composition ---------------------------------------------------------------------------


def four_momentum(lepton):
    """(E, px, py, pz) of (pt, eta, phi, m), whatever axes come before the last."""
    pt, eta, phi, mass = (lepton[..., i] for i in range(4))
    x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.stack([np.sqrt(x * x + y * y + z * z + mass * mass), x, y, z], axis=-1)


# Positional parameters are the inputs of the node, keyword-only parameters its attributes. NumPy's functions
# write nodes down here, which are optimised together with the model, and run on every target.
@pysofie.operator("hep", "InvariantMass")
def invariant_mass(first, second, *, scale=1.0):
    total = four_momentum(first) + four_momentum(second)
    square = total[..., 0] ** 2 - np.sum(total[..., 1:] ** 2, axis=-1)
    return np.sqrt(np.maximum(square, 0)) * scale


# --- a model with that operator ---------------------------------------------------------------------------


def model(name):
    """The mass in GeV of leptons whose momenta are in MeV, and a score that is high near the Z."""
    lepton = [("first", TensorProto.FLOAT, ["events", 4]), ("second", TensorProto.FLOAT, ["events", 4])]
    nodes = [
        helper.make_node(
            "InvariantMass", ["first", "second"], ["mass"], name="dilepton", domain="hep", scale=1e-3
        ),
        helper.make_node("Sub", ["mass", "peak"], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("Sub", ["width", "distance"], ["inside"]),
        helper.make_node("Sigmoid", ["inside"], ["score"]),
    ]
    constants = {"peak": 91.19, "width": 10.0}
    graph = helper.make_graph(
        nodes,
        name,
        [helper.make_tensor_value_info(*value) for value in lepton],
        [
            helper.make_tensor_value_info(output, TensorProto.FLOAT, ["events"])
            for output in ("mass", "score")
        ],
        [onnx.numpy_helper.from_array(np.float32(value), key) for key, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("hep", 1)]
    return helper.make_model(graph, opset_imports=opsets)


composed = pysofie.load(model("composed"))

# --- the same as C++ text ---------------------------------------------------------------------------------

# The text is the body of a function. Its parameters are declared by the rule: the inputs, dense and in
# row-major order, the outputs, and arguments. It runs once for each item; rt:: has functions that every
# target knows. A dict gives each target a text of its own.
TEXT = """
double total[4] = {};
for (const float* lepton : {first + 4 * item, second + 4 * item}) {
  const double x = lepton[0] * rt::cos(lepton[2]), y = lepton[0] * rt::sin(lepton[2]);
  const double z = lepton[0] * rt::sinh(lepton[1]), m = lepton[3];
  const double energy = rt::sqrt(x * x + y * y + z * z + m * m);
  const double momentum[4] = {energy, x, y, z};
  for (int i = 0; i < 4; ++i) total[i] += momentum[i];
}
const double square = total[0] * total[0] - total[1] * total[1] - total[2] * total[2] - total[3] * total[3];
mass[item] = static_cast<float>(scale * rt::sqrt(square > 0 ? square : 0.0));
"""


@pysofie.operator("hep", "InvariantMass", text=TEXT, replace=True)
def invariant_mass_rule(first, second, *, scale=1.0):
    events = first.shape[0]
    return pysofie.Routine({"mass": (first.dtype, (events,))}, items=events, arguments={"scale": scale})


written = pysofie.load(model("written"))

# --- both in an event loop --------------------------------------------------------------------------------

rng = np.random.default_rng(91)


def leptons(masses):
    """Two leptons from the decay of particles of these masses, with the momenta of a collider, in MeV."""
    count = len(masses)
    cosine, angle = rng.uniform(-1, 1, count), rng.uniform(-np.pi, np.pi, count)
    sine = np.sqrt(1 - cosine**2)
    energy = masses / 2
    direction = np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine])
    # Boost along the beam, then sideways.
    pair = np.stack([np.concatenate([[energy], energy * sign * direction]) for sign in (1, -1)])
    for axis, rapidity in ((3, rng.normal(0, 1, count)), (1, rng.exponential(0.3, count))):
        cosh, sinh = np.cosh(rapidity), np.sinh(rapidity)
        pair[:, 0], pair[:, axis] = (
            cosh * pair[:, 0] + sinh * pair[:, axis],
            sinh * pair[:, 0] + cosh * pair[:, axis],
        )
    pt = np.hypot(pair[:, 1], pair[:, 2])
    eta, phi = np.arcsinh(pair[:, 3] / pt), np.arctan2(pair[:, 2], pair[:, 1])
    columns = {}
    for i in range(2):
        values = {
            "pt": pt[i] * 1e3 * rng.normal(1, 0.01, count),
            "eta": eta[i],
            "phi": phi[i],
            "m": pt[i] * 0 + 105.66,
        }
        columns |= {f"{name}{i + 1}": value.astype("float32") for name, value in values.items()}
    return columns


COLUMNS = {"first": ["pt1", "eta1", "phi1", "m1"], "second": ["pt2", "eta2", "phi2", "m2"]}
samples = {
    "Z bosons": leptons(np.clip(91.19 + 1.25 * rng.standard_cauchy(50_000), 40, 200)),
    "background": leptons(40 + rng.exponential(30, 50_000)),
}
histograms, kept = {}, {}
for kind, columns in samples.items():
    frame = ROOT.RDF.FromNumpy(columns)
    frame = frame.Define("mass", pysofie.functor(composed, columns=COLUMNS, output="mass"))
    frame = frame.Define("score", pysofie.functor(composed, columns=COLUMNS, output="score"))
    frame = frame.Define("mass_of_text", pysofie.functor(written, columns=COLUMNS, output="mass"))
    frame = frame.Define("difference", "std::abs(mass_of_text - mass) / mass")
    histograms[kind] = frame.Histo1D(("", ";dilepton mass [GeV];pairs of leptons", 80, 40, 140), "mass")
    kept[kind] = frame.Filter("score > 0.5").Histo1D(("", "", 80, 40, 140), "mass")
    difference = frame.Max("difference").GetValue()
    mean = frame.Mean("mass").GetValue()
    print(f"{kind}: mean mass {mean:.2f} GeV, text and composition differ by {difference:.1e}")

# An invariant mass stays the same when both leptons are boosted along the beam and turned around it.
z = {name: values[:1000] for name, values in samples["Z bosons"].items()}
moved = z | {f"eta{i}": z[f"eta{i}"] + np.float32(0.7) for i in (1, 2)}
moved |= {f"phi{i}": z[f"phi{i}"] + np.float32(1.1) for i in (1, 2)}
mass = pysofie.functor(composed, columns=COLUMNS, output="mass")
change = np.max(np.abs(np.asarray(mass(moved)) / np.asarray(mass(z)) - 1))
print(f"boosted and turned: the masses change by {change:.1e}")

canvas = ROOT.TCanvas("canvas", "", 700, 500)
canvas.SetLeftMargin(0.13)
legend = ROOT.TLegend(0.58, 0.7, 0.88, 0.88)
legend.SetBorderSize(0)
colours = {"Z bosons": ROOT.kRed + 1, "background": ROOT.kAzure + 1}
histograms["Z bosons"].SetMaximum(1.1 * histograms["Z bosons"].GetMaximum())
for option, (kind, histogram) in zip(("", "same"), histograms.items(), strict=True):
    histogram.SetLineColor(colours[kind])
    histogram.SetLineWidth(2)
    histogram.Draw(option)
    kept[kind].SetFillColorAlpha(colours[kind], 0.35)
    kept[kind].SetLineWidth(0)
    kept[kind].Draw("same")
    legend.AddEntry(histogram.GetPtr(), kind, "l")
    legend.AddEntry(kept[kind].GetPtr(), f"{kind}, score > 0.5", "f")
legend.Draw()
canvas.SaveAs("dilepton_mass.png")
