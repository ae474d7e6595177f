#include <algorithm>
#include <map>

#include "passes/evaluation.hxx"
#include "passes/reindex.hxx"
#include "sofie/builder.hxx"
#include "sofie/passes.hxx"

namespace sofie {
namespace {

/// A product must be this deep and have this many columns, or floats are as fast.
constexpr std::int64_t leastDepth = 16, leastColumns = 8;
/// So many products of bytes do not overflow an int32.
constexpr std::int64_t greatestDepth = (std::int64_t(1) << 31) / (256 * 128) - 1;

/// What a quantised number stands for: (code - zero) * scale. The code is a byte, zero an int32; what is
/// empty is 0 or 1.
struct Quantised {
  Expr code, zero, scale;
};

/// The expression without the indices of its Loads that move no address: what is broadcast along a loop does
/// not depend on it.
Expr withoutBroadcasts(const Expr& expr) {
  return rewrite(expr, [](const Expr& node) -> Expr {
    if (node->op != Op::Load) return {};
    Tensor tensor{node->type, {node->view.buffer, node->view.offset, {}, {}}};
    std::vector<Expr> indices;
    for (std::size_t axis = 0; axis < node->args.size(); ++axis) {
      if (node->view.strides[axis].is(0) || node->view.shape[axis].is(1)) continue;
      tensor.view.shape.push_back(node->view.shape[axis]);
      tensor.view.strides.push_back(node->view.strides[axis]);
      indices.push_back(node->args[axis]);
    }
    return load(tensor, indices);
  });
}

/// A zero point as an int32.
Expr zeroPoint(const Expr& expr) {
  if (expr->op == Op::Cast) return cast(DType::Int32, expr->args[0]);
  if (expr->op != Op::Constant) return {};
  return integer(DType::Int32, isFloat(expr.type()) ? static_cast<std::int64_t>(expr->real) : expr->integer);
}

std::optional<Quantised> quantised(const Expr& expr) {
  Quantised result;
  Expr rest = expr;
  if (rest->op == Op::Mul && rest.type() == DType::Float32) {
    result.scale = rest->args[1];
    rest = rest->args[0];
  }
  if (rest->op == Op::Sub) {
    result.zero = zeroPoint(rest->args[1]);
    if (!result.zero) return std::nullopt;
    rest = rest->args[0];
  }
  if (rest->op != Op::Cast) return std::nullopt;
  result.code = rest->args[0];
  const DType type = result.code.type();
  if (type != DType::Int8 && type != DType::UInt8) return std::nullopt;
  return result;
}

std::string textOf(const Expr& part) { return part ? text(part) : std::string(); }

/// A kernel to be put behind the one at `position`.
struct Sibling {
  std::size_t position;
  Kernel kernel;
};

/// A tensor of codes beside one of what they stand for.
struct Codes {
  int buffer;
  DType type;
  Expr zero, scale;
};

/// The weights of a product: bytes less their zero points, with a scale that the columns alone decide.
struct Weights {
  Expr load, scale;
};

class IntegerProducts {
 public:
  explicit IntegerProducts(Program& program) : program_(program), uses_(countUses(program)) {}

  bool run() {
    bool changed = false;
    for (std::size_t at = 0; at < program_.kernels.size(); ++at) {
      const auto* nest = std::get_if<Nest>(&program_.kernels[at].body);
      if (!nest || nest->kind != Nest::Kind::Contraction) continue;
      siblings_.clear();
      const auto product = integerProduct(*nest);
      if (!product) continue;
      program_.kernels[at].body = *product;
      for (auto sibling = siblings_.rbegin(); sibling != siblings_.rend(); ++sibling)
        program_.kernels.insert(program_.kernels.begin() + static_cast<std::ptrdiff_t>(sibling->position) + 1,
                                sibling->kernel);
      at += siblings_.size();
      changed = true;
    }
    return changed;
  }

 private:
  Program& program_;
  Uses uses_;
  std::map<int, Codes> codes_;  ///< by the buffer beside which they are stored
  std::vector<Sibling> siblings_;

  const Buffer& buffer(int id) const { return program_.buffers[static_cast<std::size_t>(id)]; }

  /// True when no kernel changes what the expression reads once that is there.
  bool isSettled(const Expr& expr) const {
    bool settled = true;
    walk(expr, [&](const Expr& node) {
      if (node->op == Op::Load && uses_.writes[static_cast<std::size_t>(node->view.buffer)] > 1)
        settled = false;
    });
    return settled;
  }

  /// The positions of the kernels that write a temporary; empty unless all are Maps outside of loops.
  std::vector<std::size_t> writers(int id) const {
    std::vector<std::size_t> positions;
    if (buffer(id).kind != BufferKind::Temporary) return {};
    for (std::size_t k = 0; k < program_.kernels.size(); ++k) {
      if (!writtenBuffers(program_.kernels[k]).count(id)) continue;
      const auto* nest = std::get_if<Nest>(&program_.kernels[k].body);
      if (!nest || nest->kind != Nest::Kind::Map || !nest->overwrites()) return {};
      positions.push_back(k);
    }
    return positions;
  }

  /// What a Load reads, in terms of what its only producer reads.
  Expr resolved(const Expr& expr) const {
    if (expr->op != Op::Load) return expr;
    const auto positions = writers(expr->view.buffer);
    if (positions.size() != 1) return expr;
    const auto& producer = std::get<Nest>(program_.kernels[positions[0]].body);
    const auto element = elementAt(producer, expr);
    return element && isSettled(*element) ? *element : expr;
  }

  /// The bytes of constant weights, unless they are no bytes once their zero points are taken off.
  std::optional<Weights> weights(const Nest& nest, const Expr& operand) {
    const Expr value = withoutBroadcasts(resolved(operand));
    const auto parts = quantised(value);
    if (!parts || !readsOnlyConstants(program_, value)) return std::nullopt;
    for (std::size_t v = nest.axes.size(); parts->scale && v < nest.variables(); ++v)
      if (dependsOn(parts->scale, static_cast<int>(v))) return std::nullopt;
    const Expr code = cast(DType::Int32, parts->code);
    const auto centred = evaluated(program_, nest, parts->zero ? code - parts->zero : code);
    if (!centred) return std::nullopt;
    const Constant& numbers = *buffer((*centred)->view.buffer).constant;
    std::vector<std::int64_t> bytes;
    for (std::int64_t i = 0; i < numbers.size(); ++i) {
      bytes.push_back(numbers.at<std::int64_t>(i));
      if (bytes.back() < -128 || bytes.back() > 127) return std::nullopt;
    }
    const Tensor tensor = Builder(program_).constant(Constant::of(DType::Int8, numbers.shape, bytes));
    return Weights{load(tensor, (*centred)->args), parts->scale};
  }

  /// The code that one of a buffer's writers would store, if it agrees with what the writers before it store.
  Expr codeOf(const Nest& writer, std::optional<Codes>& codes) const {
    const auto parts = quantised(withoutBroadcasts(resolved(writer.element)));
    if (!parts) return {};
    for (std::size_t v = 0; v < writer.axes.size(); ++v)
      for (const Expr& part : {parts->zero, parts->scale})
        if (part && dependsOn(part, static_cast<int>(v))) return {};
    for (const Expr& part : {parts->zero, parts->scale})
      if (part && !isSettled(part)) return {};
    if (!codes) codes = Codes{-1, parts->code.type(), parts->zero, parts->scale};
    const bool agrees = codes->type == parts->code.type() && textOf(codes->zero) == textOf(parts->zero) &&
                        textOf(codes->scale) == textOf(parts->scale);
    return agrees ? parts->code : Expr();
  }

  static bool isZero(const Expr& expr) {
    return expr->op == Op::Constant && (isFloat(expr.type()) ? expr->real == 0 : expr->integer == 0);
  }

  /// The codes behind a tensor of quantised numbers and of the zeros around them; made if there are none yet.
  std::optional<Codes> codesOf(int id) {
    if (const auto known = codes_.find(id); known != codes_.end()) return known->second;
    std::optional<Codes> result;
    const auto positions = writers(id);
    std::vector<Expr> elements;
    for (const std::size_t position : positions) {
      const auto& writer = std::get<Nest>(program_.kernels[position].body);
      if (isZero(writer.element)) {
        elements.emplace_back();
      } else {
        elements.push_back(codeOf(writer, result));
        if (!elements.back()) return std::nullopt;
      }
    }
    if (!result) return std::nullopt;
    result->buffer =
        program_.addBuffer({BufferKind::Temporary, result->type, buffer(id).shape, "", std::nullopt});
    uses_.reads.resize(program_.buffers.size());
    uses_.writes.resize(program_.buffers.size());
    const Expr zero = result->zero ? cast(result->type, result->zero) : integer(result->type, 0);
    for (std::size_t i = 0; i < positions.size(); ++i) {
      Kernel kernel = program_.kernels[positions[i]];
      auto& nest = std::get<Nest>(kernel.body);
      nest.element = elements[i] ? elements[i] : zero;
      nest.target.buffer = result->buffer;
      siblings_.push_back({positions[i], kernel});
    }
    codes_.emplace(id, *result);
    return result;
  }

  /// Deep enough and wide enough, with sums that an int32 holds.
  static bool isWorthIt(const Nest& nest, const Expr& left, const Expr& right) {
    const auto depth = product(nest.reduction).value();
    if (!depth || *depth < leastDepth || *depth > greatestDepth) return false;
    Dim columns = 1;
    for (std::size_t v = 0; v < nest.axes.size(); ++v)
      if (dependsOn(right, static_cast<int>(v)) && !dependsOn(left, static_cast<int>(v)))
        columns = columns * nest.axes[v];
    return columns.isConstant() && columns.constant() >= leastColumns;
  }

  /// The sum of the products of codes and weights, less the zero point times the sum of the weights.
  std::optional<Expr> sumOfProducts(const Nest& nest, const Expr& zero, const Expr& weights) {
    const Expr sum = accumulator(DType::Int32);
    if (!zero) return sum;
    const auto weightSum = evaluatedSum(program_, nest, cast(DType::Int32, weights));
    if (!weightSum) return std::nullopt;
    const Expr excess = zero * *weightSum;
    if (!readsOnlyConstants(program_, excess)) return sum - excess;
    const auto constant = evaluated(program_, nest, excess);
    return constant ? std::optional<Expr>(sum - *constant) : std::nullopt;
  }

  /// The product of both scales; empty when there is none.
  Expr productOfScales(const Nest& nest, const Expr& left, const Expr& right) {
    if (!left || !right) return left ? left : right;
    const Expr scale = left * right;
    if (!readsOnlyConstants(program_, scale) || variablesOf(scale, nest.variables()).empty()) return scale;
    return evaluated(program_, nest, scale).value_or(scale);
  }

  std::optional<Nest> integerProduct(const Nest& nest) {
    const DType type = nest.element.type();
    if (type != DType::Float32 && type != DType::Int32) return std::nullopt;
    for (std::size_t side = 2; side-- > 0;) {
      const Expr &left = nest.element->args[1 - side], &right = nest.element->args[side];
      if (left->op != Op::Load || right->op != Op::Load || !isWorthIt(nest, left, right)) continue;
      const auto weights = this->weights(nest, right);
      if (!weights) continue;
      const auto codes = codesOf(left->view.buffer);
      if (!codes) continue;
      const auto sum = sumOfProducts(nest, codes->zero, weights->load);
      if (!sum) continue;
      Tensor bytes{codes->type, left->view};
      bytes.view.buffer = codes->buffer;
      const Expr scale = productOfScales(nest, codes->scale, weights->scale);
      const Expr real = cast(type, *sum), value = scale ? real * scale : real;
      Nest result = nest;
      result.element = cast(DType::Int32, load(bytes, left->args)) * cast(DType::Int32, weights->load);
      result.epilogue = rewrite(nest.epilogue, [&](const Expr& node) -> Expr {
        return node->op == Op::Accumulator ? value : Expr();
      });
      return result;
    }
    return std::nullopt;
  }
};

}  // namespace

/// Products of quantised activations and weights, sum of (a - za) sa (w - zw) sw, become products of bytes
/// with sums in int32, whose scales and zero points follow in the epilogue:
///
///     sa sw[n] (sum of a w[n] - za sum of w[n])
///
/// (B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
/// inference", CVPR 2018), where w is the weight less its zero point, if that is still a byte. The sum is
/// exact; what differs from the products of floats is that these round every term, so the result lies at
/// least as close to the true one, and only where a requantisation is undecided to the last bits of a float
/// may it come out one step apart.
bool integerProducts(Program& program) { return IntegerProducts(program).run(); }

}  // namespace sofie
