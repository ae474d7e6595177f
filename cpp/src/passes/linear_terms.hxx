#pragma once
#include <optional>
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// What an expression computes apart from where it is computed: `value` is a function of one variable per
/// coordinate and, behind these, of the depth of a product; `coordinates` are these variables' values,
/// indices over the loops of the nest it came from.
struct Term {
  Expr value;
  std::vector<Expr> coordinates;
  Shape extents;  ///< of the coordinates
  bool isNegative = false;

  /// How many points the coordinates have.
  Dim points() const { return product(extents); }
  /// Equal for terms of equal values.
  std::string valueKey() const;
  /// Equal for terms at equal places.
  std::string placeKey() const;
};

/// The expression as a function of its coordinates: the loops that it reads and the positions that it reads
/// from data, unless these depend on the depth. nullopt when a position from data remains that is the same at
/// every point, as it might be outside of its extent where there are no points.
std::optional<Term> termOf(const Nest& nest, const Expr& expr, int depth);

/// The operands of the sums and differences that the expression consists of.
struct Summand {
  Expr expression;
  bool isNegative;
};
std::vector<Summand> summands(const Expr& expr);

}  // namespace sofie
