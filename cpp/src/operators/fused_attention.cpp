/// Attention as onnxruntime's optimiser writes it (com.microsoft).
#include <limits>

#include "common.hxx"
#include "movement.hxx"
#include "products.hxx"
#include "sofie/error.hxx"
#include "softmax.hxx"

namespace sofie {
namespace {

constexpr const char* domain = "com.microsoft";

/// The middle axes of (batch, length, heads, size) or (batch, heads, length, size) exchanged.
Tensor exchanged(const Operator& op, const Tensor& x) { return op.transpose(x, {0, 2, 1, 3}); }

Tensor sum(Operator& op, const Tensor& a, const Tensor& b) {
  return op.elementwise({a, b}, [](const std::vector<Expr>& v) { return v[0] + v[1]; });
}

/// Queries, keys and values as (batch, heads, length, size).
struct Projections {
  Tensor query, key, value;
};

class FusedAttention {
 public:
  explicit FusedAttention(Operator& op) : op_(op), heads_(op.attribute<std::int64_t>("num_heads")) {
    if (heads_.constant() < 1) op.invalid("the attribute 'num_heads' must be positive");
  }

  /// (batch, length, heads * size) by heads.
  Tensor byHeads(const Tensor& x) {
    if (x.rank() != 3) throw ShapeError("projections must have three axes, not the shape " + text(x.shape()));
    const auto size = Dim::exactDivide(x.dim(2), heads_);
    if (!size) throw ShapeError(x.dim(2).text() + " columns do not divide into " + heads_.text() + " heads");
    return exchanged(op_, op_.reshape(x, {x.dim(0), x.dim(1), heads_, *size}));
  }

  /// Keys or values of earlier calls come first.
  Tensor after(const std::optional<Tensor>& past, const Tensor& now) {
    if (!past) return now;
    requireOneType(op_, {*past, now});
    return concatenate(op_, {*past, now}, 2);
  }

  /// softmax(query * key' * scale + what masks and biases) * value, as (batch, length, heads * size).
  Tensor run(const Projections& x, std::size_t mask, std::size_t bias) {
    const Tensor probabilities = softmax(op_, masked(x, mask, bias), {3});
    const Tensor y = exchanged(op_, matrixProduct(op_, probabilities, x.value));
    return op_.reshape(y, {y.dim(0), y.dim(1), y.dim(2) * y.dim(3)});
  }

 private:
  Operator& op_;
  Dim heads_;

  Tensor masked(const Projections& x, std::size_t mask, std::size_t bias) {
    const Tensor products = matrixProduct(op_, x.query, op_.transpose(x.key, {0, 1, 3, 2}));
    const DType type = products.type;
    const double given = op_.real("scale", 0);
    const Expr size = cast(type, extent(x.query.dim(3)));
    const Expr scale = given != 0 ? number(type, given) : unary(Op::Reciprocal, unary(Op::Sqrt, size));
    Expr score = element(products) * scale;
    if (op_.has(bias)) score = score + element(op_.broadcast(op_.input(bias), products.shape()));
    if (op_.has(mask))
      score = score + select(isSeen(op_.input(mask), products), number(type, 0), filter(type));
    if (op_.integer("unidirectional", 0) == 0) return op_.map(products.shape(), score);
    const Expr newest = index(2) + extent(products.dim(3) - products.dim(2));
    const Expr lowest = number(type, std::numeric_limits<float>::lowest());
    return op_.map(products.shape(), select(binary(Op::Gt, index(3), newest), lowest, score));
  }

  Expr filter(DType type) const { return number(type, op_.real("mask_filter_value", -10000)); }

  /// A mask over (batch, keys) or (batch, queries, keys), or how many keys each sample has.
  Expr isSeen(const Tensor& mask, const Tensor& scores) {
    const auto at = [&](std::vector<Expr> place) {
      return binary(Op::Gt, cast(DType::Int64, load(mask, std::move(place))), integer(DType::Int64, 0));
    };
    if (mask.rank() > 3 || mask.rank() == 0)
      op_.unsupported("a mask of shape " + text(mask.shape()) + "; give it as (batch, keys)");
    if (!mask.dim(0).is(1)) op_.agree(mask.dim(0), scores.dim(0), "the batch of the mask and of the scores");
    const Expr sample = mask.dim(0).is(1) ? integer(DType::Int64, 0) : index(0);
    if (mask.rank() == 1) return binary(Op::Lt, index(3), cast(DType::Int64, load(mask, {sample})));
    op_.agree(mask.shape().back(), scores.dim(3), "the length of the mask and of the keys");
    if (mask.rank() == 2) return at({sample, index(3)});
    op_.agree(mask.dim(1), scores.dim(2), "the rows of the mask and of the scores");
    return at({sample, index(2), index(3)});
  }
};

/// Consecutive columns of a matrix or elements of a vector.
Tensor columns(const Operator& op, const Tensor& x, const Dim& first, const Dim& count) {
  return op.slice(x, x.rank() - 1, first, count);
}

/// Inputs: x, the weights and biases of the three projections, mask, past keys and values, bias of the
/// scores.
void attention_1(Operator& op) {
  if (op.integer("do_rotary", 0) != 0 || op.integer("past_present_share_buffer", 0) != 0)
    op.unsupported("rotary embedding and shared buffers inside of Attention; export the model without them");
  FusedAttention attention(op);
  const Tensor weights = op.input(1);
  Tensor projected = matrixProduct(op, op.input(0), weights);
  if (op.has(2)) projected = sum(op, projected, op.input(2));
  auto sizes = op.integers("qkv_hidden_sizes");
  const Dim total = projected.shape().back(), third = floorDiv(total, 3);
  const Dim query = sizes.empty() ? third : Dim(sizes[0]), value = sizes.empty() ? third : Dim(sizes.back());
  op.agree(query + query + value, total, "the sizes of the projections and the columns of the weights");
  Projections x{attention.byHeads(columns(op, projected, 0, query)),
                attention.byHeads(columns(op, projected, query, query)),
                attention.byHeads(columns(op, projected, query + query, value))};
  if (op.has(4)) {
    const auto past = [&](std::int64_t i) { return op.squeeze(op.slice(op.input(4), 0, i, 1), 0); };
    x.key = attention.after(past(0), x.key);
    x.value = attention.after(past(1), x.value);
  }
  op.output(0, attention.run(x, 3, 5));
  if (op.wants(1)) op.output(1, concatenate(op, {op.unsqueeze(x.key, 0), op.unsqueeze(x.value, 0)}, 0));
}

/// One of the tensors packed in axis 3 of (batch, length, heads, count, size).
Tensor unpacked(const Operator& op, const Tensor& packed, std::int64_t i) {
  return exchanged(op, op.squeeze(op.slice(packed, 3, i, 1), 3));
}

/// Query, key and value in the forms that the operator takes, and the biases of their projections.
Projections projections(Operator& op, FusedAttention& attention) {
  const Tensor query = op.input(0);
  if (query.rank() == 5) return {unpacked(op, query, 0), unpacked(op, query, 1), unpacked(op, query, 2)};
  const Tensor key = op.input(1);
  const auto biased = [&](const Tensor& x, const Dim& first) {
    return op.has(3) ? sum(op, x, columns(op, op.input(3), first, x.dim(2))) : x;
  };
  const Tensor q = attention.byHeads(biased(query, 0));
  if (key.rank() == 5) return {q, unpacked(op, key, 0), unpacked(op, key, 1)};
  const Tensor value = op.input(2);
  if (key.rank() == 4) return {q, key, value};
  return {q, attention.byHeads(biased(key, query.dim(2))),
          attention.byHeads(biased(value, query.dim(2) + key.dim(2)))};
}

void multiHeadAttention_1(Operator& op) {
  if (op.has(8) || op.has(9)) op.unsupported("buffers shared between calls; export the model without them");
  FusedAttention attention(op);
  Projections x = projections(op, attention);
  x.key = attention.after(op.optionalInput(6), x.key);
  x.value = attention.after(op.optionalInput(7), x.value);
  op.output(0, attention.run(x, 4, 5));
  op.output(1, x.key);
  op.output(2, x.value);
}

SOFIE_OPERATOR_OF(domain, "Attention", 1, attention_1);
SOFIE_OPERATOR_OF(domain, "MultiHeadAttention", 1, multiHeadAttention_1);

}  // namespace
}  // namespace sofie
