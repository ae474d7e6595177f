#include "passes/reindex.hxx"
#include "sofie/builder.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// The indices of a view whose axes are those of the buffer, but for axes of a single element.
std::optional<std::vector<Expr>> sameAxes(const Buffer& buffer, const View& view,
                                          const std::vector<Expr>& indices) {
  if (!view.offset.is(0)) return std::nullopt;
  const auto strides = rowMajor(buffer.shape);
  std::vector<Expr> result;
  std::size_t axis = 0;
  const auto skipSingles = [&] {
    while (axis < indices.size() && view.shape[axis].is(1)) ++axis;
  };
  for (std::size_t own = 0; own < strides.size(); ++own) {
    if (buffer.shape[own].is(1)) {
      result.push_back(integer(DType::Int64, 0));
      continue;
    }
    skipSingles();
    if (axis == indices.size() || view.strides[axis] != strides[own]) return std::nullopt;
    result.push_back(indices[axis++]);
  }
  skipSingles();
  return axis == indices.size() ? std::optional(result) : std::nullopt;
}

/// The indices along a buffer's own axes of an access; nullopt when the access does not follow these axes.
std::optional<std::vector<Expr>> naturalIndices(const Buffer& buffer, const Nest& nest, const View& view,
                                                const std::vector<Expr>& indices) {
  if (const auto same = sameAxes(buffer, view, indices)) return same;
  const auto strides = rowMajor(buffer.shape);
  const auto form = address(view, indices, nest.variables());
  if (!form) return std::nullopt;
  std::vector<AddressAxis> from, to;
  for (std::size_t v = 0; v < nest.variables(); ++v)
    from.push_back({form->strides[v], extentOf(nest, static_cast<int>(v)), index(static_cast<int>(v))});
  for (std::size_t axis = 0; axis < strides.size(); ++axis)
    to.push_back({strides[axis], buffer.shape[axis], Expr()});
  return mapPoints(from, to, form->offset);
}

/// One read or write of a buffer by a nest.
struct Access {
  enum class Kind { Element, Epilogue, Write };

  const Nest* nest;
  std::vector<Expr> indices;  ///< along the buffer's own axes
  Kind kind;

  bool isWrite() const { return kind == Kind::Write; }
};

/// All accesses of every temporary; empty for buffers that cannot be laid out anew.
class Accesses {
 public:
  explicit Accesses(const Program& program)
      : program_(program), list_(program.buffers.size()), possible_(program.buffers.size()) {
    for (std::size_t id = 0; id < program.buffers.size(); ++id)
      possible_[id] =
          program.buffers[id].kind == BufferKind::Temporary && program.buffers[id].shape.size() >= 3;
    for (const Kernel& kernel : program.kernels) {
      if (const auto* nest = std::get_if<Nest>(&kernel.body))
        collect(*nest);
      else
        forEachView(kernel, [&](const View& view, bool) {
          possible_[static_cast<std::size_t>(view.buffer)] = false;
        });
    }
  }

  bool possible(int buffer) const { return possible_[static_cast<std::size_t>(buffer)]; }
  const std::vector<Access>& of(int buffer) const { return list_[static_cast<std::size_t>(buffer)]; }

 private:
  const Program& program_;
  std::vector<std::vector<Access>> list_;
  std::vector<bool> possible_;

  void collect(const Nest& nest) {
    forEachExpression(nest, [&](const Expr& expr) {
      const auto kind = &expr == &nest.epilogue ? Access::Kind::Epilogue : Access::Kind::Element;
      walk(expr, [&](const Expr& node) {
        if (node->op == Op::Load) add(nest, node->view, node->args, kind);
      });
    });
    add(nest, nest.target, nest.targetIndex, Access::Kind::Write);
  }

  void add(const Nest& nest, const View& view, const std::vector<Expr>& indices, Access::Kind kind) {
    const auto id = static_cast<std::size_t>(view.buffer);
    if (!possible_[id]) return;
    const auto natural = naturalIndices(program_.buffers[id], nest, view, indices);
    if (natural)
      list_[id].push_back({&nest, *natural, kind});
    else
      possible_[id] = false;
  }
};

std::optional<int> singleVariable(const Expr& expr) {
  if (expr->op != Op::Index) return std::nullopt;
  return static_cast<int>(expr->integer);
}

bool hasWeights(const Program& program, const Nest& nest) {
  const Expr& right = loadOf(nest.element->args[1]);
  return right->op == Op::Load &&
         program.buffers[static_cast<std::size_t>(right->view.buffer)].kind == BufferKind::Constant;
}

/// The axis of a convolution's result that its weights alone choose: the channel. A convolution whose window
/// is a single element is told from other products by its constant weights. One with a window of its own for
/// every channel has the axis that chooses both the window and what it slides over.
std::optional<std::size_t> writtenChannel(const Program& program, const Access& write) {
  const Nest& nest = *write.nest;
  if (nest.kind != Nest::Kind::Contraction) return std::nullopt;
  const auto left = nest.element->args[0], right = nest.element->args[1];
  const bool isConstant = hasWeights(program, nest), hasWindow = nest.reduction.size() >= 2;
  if (!hasWindow && !isConstant) return std::nullopt;
  std::optional<std::size_t> shared;
  for (std::size_t axis = 0; axis < write.indices.size(); ++axis) {
    const auto variable = singleVariable(write.indices[axis]);
    if (!variable || !dependsOn(right, *variable)) continue;
    if (!dependsOn(left, *variable)) return axis;
    shared = axis;
  }
  return isConstant && hasWindow ? shared : std::nullopt;
}

/// The axis of what a convolution reads that its sum runs along without a window.
std::optional<std::size_t> readChannel(const Program& program, const Access& read) {
  const Nest& nest = *read.nest;
  if (nest.kind != Nest::Kind::Contraction || nest.reduction.size() < 2 || !hasWeights(program, nest))
    return std::nullopt;
  for (std::size_t axis = 0; axis < read.indices.size(); ++axis) {
    const auto variable = singleVariable(read.indices[axis]);
    if (variable && *variable >= static_cast<int>(nest.axes.size())) return axis;
  }
  return std::nullopt;
}

/// Chooses a channel axis for buffers that convolutions write or read, and for those that share loops with
/// them.
class ChannelChoice {
 public:
  ChannelChoice(const Program& program, const Accesses& accesses)
      : accesses_(accesses), channel_(program.buffers.size()) {
    const int count = static_cast<int>(program.buffers.size());
    for (int id = 0; id < count; ++id)
      if (accesses.possible(id))
        for (const Access& access : accesses.of(id))
          if (access.isWrite() && !channel(id)) set(id, writtenChannel(program, access));
    for (int id = 0; id < count; ++id)
      if (accesses.possible(id))
        for (const Access& access : accesses.of(id))
          if (!access.isWrite() && !channel(id)) set(id, readChannel(program, access));
    for (bool changed = true; changed;) {
      changed = false;
      for (int id = 0; id < count; ++id)
        if (accesses.possible(id) && !channel(id)) changed = inherit(id, count) || changed;
    }
    for (int id = 0; id < count; ++id)
      if (channel(id) && isReadAcross(id)) set(id, std::nullopt);
  }

  const std::optional<std::size_t>& channel(int buffer) const {
    return channel_[static_cast<std::size_t>(buffer)];
  }

 private:
  const Accesses& accesses_;
  std::vector<std::optional<std::size_t>> channel_;

  void set(int buffer, const std::optional<std::size_t>& axis) {
    channel_[static_cast<std::size_t>(buffer)] = axis;
  }

  /// Whether several products add it to results that have no such channel, and nothing else reads it, as the
  /// bias of every layer's attention: each would read across the channels, so the one that writes it does.
  bool isReadAcross(int id) const {
    std::size_t reads = 0;
    for (const Access& access : accesses_.of(id)) {
      if (access.isWrite()) continue;
      const Nest& nest = *access.nest;
      if (nest.kind != Nest::Kind::Contraction || access.kind != Access::Kind::Epilogue) return false;
      if (channel(nest.target.buffer)) return false;
      ++reads;
    }
    return reads >= 2;
  }

  /// Takes the axis along which a nest moves together with a buffer that has a channel.
  bool inherit(int id, int count) {
    for (const Access& own : accesses_.of(id))
      for (int other = 0; other < count; ++other) {
        if (other == id || !channel(other)) continue;
        for (const Access& theirs : accesses_.of(other)) {
          if (theirs.nest != own.nest || own.nest->kind == Nest::Kind::Contraction) continue;
          const auto variable = singleVariable(theirs.indices[*channel(other)]);
          if (!variable) continue;
          for (std::size_t axis = 0; axis < own.indices.size(); ++axis)
            if (singleVariable(own.indices[axis]) == variable) {
              set(id, axis);
              return true;
            }
        }
      }
    return false;
  }
};

/// Row-major strides of a shape whose axis `channel` moves fastest.
std::vector<Dim> stridesWithLast(const Shape& shape, std::size_t channel) {
  std::vector<Dim> strides(shape.size());
  strides[channel] = 1;
  Dim next = shape[channel];
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (axis == channel) continue;
    strides[axis] = next;
    next = next * shape[axis];
  }
  return strides;
}

}  // namespace

void channelsLast(Program& program) {
  const Accesses accesses(program);
  const ChannelChoice choice(program, accesses);
  const auto changed = [&](const Nest& nest, View& view, std::vector<Expr>& indices) {
    const auto& channel = choice.channel(view.buffer);
    if (!channel) return;
    const Buffer& buffer = program.buffers[static_cast<std::size_t>(view.buffer)];
    indices = *naturalIndices(buffer, nest, view, indices);
    view = {view.buffer, 0, buffer.shape, stridesWithLast(buffer.shape, *channel)};
  };
  std::vector<Kernel> kernels = program.kernels;
  for (Kernel& kernel : kernels) {
    auto* nest = std::get_if<Nest>(&kernel.body);
    if (!nest) continue;
    const Nest before = *nest;
    forEachExpression(*nest, [&](Expr& expr) {
      expr = rewrite(expr, [&](const Expr& node) -> Expr {
        if (node->op != Op::Load || !choice.channel(node->view.buffer)) return {};
        Tensor tensor{node->type, node->view};
        std::vector<Expr> indices = node->args;
        changed(before, tensor.view, indices);
        return load(tensor, indices);
      });
    });
    changed(before, nest->target, nest->targetIndex);
  }
  program.kernels = std::move(kernels);
}

}  // namespace sofie
