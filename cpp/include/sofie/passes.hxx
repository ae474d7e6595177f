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
/// Runs the pipeline. \throws Error when `disabled` names no pass.
void optimise(Program& program, const std::vector<std::string>& disabled = {});

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

}  // namespace sofie
