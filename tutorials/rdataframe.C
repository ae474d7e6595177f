/// \file
/// A Higgs classifier in a ROOT macro, without Python at run time.
///
/// The code of the model is emitted once, and is all that is needed afterwards:
///
///     pysofie emit $(python -c 'import pysofie.demo; print(pysofie.demo.MODEL)') --dim batch=1 -o .
///     export ROOT_INCLUDE_PATH=.:$(pysofie config --include)
///     root -l -b -q 'tutorials/rdataframe.C+O'      # with the host compiler, or without "+O" in Cling
///
/// It writes higgs_score.png: the score of signal and background, with all processors at work.
#include <TCanvas.h>
#include <TLegend.h>
#include <TROOT.h>
#include <TStyle.h>

#include <ROOT/RDFHelpers.hxx>
#include <ROOT/RDataFrame.hxx>
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "higgs.hxx"
#include "pysofie/sofie.hxx"

void rdataframe() {
  const std::string file = std::string(gROOT->GetTutorialDir()) + "/machine_learning/data/Higgs_data.root";
  ROOT::EnableImplicitMT();

  // By hand, as with SOFIE: one event in, a vector of outputs out.
  TMVA_SOFIE_higgs::Session session("higgs.dat");
  const std::vector<float> event(28, 1.f);
  std::printf("score of a made-up event: %.4f\n", session.infer(event.data())[0]);

  // As a column. DefineSlot hands over the number of the thread, so that each has a session of its own.
  const std::vector<std::string> columns = {"jet1_b-tag",
                                            "jet1_eta",
                                            "jet1_phi",
                                            "jet1_pt",
                                            "jet2_b-tag",
                                            "jet2_eta",
                                            "jet2_phi",
                                            "jet2_pt",
                                            "jet3_b-tag",
                                            "jet3_eta",
                                            "jet3_phi",
                                            "jet3_pt",
                                            "jet4_b-tag",
                                            "jet4_eta",
                                            "jet4_phi",
                                            "jet4_pt",
                                            "lepton_eta",
                                            "lepton_pT",
                                            "lepton_phi",
                                            "m_bb",
                                            "m_jj",
                                            "m_jjj",
                                            "m_jlv",
                                            "m_lv",
                                            "m_wbb",
                                            "m_wwbb",
                                            "missing_energy_magnitude",
                                            "missing_energy_phi"};
  auto score = pysofie::rdf::SofieFunctor<28, TMVA_SOFIE_higgs::Session>(0, "higgs.dat");
  auto signal = ROOT::RDataFrame("sig_tree", file).DefineSlot("score", score, columns);
  auto background = ROOT::RDataFrame("bkg_tree", file).DefineSlot("score", score, columns);

  // A score is a column like any other: to be cut on, to be drawn. Both trees are read at once.
  const ROOT::RDF::TH1DModel binning("", ";score;events", 40, 0, 1);
  auto isSelected = [](double s) { return s > 0.8; };
  auto signalScores = signal.Histo1D<double>(binning, "score");
  auto backgroundScores = background.Histo1D<double>(binning, "score");
  auto signalCount = signal.Filter(isSelected, {"score"}).Count();
  auto backgroundCount = background.Filter(isSelected, {"score"}).Count();
  ROOT::RDF::RunGraphs({signalScores, backgroundScores, signalCount, backgroundCount});
  std::printf("signal: mean score %.4f, %llu events above 0.8\n", signalScores->GetMean(), *signalCount);
  std::printf("background: mean score %.4f, %llu events above 0.8\n", backgroundScores->GetMean(),
              *backgroundCount);

  TCanvas canvas("canvas", "", 700, 500);
  gStyle->SetOptStat(0);
  signalScores->SetLineColor(kRed + 1);
  backgroundScores->SetLineColor(kAzure + 1);
  signalScores->SetMaximum(1.2 * std::max(signalScores->GetMaximum(), backgroundScores->GetMaximum()));
  TLegend legend(0.14, 0.75, 0.37, 0.88);
  legend.SetBorderSize(0);
  legend.AddEntry(signalScores->DrawCopy(), "signal", "l");
  legend.AddEntry(backgroundScores->DrawCopy("same"), "background", "l");
  legend.Draw();
  canvas.SaveAs("higgs_score.png");
}
