#include <set>

#include "passes/reindex.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// Above this many operations an element is computed once and stored rather than again by every reader.
constexpr int cheapOperations = 6;
/// Inlining stops where a kernel's expression would grow beyond this.
constexpr int largestExpression = 96;

struct Cost {
  int operations = 0;
  bool expensive = false;
};

Cost cost(const Expr& expr) {
  Cost result;
  walk(expr, [&](const Expr& node) {
    if (node->op >= Op::Cast) ++result.operations;
    result.expensive = result.expensive || isExpensive(node->op);
  });
  return result;
}

/// The only kernel that writes a temporary, if it is a Map that stores every element at most once.
const Nest* soleMapWriter(const Program& program, const Uses& uses, int buffer) {
  if (program.buffers[static_cast<std::size_t>(buffer)].kind != BufferKind::Temporary) return nullptr;
  if (uses.writes[static_cast<std::size_t>(buffer)] != 1) return nullptr;
  for (const Kernel& kernel : program.kernels) {
    const auto* nest = std::get_if<Nest>(&kernel.body);
    if (nest && nest->target.buffer == buffer)
      return nest->kind == Nest::Kind::Map && nest->overwrites() ? nest : nullptr;
  }
  return nullptr;
}

/// The producer's element at the place that `load` reads.
std::optional<Expr> elementAt(const Nest& producer, const Expr& load) {
  const auto store = storeAddress(producer);
  if (!store) return std::nullopt;
  std::vector<AddressAxis> axes;
  for (std::size_t i = 0; i < load->args.size(); ++i)
    axes.push_back({load->view.strides[i], load->view.shape[i], load->args[i]});
  const auto point = mapPoints(axes, store->axes, load->view.offset - store->offset);
  if (!point) return std::nullopt;
  return substitute(producer.element, *point);
}

class Inlining {
 public:
  explicit Inlining(Program& program) : program_(program), uses_(countUses(program)) {}

  bool run() {
    bool changed = false;
    for (Kernel& kernel : program_.kernels)
      if (auto* nest = std::get_if<Nest>(&kernel.body)) changed = into(*nest, kernel) || changed;
    return changed;
  }

 private:
  Program& program_;
  Uses uses_;

  bool worth(const Nest& consumer, const Nest& producer, int buffer) const {
    const Cost producerCost = cost(producer.element);
    if (producerCost.operations + cost(consumer.element).operations > largestExpression) return false;
    if (!producerCost.expensive && producerCost.operations <= cheapOperations) return true;
    const bool once = product(consumer.axes) * product(consumer.reduction) == product(producer.axes);
    return once && uses_.reads[static_cast<std::size_t>(buffer)] == 1;
  }

  bool into(Nest& consumer, Kernel& kernel) {
    bool changed = false;
    const Nest before = consumer;
    forEachExpression(consumer, [&](Expr& expr) {
      expr = rewrite(expr, [&](const Expr& node) -> Expr {
        if (node->op != Op::Load) return {};
        const Nest* producer = soleMapWriter(program_, uses_, node->view.buffer);
        if (!producer || producer->target.buffer == consumer.target.buffer) return {};
        if (!worth(before, *producer, node->view.buffer)) return {};
        const auto inlined = elementAt(*producer, node);
        if (!inlined || !allowed(before, expr, node, *inlined)) return {};
        changed = true;
        return *inlined;
      });
    });
    if (changed) kernel.origin = joinOrigins(inlinedOrigins(before, consumer), kernel.origin);
    return changed;
  }

  /// The operands of a contraction stay plain loads at affine addresses; only their views change.
  static bool allowed(const Nest& consumer, const Expr& where, const Expr& load, const Expr& inlined) {
    if (consumer.kind != Nest::Kind::Contraction || &*where != &*consumer.element) return true;
    return inlined->op == Op::Load && inlined.type() == load.type() &&
           address(inlined->view, inlined->args, consumer.variables()).has_value();
  }

  /// Origins of the producers that the nest no longer reads.
  std::string inlinedOrigins(const Nest& before, const Nest& after) const {
    std::set<int> stillRead;
    forEachExpression(after, [&](const Expr& expr) {
      walk(expr, [&](const Expr& node) {
        if (node->op == Op::Load) stillRead.insert(node->view.buffer);
      });
    });
    std::string joined;
    std::set<int> seen;
    forEachExpression(before, [&](const Expr& expr) {
      walk(expr, [&](const Expr& node) {
        if (node->op != Op::Load || stillRead.count(node->view.buffer) ||
            !seen.insert(node->view.buffer).second)
          return;
        for (const Kernel& producer : program_.kernels)
          if (const auto* nest = std::get_if<Nest>(&producer.body);
              nest && nest->target.buffer == node->view.buffer)
            joined = joinOrigins(joined, producer.origin);
      });
    });
    return joined;
  }
};

}  // namespace

bool inlineProducers(Program& program) {
  const bool changed = Inlining(program).run();
  removeDeadCode(program);
  return changed;
}

}  // namespace sofie
