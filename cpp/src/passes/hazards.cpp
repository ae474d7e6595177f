#include "passes/hazards.hxx"

namespace sofie {
namespace {

struct Range {
  Dim least, greatest;
};

/// The addresses of a linear form; nullopt when the sign of a stride is not known.
std::optional<Range> range(const Nest& nest, const Affine& form) {
  Range result{form.offset, form.offset};
  for (std::size_t v = 0; v < form.strides.size(); ++v) {
    const Dim reach = form.strides[v] * (extentOf(nest, static_cast<int>(v)) - 1);
    const auto low = form.strides[v].lowerBound(), high = form.strides[v].upperBound();
    if (low && *low >= 0)
      result.greatest = result.greatest + reach;
    else if (high && *high <= 0)
      result.least = result.least + reach;
    else
      return std::nullopt;
  }
  return result;
}

bool isBelow(const Dim& left, const Dim& right) {
  const auto gap = (right - left).lowerBound();
  return gap && *gap > 0;
}

}  // namespace

std::set<int> readBuffers(const Nest& nest) {
  std::set<int> buffers;
  forEachExpression(nest, [&](const Expr& expr) {
    walk(expr, [&](const Expr& node) {
      if (node->op == Op::Load) buffers.insert(node->view.buffer);
    });
  });
  return buffers;
}

bool keepsApart(const Nest& nest, const Expr& expr, bool isStored) {
  const auto store = address(nest.target, nest.targetIndex, nest.variables());
  bool apart = true;
  walk(expr, [&](const Expr& node) {
    if (node->op != Op::Load || node->view.buffer != nest.target.buffer) return;
    const auto load = address(node->view, node->args, nest.variables());
    if (load && store && isStored && load->offset == store->offset && load->strides == store->strides) return;
    const auto read = load ? range(nest, *load) : std::nullopt;
    const auto written = store ? range(nest, *store) : std::nullopt;
    apart = apart && read && written &&
            (isBelow(read->greatest, written->least) || isBelow(written->greatest, read->least));
  });
  return apart;
}

}  // namespace sofie
