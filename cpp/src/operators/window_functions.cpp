/// Window functions and the mel filter bank.
#include <cmath>

#include "common.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

constexpr double pi = 3.14159265358979323846;

Expr real(double value) { return number(DType::Float64, value); }
Expr real(const Expr& value) { return cast(DType::Float64, value); }

/// A window of cosines: the sum of weights[k] * cos(2 pi k n / N).
void cosineWindow(Operator& op, const std::vector<double>& weights) {
  const Dim size = sizeOf(op, 0);
  op.atLeast(size, 0, "the size of the window");
  const DType type = onnxType(op, op.integer("output_datatype", 1));
  const Dim period = op.integer("periodic", 1) != 0 ? size : size - 1;
  Expr sum = real(weights[0]);
  for (std::size_t k = 1; k < weights.size(); ++k) {
    const Expr angle = real(index(0)) * real(2 * pi * static_cast<double>(k)) / real(extent(period));
    sum = sum + real(weights[k]) * unary(Op::Cos, angle);
  }
  op.output(0, op.map({size}, cast(type, sum)));
}

void hannWindow_17(Operator& op) { cosineWindow(op, {0.5, -0.5}); }
void hammingWindow_17(Operator& op) { cosineWindow(op, {25.0 / 46.0, -21.0 / 46.0}); }
void blackmanWindow_17(Operator& op) { cosineWindow(op, {0.42, -0.5, 0.08}); }

/// Triangles over the bins of a spectrum, evenly spaced on the mel scale.
void melWeightMatrix_17(Operator& op) {
  const Dim filters = dimOf(op, 0), length = dimOf(op, 1);
  const DType type = onnxType(op, op.integer("output_datatype", 1));
  const auto mel = [](const Expr& hertz) {
    return unary(Op::Log1p, real(hertz) / real(700)) * real(2595 / std::log(10.0));
  };
  const Expr low = mel(scalarOf(op, 3)), high = mel(scalarOf(op, 4));
  const Expr step = (high - low) / real(extent(filters + 2));
  const Expr hertz =
      unary(Op::Expm1, (low + real(index(0)) * step) * real(std::log(10.0) / 2595)) * real(700);
  const Expr bin = unary(Op::Floor, real(extent(length + 1)) * hertz / real(scalarOf(op, 2)));
  const Tensor edges = op.map({filters + 2}, cast(DType::Int64, bin));
  const Expr here = index(0);
  const auto edge = [&](std::int64_t i) { return load(edges, {index(1) + extent(i)}); };
  const auto ratio = [&](const Expr& part, const Expr& whole) { return real(part) / real(whole); };
  const Expr left = edge(0), centre = edge(1), right = edge(2), one = real(1);
  const Expr rising = select(binary(Op::Eq, left, centre), one, ratio(here - left, centre - left));
  const Expr rises = binary(Op::LogicalAnd, binary(Op::Le, left, here), binary(Op::Le, here, centre));
  const Expr falls = binary(Op::LogicalAnd, binary(Op::Le, centre, here), binary(Op::Lt, here, right));
  const Expr weight = select(falls, ratio(right - here, right - centre), select(rises, rising, real(0)));
  op.output(0, op.map({floorDiv(length, 2) + 1, filters}, cast(type, weight)));
}

}  // namespace

SOFIE_OPERATOR("HannWindow", 17, hannWindow_17);
SOFIE_OPERATOR("HammingWindow", 17, hammingWindow_17);
SOFIE_OPERATOR("BlackmanWindow", 17, blackmanWindow_17);
SOFIE_OPERATOR("MelWeightMatrix", 17, melWeightMatrix_17);

}  // namespace sofie
