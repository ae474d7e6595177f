#include "sofie/program.hxx"

#include <algorithm>
#include <array>
#include <set>

namespace sofie {

std::string_view combinerName(Combiner combiner) {
  constexpr std::array<std::string_view, 9> names{"sum", "product",     "minimum",     "maximum", "and",
                                                  "or",  "arg_minimum", "arg_maximum", "fold"};
  return names[static_cast<std::size_t>(combiner)];
}

bool isOrdered(Combiner combiner) {
  return combiner == Combiner::ArgMinimum || combiner == Combiner::ArgMaximum || combiner == Combiner::Fold;
}

int Program::addBuffer(Buffer buffer) {
  buffers.push_back(std::move(buffer));
  return static_cast<int>(buffers.size()) - 1;
}

Tensor Program::tensor(int buffer) const {
  const Buffer& entry = buffers[static_cast<std::size_t>(buffer)];
  return {entry.type, contiguous(buffer, entry.shape)};
}

Dim Program::local(const std::string& name, const Dim& greatest) {
  const Dim bound = most(greatest);
  if (!findLocal(name)) locals.push_back({name, bound});
  return Dim::symbol(name, {0, bound.upperBound()});
}

Dim Program::unboundedLocal(const std::string& name) {
  const std::string room = "most_" + name;
  if (!roomOf(name)) rooms.push_back({room, name});
  return local(name, Dim::symbol(room));
}

Dim Program::draw(Draw::Kind kind, const std::string& name) {
  for (const Draw& draw : draws)
    if (draw.kind == kind) return Dim::symbol(draw.name);
  draws.push_back({kind, name});
  return Dim::symbol(name);
}

const Room* Program::roomOf(const std::string& local) const {
  const auto found =
      std::find_if(rooms.begin(), rooms.end(), [&](const Room& room) { return room.local == local; });
  return found == rooms.end() ? nullptr : &*found;
}

Dim Program::most(const Dim& dim) const {
  return dim.atMost([&](const std::string& name) -> std::optional<Dim> {
    const LocalSymbol* local = findLocal(name);
    return local ? std::optional<Dim>(local->most) : std::nullopt;
  });
}

const LocalSymbol* Program::findLocal(const std::string& name) const {
  for (const LocalSymbol& local : locals)
    if (local.name == name) return &local;
  return nullptr;
}

bool Program::isMeasured(const Dim& dim) const {
  std::vector<std::string> names;
  dim.collectSymbols(names);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return findLocal(name); });
}

bool Program::isMeasured(const Shape& shape) const {
  return std::any_of(shape.begin(), shape.end(), [&](const Dim& dim) { return isMeasured(dim); });
}

Shape Program::most(const Shape& shape) const {
  Shape result;
  for (const Dim& dim : shape) result.push_back(most(dim));
  return result;
}

const Dim& extentOf(const Nest& nest, int variable) {
  const auto position = static_cast<std::size_t>(variable);
  return position < nest.axes.size() ? nest.axes[position] : nest.reduction[position - nest.axes.size()];
}

bool staysInside(const Nest& nest, const View& view, const std::vector<Expr>& indices) {
  for (std::size_t axis = 0; axis < indices.size(); ++axis) {
    if (view.strides[axis].is(0) || indices[axis]->op == Op::CheckedIndex) continue;
    const auto form = affine(indices[axis], nest.variables());
    if (!form) return false;
    Dim least = form->offset, greatest = form->offset;
    for (std::size_t v = 0; v < nest.variables(); ++v) {
      const auto stride = form->strides[v].value();
      if (!stride && !form->strides[v].isNonNegative()) return false;
      const Dim reach = form->strides[v] * (extentOf(nest, static_cast<int>(v)) - 1);
      (stride && *stride < 0 ? least : greatest) = (stride && *stride < 0 ? least : greatest) + reach;
    }
    if (!least.isNonNegative() || !(view.shape[axis] - 1 - greatest).isNonNegative()) return false;
  }
  return true;
}

namespace {

template <class... F>
struct Overload : F... {
  using F::operator()...;
};
template <class... F>
Overload(F...) -> Overload<F...>;

void visitLoads(const Expr& expr, const std::function<void(const View&, bool)>& visit) {
  walk(expr, [&](const Expr& node) {
    if (node->op == Op::Load) visit(node->view, false);
  });
}

}  // namespace

void forEachView(const Kernel& kernel, const std::function<void(const View&, bool)>& visit) {
  std::visit(Overload{
                 [&](const Nest& nest) {
                   forEachExpression(nest, [&](const Expr& expr) { visitLoads(expr, visit); });
                   if (nest.merge) visit(nest.target, false);
                   visit(nest.target, true);
                 },
                 [&](const Region& region) {
                   visit(region.condition.view, false);
                   for (const Kernel& inner : region.then) forEachView(inner, visit);
                   for (const Kernel& inner : region.otherwise) forEachView(inner, visit);
                 },
                 [&](const Loop& loop) {
                   if (loop.condition) visit(loop.condition->view, false);
                   for (const Kernel& inner : loop.body) forEachView(inner, visit);
                 },
                 [&](const Call& call) {
                   for (const Tensor& tensor : call.inputs) visit(tensor.view, false);
                   for (const Tensor& tensor : call.outputs) visit(tensor.view, true);
                 },
                 [&](const Measure& measure) { visit(measure.value.view, false); },
             },
             kernel.body);
}

void changeViews(Kernel& kernel, const std::function<void(View&)>& change) {
  std::visit(Overload{
                 [&](Nest& nest) {
                   forEachExpression(nest, [&](Expr& expr) {
                     expr = rewrite(expr, [&](const Expr& node) -> Expr {
                       if (node->op != Op::Load) return {};
                       Tensor tensor{node->type, node->view};
                       change(tensor.view);
                       return load(tensor, node->args);
                     });
                   });
                   change(nest.target);
                 },
                 [&](Region& region) {
                   change(region.condition.view);
                   for (Kernel& inner : region.then) changeViews(inner, change);
                   for (Kernel& inner : region.otherwise) changeViews(inner, change);
                 },
                 [&](Loop& loop) {
                   if (loop.condition) change(loop.condition->view);
                   for (Kernel& inner : loop.body) changeViews(inner, change);
                 },
                 [&](Call& call) {
                   for (Tensor& tensor : call.inputs) change(tensor.view);
                   for (Tensor& tensor : call.outputs) change(tensor.view);
                 },
                 [&](Measure& measure) { change(measure.value.view); },
             },
             kernel.body);
}

void forEachKernel(const std::vector<Kernel>& kernels, const std::function<void(const Kernel&)>& f) {
  for (const Kernel& kernel : kernels) {
    f(kernel);
    if (const auto* region = std::get_if<Region>(&kernel.body)) {
      forEachKernel(region->then, f);
      forEachKernel(region->otherwise, f);
    }
    if (const auto* loop = std::get_if<Loop>(&kernel.body)) forEachKernel(loop->body, f);
  }
}

void forEachList(std::vector<Kernel>& kernels, const std::function<void(std::vector<Kernel>&)>& f) {
  f(kernels);
  for (Kernel& kernel : kernels) {
    if (auto* region = std::get_if<Region>(&kernel.body)) {
      forEachList(region->then, f);
      forEachList(region->otherwise, f);
    }
    if (auto* loop = std::get_if<Loop>(&kernel.body)) forEachList(loop->body, f);
  }
}

void forEachNest(std::vector<Kernel>& kernels, const std::function<void(Nest&)>& f) {
  forEachList(kernels, [&](std::vector<Kernel>& list) {
    for (Kernel& kernel : list)
      if (auto* nest = std::get_if<Nest>(&kernel.body)) f(*nest);
  });
}

std::set<std::string> symbolsOf(const Kernel& kernel) {
  std::vector<std::string> names;
  const auto collect = [&](const Shape& dims) {
    for (const Dim& dim : dims) dim.collectSymbols(names);
  };
  forEachView(kernel, [&](const View& view, bool) {
    view.offset.collectSymbols(names);
    collect(view.shape);
    collect(view.strides);
  });
  const auto collectNest = [&](const Nest& nest) {
    collect(nest.axes);
    collect(nest.reduction);
    forEachExpression(nest, [&](const Expr& expr) {
      walk(expr, [&](const Expr& node) {
        if (node->op == Op::Extent) node->dim.collectSymbols(names);
      });
    });
  };
  const std::function<void(const std::vector<Kernel>&)> collectAll = [&](const std::vector<Kernel>& list) {
    for (const Kernel& inner : list) {
      const auto symbols = symbolsOf(inner);
      names.insert(names.end(), symbols.begin(), symbols.end());
    }
  };
  std::visit(Overload{
                 [&](const Nest& nest) { collectNest(nest); },
                 [&](const Region& region) {
                   collectAll(region.then);
                   collectAll(region.otherwise);
                 },
                 [&](const Loop& loop) {
                   loop.trips.collectSymbols(names);
                   collectAll(loop.body);
                 },
                 [&](const Call& call) {
                   call.items.collectSymbols(names);
                   collect(call.arguments);
                 },
                 [&](const Measure& measure) { names.push_back(measure.symbol); },
             },
             kernel.body);
  return {names.begin(), names.end()};
}

std::set<int> writtenBuffers(const Kernel& kernel) {
  std::set<int> written;
  forEachView(kernel, [&](const View& view, bool write) {
    if (write) written.insert(view.buffer);
  });
  return written;
}

std::vector<Origin> joinOrigins(const std::vector<Origin>& first, const std::vector<Origin>& second) {
  std::vector<Origin> joined = first;
  for (const Origin& origin : second) {
    const bool isThere = std::any_of(joined.begin(), joined.end(), [&](const Origin& each) {
      return each.node == origin.node && each.label == origin.label;
    });
    if (!isThere) joined.push_back(origin);
  }
  return joined;
}

std::string text(const std::vector<Origin>& origins) {
  std::string result;
  std::set<std::string> seen;
  for (const Origin& origin : origins)
    if (seen.insert(origin.label).second) result += (result.empty() ? "" : ", ") + origin.label;
  return result;
}

namespace {

void countUses(const std::vector<Kernel>& kernels, Uses& uses) {
  for (const Kernel& kernel : kernels) {
    std::set<int> reads, writes;
    if (const auto* region = std::get_if<Region>(&kernel.body)) {
      reads.insert(region->condition.view.buffer);
      countUses(region->then, uses);
      countUses(region->otherwise, uses);
    } else if (const auto* loop = std::get_if<Loop>(&kernel.body)) {
      if (loop->condition) reads.insert(loop->condition->view.buffer);
      countUses(loop->body, uses);
    } else {
      forEachView(kernel,
                  [&](const View& view, bool write) { (write ? writes : reads).insert(view.buffer); });
    }
    for (const int buffer : reads) ++uses.reads[static_cast<std::size_t>(buffer)];
    for (const int buffer : writes) ++uses.writes[static_cast<std::size_t>(buffer)];
  }
}

}  // namespace

Uses countUses(const Program& program) {
  Uses uses{std::vector<int>(program.buffers.size()), std::vector<int>(program.buffers.size())};
  countUses(program.kernels, uses);
  return uses;
}

bool usesStorage(const Program& program) {
  bool found = std::any_of(program.buffers.begin(), program.buffers.end(),
                           [](const Buffer& buffer) { return isStorage(buffer.type); });
  std::vector<Kernel> kernels = program.kernels;
  forEachNest(kernels, [&](Nest& nest) {
    forEachExpression(nest, [&](const Expr& expr) {
      walk(expr, [&](const Expr& node) { found = found || isStorage(node.type()); });
    });
  });
  return found;
}

namespace {

std::string text(const View& view) {
  std::string result = "b" + std::to_string(view.buffer);
  if (!view.offset.is(0)) result += "+" + view.offset.text();
  return result + sofie::text(view.shape) + " strides " + sofie::text(view.strides);
}

std::string text(const Nest& nest) {
  static constexpr std::array<const char*, 3> kinds{"map", "reduce", "contraction"};
  std::string result = std::string(kinds[static_cast<std::size_t>(nest.kind)]) + " " + sofie::text(nest.axes);
  if (nest.initial) result += " from " + sofie::text(nest.initial);
  if (nest.kind != Nest::Kind::Map)
    result += " over " + sofie::text(nest.reduction) + " " + std::string(combinerName(nest.combiner)) +
              " of " + sofie::text(nest.element) + "; epilogue";
  result += " " + sofie::text(nest.stored()) + "\n      -> " + text(nest.target) + " at";
  for (const Expr& index : nest.targetIndex) result += " " + sofie::text(index);
  if (nest.merge) result += " by " + std::string(combinerName(*nest.merge));
  if (nest.guard) result += " if " + sofie::text(nest.guard);
  return result;
}

}  // namespace

std::string text(const Program& program, const Kernel& kernel) {
  return std::visit(Overload{
                        [&](const Nest& nest) { return text(nest); },
                        [&](const Region& region) {
                          std::string result = "if b" + std::to_string(region.condition.view.buffer) + "\n";
                          for (const Kernel& inner : region.then)
                            result += "    " + text(program, inner) + "\n";
                          result += "  else\n";
                          for (const Kernel& inner : region.otherwise)
                            result += "    " + text(program, inner) + "\n";
                          return result;
                        },
                        [&](const Loop& loop) {
                          std::string result = "loop " + loop.counter + " below " + loop.trips.text();
                          if (loop.condition)
                            result += " while b" + std::to_string(loop.condition->view.buffer);
                          for (const Kernel& inner : loop.body) result += "\n    " + text(program, inner);
                          return result;
                        },
                        [&](const Call& call) {
                          std::string result = "call " +
                                               (call.definition ? call.definition->name : call.routine) +
                                               " for " + call.items.text() + " items";
                          for (const Tensor& tensor : call.inputs)
                            result += "\n      reads " + text(tensor.view);
                          for (const Tensor& tensor : call.outputs)
                            result += "\n      writes " + text(tensor.view);
                          return result;
                        },
                        [&](const Measure& measure) {
                          return "measure " + measure.symbol + " in " + text(measure.value.view);
                        },
                    },
                    kernel.body);
}

std::string text(const Program& program) {
  static constexpr std::array<const char*, 4> kinds{"input", "output", "constant", "temporary"};
  std::string result = "program " + program.name + "\n";
  for (std::size_t i = 0; i < program.buffers.size(); ++i) {
    const Buffer& buffer = program.buffers[i];
    result += "  b" + std::to_string(i) + ": " + kinds[static_cast<std::size_t>(buffer.kind)] + " " +
              std::string(dtypeName(buffer.type)) + text(buffer.shape) +
              (buffer.name.empty() ? "" : " " + buffer.name) + "\n";
  }
  for (const Kernel& kernel : program.kernels)
    result += "  # " + text(kernel.origins) + "\n    " + text(program, kernel) + "\n";
  return result;
}

}  // namespace sofie
