#include <cstring>

#include "../../runtime/pack.hxx"
#include "emit/cpu_kernel.hxx"

namespace sofie {
namespace {

/// Fewer columns than this do not fill a vector.
constexpr std::int64_t fewestColumns = 5;

/// How the runtime multiplies a row of one type with narrow weights of another.
std::optional<Dot> dotOf(DType left, DType right, DType sum) {
  const char* const half = "half_contraction.hxx";
  const bool isByte = left == DType::Int8 || left == DType::UInt8;
  if (sum == DType::Int32 && right == DType::Int8 && isByte)
    return Dot{"ByteDot", "byte_contraction.hxx", true};
  if (sum != DType::Float32) return std::nullopt;
  if (left == DType::BFloat16 && right == DType::BFloat16) return Dot{"Bfloat16Dot", half};
  if (left != DType::Float32) return std::nullopt;
  if (right == DType::BFloat16) return Dot{"WeightDot<rt::Bfloat16Weights>", half};
  if (right == DType::Float16) return Dot{"WeightDot<rt::Float16Weights>", half};
  if (right == DType::Int8) return Dot{"WeightDot<rt::ByteWeights>", half};
  return std::nullopt;
}

DType operandType(const Expr& operand) { return loadOf(operand).type(); }

}  // namespace

std::optional<CpuProduct> groupedProduct(const Nest& nest, const CpuProduct& product) {
  const auto& operands = nest.element->args;
  const auto dot = dotOf(operandType(operands[0]), operandType(operands[1]), nest.element.type());
  if (!dot || !product.packed || product.column < 0) return std::nullopt;
  if (extentOf(nest, product.column).constant() < fewestColumns) return std::nullopt;
  const auto axes = depthAxes(nest, product);
  if (axes.empty() || !axes.back().step.is(1)) return std::nullopt;
  for (const DepthAxis& axis : axes)
    if (axis.extent.is(0)) return std::nullopt;
  CpuProduct result = product;
  result.dot = *dot;
  return result;
}

void widenWeights(Program& program, Nest& nest) {
  const Expr& left = nest.element->args[0];
  const Expr& weights = loadOf(nest.element->args[1]);
  if (left->op != Op::Load || nest.element->args[1]->op != Op::Cast || weights->op != Op::Load) return;
  const Buffer& buffer = program.buffers[static_cast<std::size_t>(weights->view.buffer)];
  if (nest.element.type() != DType::Float32 || !buffer.constant) return;
  std::vector<double> numbers;
  for (std::int64_t i = 0; i < buffer.constant->size(); ++i)
    numbers.push_back(buffer.constant->at<double>(i));
  Tensor wide{DType::Float32, weights->view};
  wide.view.buffer = program.addBuffer({BufferKind::Constant, DType::Float32, buffer.shape, "",
                                        Constant::of(DType::Float32, buffer.constant->shape, numbers)});
  nest.element = left * load(wide, weights->args);
}

std::vector<std::byte> groupedWeights(const Nest& nest, CpuProduct& product, const Constant& weights) {
  const OperandReader reader(nest, product, weights);
  std::int64_t depth = 1, pieces = 1;
  for (const int v : product.depth) depth *= extentOf(nest, v).constant();
  for (const int v : product.batch) pieces *= extentOf(nest, v).constant();
  const std::int64_t inner = depthAxes(nest, product).back().extent.constant();
  const std::size_t width = sizeOf(weights.type);
  const sofie_runtime::Groups groups{depth / inner, inner, extentOf(nest, product.column).constant(),
                                     static_cast<int>(4 / width), product.dot.hasStart};
  product.pieceElements = groups.packed_size();
  std::vector<std::byte> bytes(static_cast<std::size_t>(pieces * product.pieceElements) * 4);
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    const auto distance = [&](std::int64_t k, std::int64_t column) {
      return reader.offset(product.batch, piece) + reader.offset(product.depth, k) +
             reader.offset({product.column}, column);
    };
    const auto code = [&](std::int64_t k, std::int64_t column) {
      std::uint32_t bits = 0;
      const std::int64_t element = product.right.offset.constant() + distance(k, column);
      std::memcpy(&bits, weights.bytes->data() + static_cast<std::size_t>(element) * width, width);
      return bits;
    };
    const auto start = [&](std::int64_t column) {
      double sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) sum += reader.at(distance(k, column));
      return -128 * sum;
    };
    auto* packed = reinterpret_cast<std::int32_t*>(bytes.data()) + piece * product.pieceElements;
    sofie_runtime::pack_groups(packed, groups, code, start);
  }
  return bytes;
}

}  // namespace sofie
