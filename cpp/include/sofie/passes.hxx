#pragma once
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// A rewriting of the kernels that leaves results as they are (to rounding).
struct Pass {
  const char* name;
  /// \return true when something changed
  bool (*run)(Program&);
};

/// The passes in the order in which they are repeated until nothing changes.
const std::vector<Pass>& passes();

/// A rewriting that suits optimised kernels to a target; it runs once, when code is generated.
struct Layout {
  const char* name;
  void (*run)(Program&);
  bool cpuOnly;
};

/// The layouts in their order.
const std::vector<Layout>& layouts();

/// Runs the pipeline; the disabled passes run neither now nor when code is generated. \throws Error when
/// `disabled` names no pass.
void optimise(Program& program, const std::vector<std::string>& disabled = {});
/// Suits optimised kernels to a target.
void layOut(Program& program, const std::string& target);

bool integerProducts(Program& program);
bool dropUnitAxes(Program& program);
bool foldConstants(Program& program);
bool fuseEpilogues(Program& program);
bool inlineProducers(Program& program);
/// Constants without axes become numbers in the expressions, and division by one becomes a product.
bool inlineScalars(Program& program);
bool foldScales(Program& program);
bool hoistInvariants(Program& program);
bool distributeProducts(Program& program);
bool removeDeadCode(Program& program);

/// Lays intermediate images out with their channel as the fastest axis, so that vectors run along channels:
/// of what convolutions write and of what pooling, activations and padding make of it.
void channelsLast(Program& program);
/// Orders the loops of every nest so that the innermost ones move least in memory.
void sortAxes(Program& program);
/// Runs neighbouring loops that move evenly through all addresses as one loop.
void mergeAxes(Program& program);
/// Copies constants that a nest would read with large steps where it stores consecutive elements, so that the
/// elements it reads are consecutive, too.
void sortConstants(Program& program);
/// Finds the symbol along which every kernel computes each item from that item alone, and how many items suit
/// the cache; then a block of them runs through all kernels before the next.
void splitBatch(Program& program);
/// Runs kernels that follow each other, such as those of a softmax, of attention or of a perceptron over many
/// objects, on blocks of rows so small that what one kernel leaves for the next stays in the first-level
/// cache (loop fusion with array contraction: Sarkar & Gao, Supercomputing 1991).
void blockRows(Program& program);

}  // namespace sofie
