// A pdf of RooFit whose shape is a network, and its likelihood with the gradient; see roofit.py.

#pragma once
#pragma cling optimize(3)

#include <RooAbsData.h>
#include <RooAbsPdf.h>
#include <RooFit/EvalContext.h>
#include <RooListProxy.h>
#include <RooRealProxy.h>
#include <RooRealVar.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "mass_shape.hxx"
#include "mass_shape_gradient.hxx"

using Doubles = std::vector<double>;

/// Middles of equal steps, for the sums that stand for integrals over the mass.
struct Grid {
  Grid(double low, double high) : step((high - low) / 400) {
    for (int i = 0; i < 400; ++i) points.push_back(low + (i + 0.5) * step);
  }
  double step;
  Doubles points;
};

inline Doubles values(const RooAbsCollection& parameters) {
  Doubles result;
  for (RooAbsArg* parameter : parameters) result.push_back(static_cast<RooAbsReal*>(parameter)->getVal());
  return result;
}

/// The density of the mass, up to a factor: the exponential of what the network gives.
class MassShape : public RooAbsPdf {
 public:
  MassShape(const char* name, RooRealVar& mass, const RooArgList& parameters)
      : RooAbsPdf(name, ""), mass_("mass", "", this, mass), parameters_("parameters", "", this) {
    parameters_.add(parameters);
  }
  MassShape(const MassShape& other, const char* name)
      : RooAbsPdf(other, name),
        mass_("mass", this, other.mass_),
        parameters_("parameters", this, other.parameters_) {}
  TObject* clone(const char* name) const override { return new MassShape(*this, name); }

  // RooFit normalises by this integral, for which the network is called once, and not for point after point.
  Int_t getAnalyticalIntegral(RooArgSet& wanted, RooArgSet& done, const char*) const override {
    return matchArgs(wanted, done, mass_);
  }
  double analyticalIntegral(Int_t, const char* range) const override {
    const Grid grid(mass_.min(range), mass_.max(range));
    double sum = 0;
    for (double density : densities(grid.points, values(parameters_))) sum += density;
    return sum * grid.step;
  }

 protected:
  double evaluate() const override { return densities({mass_}, values(parameters_))[0]; }

  void doEval(RooFit::EvalContext& context) const override {  // of all events
    const auto masses = context.at(mass_);
    Doubles parameters;
    for (RooAbsArg* parameter : parameters_) parameters.push_back(context.at(parameter)[0]);
    const Doubles result = densities({masses.begin(), masses.end()}, parameters);
    std::copy(result.begin(), result.end(), context.output().begin());
  }

 private:
  Doubles densities(const Doubles& masses, const Doubles& parameters) const {
    Doubles result = network_.infer(masses.size(), masses.data(), parameters.data());
    for (double& value : result) value = std::exp(value);
    return result;
  }

  RooRealProxy mass_;
  RooListProxy parameters_;
  mutable TMVA_SOFIE_mass_shape::Session network_;
  ClassDefOverride(MassShape, 0)
};

/// The negative log likelihood of a MassShape, with its gradient.
///
/// It is -sum(network(mass)) + events * log(step * sum(exp(network(point)))), where the first sum is over the
/// events and the second one over the points of the grid.
class MassLikelihood : public RooAbsReal {
 public:
  MassLikelihood(RooAbsData& data, const RooRealVar& mass, const RooArgList& parameters)
      : RooAbsReal("likelihood", ""), parameters_("parameters", "", this), events_(data.numEntries()) {
    parameters_.add(parameters);
    for (int i = 0; i < data.numEntries(); ++i) masses_.push_back(data.get(i)->getRealValue(mass.GetName()));
    const Grid grid(mass.getMin(), mass.getMax());
    masses_.insert(masses_.end(), grid.points.begin(), grid.points.end());
    step_ = grid.step;
  }
  MassLikelihood(const MassLikelihood& other, const char* name)
      : RooAbsReal(other, name),
        parameters_("parameters", this, other.parameters_),
        events_(other.events_),
        step_(other.step_),
        masses_(other.masses_) {}
  TObject* clone(const char* name) const override { return new MassLikelihood(*this, name); }

  double defaultErrorLevel() const override { return 0.5; }
  bool hasGradient() const override { return true; }

  void gradient(double* result) const override {
    ++gradients_;
    const Doubles parameters = values(parameters_);
    // The derivatives of the likelihood by what the network gives are the seeds of its gradient.
    Doubles seeds = network_.infer(masses_.size(), masses_.data(), parameters.data());
    const double sum = exponentiate(seeds);
    std::fill_n(seeds.begin(), events_, -1);
    for (std::size_t i = events_; i < seeds.size(); ++i) seeds[i] *= events_ / sum;
    const auto slopes = backwards_.infer(masses_.size(), masses_.data(), parameters.data(), seeds.data());
    RooArgSet ordered;  // Minuit's order is not that of the network
    getParameters(nullptr, ordered);
    for (RooAbsArg* parameter : ordered) *result++ = slopes[2][parameters_.index(parameter->GetName())];
  }
  int gradients() const { return gradients_; }

 protected:
  double evaluate() const override {
    Doubles logarithms = network_.infer(masses_.size(), masses_.data(), values(parameters_).data());
    const double of_events = std::accumulate(logarithms.begin(), logarithms.begin() + events_, 0.0);
    return events_ * std::log(step_ * exponentiate(logarithms)) - of_events;
  }

 private:
  /// Takes the exponentials on the grid, in place, and gives their sum.
  double exponentiate(Doubles& logarithms) const {
    double sum = 0;
    for (auto value = logarithms.begin() + events_; value != logarithms.end(); ++value) {
      *value = std::exp(*value);
      sum += *value;
    }
    return sum;
  }

  RooListProxy parameters_;
  std::size_t events_;
  double step_;
  Doubles masses_;  // of the events, and behind them the grid
  mutable TMVA_SOFIE_mass_shape::Session network_;
  mutable TMVA_SOFIE_mass_shape_gradient::Session backwards_;  // gives the output, d/dmass and d/dparameters
  mutable int gradients_ = 0;
  ClassDefOverride(MassLikelihood, 0)
};
