#include "gradient/writes.hxx"

#include <algorithm>

#include "sofie/builder.hxx"

namespace sofie {
namespace {

bool reads(const Dim& dim, const std::string& symbol) {
  std::vector<std::string> symbols;
  dim.collectSymbols(symbols);
  return std::find(symbols.begin(), symbols.end(), symbol) != symbols.end();
}

/// The places of all iterations of a loop around; nullopt when they do not move evenly.
std::optional<Footprint> repeated(Footprint footprint, const Loop& loop) {
  for (const auto* dims : {&footprint.address.strides, &footprint.extents})
    for (const Dim& dim : *dims)
      if (reads(dim, loop.counter)) return std::nullopt;
  const Dim offset = footprint.address.offset, first = offset.replaced(loop.counter, 0);
  const Dim step = offset.replaced(loop.counter, 1) - first;
  if (first + step * Dim::symbol(loop.counter) != offset) return std::nullopt;
  footprint.address.offset = first;
  footprint.address.strides.push_back(step);
  footprint.extents.push_back(loop.trips);
  return footprint;
}

}  // namespace

Writes::Writes(const Program& program) : program_(program) { collect(program.kernels, {}); }

void Writes::collect(const std::vector<Kernel>& kernels, const Context& context) {
  for (const Kernel& kernel : kernels) {
    if (const auto* region = std::get_if<Region>(&kernel.body)) {
      for (const bool then : {true, false}) {
        Context inner = context;
        inner.branches.emplace_back(region, then);
        collect(then ? region->then : region->otherwise, inner);
      }
      continue;
    }
    if (const auto* loop = std::get_if<Loop>(&kernel.body)) {
      Context inner = context;
      inner.loops.push_back(loop);
      collect(loop->body, inner);
      continue;
    }
    if (const auto* nest = std::get_if<Nest>(&kernel.body)) {
      const auto form = address(nest->target, nest->targetIndex, nest->axes.size());
      add(nest->target.buffer, nest->merge.has_value(),
          form ? std::optional<Footprint>({*form, nest->axes}) : std::nullopt, context);
    }
    if (const auto* call = std::get_if<Call>(&kernel.body))
      for (const Tensor& output : call->outputs)
        add(output.view.buffer, false, Footprint{{output.view.offset, output.view.strides}, output.shape()},
            context);
    ++count_;
  }
}

void Writes::add(int buffer, bool isMerging, std::optional<Footprint> footprint, const Context& context) {
  for (const Loop* loop : context.loops)
    if (footprint) footprint = repeated(*footprint, *loop);
  writes_[buffer].push_back({count_, isMerging, std::move(footprint), context.branches});
}

std::optional<Box> Writes::box(int buffer, const Write& write) const {
  if (!write.footprint) return std::nullopt;
  return boxOf(*write.footprint, program_.buffers[static_cast<std::size_t>(buffer)].shape);
}

bool Writes::areExclusive(const Write& a, const Write& b) {
  return std::any_of(a.branches.begin(), a.branches.end(), [&](const Branch& branch) {
    return std::count(b.branches.begin(), b.branches.end(), Branch(branch.first, !branch.second)) != 0;
  });
}

bool Writes::isWrittenOnce(int buffer) const {
  const auto found = writes_.find(buffer);
  if (found == writes_.end()) return true;
  const std::vector<Write>& all = found->second;
  std::vector<std::optional<Box>> boxes;
  for (const Write& write : all) {
    if (write.isMerging || !write.footprint || !isInjective(*write.footprint)) return false;
    boxes.push_back(box(buffer, write));
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t k = 0; k < i; ++k)
      if (!areExclusive(all[i], all[k]) && !(boxes[i] && boxes[k] && areDisjoint(*boxes[i], *boxes[k])))
        return false;
  return true;
}

bool Writes::isFinalAfter(int buffer, int position) const {
  const auto found = writes_.find(buffer);
  return found == writes_.end() || isWrittenOnce(buffer) || found->second.back().position <= position;
}

bool Writes::isFirst(int buffer, int position) const {
  return writes_.at(buffer).front().position == position;
}

std::optional<Box> Writes::onlyBox(const std::vector<int>& positions, int buffer) const {
  const auto found = writes_.find(buffer);
  if (positions.size() != 1 || found == writes_.end()) return std::nullopt;
  for (const Write& write : found->second)
    if (write.position == positions[0]) return box(buffer, write);
  return std::nullopt;
}

std::vector<int> Writes::writers(int buffer) const {
  std::vector<int> positions;
  if (const auto found = writes_.find(buffer); found != writes_.end())
    for (const Write& write : found->second) positions.push_back(write.position);
  return positions;
}

}  // namespace sofie
