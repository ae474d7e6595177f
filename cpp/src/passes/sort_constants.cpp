#include <algorithm>
#include <map>

#include "sofie/builder.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// The loop along which the nest stores consecutive elements; -1 without one.
int contiguousLoop(const Nest& nest) {
  const auto store = address(nest.target, nest.targetIndex, nest.variables());
  if (!store) return -1;
  for (std::size_t v = 0; v < nest.axes.size(); ++v)
    if (store->strides[v].is(1)) return static_cast<int>(v);
  return -1;
}

/// A product that chooses its operands by different loops is packed by its renderer.
bool sharesLoop(const Nest& nest, int loop) {
  return nest.kind != Nest::Kind::Contraction ||
         (dependsOn(nest.element->args[0], loop) && dependsOn(nest.element->args[1], loop));
}

class ConstantSorting {
 public:
  explicit ConstantSorting(Program& program) : program_(program) {}

  void run(Nest& nest) {
    const int last = contiguousLoop(nest);
    if (last < 0 || !sharesLoop(nest, last)) return;
    const Nest before = nest;
    forEachExpression(nest, [&](Expr& expr) {
      expr = rewrite(expr, [&](const Expr& node) { return sorted(before, node, last); });
    });
  }

 private:
  Program& program_;
  std::map<std::string, Tensor> done_;

  /// The load from a copy of its constant in which `last` is the fastest axis; empty when the load is no such
  /// load, or is well as it is.
  Expr sorted(const Nest& nest, const Expr& node, int last) {
    if (node->op != Op::Load || !staysInside(nest, node->view, node->args)) return {};
    const Buffer& buffer = program_.buffers[static_cast<std::size_t>(node->view.buffer)];
    if (buffer.kind != BufferKind::Constant) return {};
    const auto form = address(node->view, node->args, nest.variables());
    if (!form || !form->offset.isConstant()) return {};
    const Dim& step = form->stride(last);
    if (step.is(0) || step.is(1)) return {};
    std::vector<int> loops;
    std::int64_t size = 1;
    for (int v = 0; v < static_cast<int>(nest.variables()); ++v) {
      const Dim& stride = form->stride(v);
      if (stride.is(0)) continue;
      if (!stride.isConstant() || !extentOf(nest, v).isConstant()) return {};
      size *= extentOf(nest, v).constant();
      if (v != last) loops.push_back(v);
    }
    if (size > buffer.constant->size()) return {};
    const auto moved = [&](int v) { return form->stride(v).constant(); };
    std::stable_sort(loops.begin(), loops.end(), [&](int a, int b) { return moved(a) > moved(b); });
    loops.push_back(last);
    std::vector<Expr> indices;
    for (const int v : loops) indices.push_back(index(v));
    return load(copy(nest, node->view.buffer, *form, loops), indices);
  }

  /// The elements at the points of the loops, the last one fastest.
  Tensor copy(const Nest& nest, int buffer, const Affine& form, const std::vector<int>& loops) {
    std::string key = std::to_string(buffer) + "+" + form.offset.text();
    std::vector<std::int64_t> shape, strides, addresses{form.offset.constant()};
    for (const int v : loops) {
      shape.push_back(extentOf(nest, v).constant());
      strides.push_back(form.stride(v).constant());
      key += "," + std::to_string(shape.back()) + "*" + std::to_string(strides.back());
    }
    if (const auto found = done_.find(key); found != done_.end()) return found->second;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      std::vector<std::int64_t> next;
      for (const std::int64_t address : addresses)
        for (std::int64_t i = 0; i < shape[axis]; ++i) next.push_back(address + i * strides[axis]);
      addresses = std::move(next);
    }
    const Constant original = *program_.buffers[static_cast<std::size_t>(buffer)].constant;
    const std::size_t width = sizeOf(original.type);
    std::vector<std::byte> bytes(addresses.size() * width);
    for (std::size_t i = 0; i < addresses.size(); ++i)
      std::memcpy(bytes.data() + i * width,
                  original.bytes->data() + static_cast<std::size_t>(addresses[i]) * width, width);
    const Tensor tensor = Builder(program_).constant(
        {original.type, shape, std::make_shared<const std::vector<std::byte>>(std::move(bytes))});
    return done_.emplace(key, tensor).first->second;
  }
};

}  // namespace

void sortConstants(Program& program) {
  ConstantSorting sorting(program);
  forEachNest(program.kernels, [&](Nest& nest) { sorting.run(nest); });
}

}  // namespace sofie
