#include <algorithm>

#include "emit/cpu_kernel.hxx"
#include "emit/lanes.hxx"

namespace sofie {
namespace {

std::string variableName(int variable) { return "i" + std::to_string(variable); }

std::string combinerType(Combiner combiner) {
  static constexpr std::array<const char*, 6> names{"rt::Sum",     "rt::Product", "rt::Minimum",
                                                    "rt::Maximum", "rt::And",     "rt::Or"};
  return names[static_cast<std::size_t>(combiner)];
}

bool isArg(Combiner combiner) { return combiner == Combiner::ArgMinimum || combiner == Combiner::ArgMaximum; }

/// Writes the loops of a Map or a Reduce.
class LoopWriter {
 public:
  LoopWriter(const Model& model, const Nest& nest) : model_(model), nest_(nest), names_(cpuNames(model)) {}

  std::string write() {
    const bool isMap = nest_.kind == Nest::Kind::Map;
    const auto outer = bestLane(0, nest_.axes.size(), [&](int lane) { return outputLaneType(lane); });
    const auto inner =
        isMap || isArg(nest_.combiner)
            ? std::nullopt
            : bestLane(nest_.axes.size(), nest_.variables(), [&](int lane) { return innerLaneType(lane); });
    if (outer && (!inner || outer->score >= inner->score)) {
      alongOutput(*outer);
    } else if (inner) {
      alongReduction(*inner);
    } else {
      scalar();
    }
    return block_.text();
  }

 private:
  struct Lane {
    int variable;
    DType type;
    int score;
  };

  const Model& model_;
  const Nest& nest_;
  ScalarNames names_;
  Block block_{1};

  std::string dim(const Dim& value) const { return dimText(model_, value); }

  std::string loopHead(int variable) const {
    const std::string name = variableName(variable);
    return "for (std::int64_t " + name + " = 0; " + name + " < " + dim(extentOf(nest_, variable)) + "; ++" +
           name + ")";
  }

  /// The output axes but `lane`, the one with the smallest steps in memory last.
  std::vector<int> outputLoops(int lane) const {
    const auto form = address(nest_.target, nest_.targetIndex, nest_.variables());
    std::vector<int> loops;
    for (int v = 0; v < static_cast<int>(nest_.axes.size()); ++v)
      if (v != lane) loops.push_back(v);
    const auto step = [&](int v) {
      return form ? form->strides[static_cast<std::size_t>(v)].value().value_or(std::int64_t(1) << 40) : 0;
    };
    if (form) std::stable_sort(loops.begin(), loops.end(), [&](int a, int b) { return step(a) > step(b); });
    return loops;
  }

  std::vector<int> reductionLoops(int lane) const {
    std::vector<int> loops;
    for (std::size_t v = nest_.axes.size(); v < nest_.variables(); ++v)
      if (static_cast<int>(v) != lane) loops.push_back(static_cast<int>(v));
    return loops;
  }

  Dim storeStride(int lane) const {
    const auto form = address(nest_.target, nest_.targetIndex, nest_.variables());
    return form ? form->strides[static_cast<std::size_t>(lane)] : Dim(0);
  }

  std::optional<DType> outputLaneType(int lane) const {
    for (const Expr& index : nest_.targetIndex)
      if (!affine(index, nest_.variables())) return std::nullopt;
    if (storeStride(lane).is(0)) return std::nullopt;
    const bool isMap = nest_.kind == Nest::Kind::Map;
    if (!isMap && (isArg(nest_.combiner) || !isFloat(nest_.element.type()))) return std::nullopt;
    const auto stored = laneType(nest_, nest_.stored(), lane, !isMap);
    if (!stored || isMap) return stored;
    const auto element = laneType(nest_, nest_.element, lane, false);
    return element == stored ? element : std::nullopt;
  }

  std::optional<DType> innerLaneType(int lane) const {
    const auto type = laneType(nest_, nest_.element, lane, false);
    return isFloat(nest_.element.type()) ? type : std::nullopt;
  }

  /// How well vectors along a loop suit the addresses: consecutive elements count for it, scattered ones
  /// against.
  int suitability(int lane) const {
    int score = 0;
    const auto count = [&](const Dim& stride) {
      if (stride.is(1))
        score += 2;
      else if (!stride.is(0))
        score -= 3;
    };
    if (lane < static_cast<int>(nest_.axes.size())) count(storeStride(lane));
    forEachExpression(nest_, [&](const Expr& expr) {
      walk(expr, [&](const Expr& node) {
        if (node->op != Op::Load) return;
        const auto form = address(node->view, node->args, nest_.variables());
        if (form) count(form->strides[static_cast<std::size_t>(lane)]);
      });
    });
    return score;
  }

  template <class TypeOf>
  std::optional<Lane> bestLane(std::size_t first, std::size_t last, TypeOf&& typeOf) const {
    std::optional<Lane> best;
    for (std::size_t v = first; v < last; ++v) {
      const int lane = static_cast<int>(v);
      const auto extent = extentOf(nest_, lane).value();
      const auto type = typeOf(lane);
      if (!type || (extent && *extent < 4)) continue;
      const int score = suitability(lane);
      if (score > 0 && (!best || score > best->score)) best = Lane{lane, *type, score};
    }
    return best;
  }

  std::string target(ScalarWriter& writer) const {
    return names_.buffer(nest_.target.buffer) + "[" + writer.address(nest_.target, nest_.targetIndex) + "]";
  }

  std::string targetPointer(ScalarWriter& writer) const {
    return names_.buffer(nest_.target.buffer) + " + " +
           parenthesised(writer.address(nest_.target, nest_.targetIndex));
  }

  std::string laneLoop(const Lane& lane) const {
    const Dim& extent = extentOf(nest_, lane.variable);
    const std::string type(cppType(lane.type));
    const std::string body =
        "[&](auto lane, std::int64_t " + variableName(lane.variable) + ") __attribute__((always_inline))";
    if (extent.isConstant()) return "rt::for_lanes<" + type + ", " + extent.text() + ">(" + body;
    return "rt::for_lanes<" + type + ">(" + dim(extent) + ", " + body;
  }

  void openLoops(const std::vector<int>& loops) {
    for (const int v : loops) block_.open(loopHead(v));
  }
  void closeLoops(const std::vector<int>& loops) {
    for (std::size_t i = 0; i < loops.size(); ++i) block_.close();
  }

  /// Vectors run along an axis of the result.
  void alongOutput(const Lane& lane) {
    const auto loops = outputLoops(lane.variable);
    openLoops(loops);
    block_.open(laneLoop(lane));
    block_.line("using V = typename decltype(lane)::type;");
    if (nest_.kind != Nest::Kind::Map) accumulateVectors(lane);
    LaneWriter writer(names_, nest_.variables(), block_.indent(), lane.variable);
    const std::string value = writer.vectorValue(nest_.stored());
    const std::string pointer = targetPointer(writer);
    block_.statements(writer.takeStatements());
    block_.line(writer.store(pointer, dim(storeStride(lane.variable)), nest_.stored().type(), value) + ";");
    block_.close("});");
    closeLoops(loops);
  }

  void accumulateVectors(const Lane& lane) {
    const std::string combiner = combinerType(nest_.combiner), type(cppType(nest_.element.type()));
    const auto loops = reductionLoops(-1);
    block_.line("V accumulator = rt::splat<V>(" + combiner + "::identity<" + type + ">);");
    openLoops(loops);
    LaneWriter writer(names_, nest_.variables(), block_.indent(), lane.variable);
    const std::string term = writer.vectorValue(nest_.element);
    block_.statements(writer.takeStatements());
    block_.line("accumulator = " + combiner + "{}(accumulator, " + term + ");");
    closeLoops(loops);
  }

  /// Vectors run along a reduced axis.
  void alongReduction(const Lane& lane) {
    const auto outer = outputLoops(-1), inner = reductionLoops(lane.variable);
    const std::string combiner = combinerType(nest_.combiner), type(cppType(nest_.element.type()));
    openLoops(outer);
    block_.line(type + " accumulator = " + combiner + "::identity<" + type + ">;");
    openLoops(inner);
    block_.open("accumulator = " + combiner + "{}(accumulator, rt::reduce_lanes<" + type + ">(" +
                dim(extentOf(nest_, lane.variable)) + ", " + combiner + "{}, [&](auto lane, std::int64_t " +
                variableName(lane.variable) + ") __attribute__((always_inline))");
    block_.line("using V = typename decltype(lane)::type;");
    LaneWriter writer(names_, nest_.variables(), block_.indent(), lane.variable);
    const std::string term = writer.vectorValue(nest_.element);
    block_.statements(writer.takeStatements());
    block_.line("return " + term + ";");
    block_.close("}));");
    closeLoops(inner);
    storeScalar();
    closeLoops(outer);
  }

  void storeScalar() {
    ScalarWriter writer(names_, nest_.variables(), block_.indent());
    const std::string value = writer.value(nest_.stored());
    const std::string place = target(writer);
    block_.statements(writer.takeStatements());
    block_.line(place + " = " + value + ";");
  }

  void scalar() {
    const auto loops = outputLoops(-1);
    openLoops(loops);
    if (nest_.kind != Nest::Kind::Map) accumulateScalars();
    storeScalar();
    closeLoops(loops);
  }

  void accumulateScalars() {
    const bool arg = isArg(nest_.combiner);
    const std::string type(cppType(nest_.element.type()));
    const auto loops = reductionLoops(-1);
    if (arg) {
      block_.line(type + " best = {};");
      block_.line("std::int64_t accumulator = 0, position = 0;");
    } else {
      block_.line(type + " accumulator = " + combinerType(nest_.combiner) + "::identity<" + type + ">;");
    }
    openLoops(loops);
    ScalarWriter writer(names_, nest_.variables(), block_.indent());
    const std::string term = writer.value(nest_.element);
    block_.statements(writer.takeStatements());
    if (arg) {
      const char* better =
          nest_.combiner == Combiner::ArgMaximum ? "rt::better_maximum" : "rt::better_minimum";
      block_.line("const " + type + " candidate = " + term + ";");
      block_.open("if (position == 0 || " + std::string(better) + "(candidate, best))");
      block_.line("best = candidate;");
      block_.line("accumulator = position;");
      block_.close();
      block_.line("++position;");
    } else {
      block_.line("accumulator = " + combinerType(nest_.combiner) + "{}(accumulator, " + term + ");");
    }
    closeLoops(loops);
  }
};

}  // namespace

ScalarNames cpuNames(const Model& model) {
  ScalarNames names;
  names.buffer = [](int buffer) { return "b" + std::to_string(buffer); };
  names.symbol = [&model](const std::string& symbol) { return symbolText(model, symbol); };
  names.variable = variableName;
  names.checkedIndex = [](const std::string& index, const std::string& extent) {
    return "rt::checked_index(" + index + ", " + extent + ", &fault)";
  };
  return names;
}

std::string cpuLoops(const Model& model, const Nest& nest) { return LoopWriter(model, nest).write(); }

}  // namespace sofie
