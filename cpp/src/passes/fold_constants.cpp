#include "sofie/interpreter.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// Larger results are cheaper to compute when the model runs than to carry as weights.
constexpr std::int64_t largestFold = std::int64_t(1) << 22;

/// Kernels that write `buffer`; empty when one of them reads something that is not constant.
std::vector<std::size_t> constantWriters(const Program& program, int buffer) {
  std::vector<std::size_t> writers;
  for (std::size_t k = 0; k < program.kernels.size(); ++k) {
    bool writes = false, constant = true;
    forEachView(program.kernels[k], [&](const View& view, bool write) {
      if (view.buffer == buffer)
        writes = writes || write;  // what a merging nest reads, the writers before it stored
      else if (!write)
        constant =
            constant && program.buffers[static_cast<std::size_t>(view.buffer)].kind == BufferKind::Constant;
    });
    if (!writes) continue;
    if (!constant) return {};
    writers.push_back(k);
  }
  return writers;
}

bool fold(Program& program, int id) {
  const Buffer& buffer = program.buffers[static_cast<std::size_t>(id)];
  const auto size = product(buffer.shape).value();
  if (buffer.kind != BufferKind::Temporary || !size || *size > largestFold) return false;
  const auto writers = constantWriters(program, id);
  if (writers.empty()) return false;
  Program part;
  part.buffers = program.buffers;
  for (const std::size_t k : writers) part.kernels.push_back(program.kernels[k]);
  const Contents contents = interpret(part, {}, part.tensor(id));
  if (!contents.constant) return false;
  program.buffers[static_cast<std::size_t>(id)].kind = BufferKind::Constant;
  program.buffers[static_cast<std::size_t>(id)].constant = contents.constant;
  for (auto k = writers.rbegin(); k != writers.rend(); ++k)
    program.kernels.erase(program.kernels.begin() + static_cast<std::ptrdiff_t>(*k));
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
