#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "sofie/operator.hxx"

namespace sofie {

/// A comparison of a feature with a threshold, and where it leads.
struct Branch {
  Op comparison = Op::Le;
  std::int64_t feature = 0;
  double threshold = 0;
  bool missingTrue = false;  ///< a NaN goes the way of true
  int yes = 0, no = 0;       ///< a branch, or ~leaf
};

/// What a leaf says about a target.
struct Vote {
  std::int64_t target = 0;
  double weight = 0;
};

/// Decision trees, free of cycles, whose numbers are all in range.
struct Forest {
  DType type = DType::Float32;  ///< of thresholds and weights
  std::vector<Branch> branches;
  std::vector<std::vector<Vote>> leaves;
  std::vector<int> roots;  ///< a branch, or ~leaf
  std::int64_t targets = 1;
  std::int64_t depth = 0;     ///< comparisons on the longest way from a root to a leaf
  std::int64_t features = 0;  ///< that a sample must have at least
};

/// The trees of TreeEnsembleRegressor and TreeEnsembleClassifier: nodes named by tree and number.
/// \param votes  prefix of the attributes that hold the votes, "target" or "class"
/// \throws InvalidModelError when the attributes describe no trees
Forest namedForest(const Operator& op, const std::string& votes, std::int64_t targets);
/// The trees of TreeEnsemble: nodes by position, leaves apart.
/// \throws InvalidModelError when the attributes describe no trees
Forest positionalForest(const Operator& op);

}  // namespace sofie
