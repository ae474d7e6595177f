#include "passes/row_layout.hxx"

#include <algorithm>
#include <numeric>

namespace sofie {
namespace {

Dim span(const SharedLoop& loop) { return loop.stride * loop.extent; }

}  // namespace

std::optional<RowLayout> RowLayout::of(const std::vector<SharedLoop>& loops) {
  for (const SharedLoop& loop : loops)
    if (loop.stride.is(0)) return std::nullopt;
  const auto above = [](const SharedLoop& a, const SharedLoop& b) {
    return Dim::exactDivide(a.stride, span(b)).has_value();
  };
  RowLayout layout;
  layout.number_.resize(loops.size());
  std::iota(layout.number_.begin(), layout.number_.end(), std::size_t{0});
  std::stable_sort(layout.number_.begin(), layout.number_.end(),
                   [&](std::size_t a, std::size_t b) { return above(loops[a], loops[b]); });
  for (const std::size_t loop : layout.number_) layout.loops_.push_back(loops[loop]);
  for (std::size_t i = 0; i + 1 < loops.size(); ++i)
    if (!above(layout.loops_[i], layout.loops_[i + 1])) return std::nullopt;
  layout.kept_.resize(layout.loops_.size());
  for (std::size_t i = layout.loops_.size(); i-- > 0;) {
    const Dim& stride = layout.loops_[i].stride;
    layout.kept_[i] = stride;
    if (i + 1 == layout.loops_.size()) continue;
    const SharedLoop& below = layout.loops_[i + 1];
    layout.kept_[i] = *Dim::exactDivide(stride, span(below)) * below.block * layout.kept_[i + 1];
  }
  return layout;
}

std::size_t RowLayout::region(const Dim& stride) const {
  for (std::size_t i = 0; i < loops_.size(); ++i)
    if (Dim::exactDivide(stride, span(loops_[i]))) return i;
  return loops_.size();
}

bool RowLayout::keepsRows(const Affine& form, const std::vector<int>& shared,
                          const std::vector<Dim>& extents) const {
  for (std::size_t i = 0; i < loops_.size(); ++i)
    if (form.stride(shared[number_[i]]) != loops_[i].stride) return false;
  if (!form.offset.isNonNegative()) return false;
  std::vector<Dim> reach(loops_.size() + 1, 0);
  reach[form.offset.is(0) ? loops_.size() : region(form.offset)] = form.offset;
  for (std::size_t v = 0; v < form.strides.size(); ++v) {
    const Dim& stride = form.strides[v];
    if (stride.is(0) || std::count(shared.begin(), shared.end(), static_cast<int>(v))) continue;
    if (!stride.isNonNegative()) return false;
    const std::size_t at = region(stride);
    reach[at] = reach[at] + stride * (extents[v] - 1);
  }
  for (std::size_t i = 0; i < loops_.size(); ++i) {
    // What moves below loop i stays below its stride: the span of the loops further below and their regions.
    const bool innermost = i + 1 == loops_.size();
    const Dim taken = innermost ? reach[i + 1] + 1 : reach[i + 1] + span(loops_[i + 1]);
    if (!(loops_[i].stride - taken).isNonNegative()) return false;
  }
  return true;
}

Dim RowLayout::contracted(const Dim& stride) const {
  const std::size_t at = stride.is(0) ? loops_.size() : region(stride);
  if (at == loops_.size()) return stride;
  return *Dim::exactDivide(stride, span(loops_[at])) * loops_[at].block * kept_[at];
}

Dim RowLayout::keptStride(std::size_t loop) const {
  const auto found = std::find(number_.begin(), number_.end(), loop);
  return kept_[static_cast<std::size_t>(found - number_.begin())];
}

}  // namespace sofie
