#pragma once
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sofie/dim.hxx"
#include "sofie/dtype.hxx"

namespace sofie {

/// A buffer of the program seen through an affine index map: element (i0, i1, ...) lies at
/// offset + i0 * strides[0] + i1 * strides[1] + ..., all in elements.
struct View {
  int buffer = -1;
  Dim offset;
  Shape shape;
  std::vector<Dim> strides;
};

/// A view of a typed buffer: what an operator takes and gives.
struct Tensor {
  DType type = DType::Float32;
  View view;

  const Shape& shape() const { return view.shape; }
  std::size_t rank() const { return view.shape.size(); }
  const Dim& dim(std::size_t axis) const { return view.shape[axis]; }
};

/// Operations of scalar expressions. The runtime of every target has a function of the same meaning.
enum class Op : std::uint8_t {
  // leaves
  Constant,     ///< a number
  Index,        ///< a loop variable of the kernel
  Extent,       ///< the value of a Dim, int64
  Load,         ///< an element of a view
  Accumulator,  ///< the reduced value, in an epilogue
  // structure
  Cast,
  BitCast,       ///< the value of another type with the same bits
  Select,        ///< condition ? first : second; only the chosen side may be loaded
  CheckedIndex,  ///< an index that comes from data: (index, extent); negative counts from the end, a fault if
                 ///< outside
  // unary
  Neg,
  Abs,
  Sign,
  Floor,
  Ceil,
  Round,
  Trunc,
  Sqrt,
  Exp,
  Expm1,
  Log,
  Log1p,
  Sin,
  Cos,
  Tan,
  Asin,
  Acos,
  Atan,
  Sinh,
  Cosh,
  Tanh,
  Asinh,
  Acosh,
  Atanh,
  Erf,
  Sigmoid,
  Reciprocal,
  IsNan,
  IsInf,
  LogicalNot,
  BitNot,
  // binary
  Add,
  Sub,
  Mul,
  Div,
  Mod,
  Fmod,
  Pow,
  Minimum,
  Maximum,
  Lt,
  Le,
  Gt,
  Ge,
  Eq,
  Ne,
  LogicalAnd,
  LogicalOr,
  LogicalXor,
  BitAnd,
  BitOr,
  BitXor,
  ShiftLeft,
  ShiftRight,
  RandomBits,  ///< 64 bits of (key, position), all int64: a generator without a state
};

/// The runtime's function name.
std::string_view opName(Op op);
/// True for operations that cost more than a few instructions.
bool isExpensive(Op op);
/// True for comparisons and predicates, whose result is Bool.
bool isPredicate(Op op);

struct ExprNode;

/// A scalar expression over loop variables; immutable and shared.
class Expr {
 public:
  Expr() = default;
  explicit Expr(std::shared_ptr<const ExprNode> node) : node_(std::move(node)) {}
  const ExprNode* operator->() const { return node_.get(); }
  const ExprNode& operator*() const { return *node_; }
  explicit operator bool() const { return node_ != nullptr; }
  DType type() const;

 private:
  std::shared_ptr<const ExprNode> node_;
};

struct ExprNode {
  Op op;
  DType type;
  std::vector<Expr> args;    ///< operands; of a Load the indices, one per axis of the view
  double real = 0;           ///< of a floating Constant
  std::int64_t integer = 0;  ///< of an integer or bool Constant; the number of an Index
  Dim dim;                   ///< of an Extent
  View view;                 ///< of a Load
};

Expr number(DType type, double value);
Expr integer(DType type, std::int64_t value);
Expr index(int variable);
Expr extent(const Dim& dim);
Expr load(const Tensor& tensor, std::vector<Expr> indices);
Expr accumulator(DType type);
/// Converts; to a storage type by rounding, where what is too large becomes infinite (or NaN, or the largest
/// number, if there is no infinity).
Expr cast(DType type, const Expr& value);
Expr bitCast(DType type, const Expr& value);
Expr select(const Expr& condition, const Expr& yes, const Expr& no);
Expr checkedIndex(const Expr& value, const Dim& dim);
Expr unary(Op op, const Expr& value);
/// Operands must be of one type.
Expr binary(Op op, const Expr& left, const Expr& right);

inline Expr operator+(const Expr& a, const Expr& b) { return binary(Op::Add, a, b); }
inline Expr operator-(const Expr& a, const Expr& b) { return binary(Op::Sub, a, b); }
inline Expr operator*(const Expr& a, const Expr& b) { return binary(Op::Mul, a, b); }
inline Expr operator/(const Expr& a, const Expr& b) { return binary(Op::Div, a, b); }

/// Calls visit on every node, parents first.
void walk(const Expr& expr, const std::function<void(const Expr&)>& visit);
/// Rebuilds the expression bottom-up, replacing each node by replace(node) where that is not empty.
Expr rewrite(const Expr& expr, const std::function<Expr(const Expr&)>& replace);
/// Replaces loop variable i by variables[i] where that is not empty.
Expr substitute(const Expr& expr, const std::vector<Expr>& variables);
/// True when the expression reads loop variable `variable`.
bool dependsOn(const Expr& expr, int variable);
std::string text(const Expr& expr);

/// An address or index as a linear form in the loop variables: offset + sum of strides[i] * variable i.
struct Affine {
  Dim offset;
  std::vector<Dim> strides;

  /// What a step of the loop variable adds.
  const Dim& stride(int variable) const { return strides[static_cast<std::size_t>(variable)]; }
};

/// The linear form of an integer expression over `variables` loop variables; nullopt when it is not one.
std::optional<Affine> affine(const Expr& expr, std::size_t variables);
/// The linear form of the element address of a Load (or of a store through `view` at `indices`).
std::optional<Affine> address(const View& view, const std::vector<Expr>& indices, std::size_t variables);

/// The contiguous view of a whole buffer.
View contiguous(int buffer, const Shape& shape);
/// Row-major strides.
std::vector<Dim> rowMajor(const Shape& shape);

}  // namespace sofie
