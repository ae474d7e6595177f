"""Boosted decision trees from XGBoost as a column of an RDataFrame.

Run it with ROOT and XGBoost installed (pip install 'pysofie[root,xgboost]'):

    python tutorials/bdt_xgboost.py

It trains on three quarters of the Higgs sample that comes with ROOT, scores the last quarter in the event
loop and compares with XGBoost itself. It writes bdt_score.png: the score of signal and background, and the
ROC curve.
"""

import numpy as np
import ROOT
from xgboost import XGBClassifier

import pysofie
from pysofie.demo import area_under_curve, sample_file

ROOT.EnableImplicitMT()
ROOT.gROOT.SetBatch(True)
ROOT.gStyle.SetOptStat(0)

trees = {kind: ROOT.RDataFrame(f"{kind}_tree", sample_file()) for kind in ("sig", "bkg")}
columns = [str(column) for column in trees["sig"].GetColumnNames() if str(column) != "Type"]


def read(tree, columns):
    """The columns side by side, of shape (events, columns)."""
    arrays = tree.AsNumpy(columns)
    return np.stack([arrays[column] for column in columns], axis=1)


# Train on entries 0 to 7499 of each tree.
training = [read(tree.Filter("rdfentry_ < 7500"), columns) for tree in trees.values()]
labels = np.repeat([1, 0], [len(events) for events in training])
bdt = XGBClassifier(n_estimators=150, max_depth=4, learning_rate=0.1)
bdt.fit(np.concatenate(training), labels)

# One of the two probabilities of the classifier becomes a column.
score = pysofie.functor(bdt, columns=columns, output="probabilities[1]")

held_out = {kind: tree.Filter("rdfentry_ >= 7500").Define("score", score) for kind, tree in trees.items()}
binning = ("", ";score;events", 40, 0, 1)
histograms = {kind: tree.Histo1D(binning, "score") for kind, tree in held_out.items()}

# The same event loops give features and score to NumPy, where XGBoost scores the events once more.
scores, difference = {}, 0.0
for kind, tree in held_out.items():
    events = read(tree, [*columns, "score"])
    scores[kind] = events[:, -1]
    expected = bdt.predict_proba(events[:, :-1])[:, 1]
    difference = max(difference, np.abs(scores[kind] - expected).max())
print(f"largest difference from XGBoost in {sum(map(len, scores.values()))} events: {difference:.1e}")
print(f"area under the ROC curve: {area_under_curve(scores['sig'], scores['bkg']):.3f}")

canvas = ROOT.TCanvas("canvas", "", 1200, 500)
canvas.Divide(2)
canvas.cd(1)
legend = ROOT.TLegend(0.15, 0.75, 0.38, 0.88)
legend.SetBorderSize(0)
top = 1.3 * max(histogram.GetMaximum() for histogram in histograms.values())
looks = {"sig": ("signal", ROOT.kRed + 1), "bkg": ("background", ROOT.kAzure + 1)}
for kind, (title, color) in looks.items():
    histograms[kind].SetLineColor(color)
    histograms[kind].SetLineWidth(2)
    histograms[kind].SetMaximum(top)
    histograms[kind].Draw("same")
    legend.AddEntry(histograms[kind].GetPtr(), title, "l")
legend.Draw()

canvas.cd(2)
cuts = np.linspace(0, 1, 201)
efficiency = {kind: np.array([(values > cut).mean() for cut in cuts]) for kind, values in scores.items()}
curve = ROOT.TGraph(len(cuts), efficiency["sig"], 1 - efficiency["bkg"])
curve.SetTitle(";signal efficiency;background rejection")
curve.SetLineColor(ROOT.kRed + 1)
curve.SetLineWidth(2)
curve.GetXaxis().SetLimits(0, 1)
curve.SetMinimum(0)
curve.SetMaximum(1.05)
curve.Draw("al")
canvas.SaveAs("bdt_score.png")
