#include <algorithm>

#include "../../runtime/pack.hxx"
#include "emit/cpu_kernel.hxx"
#include "emit/lanes.hxx"
#include "emit/row_positions.hxx"
#include "sofie/builder.hxx"

namespace sofie {
namespace {

/// Sorts the loops into batch, rows, columns and depth. nullopt when the operands leave no column to run
/// along. An operand that will be packed may lie in any order before.
std::optional<CpuProduct> sortLoops(const Nest& nest, const Affine& left, const Affine& right, bool packed) {
  CpuProduct product;
  product.left = left;
  product.right = right;
  std::vector<int> columns;
  for (int v = 0; v < static_cast<int>(nest.axes.size()); ++v) {
    const bool moves = !left.stride(v).is(0), turns = !right.stride(v).is(0);
    (turns && !moves ? columns : turns ? product.batch : product.rows).push_back(v);
  }
  for (std::size_t v = nest.axes.size(); v < nest.variables(); ++v)
    product.depth.push_back(static_cast<int>(v));
  const auto store = address(nest.target, nest.targetIndex, nest.variables());
  if (!store) return std::nullopt;
  // One loop becomes the columns: the one that is stored contiguously, or else the longest.
  const auto preference = [&](int v) {
    const bool contiguous = store->stride(v).is(1);
    return std::make_pair(contiguous, extentOf(nest, v).value().value_or(std::int64_t(1) << 40));
  };
  product.transposed = !packed && product.depth.size() == 1 && right.stride(product.depth.front()).is(1);
  for (const int v : columns) {
    if (!packed && !product.transposed && !right.stride(v).is(1)) {
      product.batch.push_back(v);
      continue;
    }
    if (product.column >= 0 && preference(product.column) >= preference(v)) {
      product.batch.push_back(v);
      continue;
    }
    if (product.column >= 0) product.batch.push_back(product.column);
    product.column = v;
  }
  // Tiles run along the last row axis: a long one, known if possible, for an unknown one may be short.
  const auto length = [&](int v) { return extentOf(nest, v).value().value_or(2); };
  std::stable_sort(product.rows.begin(), product.rows.end(),
                   [&](int a, int b) { return length(a) < length(b); });
  // Along the depth the left operand is read with the smallest step innermost.
  const auto step = [&](int v) { return left.stride(v).value().value_or(std::int64_t(1) << 40); };
  std::stable_sort(product.depth.begin(), product.depth.end(),
                   [&](int a, int b) { return step(a) > step(b); });
  return product;
}

/// The loops of the depth through which the left operand moves in steps of one element, seen as one loop.
Dim contiguousDepth(const Nest& nest, const CpuProduct& product) {
  Dim extent = 1;
  for (std::size_t i = product.depth.size(); i-- > 0 && product.left.stride(product.depth[i]) == extent;)
    extent = extent * extentOf(nest, product.depth[i]);
  return extent;
}

/// A single column suits rows that are read as vectors, unless these would be short and those along the rows
/// are not.
bool suitsColumn(const Nest& nest, const CpuProduct& product) {
  constexpr std::int64_t shortVector = 8;
  if (product.depth.empty() || !product.left.stride(product.depth.back()).is(1)) return false;
  const bool isShort = contiguousDepth(nest, product).value().value_or(shortVector) < shortVector;
  return !isShort || product.rows.empty() || !product.left.stride(product.rows.back()).is(1);
}

/// The single step between successive rows of a right operand that is read in place.
std::optional<Dim> uniformStep(const Nest& nest, const CpuProduct& product) {
  for (std::size_t i = 0; i + 1 < product.depth.size(); ++i)
    if (product.right.stride(product.depth[i]) !=
        product.right.stride(product.depth[i + 1]) * extentOf(nest, product.depth[i + 1]))
      return std::nullopt;
  return product.depth.empty() ? std::optional<Dim>(0) : product.right.stride(product.depth.back());
}

bool isStatic(const Nest& nest, const std::vector<int>& variables) {
  return std::all_of(variables.begin(), variables.end(),
                     [&](int v) { return extentOf(nest, v).isConstant(); });
}

std::int64_t staticProduct(const Nest& nest, const std::vector<int>& variables) {
  std::int64_t total = 1;
  for (const int v : variables) total *= extentOf(nest, v).constant();
  return total;
}

std::optional<CpuProduct> productOf(const Program& program, const Nest& nest, const Expr& left,
                                    const Expr& right) {
  const auto leftForm = address(left->view, left->args, nest.variables());
  const auto rightForm = address(right->view, right->args, nest.variables());
  if (!leftForm || !rightForm) return std::nullopt;
  const auto sorted = [&](bool packed) {
    auto product = sortLoops(nest, *leftForm, *rightForm, packed);
    if (!product) return product;
    product->packed = packed;
    product->leftBuffer = left->view.buffer;
    product->rightBuffer = right->view.buffer;
    return product;
  };
  if (program.buffers[static_cast<std::size_t>(right->view.buffer)].kind == BufferKind::Constant) {
    auto product = sorted(true);
    if (product && isStatic(nest, product->batch) && isStatic(nest, product->depth) &&
        (product->column < 0 ? product->batch.empty() && suitsColumn(nest, *product)
                             : extentOf(nest, product->column).isConstant()))
      return product;
  }
  auto product = sorted(false);
  if (!product) return std::nullopt;
  if (product->column >= 0 && (product->transposed || uniformStep(nest, *product))) return product;
  return std::nullopt;
}

class ContractionWriter {
 public:
  ContractionWriter(const Model& model, const Nest& nest, const CpuProduct& product, const ScalarNames& names)
      : model_(model), nest_(nest), product_(product), names_(names) {}

  std::string write() {
    for (const int v : product_.batch) {
      const std::string name = "i" + std::to_string(v);
      block_.open("for (std::int64_t " + name + " = 0; " + name + " < " + dim(extentOf(nest_, v)) + "; ++" +
                  name + ")");
    }
    block_.line(
        "const auto epilogue = [&](auto sum, [[maybe_unused]] auto row, [[maybe_unused]] std::int64_t " +
        column() + ", [[maybe_unused]] auto count) __attribute__((always_inline)) {");
    epilogue();
    block_.line("};");
    if (product_.tiles > 0) {
      block_.line("rt::convolve<" + std::to_string(product_.tiles) + ">(" + left() + ", " +
                  rowAxis(product_.rows[0]) + ", " + rowAxis(product_.rows[1]) + ",");
      block_.line("                " + winogradOperand() + ", epilogue);");
    } else {
      block_.line("rt::contract(" + left() + ", " + rows() + ",");
      block_.line("             " + depth() + ", " + right() + ", epilogue);");
    }
    for (std::size_t i = 0; i < product_.batch.size(); ++i) block_.close();
    return block_.text();
  }

 private:
  const Model& model_;
  const Nest& nest_;
  const CpuProduct& product_;
  ScalarNames names_;
  Block block_{1};

  std::string dim(const Dim& value) const { return dimText(model_, value); }
  /// The loop whose values are the lanes of the epilogue: the columns, or the last rows of a single column.
  int lane() const {
    if (product_.column >= 0) return product_.column;
    return product_.rows.empty() ? -1 : product_.rows.back();
  }
  std::string column() const {
    return product_.column < 0 ? "column" : "i" + std::to_string(product_.column);
  }

  /// "axis<extent, step>()", with what is known at run time as arguments.
  std::string axisText(const Dim& extent, const Dim& step) const {
    const auto part = [&](const Dim& value) {
      return value.isConstant() ? "rt::Fixed<" + value.text() + ">{}" : "std::int64_t(" + dim(value) + ")";
    };
    if (extent.isConstant() && step.isConstant())
      return "rt::axis<" + extent.text() + ", " + step.text() + ">()";
    return "rt::axis(" + part(extent) + ", " + part(step) + ")";
  }

  std::string rowAxis(int v) const { return axisText(extentOf(nest_, v), product_.left.stride(v)); }

  std::string rows() const {
    std::string axes;
    for (const int v : product_.rows) axes += (axes.empty() ? "" : ", ") + rowAxis(v);
    return "rt::nest(" + axes + ")";
  }

  std::string depth() const {
    std::string axes;
    for (const DepthAxis& axis : depthAxes(nest_, product_))
      axes += (axes.empty() ? "" : ", ") + axisText(axis.extent, axis.step);
    return "rt::nest(" + axes + ")";
  }

  /// The address of an operand at the origin of rows, columns and depth.
  std::string origin(int buffer, const Affine& form) const {
    Affine outer{form.offset, std::vector<Dim>(form.strides.size(), 0)};
    for (const int v : product_.batch) outer.strides[static_cast<std::size_t>(v)] = form.stride(v);
    const std::string offset = linearText(outer, names_);
    return names_.buffer(buffer) + (offset == "0" ? "" : " + " + parenthesised(offset));
  }

  /// Integers are summed without sign, so that they wrap.
  bool isInteger() const { return sofie::isInteger(nest_.element.type()); }
  bool isWrapping() const { return isInteger() && product_.dot.kind.empty(); }
  std::string operandType() const {
    return isWrapping() ? "std::uint32_t" : std::string(cppType(nest_.element.type()));
  }
  std::string operand(const std::string& pointer) const {
    return isWrapping() ? "reinterpret_cast<const " + operandType() + "*>(" + pointer + ")" : pointer;
  }

  std::string left() const { return operand(origin(product_.leftBuffer, product_.left)); }

  std::string winogradOperand() const {
    return "rt::WinogradWeights<" + std::string(cppType(nest_.element.type())) + ", " +
           dim(extentOf(nest_, product_.depth.back())) + ", " + dim(extentOf(nest_, product_.column)) + ">{" +
           names_.buffer(product_.rightBuffer) + "}";
  }

  std::string right() const {
    const std::string type = operandType();
    const std::string columns = product_.column < 0 ? "1" : dim(extentOf(nest_, product_.column));
    if (product_.packed && product_.column < 0 && lane() >= 0)
      return "rt::column(" + names_.buffer(product_.rightBuffer) + ")";
    if (product_.packed) {
      std::string piece;
      for (const int v : product_.batch) {
        const std::string outer =
            piece.empty() ? "" : "(" + piece + ") * " + extentOf(nest_, v).text() + " + ";
        piece = outer + "i" + std::to_string(v);
      }
      const std::string offset =
          piece.empty() ? "" : " + (" + piece + ") * " + std::to_string(product_.pieceElements);
      if (!product_.dot.kind.empty())
        return "rt::PackedGroups<" + columns + ", rt::" + product_.dot.kind + ">{" +
               names_.buffer(product_.rightBuffer) + offset + "}";
      return "rt::Packed<" + type + ", " + columns + ", " + std::to_string(product_.panel) + ">{" +
             operand(names_.buffer(product_.rightBuffer) + offset) + "}";
    }
    const auto part = [&](const Dim& value) {
      return value.isConstant() ? "rt::Fixed<" + value.text() + ">{}" : "std::int64_t(" + dim(value) + ")";
    };
    if (product_.transposed)
      return "rt::columns(" + operand(origin(product_.rightBuffer, product_.right)) + ", " +
             part(extentOf(nest_, product_.column)) + ", " + part(product_.right.stride(product_.column)) +
             ")";
    return "rt::rows(" + operand(origin(product_.rightBuffer, product_.right)) + ", " +
           part(extentOf(nest_, product_.column)) + ", " + part(*uniformStep(nest_, product_)) + ")";
  }

  void nameRows() {
    for (std::size_t i = 0; i < product_.rows.size(); ++i)
      block_.line("  [[maybe_unused]] const std::int64_t i" + std::to_string(product_.rows[i]) + " = row[" +
                  std::to_string(i) + "];");
  }

  void epilogue() {
    nameRows();
    const int lane = this->lane();
    const RowPositions rows = rowPositions(nest_, lane);
    const Nest& nest = rows.nest;
    const auto type = lane < 0 ? std::nullopt : laneType(nest, nest.epilogue, lane, true);
    if (!type || sizeOf(*type) != sizeOf(nest.element.type())) return epilogueByElement();
    namePositions(rows);
    block_.line("  using V = decltype(sum);");
    block_.line("  [[maybe_unused]] constexpr int valid = decltype(count)::value;");
    ScalarNames names = names_;
    names.accumulator = isInteger() ? "rt::bit_cast<rt::Rebind<std::int32_t, V>>(sum)" : "sum";
    LaneWriter writer(names, nest.variables(), block_.indent() + "  ", lane, "valid");
    const std::string value = writer.vectorValue(nest.epilogue);
    const auto store = address(nest.target, nest.targetIndex, nest.variables());
    const std::string place = writer.address(nest.target, nest.targetIndex);
    block_.statements(writer.takeStatements());
    block_.line("  " +
                writer.store(names_.buffer(nest.target.buffer) + " + " + parenthesised(place),
                             dim(store->stride(lane)), nest.epilogue.type(), value) +
                ";");
  }

  void namePositions(const RowPositions& rows) {
    for (std::size_t i = 0; i < rows.positions.size(); ++i) {
      const std::string name = "i" + std::to_string(rows.loops + i);
      ScalarWriter writer(names_, rows.loops, block_.indent() + "  ", name + "_");
      const std::string value = writer.value(rows.positions[i]);
      block_.statements(writer.takeStatements());
      block_.line("  const std::int64_t " + name + " = " + value + ";");
    }
  }

  /// For epilogues that no vector can do: one column after the other.
  void epilogueByElement() {
    ScalarNames names = names_;
    block_.line("  for (int element = 0; element < decltype(count)::value; ++element) {");
    if (const int lane = this->lane(); lane >= 0) {
      names.variable = [lane](int v) { return v == lane ? "lane" : "i" + std::to_string(v); };
      block_.line("    const std::int64_t lane = i" + std::to_string(lane) + " + element;");
    }
    block_.line("    const " + std::string(cppType(nest_.element.type())) + " accumulator = " +
                (isInteger() ? "static_cast<std::int32_t>(rt::lane_of(sum, element));"
                             : "rt::lane_of(sum, element);"));
    ScalarWriter writer(names, nest_.variables(), block_.indent() + "    ");
    const std::string value = writer.value(nest_.epilogue);
    const std::string place = writer.address(nest_.target, nest_.targetIndex);
    block_.statements(writer.takeStatements());
    block_.line("    " + names_.buffer(nest_.target.buffer) + "[" + place + "] = " + value + ";");
    block_.line("  }");
  }
};

}  // namespace

std::int64_t OperandReader::offset(const std::vector<int>& variables, std::int64_t position) const {
  std::int64_t result = 0;
  for (std::size_t i = variables.size(); i-- > 0;) {
    const std::int64_t extent = extentOf(nest_, variables[i]).constant();
    result += position % extent * form_.stride(variables[i]).constant();
    position /= extent;
  }
  return result;
}

std::vector<DepthAxis> depthAxes(const Nest& nest, const CpuProduct& product) {
  std::vector<DepthAxis> axes;
  for (const int v : product.depth) {
    const Dim extent = extentOf(nest, v), step = product.left.stride(v);
    if (!axes.empty() && axes.back().step == step * extent)
      axes.back() = {axes.back().extent * extent, step};
    else
      axes.push_back({extent, step});
  }
  return axes;
}

namespace {

std::optional<CpuProduct> integerProduct(const Program& program, const Nest& nest, const Expr& left,
                                         const Expr& right) {
  auto product = productOf(program, nest, left, right);
  if (!product || product->column < 0) product = productOf(program, nest, right, left);
  return product && product->column >= 0 ? product : std::nullopt;
}

}  // namespace

std::optional<CpuProduct> cpuProduct(const Program& program, const Nest& nest) {
  if (nest.kind != Nest::Kind::Contraction) return std::nullopt;
  const DType type = nest.element.type();
  const Expr& left = nest.element->args[0];
  const Expr& right = nest.element->args[1];
  if (loadOf(left)->op != Op::Load || loadOf(right)->op != Op::Load) return std::nullopt;
  if (left->op == Op::Cast || right->op == Op::Cast) {
    const auto product = productOf(program, nest, loadOf(left), loadOf(right));
    return product ? groupedProduct(nest, *product) : std::nullopt;
  }
  if (type == DType::Int32) return integerProduct(program, nest, left, right);
  if (!isFloat(type)) return std::nullopt;
  auto product = productOf(program, nest, left, right);
  if (product && product->packed && product->column >= 0) {
    const auto winograd = winogradProduct(program, nest, *product);
    return winograd ? winograd : product;
  }
  auto swapped = productOf(program, nest, right, left);
  if (swapped && swapped->column >= 0 && (!product || product->column < 0)) return swapped;
  return product;
}

namespace {

/// The packed weights of a product by direct sums.
std::vector<std::byte> panels(const Nest& nest, CpuProduct& product, const Constant& weights) {
  const OperandReader reader(nest, product, weights);
  const std::vector<int> columns = product.column < 0 ? std::vector<int>{} : std::vector<int>{product.column};
  const std::int64_t n = staticProduct(nest, columns), k = staticProduct(nest, product.depth);
  const std::int64_t pieces = staticProduct(nest, product.batch);
  const auto width = sizeOf(weights.type);
  product.panel = sofie_runtime::panel_granules(k, product.rows.empty());
  product.pieceElements = sofie_runtime::packed_size(k, n, width);
  std::vector<std::byte> bytes(static_cast<std::size_t>(pieces * product.pieceElements) * width);
  dispatch(weights.type, [&](auto zero) {
    using T = decltype(zero);
    auto* packed = reinterpret_cast<T*>(bytes.data());
    for (std::int64_t piece = 0; piece < pieces; ++piece) {
      const std::int64_t start = reader.offset(product.batch, piece);
      sofie_runtime::pack(packed + piece * product.pieceElements, k, n, static_cast<int>(product.panel),
                          [&](std::int64_t depth, std::int64_t column) {
                            return static_cast<T>(reader.at(start + reader.offset(product.depth, depth) +
                                                            reader.offset(columns, column)));
                          });
    }
  });
  return bytes;
}

}  // namespace

void packWeights(Program& program, Nest& nest, CpuProduct& product) {
  const Constant weights = *program.buffers[static_cast<std::size_t>(product.rightBuffer)].constant;
  const DType type = product.dot.kind.empty() ? weights.type : DType::Int32;
  std::vector<std::byte> bytes = product.tiles > 0          ? winogradWeights(nest, product, weights)
                                 : product.dot.kind.empty() ? panels(nest, product, weights)
                                                            : groupedWeights(nest, product, weights);
  const auto size = static_cast<std::int64_t>(bytes.size() / sizeOf(type));
  const Tensor tensor = Builder(program).constant(
      {type, {size}, std::make_shared<const std::vector<std::byte>>(std::move(bytes))});
  const Expr placeholder = cast(nest.element.type(), load(tensor, {integer(DType::Int64, 0)}));
  const bool rightFirst = loadOf(nest.element->args[0])->view.buffer == product.rightBuffer;
  const Expr other = nest.element->args[rightFirst ? 1 : 0];
  nest.element = rightFirst ? placeholder * other : other * placeholder;
  product.rightBuffer = tensor.view.buffer;
}

std::string cpuContraction(const Model& model, const Nest& nest, const CpuProduct& product,
                           const ScalarNames& names) {
  return ContractionWriter(model, nest, product, names).write();
}

}  // namespace sofie
