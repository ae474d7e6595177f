#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sofie {

/// A symbol's value range, given by the user or [0, unbounded).
struct Bounds {
  std::int64_t low = 0;
  std::optional<std::int64_t> high;
};

/// An integer expression over named symbols: a polynomial whose atoms are symbols and
/// floor divisions, remainders, minima and maxima of other dims. Canonical, so that equal polynomials compare
/// equal.
class Dim {
 public:
  struct Atom;
  using AtomPtr = std::shared_ptr<const Atom>;
  /// Product of atoms, sorted by their text.
  using Monomial = std::vector<AtomPtr>;

  Dim() = default;
  Dim(std::int64_t value);  // NOLINT: an integer is a dim
  static Dim symbol(const std::string& name, Bounds bounds = {});

  std::optional<std::int64_t> value() const;
  bool isConstant() const { return value().has_value(); }
  bool is(std::int64_t number) const { return value() == number; }
  /// The constant value. \throws ShapeError when the dim is symbolic.
  std::int64_t constant() const;
  /// The symbol's name when the dim is one plain symbol.
  std::optional<std::string> symbolName() const;

  /// Least and greatest value over all values of the symbols; nullopt where unbounded or unknown.
  std::optional<std::int64_t> lowerBound() const;
  std::optional<std::int64_t> upperBound() const;
  /// True when it is known to be 0 or more for all values of the symbols.
  bool isNonNegative() const;

  /// A dim that this one never exceeds while every symbol that `greatest` knows lies between 0 and what it
  /// gives.
  Dim atMost(const std::function<std::optional<Dim>(const std::string&)>& greatest) const;

  /// The dim with another one in the place of a symbol.
  Dim replaced(const std::string& symbol, const Dim& by) const;

  /// C++ text of the expression; `symbolText` names a symbol.
  std::string text(const std::function<std::string(const std::string&)>& symbolText) const;
  std::string text() const;
  std::int64_t evaluate(const std::function<std::int64_t(const std::string&)>& symbolValue) const;
  void collectSymbols(std::vector<std::string>& names) const;

  friend Dim operator+(const Dim& a, const Dim& b);
  friend Dim operator-(const Dim& a, const Dim& b);
  friend Dim operator*(const Dim& a, const Dim& b);
  friend Dim floorDiv(const Dim& a, const Dim& b);
  friend Dim floorMod(const Dim& a, const Dim& b);
  friend Dim min(const Dim& a, const Dim& b);
  friend Dim max(const Dim& a, const Dim& b);
  friend bool operator==(const Dim& a, const Dim& b) { return a.key() == b.key(); }
  friend bool operator!=(const Dim& a, const Dim& b) { return !(a == b); }

  /// Quotient when b divides a as polynomials, else nullopt.
  static std::optional<Dim> exactDivide(const Dim& a, const Dim& b);

 private:
  struct Term {
    std::int64_t coefficient;
    Monomial atoms;
  };
  /// Terms by the text of their monomial; no zero coefficients.
  std::map<std::string, Term> terms_;

  std::string key() const;
  /// The terms that a numeric divisor divides without remainder: floor((2n + 3) / 2) is n + 1 + floor(1 / 2).
  Dim wholePart(const Dim& divisor) const;
  void add(std::int64_t coefficient, const Monomial& atoms);
  static Dim fromAtom(AtomPtr atom);
  std::optional<std::int64_t> bound(bool upper) const;
  using Greatest = std::function<std::optional<Dim>(const std::string&)>;
  Dim limit(const Greatest& greatest, bool upper) const;
  static Dim limit(const AtomPtr& atom, const Greatest& greatest, bool upper);
  static Dim replaced(const AtomPtr& atom, const std::string& symbol, const Dim& by);
};

Dim ceilDiv(const Dim& a, const Dim& b);

using Shape = std::vector<Dim>;

Dim product(const Shape& shape);
std::string text(const Shape& shape);
/// The concrete sizes of a static shape, nullopt when a dim is symbolic.
std::optional<std::vector<std::int64_t>> staticShape(const Shape& shape);

}  // namespace sofie
