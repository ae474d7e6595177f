#include "gradient/split_epilogues.hxx"

#include "sofie/builder.hxx"

namespace sofie {
namespace {

bool isAccumulator(const Expr& expr) { return expr->op == Op::Accumulator; }

/// The map that follows a reduction whose result it stores in the place of the nest.
Nest epilogueOf(const Nest& nest, const Tensor& reduced) {
  Nest map;
  map.axes = nest.axes;
  map.element = rewrite(nest.epilogue, [&](const Expr& node) -> Expr {
    return isAccumulator(node) ? element(reduced) : Expr();
  });
  map.target = nest.target;
  map.targetIndex = nest.targetIndex;
  return map;
}

}  // namespace

void splitEpilogues(Program& program, const Activity& activity) {
  forEachList(program.kernels, [&](std::vector<Kernel>& kernels) {
    for (std::size_t k = 0; k < kernels.size(); ++k) {
      auto* nest = std::get_if<Nest>(&kernels[k].body);
      if (!nest || nest->kind == Nest::Kind::Map || isAccumulator(nest->epilogue) ||
          !activity.isActive(kernels[k]))
        continue;
      const DType type = nest->element.type();
      const Tensor reduced =
          program.tensor(program.addBuffer({BufferKind::Temporary, type, nest->axes, "", std::nullopt}));
      const Kernel map{epilogueOf(*nest, reduced), kernels[k].origins};
      nest->epilogue = accumulator(type);
      nest->target = reduced.view;
      nest->targetIndex = indices(nest->axes.size());
      kernels.insert(kernels.begin() + static_cast<std::ptrdiff_t>(k) + 1, map);
    }
  });
}

}  // namespace sofie
