#pragma once
#include <string>

#include "emit/scalar.hxx"

namespace sofie {

/// Turns expressions into C++ that works on a vector of consecutive values of one loop variable, the lane.
///
/// In the text, V is the vector type of the lane's element type; it may also be that scalar type.
class LaneWriter : public ScalarWriter {
 public:
  /// `valid`: text of the number of lanes that exist, a constant expression; empty when all do.
  LaneWriter(const ScalarNames& names, std::size_t variables, std::string indent, int lane,
             std::string valid = {})
      : ScalarWriter(names, variables, std::move(indent)), lane_(lane), valid_(std::move(valid)) {}

  /// Consecutive elements (or elements `stride` apart).
  std::string load(const std::string& pointer, const std::string& stride, DType type) const;
  /// A statement that stores the value at consecutive addresses (or at addresses `stride` apart).
  std::string store(const std::string& pointer, const std::string& stride, DType type,
                    const std::string& value) const;
  /// The value as a vector, also when it is the same in all lanes.
  std::string vectorValue(const Expr& expr);

 protected:
  std::string compose(const Expr& expr, bool conditional) override;
  std::string declaredType(const Expr& expr) const override;

 private:
  int lane_;
  std::string valid_;

  /// True when the value is a vector: it depends on the lane or on a reduced vector.
  bool varies(const Expr& expr) const;
  std::string vectorType(DType type) const;
  std::string operand(const Expr& expr, bool conditional);
  std::string choice(const ExprNode& select, bool conditional);
  std::string composeLoad(const Expr& expr);
};

/// The element type of the lanes when all of `expr` can be computed for consecutive values of `lane` at once:
/// one floating type and bool, loads at affine addresses that no condition guards but one that is the same
/// for all lanes.
/// \param accumulatorVaries  the Accumulator is a vector over the lane
std::optional<DType> laneType(const Nest& nest, const Expr& expr, int lane, bool accumulatorVaries);

}  // namespace sofie
