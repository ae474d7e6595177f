#include <algorithm>

#include "sofie/passes.hxx"
#include "sofie/plan.hxx"

namespace sofie {
namespace {

/// What the temporaries of a block should take at most: half of a usual second-level cache.
constexpr std::int64_t cacheBytes = std::int64_t(1) << 20;
/// More items at once bring nothing.
constexpr std::int64_t largestBlock = 128;
/// Items at once when their size is known only at run time.
constexpr std::int64_t usualBlock = 8;

bool contains(const Dim& dim, const std::string& symbol) {
  std::vector<std::string> names;
  dim.collectSymbols(names);
  return std::find(names.begin(), names.end(), symbol) != names.end();
}

/// How many times the symbol a size is; nullopt when it is no such multiple.
std::optional<Dim> multiple(const Dim& size, const std::string& symbol) {
  const auto factor = Dim::exactDivide(size, Dim::symbol(symbol));
  return factor && !contains(*factor, symbol) ? factor : std::nullopt;
}

/// Checks that a nest computes every item of its result from the same items of what it reads.
class ItemCheck {
 public:
  ItemCheck(const Program& program, const Nest& nest, const std::string& symbol)
      : program_(program), nest_(nest), symbol_(symbol) {}

  bool holds() {
    for (int v = 0; v < static_cast<int>(nest_.variables()); ++v) {
      const Dim& extent = extentOf(nest_, v);
      if (!contains(extent, symbol_)) continue;
      const auto factor = multiple(extent, symbol_);
      if (!factor || loop_ >= 0 || v >= static_cast<int>(nest_.axes.size())) return false;
      loop_ = v;
      perItem_ = *factor;
    }
    bool result = access(nest_.target, nest_.targetIndex);
    forEachExpression(nest_, [&](const Expr& expr) {
      const bool isIndex = std::any_of(nest_.targetIndex.begin(), nest_.targetIndex.end(),
                                       [&](const Expr& index) { return &index == &expr; });
      result = result && (isIndex ? index(expr) : value(expr));
    });
    return result;
  }

 private:
  const Program& program_;
  const Nest& nest_;
  const std::string& symbol_;
  int loop_ = -1;    ///< over the items
  Dim perItem_ = 1;  ///< its turns for one item

  /// A value may read elements, but not where in the batch it is.
  bool value(const Expr& expr) const {
    if (expr->op == Op::Extent && contains(expr->dim, symbol_)) return false;
    if (expr->op == Op::Index && expr->integer == loop_) return false;
    if (expr->op == Op::Load) {
      if (!access(expr->view, expr->args)) return false;
      return std::all_of(expr->args.begin(), expr->args.end(), [&](const Expr& arg) { return index(arg); });
    }
    return std::all_of(expr->args.begin(), expr->args.end(), [&](const Expr& arg) { return value(arg); });
  }

  /// An index is affine, or a value.
  bool index(const Expr& expr) const { return affine(expr, nest_.variables()).has_value() || value(expr); }

  bool isFree(const Dim& dim) const { return !contains(dim, symbol_); }
  bool isShared(const Buffer& buffer) const {
    return std::all_of(buffer.shape.begin(), buffer.shape.end(), [&](const Dim& dim) { return isFree(dim); });
  }

  /// The address is the same for all items.
  bool isShared(const View& view, const std::vector<Expr>& indices) const {
    for (std::size_t axis = 0; axis < indices.size(); ++axis) {
      if (view.strides[axis].is(0)) continue;
      if (!isFree(view.strides[axis]) || (loop_ >= 0 && dependsOn(indices[axis], loop_))) return false;
    }
    return isFree(view.offset);
  }

  bool access(const View& view, const std::vector<Expr>& indices) const {
    const Buffer& buffer = program_.buffers[static_cast<std::size_t>(view.buffer)];
    const auto item = itemSize(buffer, symbol_);
    if (!item) return isShared(buffer) && isShared(view, indices);
    return loop_ >= 0 && followsItems(view, indices, *item);
  }

  /// One axis of the view moves from item to item, the others stay within one.
  bool followsItems(const View& view, const std::vector<Expr>& indices, const Dim& item) const {
    Dim least = view.offset, greatest = view.offset;
    bool found = false;
    for (std::size_t axis = 0; axis < indices.size(); ++axis) {
      const Dim& stride = view.strides[axis];
      if (stride.is(0)) continue;
      Dim reach = view.shape[axis] - 1;
      if (dependsOn(indices[axis], loop_)) {
        if (found || indices[axis]->op != Op::Index || stride * perItem_ != item) return false;
        found = true;
        reach = perItem_ - 1;
      }
      const bool isForward = stride.isNonNegative();
      if (!isForward && !(Dim(0) - stride).isNonNegative()) return false;
      (isForward ? greatest : least) = (isForward ? greatest : least) + stride * reach;
    }
    return found && isFree(least) && isFree(greatest) && least.isNonNegative() &&
           (item - 1 - greatest).isNonNegative();
  }
};

bool isIndependent(const Program& program, const std::string& symbol) {
  bool hasItems = false;
  for (const Buffer& buffer : program.buffers) {
    const bool isFree = std::none_of(buffer.shape.begin(), buffer.shape.end(),
                                     [&](const Dim& dim) { return contains(dim, symbol); });
    const auto item = itemSize(buffer, symbol);
    if (!isFree && !item) return false;
    if (buffer.kind == BufferKind::Output && !item) return false;
    hasItems = hasItems || buffer.kind == BufferKind::Output;
  }
  return hasItems && std::all_of(program.kernels.begin(), program.kernels.end(), [&](const Kernel& kernel) {
           const auto* nest = std::get_if<Nest>(&kernel.body);
           return nest && ItemCheck(program, *nest, symbol).holds();
         });
}

/// True when the batch never is longer than a block.
bool fits(const Program& program, const Batch& batch) {
  for (const Buffer& buffer : program.buffers)
    for (const Dim& dim : buffer.shape)
      if (dim.symbolName() == batch.symbol) {
        const auto most = dim.upperBound();
        return most && *most <= batch.block;
      }
  return false;
}

std::int64_t blockOf(const Program& program, const std::string& symbol) {
  Program single = program;
  single.batch = Batch{symbol, 1};
  const Plan plan = planMemory(single);
  if (!plan.isStatic) return usualBlock;
  const std::int64_t items = std::min(cacheBytes / std::max(plan.arenaBytes, std::int64_t(1)), largestBlock);
  constexpr std::int64_t rows = 8;  // of whole tiles
  return items < rows ? std::max(items, std::int64_t(1)) : items / rows * rows;
}

}  // namespace

std::optional<Dim> itemSize(const Buffer& buffer, const std::string& symbol) {
  if (buffer.shape.empty()) return std::nullopt;
  return multiple(product(buffer.shape), symbol);
}

void splitBatch(Program& program) {
  if (!program.locals.empty() || !program.draws.empty()) return;
  for (const std::string& symbol : program.symbols) {
    if (!isIndependent(program, symbol)) continue;
    const Batch batch{symbol, blockOf(program, symbol)};
    if (!fits(program, batch)) program.batch = batch;
    return;
  }
}

}  // namespace sofie
