#include <algorithm>

#include "emit/cpu_kernel.hxx"
#include "emit/lanes.hxx"
#include "emit/row_positions.hxx"

namespace sofie {
namespace {

std::string variableName(int variable) { return "i" + std::to_string(variable); }

std::string combinerType(Combiner combiner) {
  static constexpr std::array<const char*, 6> names{"rt::Sum",     "rt::Product", "rt::Minimum",
                                                    "rt::Maximum", "rt::And",     "rt::Or"};
  return names[static_cast<std::size_t>(combiner)];
}

/// What vectors accumulate.
bool isSummable(DType type) { return isFloat(type) || type == DType::Int32; }

bool isArg(Combiner combiner) { return combiner == Combiner::ArgMinimum || combiner == Combiner::ArgMaximum; }

/// Writes the loops of a Map or a Reduce.
class LoopWriter {
 public:
  LoopWriter(const Model& model, const Nest& nest, const ScalarNames& names)
      : model_(model),
        original_(nest),
        nest_(nest),
        names_(names),
        isOpen_(nest.variables()),
        isGuarded_(static_cast<bool>(nest.guard)) {}

  std::string write() {
    const bool isMap = original_.kind == Nest::Kind::Map;
    const std::size_t axes = original_.axes.size();
    const auto outer = bestLane(0, axes, outputLaneType);
    const auto inner = isMap || isOrdered(original_.combiner)
                           ? std::nullopt
                           : bestLane(axes, original_.variables(), innerLaneType);
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
    RowPositions rows;
  };

  const Model& model_;
  const Nest& original_;
  Nest nest_;                    ///< the same, with positions of rows as variables behind those of the loops
  std::vector<Expr> positions_;  ///< of these variables; empty once they are declared
  ScalarNames names_;
  std::vector<bool> isOpen_;  ///< by loop
  bool isGuarded_ = false;    ///< a guard is still to be asked
  Block block_{1};

  std::string dim(const Dim& value) const { return dimText(model_, value); }

  std::string loopHead(int variable) const {
    const std::string name = variableName(variable);
    return "for (std::int64_t " + name + " = 0; " + name + " < " + dim(extentOf(nest_, variable)) + "; ++" +
           name + ")";
  }

  /// The output axes but `lane`, the one with the smallest steps in memory last.
  std::vector<int> outputLoops(int lane) const {
    const auto form = address(original_.target, original_.targetIndex, original_.variables());
    std::vector<int> loops;
    for (int v = 0; v < static_cast<int>(original_.axes.size()); ++v)
      if (v != lane) loops.push_back(v);
    const auto step = [&](int v) {
      return form ? form->stride(v).value().value_or(std::int64_t(1) << 40) : 0;
    };
    if (form) std::stable_sort(loops.begin(), loops.end(), [&](int a, int b) { return step(a) > step(b); });
    return loops;
  }

  std::vector<int> reductionLoops(int lane) const {
    std::vector<int> loops;
    for (std::size_t v = original_.axes.size(); v < original_.variables(); ++v)
      if (static_cast<int>(v) != lane) loops.push_back(static_cast<int>(v));
    return loops;
  }

  static Dim storeStride(const Nest& nest, int lane) {
    const auto form = address(nest.target, nest.targetIndex, nest.variables());
    return form ? form->stride(lane) : Dim(0);
  }

  static std::optional<DType> outputLaneType(const Nest& nest, int lane) {
    for (const Expr& index : nest.targetIndex)
      if (!affine(index, nest.variables())) return std::nullopt;
    if (storeStride(nest, lane).is(0) || (nest.guard && dependsOn(nest.guard, lane))) return std::nullopt;
    const bool isMap = nest.kind == Nest::Kind::Map;
    if (!isMap && (isOrdered(nest.combiner) || !isSummable(nest.element.type()))) return std::nullopt;
    const auto stored = laneType(nest, nest.stored(), lane, !isMap);
    if (!stored || isMap) return stored;
    const auto element = laneType(nest, nest.element, lane, false);
    return element == stored ? element : std::nullopt;
  }

  static std::optional<DType> innerLaneType(const Nest& nest, int lane) {
    const auto type = laneType(nest, nest.element, lane, false);
    return isSummable(nest.element.type()) ? type : std::nullopt;
  }

  /// How well vectors along a loop suit the addresses: consecutive elements count for it, scattered ones
  /// against.
  int suitability(const Nest& nest, int lane) const {
    int score = 0;
    const auto count = [&](const Dim& stride) {
      if (stride.is(1))
        score += 2;
      else if (!stride.is(0))
        score -= 3;
    };
    if (lane < static_cast<int>(original_.axes.size())) count(storeStride(nest, lane));
    forEachExpression(nest, [&](const Expr& expr) {
      walk(expr, [&](const Expr& node) {
        if (node->op != Op::Load) return;
        const auto form = address(node->view, node->args, nest.variables());
        if (form) count(form->stride(lane));
      });
    });
    return score;
  }

  template <class TypeOf>
  std::optional<Lane> bestLane(std::size_t first, std::size_t last, TypeOf&& typeOf) const {
    std::optional<Lane> best;
    for (std::size_t v = first; v < last; ++v) {
      const int lane = static_cast<int>(v);
      const auto extent = extentOf(original_, lane).value();
      if (extent && *extent < 4) continue;
      RowPositions rows = rowPositions(original_, lane);
      const auto type = typeOf(rows.nest, lane);
      if (!type) continue;
      const int score = suitability(rows.nest, lane);
      if (score > 0 && (!best || score > best->score)) best = Lane{lane, *type, score, std::move(rows)};
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
    for (const int v : loops) {
      declareRows();
      block_.open(loopHead(v));
      isOpen_[static_cast<std::size_t>(v)] = true;
    }
    declareRows();
  }
  void closeLoops(const std::vector<int>& loops) {
    for (std::size_t i = 0; i < loops.size(); ++i) block_.close();
  }

  void useRows(const Lane& lane) {
    nest_ = lane.rows.nest;
    positions_ = lane.rows.positions;
  }

  /// True when all loops that the expression reads are open.
  bool isDecided(const Expr& expr) const {
    for (std::size_t v = 0; v < isOpen_.size(); ++v)
      if (!isOpen_[v] && dependsOn(expr, static_cast<int>(v))) return false;
    return true;
  }

  /// Declares the positions of rows that the open loops decide.
  void declareRows() {
    if (isGuarded_) return;  // where the guard is false they need not exist
    for (std::size_t i = 0; i < positions_.size(); ++i) {
      Expr& position = positions_[i];
      if (!position || !isDecided(position)) continue;
      const std::string name = variableName(static_cast<int>(original_.variables() + i));
      ScalarWriter writer(names_, original_.variables(), block_.indent(), name + "_");
      const std::string value = writer.value(position);
      block_.statements(writer.takeStatements());
      block_.line("const std::int64_t " + name + " = " + value + ";");
      position = Expr();
    }
  }

  void openGuard() {
    if (!nest_.guard) return;
    ScalarWriter writer(names_, original_.variables(), block_.indent());
    const std::string guard = writer.value(nest_.guard);
    block_.statements(writer.takeStatements());
    block_.open("if (" + guard + ")");
    isGuarded_ = false;
    declareRows();
  }
  void closeGuard() {
    if (nest_.guard) block_.close();
  }

  /// Vectors run along an axis of the result.
  void alongOutput(const Lane& lane) {
    useRows(lane);
    const auto loops = outputLoops(lane.variable);
    openLoops(loops);
    openGuard();
    block_.open(laneLoop(lane));
    block_.line("using V = typename decltype(lane)::type;");
    if (nest_.kind != Nest::Kind::Map) accumulateVectors(lane);
    LaneWriter writer(names_, nest_.variables(), block_.indent(), lane.variable);
    const std::string value = writer.vectorValue(nest_.stored());
    const std::string pointer = targetPointer(writer);
    const std::string stride = dim(storeStride(nest_, lane.variable));
    const DType type = nest_.stored().type();
    const std::string result = merged(writer.load(pointer, stride, type), value);
    block_.statements(writer.takeStatements());
    block_.line(writer.store(pointer, stride, type, result) + ";");
    block_.close("});");
    closeGuard();
    closeLoops(loops);
  }

  void accumulateVectors(const Lane& lane) {
    const std::string combiner = combinerType(nest_.combiner), type(cppType(nest_.element.type()));
    const auto loops = reductionLoops(-1);
    block_.line("auto accumulator = rt::splat<rt::Rebind<" + type + ", V>>(" + combiner + "::identity<" +
                type + ">);");
    openLoops(loops);
    LaneWriter writer(names_, nest_.variables(), block_.indent(), lane.variable);
    const std::string term = writer.vectorValue(nest_.element);
    block_.statements(writer.takeStatements());
    block_.line("accumulator = " + combiner + "{}(accumulator, " + term + ");");
    closeLoops(loops);
  }

  /// Vectors run along a reduced axis.
  void alongReduction(const Lane& lane) {
    useRows(lane);
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
    const std::string result = merged(place, value);
    block_.statements(writer.takeStatements());
    block_.line(place + " = " + result + ";");
  }

  /// The text of what is stored where `place` is the text of what was there.
  std::string merged(const std::string& place, const std::string& value) const {
    return nest_.merge ? combinerType(*nest_.merge) + "{}(" + place + ", " + value + ")" : value;
  }

  void scalar() {
    const auto loops = outputLoops(-1);
    openLoops(loops);
    openGuard();
    if (nest_.kind != Nest::Kind::Map) accumulateScalars();
    storeScalar();
    closeGuard();
    closeLoops(loops);
  }

  void accumulateScalars() {
    const bool arg = isArg(nest_.combiner);
    const std::string type(cppType(nest_.element.type()));
    const auto loops = reductionLoops(-1);
    const bool fold = nest_.combiner == Combiner::Fold;
    if (fold) {
      startFold(type);
    } else if (arg) {
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
      block_.line("accumulator = " +
                  (fold ? term : combinerType(nest_.combiner) + "{}(accumulator, " + term + ")") + ";");
    }
    closeLoops(loops);
  }

  void startFold(const std::string& type) {
    block_.open(type + " accumulator = [&]");
    ScalarWriter writer(names_, nest_.variables(), block_.indent());
    const std::string value = writer.value(nest_.initial);
    block_.statements(writer.takeStatements());
    block_.line("return " + value + ";");
    block_.close("}();");
  }
};

}  // namespace

ScalarNames cpuNames(const Model& model, const std::vector<int>& buffers) {
  ScalarNames names;
  names.buffer = [buffers](int buffer) {
    return "b" + std::to_string(std::find(buffers.begin(), buffers.end(), buffer) - buffers.begin());
  };
  names.symbol = [&model](const std::string& symbol) { return symbolText(model, symbol); };
  names.variable = variableName;
  names.checkedIndex = [](const std::string& index, const std::string& extent) {
    return "rt::checked_index(" + index + ", " + extent + ", &fault)";
  };
  return names;
}

std::string cpuLoops(const Model& model, const Nest& nest, const ScalarNames& names) {
  return LoopWriter(model, nest, names).write();
}

}  // namespace sofie
