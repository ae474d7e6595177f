#include <algorithm>

#include "common.hxx"
#include "sofie/error.hxx"
#include "window.hxx"

namespace sofie {
namespace {

/// For element i of the image and element k of the block along one axis the position of the block that lays
/// one on the other, as a table; -1 where there is none.
Tensor blockPositions(Operator& op, const Dim& size, const Dim& block, std::int64_t stride,
                      std::int64_t dilation, const Dim& before, const Dim& blocks) {
  const Expr shifted = index(0) + extent(before) - index(1) * integer(DType::Int64, dilation);
  const Expr zero = integer(DType::Int64, 0), step = integer(DType::Int64, stride);
  const Expr position = shifted / step;
  const auto both = [](const Expr& a, const Expr& b) { return binary(Op::LogicalAnd, a, b); };
  const Expr exists = both(binary(Op::Ge, shifted, zero), binary(Op::Lt, position, extent(blocks)));
  const Expr meets = both(exists, binary(Op::Eq, position * step, shifted));
  return op.map({size, block}, select(meets, position, integer(DType::Int64, -1)));
}

/// Columns (batch, channels * block..., positions...) to images: every element of an image gathers the sum of
/// all columns that hold it.
void col2Im_18(Operator& op) {
  const Tensor columns = op.input(0);
  const std::vector<Dim> image = op.dimsOf(1), block = op.dimsOf(2);
  const std::size_t rank = image.size();
  if (columns.rank() != 3 || block.size() != rank || rank == 0)
    throw ShapeError(
        "columns must have the shape (batch, channels * block, positions), and image and block one size "
        "per spatial axis, but there are columns of shape " +
        text(columns.shape()) + ", " + std::to_string(rank) + " and " + std::to_string(block.size()) +
        " sizes");
  const auto strides = steps(op, "strides", rank), dilations = steps(op, "dilations", rank);
  std::vector<Dim> before(rank, 0), after(rank, 0);
  readPads(op, before, after);
  const Dim size = product(block);
  const auto channels = Dim::exactDivide(columns.dim(1), size);
  if (!channels)
    throw ShapeError(columns.dim(1).text() + " rows of columns do not divide into blocks of " + size.text());
  Shape unfolded{columns.dim(0), *channels}, axes = unfolded, blocks;
  std::vector<Tensor> tables;
  for (std::size_t i = 0; i < rank; ++i) {
    const Dim reach = Dim(dilations[i]) * (block[i] - 1) + 1;
    const Dim padded = image[i] + before[i] + after[i];
    op.atLeast(padded, reach, "the padded size of an image's axis, on which blocks are laid,");
    blocks.push_back(floorDiv(padded - reach, strides[i]) + 1);
    tables.push_back(
        blockPositions(op, image[i], block[i], strides[i], dilations[i], before[i], blocks.back()));
    axes.push_back(image[i]);
  }
  unfolded.insert(unfolded.end(), block.begin(), block.end());
  unfolded.insert(unfolded.end(), blocks.begin(), blocks.end());
  std::vector<Expr> place = indices(2);
  for (const Expr& k : indices(rank, 2 + rank)) place.push_back(k);
  Expr exists;
  for (std::size_t i = 0; i < rank; ++i) {
    place.push_back(load(tables[i], {index(static_cast<int>(2 + i)), place[2 + i]}));
    const Expr here = binary(Op::Ge, place.back(), integer(DType::Int64, 0));
    exists = exists ? binary(Op::LogicalAnd, exists, here) : here;
  }
  const Expr column = load(op.reshape(columns, unfolded), place);
  op.output(0, op.reduce(axes, {block.begin(), block.end()}, Combiner::Sum,
                         select(exists, column, number(columns.type, 0))));
}

}  // namespace

SOFIE_OPERATOR("Col2Im", 18, col2Im_18);

}  // namespace sofie
