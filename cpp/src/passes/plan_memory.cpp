#include <algorithm>
#include <numeric>
#include <set>

#include "../../runtime/arena.hxx"
#include "sofie/error.hxx"
#include "sofie/plan.hxx"

namespace sofie {
namespace {

struct Lifetime {
  int first = -1, last = -1;
};

/// A kernel, those inside of regions and loops too, in the order of the text.
struct Step {
  const Kernel* kernel;
  int first, last;  ///< the steps of the outermost kernel that holds it

  bool isNested() const { return first != last; }
};

std::vector<Step> stepsOf(const Program& program) {
  std::vector<Step> steps;
  forEachKernel(program.kernels, [&](const Kernel& kernel) { steps.push_back({&kernel, 0, 0}); });
  std::size_t first = 0;
  for (std::size_t k = 0; k < program.kernels.size(); ++k) {
    const Kernel* const next = k + 1 < program.kernels.size() ? &program.kernels[k + 1] : nullptr;
    std::size_t end = first + 1;
    while (end < steps.size() && steps[end].kernel != next) ++end;
    for (std::size_t step = first; step < end; ++step)
      steps[step] = {steps[step].kernel, static_cast<int>(first), static_cast<int>(end) - 1};
    first = end;
  }
  return steps;
}

/// The views of a kernel, without those of the kernels inside.
void forEachOwnView(const Kernel& kernel, const std::function<void(const View&, bool)>& visit) {
  if (const auto* region = std::get_if<Region>(&kernel.body)) {
    visit(region->condition.view, false);
  } else if (const auto* loop = std::get_if<Loop>(&kernel.body)) {
    if (loop->condition) visit(loop->condition->view, false);
  } else {
    forEachView(kernel, visit);
  }
}

/// By the number of the step. What a loop uses lives as long as the loop, but for its scratch.
std::vector<Lifetime> lifetimes(const Program& program, const std::vector<Step>& steps) {
  std::vector<Lifetime> result(program.buffers.size());
  for (int position = 0; position < static_cast<int>(steps.size()); ++position) {
    const Step& step = steps[static_cast<std::size_t>(position)];
    forEachOwnView(*step.kernel, [&](const View& view, bool) {
      const auto id = static_cast<std::size_t>(view.buffer);
      const bool isScratch = program.buffers[id].isScratch;
      Lifetime& life = result[id];
      if (life.first < 0) life.first = isScratch ? position : step.first;
      life.last = isScratch ? position : step.last;
    });
  }
  return result;
}

/// The buffer whose place the nest's result may take: it is read only where the same element is then stored.
int inPlaceSource(const Program& program, const Nest& nest, const std::vector<Lifetime>& lives, int k) {
  const auto store = address(nest.target, nest.targetIndex, nest.variables());
  if (!store) return -1;
  std::set<int> candidates, refused;
  const auto inspect = [&](const Expr& expr, bool afterReduction) {
    walk(expr, [&](const Expr& node) {
      if (node->op != Op::Load) return;
      const int buffer = node->view.buffer;
      const auto form = address(node->view, node->args, nest.variables());
      const bool same =
          afterReduction && form && form->offset == store->offset && form->strides == store->strides;
      (same ? candidates : refused).insert(buffer);
    });
  };
  inspect(nest.stored(), true);
  if (nest.kind != Nest::Kind::Map) inspect(nest.element, false);
  if (nest.initial) inspect(nest.initial, false);
  for (const Expr& index : nest.targetIndex) inspect(index, false);
  const Buffer& target = program.buffers[static_cast<std::size_t>(nest.target.buffer)];
  for (const int buffer : candidates) {
    const Buffer& source = program.buffers[static_cast<std::size_t>(buffer)];
    if (refused.count(buffer) || source.kind != BufferKind::Temporary || source.type != target.type) continue;
    if (source.isScratch != target.isScratch) continue;
    if (lives[static_cast<std::size_t>(buffer)].last != k || product(source.shape) != product(target.shape))
      continue;
    return buffer;
  }
  return -1;
}

/// What memory must be there for: of a batch one block.
Dim mostElements(const Program& program, const Buffer& buffer) {
  const Dim elements = product(program.most(buffer.shape));
  if (!program.batch) return elements;
  return elements.atMost([&](const std::string& name) {
    return name == program.batch->symbol ? std::optional<Dim>(program.batch->block) : std::nullopt;
  });
}

/// Puts the slots into the order in which they begin to be alive, which their placement relies on.
void sortSlots(Plan& plan) {
  std::vector<int> order(plan.slots.size()), position(plan.slots.size());
  std::iota(order.begin(), order.end(), 0);
  const auto slot = [&](int id) { return plan.slots[static_cast<std::size_t>(id)]; };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return slot(a).first < slot(b).first; });
  std::vector<Slot> sorted;
  for (const int id : order) {
    position[static_cast<std::size_t>(id)] = static_cast<int>(sorted.size());
    sorted.push_back(slot(id));
  }
  for (int& id : plan.slotOf)
    if (id >= 0) id = position[static_cast<std::size_t>(id)];
  plan.slots = std::move(sorted);
}

/// Gives every slot its offset.
void place(Plan& plan, const std::function<std::int64_t(const Dim&)>& size) {
  std::vector<sofie_runtime::Block> blocks;
  for (const Slot& slot : plan.slots) blocks.push_back({size(slot.bytes), slot.first, slot.last, 0, 0});
  const int count = static_cast<int>(blocks.size());
  std::vector<int> order(2 * blocks.size());
  plan.lowerBound = sofie_runtime::most_alive(blocks.data(), count, order.data());
  plan.arenaBytes = sofie_runtime::place_blocks(blocks.data(), count, order.data());
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    plan.slots[i].size = blocks[i].bytes;
    plan.slots[i].offset = blocks[i].offset;
  }
}

}  // namespace

Plan planMemory(const Program& program) {
  Plan plan;
  plan.slotOf.assign(program.buffers.size(), -1);
  const std::vector<Step> steps = stepsOf(program);
  const auto lives = lifetimes(program, steps);
  const auto isPlanned = [&](int buffer) {
    const auto id = static_cast<std::size_t>(buffer);
    return program.buffers[id].kind == BufferKind::Temporary && lives[id].first >= 0;
  };
  for (std::size_t k = 0; k < steps.size(); ++k) {
    const auto* nest = std::get_if<Nest>(&steps[k].kernel->body);
    forEachOwnView(*steps[k].kernel, [&](const View& view, bool) {
      const auto id = static_cast<std::size_t>(view.buffer);
      if (!isPlanned(view.buffer) || plan.slotOf[id] >= 0) return;
      const Buffer& buffer = program.buffers[id];
      const bool mayReplace = !steps[k].isNested() || buffer.isScratch;
      const int source = nest && mayReplace && nest->target.buffer == view.buffer
                             ? inPlaceSource(program, *nest, lives, static_cast<int>(k))
                             : -1;
      if (source >= 0) {
        plan.slotOf[id] = plan.slotOf[static_cast<std::size_t>(source)];
        Slot& slot = plan.slots[static_cast<std::size_t>(plan.slotOf[id])];
        slot.last = lives[id].last;
        slot.buffers.push_back(view.buffer);
        return;
      }
      plan.slotOf[id] = static_cast<int>(plan.slots.size());
      const auto elementBytes = static_cast<std::int64_t>(sizeOf(buffer.type));
      plan.slots.push_back({mostElements(program, buffer) * elementBytes,
                            lives[id].first,
                            lives[id].last,
                            {view.buffer},
                            0,
                            0});
    });
  }
  sortSlots(plan);
  plan.isStatic = std::all_of(plan.slots.begin(), plan.slots.end(),
                              [](const Slot& slot) { return slot.bytes.upperBound().has_value(); });
  if (plan.isStatic) place(plan, [](const Dim& bytes) { return *bytes.upperBound(); });
  constexpr std::int64_t largestArena = std::int64_t(1) << 40;
  if (plan.arenaBytes > largestArena)
    throw ShapeError("the model needs an arena of " + std::to_string(plan.arenaBytes >> 30) +
                     " GiB; give smaller dims or bounds");
  return plan;
}

Plan placed(Plan plan, const std::function<std::int64_t(const std::string&)>& symbolValue) {
  if (!plan.isStatic) place(plan, [&](const Dim& bytes) { return bytes.evaluate(symbolValue); });
  return plan;
}

std::string text(const Plan& plan) {
  std::string result = plan.isStatic ? "arena of " + std::to_string(plan.arenaBytes) +
                                           " bytes, lower bound " + std::to_string(plan.lowerBound) + "\n"
                                     : "arena placed when a session is prepared\n";
  for (const Slot& slot : plan.slots) {
    result += "  kernels " + std::to_string(slot.first) + " to " + std::to_string(slot.last) + ": " +
              slot.bytes.text() + " bytes";
    if (plan.isStatic) result += " at " + std::to_string(slot.offset);
    for (const int buffer : slot.buffers) result += " b" + std::to_string(buffer);
    result += "\n";
  }
  return result;
}

}  // namespace sofie
