#include <algorithm>

#include "passes/hazards.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

bool mayFault(const Nest& nest) {
  bool faults = false;
  forEachExpression(nest, [&](const Expr& expr) {
    walk(expr, [&](const Expr& node) { faults = faults || node->op == Op::CheckedIndex; });
  });
  return faults;
}

/// What differs from one iteration of a loop to the next.
struct Variant {
  std::set<int> buffers;
  std::set<std::string> symbols;

  explicit Variant(const Kernel& loop) : buffers(writtenBuffers(loop)) {
    symbols.insert(std::get<Loop>(loop.body).counter);
    forEachKernel(std::get<Loop>(loop.body).body, [&](const Kernel& kernel) {
      if (const auto* inner = std::get_if<Loop>(&kernel.body)) symbols.insert(inner->counter);
      if (const auto* measure = std::get_if<Measure>(&kernel.body)) symbols.insert(measure->symbol);
    });
  }
};

template <class T>
bool disjoint(const std::set<T>& a, const std::set<T>& b) {
  return std::none_of(a.begin(), a.end(), [&](const T& each) { return b.count(each) != 0; });
}

/// True when a nest of a loop's body stores the same in every iteration, and might as well before the loop,
/// even if that runs zero times.
bool isInvariant(const Program& program, const Uses& uses, const Variant& variant, const Kernel& kernel) {
  const auto* nest = std::get_if<Nest>(&kernel.body);
  if (!nest || !nest->overwrites() || mayFault(*nest)) return false;
  const auto id = static_cast<std::size_t>(nest->target.buffer);
  return program.buffers[id].kind == BufferKind::Temporary && uses.writes[id] == 1 &&
         disjoint(symbolsOf(kernel), variant.symbols) && disjoint(readBuffers(*nest), variant.buffers);
}

}  // namespace

bool hoistInvariants(Program& program) {
  bool changed = false;
  const Uses uses = countUses(program);
  forEachList(program.kernels, [&](std::vector<Kernel>& kernels) {
    for (std::size_t at = 0; at < kernels.size(); ++at) {
      if (!std::holds_alternative<Loop>(kernels[at].body)) continue;
      Variant variant(kernels[at]);
      for (std::size_t k = 0; k < std::get<Loop>(kernels[at].body).body.size();) {
        auto& loop = std::get<Loop>(kernels[at].body);
        if (!isInvariant(program, uses, variant, loop.body[k])) {
          ++k;
          continue;
        }
        variant.buffers.erase(std::get<Nest>(loop.body[k].body).target.buffer);
        Kernel invariant = std::move(loop.body[k]);
        loop.body.erase(loop.body.begin() + static_cast<std::ptrdiff_t>(k));
        kernels.insert(kernels.begin() + static_cast<std::ptrdiff_t>(at++), std::move(invariant));
        changed = true;
      }
    }
  });
  return changed;
}

}  // namespace sofie
