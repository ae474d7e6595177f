#pragma once
#include "gradient/adjoints.hxx"
#include "gradient/scalar_rules.hxx"

namespace sofie {

/// Writes the kernels that add what a nest passes back to one of its loads to the gradient there.
class Contributions {
 public:
  Contributions(Builder& builder, Adjoints& adjoints) : builder_(builder), adjoints_(adjoints) {}

  /// \param loops  of the nest
  /// \param seed  the load of the gradient of what the nest stores
  /// \param term  what is passed back at every point of the loops
  void add(const Shape& loops, const Expr& seed, const LoadAdjoint& term);

 private:
  /// Axes of the gradient, and loops that are summed over.
  struct Product {
    Shape axes, reduction;
    Expr element;
    View view;  ///< of the buffer, with the axes
  };

  Builder& builder_;
  Adjoints& adjoints_;

  Product direct(const Footprint& footprint, const LoadAdjoint& term) const;
  std::optional<Product> sliding(const Shape& loops, const Expr& seed, const LoadAdjoint& term);
  void store(const Product& product);
  void scatter(const Shape& loops, const LoadAdjoint& term, bool isInside);
};

}  // namespace sofie
