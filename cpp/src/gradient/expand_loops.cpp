#include "gradient/expand_loops.hxx"

#include <algorithm>
#include <set>

#include "gradient/writes.hxx"
#include "sofie/builder.hxx"

namespace sofie {
namespace {

bool touches(const Kernel& kernel, int buffer, bool write) {
  bool found = false;
  forEachView(kernel, [&](const View& view, bool isWrite) {
    found = found || (view.buffer == buffer && isWrite == write);
  });
  return found;
}

/// How many views of the kernels are of the buffer.
int countViews(const std::vector<Kernel>& kernels, int buffer) {
  int count = 0;
  for (const Kernel& kernel : kernels)
    forEachView(kernel, [&](const View& view, bool) { count += view.buffer == buffer ? 1 : 0; });
  return count;
}

/// What a nest stores into a buffer; nullopt when that is not known.
std::optional<Footprint> stored(const Kernel& kernel, int buffer) {
  const auto* nest = std::get_if<Nest>(&kernel.body);
  if (!nest || nest->target.buffer != buffer || !nest->overwrites()) return std::nullopt;
  const auto form = address(nest->target, nest->targetIndex, nest->axes.size());
  if (!form) return std::nullopt;
  Footprint footprint{*form, nest->axes};
  return isInjective(footprint) ? std::optional<Footprint>(footprint) : std::nullopt;
}

/// The buffers that one loop writes.
class LoopExpansion {
 public:
  LoopExpansion(Program& program, Expansions& expansions, std::vector<Kernel>& kernels, std::size_t at)
      : program_(program), expansions_(expansions), kernels_(kernels), at_(at) {}

  /// \return what cannot be expanded, empty if nothing
  std::string run() {
    if (loop().condition) return "the data decide how often it runs";
    const Writes writes(program_);
    for (const int buffer : writtenBuffers(kernels_[at_])) {
      if (writes.isWrittenOnce(buffer)) continue;
      if (isScratch(buffer))
        expandScratch(buffer);
      else if (const auto writer = stateWriter(buffer))
        expandState(buffer, *writer);
      else
        return "it changes a tensor in place";
    }
    return {};
  }

 private:
  Program& program_;
  Expansions& expansions_;
  std::vector<Kernel>& kernels_;
  std::size_t at_;

  Loop& loop() { return std::get<Loop>(kernels_[at_].body); }
  const Buffer& entry(int buffer) const { return program_.buffers[static_cast<std::size_t>(buffer)]; }
  Dim counter() { return Dim::symbol(loop().counter, {0, (loop().trips - 1).upperBound()}); }

  /// True when an iteration stores all of the buffer before it reads any, and nothing else reads it.
  bool isScratch(int buffer) {
    if (entry(buffer).kind != BufferKind::Temporary ||
        countViews(program_.kernels, buffer) != countViews(loop().body, buffer))
      return false;
    Dim missing = product(entry(buffer).shape);
    std::vector<Box> boxes;
    for (const Kernel& kernel : loop().body) {
      if (missing.is(0)) return true;
      if (touches(kernel, buffer, false)) return false;
      if (!touches(kernel, buffer, true)) continue;
      if (std::holds_alternative<Call>(kernel.body)) return true;
      const auto footprint = stored(kernel, buffer);
      if (!footprint) return false;
      missing = missing - footprint->points();
      if (missing.is(0) && boxes.empty()) return true;
      const auto box = boxOf(*footprint, entry(buffer).shape);
      if (!box ||
          std::any_of(boxes.begin(), boxes.end(), [&](const Box& b) { return !areDisjoint(b, *box); }))
        return false;
      boxes.push_back(*box);
    }
    return missing.is(0);
  }

  /// The only kernel of the body that stores a state, all of it.
  std::optional<std::size_t> stateWriter(int buffer) {
    std::optional<std::size_t> found;
    const std::vector<Kernel>& body = loop().body;
    for (std::size_t k = 0; k < body.size(); ++k) {
      if (!touches(body[k], buffer, true)) continue;
      const auto footprint = stored(body[k], buffer);
      if (found || !footprint || footprint->points() != product(entry(buffer).shape)) return std::nullopt;
      found = k;
    }
    for (std::size_t k = at_ + 1; k < kernels_.size(); ++k)
      if (touches(kernels_[k], buffer, true)) return std::nullopt;
    const bool isLocal = countViews(program_.kernels, buffer) == countViews(kernels_, buffer);
    return isLocal ? found : std::nullopt;
  }

  int rows(int buffer, const Dim& count) {
    Buffer rows{BufferKind::Temporary, entry(buffer).type, entry(buffer).shape, "", std::nullopt};
    rows.cancels = entry(buffer).cancels;
    rows.shape.insert(rows.shape.begin(), count);
    return program_.addBuffer(rows);
  }

  static void move(View& view, int from, int to, const Dim& offset) {
    if (view.buffer != from) return;
    view.buffer = to;
    view.offset = view.offset + offset;
  }

  void expandScratch(int buffer) {
    const int all = rows(buffer, loop().trips);
    const Dim offset = counter() * product(entry(buffer).shape);
    for (Kernel& kernel : loop().body)
      changeViews(kernel, [&](View& view) { move(view, buffer, all, offset); });
    Expansion expansion{entry(buffer).shape, offset};
    if (const auto inner = expansions_.find(buffer); inner != expansions_.end())
      expansion = {inner->second.row, inner->second.offset + offset};
    expansions_.emplace(all, expansion);
  }

  /// Iteration n reads row n and stores row n + 1.
  void expandState(int buffer, std::size_t writer) {
    const int all = rows(buffer, loop().trips + 1);
    const Dim size = product(entry(buffer).shape), now = counter() * size, next = now + size;
    const auto change = [&](Kernel& kernel, const Dim& offset) {
      changeViews(kernel, [&](View& view) { move(view, buffer, all, offset); });
    };
    for (std::size_t k = 0; k < at_; ++k) change(kernels_[k], 0);
    std::vector<Kernel>& body = loop().body;
    View target = std::get<Nest>(body[writer].body).target;
    move(target, buffer, all, next);
    for (std::size_t k = 0; k < body.size(); ++k) change(body[k], k <= writer ? now : next);
    std::get<Nest>(body[writer].body).target = target;
    const Dim last = loop().trips * size;
    for (std::size_t k = at_ + 1; k < kernels_.size(); ++k) change(kernels_[k], last);
    if (entry(buffer).kind == BufferKind::Output) storeResult(buffer, all, last);
  }

  void storeResult(int buffer, int all, const Dim& offset) {
    const Tensor result = program_.tensor(buffer);
    Tensor row = result;
    move(row.view, buffer, all, offset);
    Nest copy;
    copy.axes = result.shape();
    copy.element = element(row);
    copy.target = result.view;
    copy.targetIndex = indices(result.rank());
    kernels_.insert(kernels_.begin() + static_cast<std::ptrdiff_t>(at_) + 1, {copy, kernels_[at_].origins});
  }
};

/// The counters of the loops that gradients pass through.
std::set<std::string> activeLoops(const Program& program, const Activity& activity) {
  std::set<std::string> counters;
  forEachKernel(program.kernels, [&](const Kernel& kernel) {
    const auto* loop = std::get_if<Loop>(&kernel.body);
    if (loop && activity.isActive(kernel)) counters.insert(loop->counter);
  });
  return counters;
}

void expandIn(Program& program, std::vector<Kernel>& kernels, Expansions& expansions,
              const std::set<std::string>& counters, std::vector<std::string>& refusals) {
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    if (auto* region = std::get_if<Region>(&kernels[k].body))
      for (auto* branch : {&region->then, &region->otherwise})
        expandIn(program, *branch, expansions, counters, refusals);
    auto* loop = std::get_if<Loop>(&kernels[k].body);
    if (!loop || counters.count(loop->counter) == 0) continue;
    expandIn(program, loop->body, expansions, counters, refusals);
    const std::string reason = LoopExpansion(program, expansions, kernels, k).run();
    if (!reason.empty()) refusals.push_back(text(kernels[k].origins) + ": a loop, and " + reason);
  }
}

}  // namespace

Expansions expandLoops(Program& program, const Activity& activity, std::vector<std::string>& refusals) {
  Expansions expansions;
  expandIn(program, program.kernels, expansions, activeLoops(program, activity), refusals);
  return expansions;
}

}  // namespace sofie
