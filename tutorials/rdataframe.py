"""A Higgs classifier as a column of an RDataFrame.

Run it with ROOT installed (pip install 'pysofie[root]'):

    python tutorials/rdataframe.py

It writes higgs_score.png: the score of signal and background, with all processors at work.
"""

import ROOT

import pysofie
from pysofie.demo import MODEL, sample_file

ROOT.EnableImplicitMT()
ROOT.gROOT.SetBatch(True)

# The model is compiled for this processor, and found in a cache the next time. The file itself says which
# columns it was trained on; otherwise one writes functor(MODEL, columns=["lepton_pT", "lepton_eta", ...]).
score = pysofie.functor(MODEL)
print(f"{score} reads {len(score.columns)} columns: {', '.join(score.columns[:3])}, ...")

# The same functor serves both trees. Nothing is read yet.
signal = ROOT.RDataFrame("sig_tree", sample_file()).Define("score", score)
background = ROOT.RDataFrame("bkg_tree", sample_file()).Define("score", score)

# A score is a column like any other: to be cut on, to be drawn, to be written to a file.
binning = ("", ";score;events", 40, 0, 1)
histograms = {"signal": signal.Histo1D(binning, "score"), "background": background.Histo1D(binning, "score")}
selected = {
    "signal": signal.Filter("score > 0.8").Count(),
    "background": background.Filter("score > 0.8").Count(),
}

# Both trees are read at once.
ROOT.RDF.RunGraphs([*histograms.values(), *selected.values()])
for kind, count in selected.items():
    print(f"{kind}: {count.GetValue()} of {int(histograms[kind].GetEntries())} events have a score above 0.8")

canvas = ROOT.TCanvas("canvas", "", 700, 500)
ROOT.gStyle.SetOptStat(0)
histograms["signal"].SetLineColor(ROOT.kRed + 1)
histograms["background"].SetLineColor(ROOT.kAzure + 1)
histograms["signal"].SetMaximum(1.2 * max(histogram.GetMaximum() for histogram in histograms.values()))
legend = ROOT.TLegend(0.65, 0.75, 0.88, 0.88)
legend.SetBorderSize(0)
for option, (kind, histogram) in zip(("", "same"), histograms.items(), strict=True):
    histogram.SetLineWidth(2)
    histogram.Draw(option)
    legend.AddEntry(histogram.GetPtr(), kind, "l")
legend.Draw()
canvas.SaveAs("higgs_score.png")
