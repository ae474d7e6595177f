#include <map>

#include "passes/hazards.hxx"
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

/// A Map whose results may be computed anew where they are read.
struct Producer {
  const Nest* nest;
  const std::vector<Origin>* origins;
  int loops;  ///< around it
};

class Inlining {
 public:
  explicit Inlining(Program& program) : program_(program), uses_(countUses(program)) {}

  bool run() {
    into(program_.kernels);
    return changed_;
  }

 private:
  Program& program_;
  Uses uses_;
  std::map<int, Producer> available_;  ///< by the buffer that it writes; none of what it reads has changed
  int loops_ = 0;
  bool changed_ = false;

  void into(std::vector<Kernel>& kernels) {
    for (Kernel& kernel : kernels) {
      if (auto* nest = std::get_if<Nest>(&kernel.body)) {
        changed_ = into(*nest, kernel) || changed_;
        forget(nest->target.buffer);
        if (isProducer(*nest)) available_[nest->target.buffer] = {nest, &kernel.origins, loops_};
        continue;
      }
      const auto written = writtenBuffers(kernel);
      if (auto* region = std::get_if<Region>(&kernel.body)) {
        scoped(region->then);
        scoped(region->otherwise);
      } else if (auto* loop = std::get_if<Loop>(&kernel.body)) {
        for (const int buffer : written) forget(buffer);
        ++loops_;
        scoped(loop->body);
        --loops_;
      }
      for (const int buffer : written) forget(buffer);
    }
  }

  /// What a branch or a loop makes available is so only inside of it.
  void scoped(std::vector<Kernel>& kernels) {
    const auto outside = available_;
    into(kernels);
    available_ = outside;
  }

  /// The producers that read a buffer which changes.
  void forget(int buffer) {
    if (uses_.writes[static_cast<std::size_t>(buffer)] < 2) return;
    for (auto producer = available_.begin(); producer != available_.end();)
      producer = readBuffers(*producer->second.nest).count(buffer) ? available_.erase(producer)
                                                                   : std::next(producer);
  }

  /// The only writer of a temporary, a Map that stores every element at most once.
  bool isProducer(const Nest& nest) const {
    const auto id = static_cast<std::size_t>(nest.target.buffer);
    return nest.kind == Nest::Kind::Map && nest.overwrites() &&
           program_.buffers[id].kind == BufferKind::Temporary && uses_.writes[id] == 1;
  }

  bool worth(const Nest& consumer, const Producer& producer, int buffer) const {
    const Cost producerCost = cost(producer.nest->element);
    if (producerCost.operations + cost(consumer.element).operations > largestExpression) return false;
    if (loops_ > producer.loops) return producerCost.operations == 0;
    if (!producerCost.expensive && producerCost.operations <= cheapOperations) return true;
    const bool once = product(consumer.axes) * product(consumer.reduction) == product(producer.nest->axes);
    return once && uses_.reads[static_cast<std::size_t>(buffer)] == 1;
  }

  bool into(Nest& consumer, Kernel& kernel) {
    bool changed = false;
    const Nest before = consumer;
    forEachExpression(consumer, [&](Expr& expr) {
      const bool isStored = &expr == &consumer.stored();
      expr = rewrite(expr, [&](const Expr& node) -> Expr {
        if (node->op != Op::Load) return {};
        const auto producer = available_.find(node->view.buffer);
        if (producer == available_.end() || !worth(before, producer->second, node->view.buffer)) return {};
        const auto inlined = elementAt(*producer->second.nest, node);
        if (!inlined || !allowed(before, expr, node, *inlined) || !keepsApart(before, *inlined, isStored))
          return {};
        changed = true;
        return *inlined;
      });
    });
    if (changed) kernel.origins = joinOrigins(inlinedOrigins(before, consumer), kernel.origins);
    return changed;
  }

  /// The operands of a contraction stay plain loads at affine addresses; only their views change.
  static bool allowed(const Nest& consumer, const Expr& where, const Expr& load, const Expr& inlined) {
    if (consumer.kind != Nest::Kind::Contraction || &*where != &*consumer.element) return true;
    return inlined->op == Op::Load && inlined.type() == load.type() &&
           address(inlined->view, inlined->args, consumer.variables()).has_value();
  }

  /// Origins of the producers that the nest no longer reads.
  std::vector<Origin> inlinedOrigins(const Nest& before, const Nest& after) const {
    const std::set<int> stillRead = readBuffers(after);
    std::vector<Origin> joined;
    for (const int buffer : readBuffers(before)) {
      const auto producer = available_.find(buffer);
      if (producer != available_.end() && !stillRead.count(buffer))
        joined = joinOrigins(joined, *producer->second.origins);
    }
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
