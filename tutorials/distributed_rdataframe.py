"""A Higgs classifier in a distributed RDataFrame, on a cluster of Dask or of Spark.

Run it with ROOT installed and one of the two (pip install 'pysofie[root,dask]' or 'pysofie[root,spark]',
the second needs Java):

    python tutorials/distributed_rdataframe.py --backend dask

It writes higgs_mass.png: the mass of two b jets, before and after a cut on the score. The cluster is one of
two processes on this machine; a real one is used in the same way, if pysofie is installed on its workers.
"""

import argparse
import os
import sys

import ROOT

import pysofie
from pysofie.demo import MODEL, sample_file


def connect_to_dask():
    from dask.distributed import Client, LocalCluster

    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0")
    return Client(cluster)


def connect_to_spark():
    from pyspark import SparkConf, SparkContext

    os.environ["PYSPARK_PYTHON"] = sys.executable  # the workers' Python is this one
    return SparkContext(conf=SparkConf().setMaster("local[2]").setAppName("higgs"))


def analyse(connection):
    # The model goes to the workers as it is. Each of them compiles it for its own processor, once.
    score = pysofie.functor(MODEL)

    histograms = {}
    for kind in ("sig", "bkg"):
        df = ROOT.RDataFrame(f"{kind}_tree", sample_file(), executor=connection, npartitions=2)
        df = df.Define("score", score)
        model = ("", ";m_{bb} / m_{H};events", 50, 0, 3)
        histograms[kind, "all"] = df.Histo1D(model, "m_bb")
        histograms[kind, "selected"] = df.Filter("score > 0.7").Histo1D(model, "m_bb")

    # Signal and background are computed at the same time.
    ROOT.RDF.Distributed.RunGraphs(list(histograms.values()))
    return {name: histogram.GetValue() for name, histogram in histograms.items()}


def draw(histograms):
    ROOT.gROOT.SetBatch(True)
    ROOT.gStyle.SetOptStat(0)
    canvas = ROOT.TCanvas("canvas", "", 700, 500)
    legend = ROOT.TLegend(0.6, 0.65, 0.88, 0.88)
    legend.SetBorderSize(0)
    colors = {"sig": ROOT.kRed + 1, "bkg": ROOT.kAzure + 1}
    names = {"sig": "signal", "bkg": "background"}
    option = "hist"
    for (kind, selection), histogram in histograms.items():
        histogram.SetLineColor(colors[kind])
        histogram.SetLineWidth(2)
        histogram.SetLineStyle(ROOT.kDashed if selection == "all" else ROOT.kSolid)
        histogram.SetMaximum(1.1 * max(other.GetMaximum() for other in histograms.values()))
        histogram.Draw(option)
        legend.AddEntry(histogram, names[kind] + (", score > 0.7" if selection == "selected" else ""), "l")
        option = "hist same"
    legend.Draw()
    canvas.SaveAs("higgs_mass.png")


# Workers start by importing this file, so what they must not do stands behind this line.
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend", choices=["dask", "spark"], default="dask")
    backend = parser.parse_args().backend
    connection = connect_to_dask() if backend == "dask" else connect_to_spark()
    histograms = analyse(connection)
    for (kind, selection), histogram in histograms.items():
        print(f"{kind}, {selection}: {int(histogram.GetEntries())} events")
    draw(histograms)
    connection.shutdown() if backend == "dask" else connection.stop()
