#include "sofie/costs.hxx"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

namespace sofie {
namespace {

std::int64_t operations(const Expr& expr) {
  std::int64_t count = 0;
  walk(expr, [&](const Expr& node) { count += node->op > Op::CheckedIndex; });
  return count;
}

Dim operations(const Nest& nest) {
  const Dim points = product(nest.axes);
  const Dim stored = points * operations(nest.stored());
  if (nest.kind == Nest::Kind::Map) return stored;
  return stored + points * product(nest.reduction) * (operations(nest.element) + 1);
}

/// Elements of the view that differ in their address.
Dim distinctElements(const View& view) {
  Dim count = 1;
  for (std::size_t axis = 0; axis < view.shape.size(); ++axis)
    if (!view.strides[axis].is(0)) count = count * view.shape[axis];
  return count;
}

/// How often loops over the variables that the indices depend on meet the view.
Dim meetings(const Nest& nest, const std::vector<Expr>& indices) {
  std::set<std::int64_t> variables;
  for (const Expr& index : indices)
    walk(index, [&](const Expr& node) {
      if (node->op == Op::Index) variables.insert(node->integer);
    });
  Dim count = 1;
  for (const std::int64_t variable : variables) count = count * extentOf(nest, static_cast<int>(variable));
  return count;
}

/// What is read and written, by buffer: never more than the buffer has.
class Traffic {
 public:
  explicit Traffic(const Program& program) : program_(program) {}

  void add(const View& view, bool write, const Dim& elements) {
    auto& views = views_[{view.buffer, write}];
    const std::string key = view.offset.text() + text(view.shape) + text(view.strides);
    const auto [entry, isNew] = views.emplace(key, elements);
    if (!isNew) entry->second = max(entry->second, elements);
  }

  Dim bytes() const {
    Dim total = 0;
    for (const auto& [place, views] : views_) {
      const Buffer& buffer = program_.buffers[static_cast<std::size_t>(place.first)];
      Dim elements = 0;
      for (const auto& [key, count] : views) elements = elements + count;
      total = total + min(elements, product(buffer.shape)) * static_cast<std::int64_t>(sizeOf(buffer.type));
    }
    return total;
  }

 private:
  const Program& program_;
  std::map<std::pair<int, bool>, std::map<std::string, Dim>> views_;
};

Dim bytesOf(const Program& program, const Nest& nest) {
  Traffic traffic(program);
  forEachExpression(nest, [&](const Expr& expr) {
    walk(expr, [&](const Expr& node) {
      if (node->op == Op::Load)
        traffic.add(node->view, false, min(meetings(nest, node->args), distinctElements(node->view)));
    });
  });
  const Dim stored = min(product(nest.axes), distinctElements(nest.target));
  if (nest.merge) traffic.add(nest.target, false, stored);
  traffic.add(nest.target, true, stored);
  return traffic.bytes();
}

Cost costOf(const Program& program, const std::vector<Kernel>& kernels) {
  Cost total;
  for (const Kernel& kernel : kernels) {
    const Cost cost = costOf(program, kernel);
    total.operations = total.operations + cost.operations;
    total.bytes = total.bytes + cost.bytes;
  }
  return total;
}

/// The cost of an iteration may depend on its number: it counts as the dearest one.
Cost costOf(const Program& program, const Loop& loop) {
  const LocalSymbol* counter = program.findLocal(loop.counter);
  const auto greatest = [&](const std::string& name) -> std::optional<Dim> {
    return counter != nullptr && name == loop.counter ? std::optional<Dim>(counter->most) : std::nullopt;
  };
  const Cost once = costOf(program, loop.body);
  return {loop.trips * once.operations.atMost(greatest), loop.trips * once.bytes.atMost(greatest)};
}

Cost costOf(const Program& program, const Call& call) {
  Traffic traffic(program);
  for (const Tensor& tensor : call.inputs) traffic.add(tensor.view, false, distinctElements(tensor.view));
  for (const Tensor& tensor : call.outputs) traffic.add(tensor.view, true, distinctElements(tensor.view));
  return {0, traffic.bytes()};
}

void addProfiled(const Program& program, const Kernel& kernel, std::size_t place, std::vector<Loop>& blocks,
                 std::vector<ProfiledKernel>& result) {
  const auto* loop = std::get_if<Loop>(&kernel.body);
  if (loop == nullptr || !loop->overBlocks) {
    result.push_back({&kernel, place, blocks, costOf(program, kernel)});
    return;
  }
  blocks.push_back({loop->counter, loop->trips, std::nullopt, {}});
  for (const Kernel& inner : loop->body) addProfiled(program, inner, place, blocks, result);
  blocks.pop_back();
}

}  // namespace

Cost costOf(const Program& program, const Kernel& kernel) {
  if (const auto* nest = std::get_if<Nest>(&kernel.body)) return {operations(*nest), bytesOf(program, *nest)};
  if (const auto* loop = std::get_if<Loop>(&kernel.body)) return costOf(program, *loop);
  if (const auto* call = std::get_if<Call>(&kernel.body)) return costOf(program, *call);
  if (const auto* region = std::get_if<Region>(&kernel.body)) {
    const Cost then = costOf(program, region->then), otherwise = costOf(program, region->otherwise);
    return {max(then.operations, otherwise.operations), max(then.bytes, otherwise.bytes)};
  }
  return {};  // a Measure reads one number
}

std::vector<ProfiledKernel> profiledKernels(const Program& program) {
  std::vector<ProfiledKernel> result;
  std::vector<Loop> blocks;
  for (std::size_t place = 0; place < program.kernels.size(); ++place)
    addProfiled(program, program.kernels[place], place, blocks, result);
  return result;
}

Work workOf(const Program& program, const ProfiledKernel& kernel,
            const std::map<std::string, std::int64_t>& symbols) {
  std::map<std::string, std::int64_t> values = symbols;
  const std::function<std::int64_t(const std::string&)> valueOf = [&](const std::string& symbol) {
    if (const auto found = values.find(symbol); found != values.end()) return found->second;
    const LocalSymbol* local = program.findLocal(symbol);
    return local ? local->most.evaluate(valueOf) : Room::first;
  };
  Work work;
  const std::function<void(std::size_t)> run = [&](std::size_t depth) {
    if (depth == kernel.blocks.size()) {
      ++work.calls;
      work.operations += kernel.cost.operations.evaluate(valueOf);
      work.bytes += kernel.cost.bytes.evaluate(valueOf);
      return;
    }
    const Loop& block = kernel.blocks[depth];
    const std::int64_t trips = block.trips.evaluate(valueOf);
    for (std::int64_t trip = 0; trip < trips; ++trip) {
      values[block.counter] = trip;
      run(depth + 1);
    }
    values.erase(block.counter);
  };
  run(0);
  return work;
}

Dim operationCount(const Program& program) {
  return program.most(costOf(program, program.kernels).operations);
}

}  // namespace sofie
