#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>

#include "emit/contraction.hxx"
#include "emit/interface.hxx"

namespace sofie {

/// Text that grows line by line inside nested braces.
class Block {
 public:
  explicit Block(int depth) : depth_(depth) {}
  void line(const std::string& text) { text_ += indent() + text + "\n"; }
  void open(const std::string& text) {
    line(text + " {");
    ++depth_;
  }
  void close(const std::string& end = "}") {
    --depth_;
    line(end);
  }
  void statements(const std::string& text) { text_ += text; }
  std::string indent() const { return std::string(static_cast<std::size_t>(2 * depth_), ' '); }
  const std::string& text() const { return text_; }

 private:
  int depth_;
  std::string text_;
};

/// How the runtime multiplies narrow weights (grouped_contraction.hxx).
struct Dot {
  std::string kind;       ///< its type; empty for weights as wide as the sums
  std::string header;     ///< that has it
  bool hasStart = false;  ///< the sums begin with a row of the packing
};

/// The matrix product that a contraction is on the CPU: which loops are its rows, its columns and its depth.
struct CpuProduct {
  std::vector<int> batch;  ///< loops around the product
  std::vector<int> rows;   ///< the best for tiles last
  int column = -1;         ///< the loop that vectors run along; -1: a single column
  std::vector<int> depth;
  Affine left, right;
  int leftBuffer = -1, rightBuffer = -1;
  bool transposed = false;  ///< the right operand is read in place with its depth contiguous, not its columns
  bool packed = false;      ///< the right operand lies packed in the weights, one piece per point of batch
  std::int64_t panel = 0;   ///< granules per panel of the packing
  std::int64_t pieceElements = 0;  ///< elements of one packed piece
  Dot dot;                         ///< of narrow weights, which are then packed in groups
  std::int64_t tiles = 0;  ///< at once by Winograd's method, whose rows are the last two; 0: direct sums
};

/// The runtime's headers of elementary functions that the kernels call, beyond those that every model has.
std::set<std::string> cpuMathHeaders(const Program& program);

/// nullopt when the contraction is better (or only) done as a plain reduction.
std::optional<CpuProduct> cpuProduct(const Program& program, const Nest& nest);
/// Packs the constant right operand into a new constant, and lets the nest read that.
void packWeights(Program& program, Nest& nest, CpuProduct& product);
/// The packed weights of a product by Winograd's method.
std::vector<std::byte> winogradWeights(const Nest& nest, const CpuProduct& product, const Constant& weights);

/// The same product by Winograd's method, where it is a convolution that this suits.
std::optional<CpuProduct> winogradProduct(const Program& program, const Nest& nest,
                                          const CpuProduct& product);

/// The same product with narrow weights, where the runtime has a kernel for the types of the operands.
std::optional<CpuProduct> groupedProduct(const Nest& nest, const CpuProduct& product);
/// Lets a product of float32 read weights that are stored narrow as floats.
void widenWeights(Program& program, Nest& nest);
/// The packed weights of such a product.
std::vector<std::byte> groupedWeights(const Nest& nest, CpuProduct& product, const Constant& weights);

struct DepthAxis {
  Dim extent, step;
};
/// Loops of the depth through which the left operand moves evenly run as one.
std::vector<DepthAxis> depthAxes(const Nest& nest, const CpuProduct& product);

/// Reads the elements of a constant operand at points of the loops.
class OperandReader {
 public:
  OperandReader(const Nest& nest, const CpuProduct& product, const Constant& constant)
      : nest_(nest), form_(product.right), constant_(constant) {}

  /// How far the loops of `variables`, seen as one loop, move the address when they stand at `position`.
  std::int64_t offset(const std::vector<int>& variables, std::int64_t position) const;
  /// The element so far behind the first.
  double at(std::int64_t distance) const { return constant_.at<double>(form_.offset.constant() + distance); }

 private:
  const Nest& nest_;
  const Affine& form_;
  const Constant& constant_;
};

/// What the text of a kernel calls things: its buffers b<position in the list>, so that equal kernels have
/// equal texts; loop variables i<v>, symbols dims.<name>.
ScalarNames cpuNames(const Model& model, const std::vector<int>& buffers);

/// The body of a kernel's function.
std::string cpuLoops(const Model& model, const Nest& nest, const ScalarNames& names);
std::string cpuContraction(const Model& model, const Nest& nest, const CpuProduct& product,
                           const ScalarNames& names);

}  // namespace sofie
