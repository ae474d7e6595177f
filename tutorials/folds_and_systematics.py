"""Two-fold cross evaluation and a systematic uncertainty, with networks from scikit-learn in an RDataFrame.

Run it with ROOT, scikit-learn and its converter to ONNX installed (pip install 'pysofie[root,sklearn]'):

    python tutorials/folds_and_systematics.py

No network scores an event that it was trained on: one learns from events of odd number and scores the even
ones, the other the reverse. Jet energies are varied by 5 %, and the networks see each event as it is then. It
writes jet_energy_scale.png: the score of signal and background, and what the variations do to it.
"""

import numpy as np
import ROOT
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

import pysofie
from pysofie.demo import area_under_curve, sample_file

ROOT.EnableImplicitMT()
ROOT.gROOT.SetBatch(True)
ROOT.gStyle.SetOptStat(0)

# What grows with the energies of the jets.
ENERGIES = ["jet1_pt", "jet2_pt", "jet3_pt", "jet4_pt", "m_jj", "m_jjj", "m_bb"]
COLUMNS = [*ENERGIES, "jet1_eta", "jet2_eta", "lepton_pT", "missing_energy_magnitude"]


def events(kind):
    """A tree of the Higgs sample, whose entry numbers serve as event numbers, with jet energies that vary."""
    df = ROOT.RDataFrame(f"{kind}_tree", sample_file()).Define("event", "rdfentry_")
    df = df.Define("jes", "1.f").Vary("jes", "ROOT::RVecF{0.95f, 1.05f}", ["down", "up"])
    for column in ENERGIES:
        df = df.Redefine(column, f"{column} * jes")
    return df


def features(sample):
    """What the networks take, of shape (events, columns)."""
    return np.stack([sample[column] for column in COLUMNS], axis=1)


trees = {kind: events(kind) for kind in ("sig", "bkg")}

# Train: the network at position i learns from the events that it will not score.
samples = [tree.AsNumpy([*COLUMNS, "event"]) for tree in trees.values()]
labels = np.repeat([1, 0], [len(sample["event"]) for sample in samples])
folds = np.concatenate([sample["event"] % 2 for sample in samples])
scaler = StandardScaler().fit(np.concatenate([features(sample) for sample in samples]))
inputs = scaler.transform(np.concatenate([features(sample) for sample in samples]))
networks = []
for position in (0, 1):
    others = folds != position
    network = MLPClassifier((32, 32), alpha=0.01, max_iter=15, random_state=position)
    networks.append(network.fit(inputs[others], labels[others]))

# Score: each event chooses its network, whose inputs are standardised as they were in training.
score = pysofie.fold(
    [to_onnx(network, inputs[:1], options={"zipmap": False}) for network in networks],
    by="event % 2",
    columns=COLUMNS,
    preprocess=scaler,
    output="probabilities[1]",
)

# What depends on the score varies with it. All of this is one event loop for each tree.
binning = ("", ";score;events", 20, 0, 1)
histograms, passing, results = {}, {}, {}
for kind, tree in trees.items():
    scored = tree.Define("score", score)
    histograms[kind] = ROOT.RDF.Experimental.VariationsFor(scored.Histo1D(binning, "score"))
    passing[kind] = ROOT.RDF.Experimental.VariationsFor(scored.Filter("score > 0.7").Count())
    results[kind] = scored.AsNumpy([*COLUMNS, "event", "score"])

difference = 0.0
for result in results.values():
    predictions = [network.predict_proba(scaler.transform(features(result)))[:, 1] for network in networks]
    expected = np.where(result["event"] % 2 == 0, *predictions)
    difference = max(difference, np.abs(result["score"] - expected).max())
print(f"largest difference from scikit-learn: {difference:.1e}")
area = area_under_curve(results["sig"]["score"], results["bkg"]["score"])
print(f"area under the ROC curve, cross evaluated: {area:.3f}")
for kind, counts in passing.items():
    nominal, down, up = (counts[name] for name in ("nominal", "jes:down", "jes:up"))
    print(f"{kind}: {nominal} events have a score above 0.7; {down} and {up} with the jets' energies varied")

canvas = ROOT.TCanvas("canvas", "", 700, 800)
canvas.Divide(1, 2)
legend = ROOT.TLegend(0.13, 0.6, 0.36, 0.88)
legend.SetBorderSize(0)
looks = {"sig": ("signal", ROOT.kRed + 1), "bkg": ("background", ROOT.kAzure + 1)}
styles = {"nominal": ROOT.kSolid, "jes:down": ROOT.kDotted, "jes:up": ROOT.kDashed}
top = 1.5 * max(histogram["nominal"].GetMaximum() for histogram in histograms.values())
drawn = []
for kind, (title, color) in looks.items():
    for variation, style in styles.items():
        histogram = histograms[kind][variation]
        histogram.SetMaximum(top)
        ratio = histogram.Clone()
        ratio.Divide(histograms[kind]["nominal"])
        ratio.SetTitle(";score;varied / nominal")
        ratio.GetYaxis().SetRangeUser(0.5, 1.5)
        drawn += [histogram, ratio]
        for pad, shown in enumerate((histogram, ratio), 1):
            canvas.cd(pad)
            shown.SetLineColor(color)
            shown.SetLineStyle(style)
            shown.SetLineWidth(2)
            shown.Draw("hist same")
        legend.AddEntry(histogram, f"{title}, {variation}", "l")
canvas.cd(1)
legend.Draw()
canvas.SaveAs("jet_energy_scale.png")
