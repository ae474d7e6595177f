#pragma once
#include <string>
#include <vector>

#include "sofie/operator.hxx"

namespace sofie {

/// Numbers of an attribute that may also be given as a tensor of doubles, `name`_as_tensor; empty without.
std::vector<double> realsOf(const Operator& op, const std::string& name);
/// A constant of real numbers.
Tensor realConstant(Operator& op, DType type, const std::vector<std::int64_t>& shape,
                    const std::vector<double>& values);

/// Samples as the rows of a matrix of a floating type; a vector is one sample.
Tensor samples(Operator& op, std::size_t i);

/// The attribute post_transform, over the last axis of the scores.
/// \throws InvalidModelError when ONNX does not define it
Tensor transformedScores(Operator& op, const Tensor& scores, const std::string& transform);
std::string postTransform(const Operator& op);

/// The labels of a classifier's classes.
class ClassLabels {
 public:
  /// \param integers  the attribute of integer labels; the other one is classlabels_strings
  ClassLabels(const Operator& op, const std::string& integers);

  std::int64_t count() const { return count_; }
  /// Sets output 0 to the labels of the greatest scores; labels that are strings are refused where they are
  /// read.
  void outputBest(Operator& op, const Tensor& scores) const;
  /// Sets output 0 to the labels of classes given by number.
  void output(Operator& op, const Tensor& classes) const;

 private:
  std::vector<std::int64_t> numbers_;
  std::int64_t count_;
};

}  // namespace sofie
