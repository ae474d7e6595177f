#include "passes/hazards.hxx"
#include "passes/reindex.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// The only load of `buffer` in an expression; nullopt when it is read at several places or inside an index.
std::optional<Expr> onlyLoad(const Nest& nest, int buffer) {
  std::optional<Expr> found;
  bool unique = true;
  walk(nest.element, [&](const Expr& node) {
    if (node->op != Op::Load || node->view.buffer != buffer) return;
    if (found && text(*found) != text(node)) unique = false;
    found = node;
  });
  for (const Expr& index : nest.targetIndex)
    walk(index, [&](const Expr& node) {
      if (node->op == Op::Load && node->view.buffer == buffer) unique = false;
    });
  return unique ? found : std::nullopt;
}

/// For the loops of `reducer`, the loops of `consumer` that read what it stores there; nullopt unless each
/// result is read exactly once.
std::optional<std::vector<Expr>> consumerPoint(const Nest& reducer, const Nest& consumer, const Expr& load) {
  if (product(reducer.axes) != product(consumer.axes)) return std::nullopt;
  const auto store = storeAddress(reducer);
  const auto read = address(load->view, load->args, consumer.axes.size());
  if (!store || !read) return std::nullopt;
  std::vector<AddressAxis> axes;
  for (std::size_t i = 0; i < consumer.axes.size(); ++i)
    axes.push_back({read->strides[i], consumer.axes[i], index(static_cast<int>(i))});
  return mapPoints(store->axes, axes, store->offset - read->offset);
}

Nest fused(const Nest& reducer, const Nest& consumer, int buffer, const std::vector<Expr>& point) {
  Nest result = reducer;
  result.epilogue = rewrite(substitute(consumer.element, point), [&](const Expr& node) -> Expr {
    return node->op == Op::Load && node->view.buffer == buffer ? reducer.epilogue : Expr();
  });
  result.target = consumer.target;
  for (std::size_t i = 0; i < consumer.targetIndex.size(); ++i) {
    if (i >= result.targetIndex.size()) result.targetIndex.emplace_back();
    result.targetIndex[i] = substitute(consumer.targetIndex[i], point);
  }
  result.targetIndex.resize(consumer.targetIndex.size());
  return result;
}

/// True when what kernel `first` of the list reads is still the same before kernel `last`.
bool mayMove(const std::vector<Kernel>& kernels, std::size_t first, std::size_t last) {
  const std::set<int> reads = readBuffers(std::get<Nest>(kernels[first].body));
  for (std::size_t k = first + 1; k < last; ++k)
    for (const int buffer : writtenBuffers(kernels[k]))
      if (reads.count(buffer)) return false;
  return true;
}

/// Joins the Map at `at` to a reduction whose result it alone reads.
bool fuseAt(const Program& program, std::vector<Kernel>& kernels, const Uses& uses, std::size_t at) {
  const auto* consumer = std::get_if<Nest>(&kernels[at].body);
  if (!consumer || consumer->kind != Nest::Kind::Map || !consumer->overwrites()) return false;
  for (std::size_t k = at; k-- > 0;) {
    const auto* reducer = std::get_if<Nest>(&kernels[k].body);
    if (!reducer || reducer->kind == Nest::Kind::Map) continue;
    const int buffer = reducer->target.buffer;
    const auto id = static_cast<std::size_t>(buffer);
    if (program.buffers[id].kind != BufferKind::Temporary || uses.reads[id] != 1 || uses.writes[id] != 1)
      continue;
    const auto load = onlyLoad(*consumer, buffer);
    if (!load) continue;
    const auto point = consumerPoint(*reducer, *consumer, *load);
    if (!point || !mayMove(kernels, k, at)) continue;
    const Nest nest = fused(*reducer, *consumer, buffer, *point);
    if (!keepsApart(nest, nest.element, false) || !keepsApart(nest, nest.epilogue, true)) continue;
    kernels[at].body = nest;
    kernels[at].origins = joinOrigins(kernels[k].origins, kernels[at].origins);
    kernels.erase(kernels.begin() + static_cast<std::ptrdiff_t>(k));
    return true;
  }
  return false;
}

}  // namespace

bool fuseEpilogues(Program& program) {
  bool changed = false;
  forEachList(program.kernels, [&](std::vector<Kernel>& kernels) {
    for (std::size_t at = 0; at < kernels.size();) {
      if (fuseAt(program, kernels, countUses(program), at)) {
        changed = true;
        at = 0;
      } else {
        ++at;
      }
    }
  });
  return changed;
}

}  // namespace sofie
