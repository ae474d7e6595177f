"""A ParticleNet that tags jets by their constituents, which are RVec columns of an RDataFrame.

Run it with ROOT installed (pip install 'pysofie[root]'):

    python tutorials/jets_particlenet.py

It writes jets_score.png: the score of jets with one and with two prongs. Both the jets and the
network are made here: the jets by a toy simulation, the network as a small ParticleNet (Qu and Gouskos, Phys.
Rev. D 101, 056019), of which the graph convolutions keep the random weights that they start from and the last
layer alone is trained. For these jets that is enough.
"""

import numpy as np
import onnx.numpy_helper
import onnx.parser
import ROOT

import pysofie
from pysofie.demo import area_under_curve

N_CONSTITUENTS = 32  # what the network takes: it gets the hardest of larger jets, and smaller ones padded
N_CHANNELS = 24
FEATURES = ["part_deta", "part_dphi", "part_radius", "part_logpt"]

SIMULATION = """
struct Jet {
  ROOT::RVecF pt, deta, dphi;  // of the constituents, the hardest first; angles are from the jet's axis
};

// Jets of a light quark have one prong, those of a W boson two. Some have one constituent only, or none.
Jet simulate(ULong64_t seed, bool two_prongs) {
  TRandom3 random(seed + 1);
  const double opening = two_prongs ? random.Gaus(0.25, 0.05) : 0;
  const double azimuth = random.Uniform(TMath::TwoPi()), share = random.Uniform(0.3, 0.7);
  ROOT::RVecF pt(random.Uniform() < 0.02 ? random.Integer(2) : random.Poisson(28)), deta, dphi;
  for (float &value : pt) {
    value = 0.5 + random.Exp(8);
    const double along = opening * (random.Uniform() < share ? share - 1 : share);  // from prong to prong
    const double radius = random.Exp(0.12), angle = random.Uniform(TMath::TwoPi());
    deta.push_back(along * std::cos(azimuth) + radius * std::cos(angle));
    dphi.push_back(along * std::sin(azimuth) + radius * std::sin(angle));
  }
  return {ROOT::VecOps::Reverse(ROOT::VecOps::Sort(pt)), deta, dphi};
}
"""

# (1, channels, constituents) is the layout of all tensors, as in the ParticleNet that weaver trains.
PARTICLE_NET = f"""
<ir_version: 10, opset_import: ["": 21, "jets": 1]>
particlenet (
  float[1, 2, {N_CONSTITUENTS}] points,
  float[1, 4, {N_CONSTITUENTS}] features,
  float[1, 1, {N_CONSTITUENTS}] mask
) => (float[1, {2 * N_CHANNELS}] embedding, float[1, 2] probabilities)
<float one = {{1}}, float far = {{100}}, int64[1] along_constituents = {{2}}>
{{
  padding = Sub(one, mask)
  away = Mul(padding, far)  # no constituent has padding as its neighbour
  separate1 = Add(points, away)
  convolved1 = jets.EdgeConv(separate1, features, mask, weight1)
  separate2 = Add(convolved1, away)
  convolved2 = jets.EdgeConv(separate2, convolved1, mask, weight2)
  convolved = Concat <axis = 1> (convolved1, convolved2)
  sum = ReduceSum <keepdims = 0> (convolved, along_constituents)
  number = ReduceSum <keepdims = 0> (mask, along_constituents)
  divisor = Max(number, one)
  embedding = Div(sum, divisor)
  logits = Gemm(embedding, last_weight, last_bias)
  probabilities = Softmax <axis = 1> (logits)
}}
<domain: "jets", opset_import: ["": 21]>
EdgeConv (points, features, mask, weight) => (convolved)
{{
  axis0 = Constant <value_ints = [0]> ()
  axis1 = Constant <value_ints = [1]> ()
  axis2 = Constant <value_ints = [2]> ()
  axis3 = Constant <value_ints = [3]> ()
  k = Constant <value_ints = [7]> ()
  rows = Unsqueeze(points, axis3)
  columns = Unsqueeze(points, axis2)
  difference = Sub(rows, columns)
  distance = ReduceSumSquare <keepdims = 0> (difference, axis1)
  nearest_distance, nearest = TopK <largest = 0> (distance, k)
  indices = Squeeze(nearest, axis0)
  neighbour = Gather <axis = 2> (features, indices)
  own = Unsqueeze(features, axis3)
  relative = Sub(neighbour, own)
  shape = Shape(neighbour)
  centre = Expand(own, shape)
  edges = Concat <axis = 1> (centre, relative)
  messages = Conv(edges, weight)
  activated = Relu(messages)
  mean = ReduceMean <keepdims = 0> (activated, axis3)
  convolved = Mul(mean, mask)
}}
"""


def particle_net(last_weight, last_bias):
    """The network with this last layer, as an onnx.ModelProto."""
    random = np.random.default_rng(5)
    weights = {
        "weight1": random.normal(0, 0.5, (N_CHANNELS, 2 * 4, 1, 1)),
        "weight2": random.normal(0, 0.2, (N_CHANNELS, 2 * N_CHANNELS, 1, 1)),
        "last_weight": last_weight,
        "last_bias": last_bias,
    }
    model = onnx.parser.parse_model(PARTICLE_NET)
    for name, values in weights.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32(values), name))
    return model


def as_column(model, output):
    """What Define takes: one line says which columns are laid into which input, and how a jet is padded."""
    columns = {"points": ["part_deta", "part_dphi"], "features": FEATURES}
    return pysofie.functor(model, columns=columns, mask="mask", pad=0.0, output=output)


def jets(first, count):
    """Simulated jets, of one and of two prongs in turn."""
    return (
        ROOT.RDataFrame(count)
        .Define("two_prongs", "rdfentry_ % 2 == 1")
        .Define("jet", f"simulate({first} + rdfentry_, two_prongs)")
        .Define("n_constituents", "jet.pt.size()")
        .Define("part_deta", "jet.deta")
        .Define("part_dphi", "jet.dphi")
        .Define("part_radius", "sqrt(part_deta * part_deta + part_dphi * part_dphi)")
        .Define("part_logpt", "log(jet.pt)")
    )


def fit(embedding, labels):
    """The last layer: logistic regression by Newton's method."""
    rows = np.column_stack([embedding, np.ones(len(embedding))])
    solution = np.zeros(rows.shape[1])
    for _ in range(10):
        scores = 1 / (1 + np.exp(-rows @ solution))
        hessian = rows.T @ (rows * (scores * (1 - scores))[:, None]) + 0.1 * np.eye(rows.shape[1])
        solution += np.linalg.solve(hessian, rows.T @ (labels - scores) - 0.1 * solution)
    weight = np.column_stack([np.zeros(len(solution)), solution])
    return weight[:-1], weight[-1]


ROOT.EnableImplicitMT()
ROOT.gROOT.SetBatch(True)
ROOT.gStyle.SetOptStat(0)
ROOT.gInterpreter.Declare(SIMULATION)

# Several values per jet become an RVec. The first 10,000 jets serve to train.
untrained = particle_net(np.zeros((2 * N_CHANNELS, 2)), np.zeros(2))
sample = jets(0, 10_000).Define("embedding", as_column(untrained, "embedding"))
sample = sample.AsNumpy(["embedding", "two_prongs"])
trained = particle_net(*fit(np.stack(sample["embedding"]), sample["two_prongs"]))

# One of the probabilities is the score: a number per jet.
scored = jets(10_000, 20_000).Define("score", as_column(trained, "probabilities[1]"))
kinds = {"one prong": scored.Filter("!two_prongs"), "two prongs": scored.Filter("two_prongs")}
binning = ("", ";score;jets", 40, 0, 1)
histograms = {kind: tagged.Histo1D(binning, "score") for kind, tagged in kinds.items()}
selected = {kind: tagged.Filter("score > 0.5").Count() for kind, tagged in kinds.items()}
smallest, largest = scored.Min("n_constituents"), scored.Max("n_constituents")
result = scored.AsNumpy(["score", "two_prongs"])

print(f"jets have {smallest.GetValue():.0f} to {largest.GetValue():.0f} constituents")
for kind, count in selected.items():
    print(f"{kind}: {count.GetValue()} of {int(histograms[kind].GetEntries())} jets have a score above 0.5")
signal = result["two_prongs"]
area = area_under_curve(result["score"][signal], result["score"][~signal])
print(f"area under the ROC curve: {area:.4f}")

canvas = ROOT.TCanvas("canvas", "", 700, 500)
legend = ROOT.TLegend(0.4, 0.75, 0.63, 0.88)
legend.SetBorderSize(0)
top = 1.1 * max(histogram.GetMaximum() for histogram in histograms.values())
for (kind, histogram), color in zip(histograms.items(), (ROOT.kAzure + 1, ROOT.kRed + 1), strict=True):
    histogram.SetLineColor(color)
    histogram.SetLineWidth(2)
    histogram.SetMaximum(top)
    histogram.Draw("same")
    legend.AddEntry(histogram.GetPtr(), kind, "l")
legend.Draw()
canvas.SaveAs("jets_score.png")
