#include "sofie/interpreter.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// Larger results are cheaper to compute when the model runs than to carry as weights.
constexpr std::int64_t largestFold = std::int64_t(1) << 22;

/// The nests that write a buffer, all of them in one list.
struct Writers {
  std::vector<Kernel>* list = nullptr;
  std::vector<std::size_t> positions;
};

/// True when a writer of the buffer reads only constants, and what the writers before it stored.
bool readsOnlyConstants(const Program& program, const Kernel& kernel, int buffer) {
  bool constant = true;
  forEachView(kernel, [&](const View& view, bool write) {
    constant =
        constant && (write || view.buffer == buffer ||
                     program.buffers[static_cast<std::size_t>(view.buffer)].kind == BufferKind::Constant);
  });
  return constant;
}

/// nullopt when a writer is no nest or reads something that is not constant, or there is none.
std::optional<Writers> constantWriters(Program& program, int buffer) {
  Writers writers;
  bool foldable = true;
  forEachList(program.kernels, [&](std::vector<Kernel>& list) {
    for (std::size_t k = 0; k < list.size(); ++k) {
      const bool isLeaf =
          !std::holds_alternative<Region>(list[k].body) && !std::holds_alternative<Loop>(list[k].body);
      if (!isLeaf || !writtenBuffers(list[k]).count(buffer)) continue;
      const bool sameList = !writers.list || writers.list == &list;
      foldable = foldable && sameList && std::holds_alternative<Nest>(list[k].body) &&
                 readsOnlyConstants(program, list[k], buffer);
      writers.list = &list;
      writers.positions.push_back(k);
    }
  });
  if (!foldable || !writers.list) return std::nullopt;
  return writers;
}

bool fold(Program& program, int id) {
  const Buffer& buffer = program.buffers[static_cast<std::size_t>(id)];
  const auto size = product(buffer.shape).value();
  if (buffer.kind != BufferKind::Temporary || !size || *size > largestFold) return false;
  const auto writers = constantWriters(program, id);
  if (!writers) return false;
  Program part;
  part.buffers = program.buffers;
  for (const std::size_t k : writers->positions) part.kernels.push_back((*writers->list)[k]);
  const Contents contents = interpret(part, {}, part.tensor(id));
  if (!contents.constant) return false;
  program.buffers[static_cast<std::size_t>(id)].kind = BufferKind::Constant;
  program.buffers[static_cast<std::size_t>(id)].constant = contents.constant;
  for (auto k = writers->positions.rbegin(); k != writers->positions.rend(); ++k)
    writers->list->erase(writers->list->begin() + static_cast<std::ptrdiff_t>(*k));
  return true;
}

}  // namespace

bool foldConstants(Program& program) {
  bool changed = false;
  for (std::size_t id = 0; id < program.buffers.size(); ++id)
    changed = fold(program, static_cast<int>(id)) || changed;
  return changed;
}

}  // namespace sofie
