#include "sofie/dim.hxx"

#include <algorithm>

#include "sofie/error.hxx"

namespace sofie {

struct Dim::Atom {
  enum class Kind { Symbol, FloorDiv, FloorMod, Min, Max } kind;
  std::string name;  ///< of a symbol
  Bounds bounds;     ///< of a symbol
  Dim left, right;   ///< of the other kinds
  std::string key;
};

namespace {

std::int64_t checkedAdd(std::int64_t a, std::int64_t b) {
  std::int64_t result;
  if (__builtin_add_overflow(a, b, &result))
    throw ShapeError("a dimension exceeds 2^63: the model's sizes are absurd");
  return result;
}

std::int64_t checkedMultiply(std::int64_t a, std::int64_t b) {
  std::int64_t result;
  if (__builtin_mul_overflow(a, b, &result))
    throw ShapeError("a dimension exceeds 2^63: the model's sizes are absurd");
  return result;
}

std::int64_t floorQuotient(std::int64_t a, std::int64_t b) {
  if (b == 0) throw ShapeError("a dimension is divided by zero");
  if (b == -1) return checkedMultiply(a, -1);
  return a / b - ((a % b != 0) && ((a < 0) != (b < 0)));
}

}  // namespace

Dim::Dim(std::int64_t value) {
  if (value != 0) add(value, {});
}

Dim Dim::fromAtom(AtomPtr atom) {
  Dim dim;
  dim.add(1, {std::move(atom)});
  return dim;
}

Dim Dim::symbol(const std::string& name, Bounds bounds) {
  if (bounds.high && *bounds.high == bounds.low) return bounds.low;
  return fromAtom(std::make_shared<const Atom>(Atom{Atom::Kind::Symbol, name, bounds, {}, {}, name}));
}

namespace {

template <class Atoms>
std::string joinKeys(const Atoms& atoms) {
  std::string key;
  for (const auto& atom : atoms) key += (key.empty() ? "" : " * ") + atom->key;
  return key;
}

}  // namespace

void Dim::add(std::int64_t coefficient, const Monomial& atoms) {
  if (coefficient == 0) return;
  const std::string key = joinKeys(atoms);
  const auto [position, inserted] = terms_.try_emplace(key, Term{coefficient, atoms});
  if (inserted) return;
  position->second.coefficient = checkedAdd(position->second.coefficient, coefficient);
  if (position->second.coefficient == 0) terms_.erase(position);
}

std::string Dim::key() const {
  return text([](const std::string& name) { return name; });
}

std::optional<std::int64_t> Dim::value() const {
  if (terms_.empty()) return 0;
  if (terms_.size() == 1 && terms_.begin()->second.atoms.empty()) return terms_.begin()->second.coefficient;
  return std::nullopt;
}

std::int64_t Dim::constant() const {
  if (const auto number = value()) return *number;
  throw ShapeError("the dimension '" + text() +
                   "' must be known when code is generated; give its value by dims={...}");
}

std::optional<std::string> Dim::symbolName() const {
  if (terms_.size() != 1) return std::nullopt;
  const Term& term = terms_.begin()->second;
  if (term.coefficient != 1 || term.atoms.size() != 1 || term.atoms[0]->kind != Atom::Kind::Symbol)
    return std::nullopt;
  return term.atoms[0]->name;
}

Dim operator+(const Dim& a, const Dim& b) {
  Dim sum = a;
  for (const auto& [key, term] : b.terms_) sum.add(term.coefficient, term.atoms);
  return sum;
}

Dim operator-(const Dim& a, const Dim& b) { return a + Dim(-1) * b; }

Dim operator*(const Dim& a, const Dim& b) {
  Dim result;
  for (const auto& [keyA, termA] : a.terms_)
    for (const auto& [keyB, termB] : b.terms_) {
      Dim::Monomial atoms = termA.atoms;
      atoms.insert(atoms.end(), termB.atoms.begin(), termB.atoms.end());
      std::stable_sort(atoms.begin(), atoms.end(),
                       [](const auto& x, const auto& y) { return x->key < y->key; });
      result.add(checkedMultiply(termA.coefficient, termB.coefficient), atoms);
    }
  return result;
}

std::optional<Dim> Dim::exactDivide(const Dim& a, const Dim& b) {
  if (b.terms_.size() != 1) return a == b && !b.terms_.empty() ? std::optional<Dim>(1) : std::nullopt;
  const Term& divisor = b.terms_.begin()->second;
  Dim quotient;
  for (const auto& [key, term] : a.terms_) {
    if (term.coefficient % divisor.coefficient != 0) return std::nullopt;
    Monomial atoms = term.atoms;
    for (const AtomPtr& atom : divisor.atoms) {
      const auto found = std::find_if(atoms.begin(), atoms.end(),
                                      [&](const AtomPtr& other) { return other->key == atom->key; });
      if (found == atoms.end()) return std::nullopt;
      atoms.erase(found);
    }
    quotient.add(term.coefficient / divisor.coefficient, atoms);
  }
  return quotient;
}

Dim Dim::wholePart(const Dim& divisor) const {
  const auto number = divisor.value();
  Dim whole;
  if (!number) return whole;
  for (const auto& [key, term] : terms_)
    if (term.atoms.empty() || term.coefficient % *number == 0)
      whole.add(floorQuotient(term.coefficient, *number), term.atoms);
  return whole;
}

Dim floorDiv(const Dim& a, const Dim& b) {
  if (b.is(0)) throw ShapeError("the dimension '" + a.text() + "' is divided by zero");
  if (a.value() && b.value()) return floorQuotient(*a.value(), *b.value());
  if (b.is(1)) return a;
  if (const auto quotient = Dim::exactDivide(a, b)) return *quotient;
  if (const Dim whole = a.wholePart(b); !whole.is(0)) return whole + floorDiv(a - whole * b, b);
  const auto key = "floordiv(" + a.key() + ", " + b.key() + ")";
  return Dim::fromAtom(
      std::make_shared<const Dim::Atom>(Dim::Atom{Dim::Atom::Kind::FloorDiv, "", {}, a, b, key}));
}

Dim floorMod(const Dim& a, const Dim& b) {
  if (b.is(0)) throw ShapeError("the dimension '" + a.text() + "' is divided by zero");
  if (a.value() && b.value()) return *a.value() - floorQuotient(*a.value(), *b.value()) * *b.value();
  if (b.is(1) || Dim::exactDivide(a, b)) return 0;
  const auto key = "floormod(" + a.key() + ", " + b.key() + ")";
  return Dim::fromAtom(
      std::make_shared<const Dim::Atom>(Dim::Atom{Dim::Atom::Kind::FloorMod, "", {}, a, b, key}));
}

Dim ceilDiv(const Dim& a, const Dim& b) { return Dim(0) - floorDiv(Dim(0) - a, b); }

Dim min(const Dim& a, const Dim& b) {
  const Dim difference = b - a;
  if (const auto low = difference.lowerBound(); low && *low >= 0) return a;
  if (const auto high = difference.upperBound(); high && *high <= 0) return b;
  const auto key = "min(" + a.key() + ", " + b.key() + ")";
  return Dim::fromAtom(std::make_shared<const Dim::Atom>(Dim::Atom{Dim::Atom::Kind::Min, "", {}, a, b, key}));
}

Dim max(const Dim& a, const Dim& b) {
  const Dim difference = b - a;
  if (const auto low = difference.lowerBound(); low && *low >= 0) return b;
  if (const auto high = difference.upperBound(); high && *high <= 0) return a;
  const auto key = "max(" + a.key() + ", " + b.key() + ")";
  return Dim::fromAtom(std::make_shared<const Dim::Atom>(Dim::Atom{Dim::Atom::Kind::Max, "", {}, a, b, key}));
}

namespace {

/// Least (or greatest) value of an atom, nullopt where unbounded.
template <class AtomType>
std::optional<std::int64_t> atomBound(const AtomType& atom, bool upper) {
  using Kind = typename AtomType::Kind;
  const auto bound = [&](const Dim& dim, bool up) { return up ? dim.upperBound() : dim.lowerBound(); };
  switch (atom.kind) {
    case Kind::Symbol:
      return upper ? atom.bounds.high : std::optional<std::int64_t>(atom.bounds.low);
    case Kind::FloorDiv: {
      const auto divisor = atom.right.value();
      const auto dividend = bound(atom.left, upper);
      if (divisor && *divisor > 0 && dividend) return floorQuotient(*dividend, *divisor);
      const auto low = atom.left.lowerBound(), lowDivisor = atom.right.lowerBound();
      if (!upper && low && *low >= 0 && lowDivisor && *lowDivisor > 0) return 0;
      return std::nullopt;
    }
    case Kind::FloorMod: {
      const auto divisor = atom.right.value();
      if (!divisor || *divisor <= 0) return std::nullopt;
      return upper ? *divisor - 1 : 0;
    }
    case Kind::Min:
    case Kind::Max: {
      const auto left = bound(atom.left, upper), right = bound(atom.right, upper);
      const bool either = (atom.kind == Kind::Min) == upper;  // one known side already bounds the result
      if (left && right) return atom.kind == Kind::Min ? std::min(*left, *right) : std::max(*left, *right);
      if (!either) return std::nullopt;
      return left ? left : right;
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::int64_t> Dim::bound(bool upper) const {
  std::int64_t total = 0;
  for (const auto& [key, term] : terms_) {
    const bool wantUpper = upper == (term.coefficient > 0);
    std::int64_t factor = 1;
    for (const AtomPtr& atom : term.atoms) {
      const auto low = atomBound(*atom, false);
      const auto limit = atomBound(*atom, wantUpper);
      if (!limit || (term.atoms.size() > 1 && (!low || *low < 0))) return std::nullopt;
      if (__builtin_mul_overflow(factor, *limit, &factor)) return std::nullopt;
    }
    std::int64_t part;
    if (__builtin_mul_overflow(term.coefficient, factor, &part)) return std::nullopt;
    if (__builtin_add_overflow(total, part, &total)) return std::nullopt;
  }
  return total;
}

std::optional<std::int64_t> Dim::lowerBound() const { return bound(false); }
std::optional<std::int64_t> Dim::upperBound() const { return bound(true); }

bool Dim::isNonNegative() const {
  const auto low = lowerBound();
  return low && *low >= 0;
}

Dim Dim::limit(const AtomPtr& atom, const Greatest& greatest, bool upper) {
  const auto of = [&](const Dim& dim) { return dim.limit(greatest, upper); };
  switch (atom->kind) {
    case Atom::Kind::Symbol: {
      const auto most = greatest(atom->name);
      if (!most) return fromAtom(atom);
      return upper ? *most : Dim(0);
    }
    case Atom::Kind::FloorDiv: {
      const Dim low = atom->right.limit(greatest, false), high = atom->right.limit(greatest, true);
      if (low == high) return floorDiv(of(atom->left), atom->right);
      // Of a negative dividend the quotient grows with the divisor; by zero it is zero.
      const Dim first = floorDiv(of(atom->left), max(1, low)), last = floorDiv(of(atom->left), high);
      return upper ? max(0, max(first, last)) : min(0, min(first, last));
    }
    case Atom::Kind::FloorMod: {
      const Dim divisor = atom->right.limit(greatest, true);
      if (of(atom->left) == atom->left && divisor == atom->right) return fromAtom(atom);
      return upper ? max(0, divisor - 1) : Dim(0);
    }
    case Atom::Kind::Min:
      return min(of(atom->left), of(atom->right));
    case Atom::Kind::Max:
      break;
  }
  return max(of(atom->left), of(atom->right));
}

Dim Dim::limit(const Greatest& greatest, bool upper) const {
  Dim total;
  for (const auto& [key, term] : terms_) {
    const bool nonNegative = std::all_of(term.atoms.begin(), term.atoms.end(), [](const AtomPtr& atom) {
      const auto low = atomBound(*atom, false);
      return low && *low >= 0;
    });
    // The extremes of a product lie at the limits of its factors: at which, their signs say.
    std::vector<Dim> extremes{term.coefficient};
    for (const AtomPtr& atom : term.atoms) {
      std::vector<Dim> next;
      for (const Dim& extreme : extremes) {
        const bool wanted = upper == (term.coefficient > 0);
        next.push_back(extreme * limit(atom, greatest, wanted));
        if (!nonNegative) next.push_back(extreme * limit(atom, greatest, !wanted));
      }
      extremes = next;
    }
    Dim part = extremes[0];
    for (const Dim& extreme : extremes) part = upper ? max(part, extreme) : min(part, extreme);
    total = total + part;
  }
  return total;
}

Dim Dim::replaced(const AtomPtr& atom, const std::string& symbol, const Dim& by) {
  if (atom->kind == Atom::Kind::Symbol) return atom->name == symbol ? by : fromAtom(atom);
  const Dim left = atom->left.replaced(symbol, by), right = atom->right.replaced(symbol, by);
  switch (atom->kind) {
    case Atom::Kind::FloorDiv:
      return floorDiv(left, right);
    case Atom::Kind::FloorMod:
      return floorMod(left, right);
    case Atom::Kind::Min:
      return min(left, right);
    default:
      return max(left, right);
  }
}

Dim Dim::replaced(const std::string& symbol, const Dim& by) const {
  Dim total;
  for (const auto& [key, term] : terms_) {
    Dim part = term.coefficient;
    for (const AtomPtr& atom : term.atoms) part = part * replaced(atom, symbol, by);
    total = total + part;
  }
  return total;
}

Dim Dim::atMost(const Greatest& greatest) const { return limit(greatest, true); }

namespace {

template <class AtomType, class SymbolText>
std::string atomText(const AtomType& atom, const SymbolText& symbolText) {
  using Kind = typename AtomType::Kind;
  if (atom.kind == Kind::Symbol) return symbolText(atom.name);
  const char* function = atom.kind == Kind::FloorDiv   ? "floordiv"
                         : atom.kind == Kind::FloorMod ? "floormod"
                         : atom.kind == Kind::Min      ? "min"
                                                       : "max";
  return std::string(function) + "(" + atom.left.text(symbolText) + ", " + atom.right.text(symbolText) + ")";
}

}  // namespace

std::string Dim::text(const std::function<std::string(const std::string&)>& symbolText) const {
  if (terms_.empty()) return "0";
  std::string result;
  for (auto entry = terms_.rbegin(); entry != terms_.rend(); ++entry) {
    const Term& term = entry->second;
    const bool negative = term.coefficient < 0;
    std::string part;
    for (const AtomPtr& atom : term.atoms) part += (part.empty() ? "" : " * ") + atomText(*atom, symbolText);
    const std::string coefficient = std::to_string(term.coefficient);
    const std::string magnitude = negative ? coefficient.substr(1) : coefficient;
    if (part.empty())
      part = magnitude;
    else if (magnitude != "1")
      part = magnitude + " * " + part;
    if (result.empty())
      result = negative ? "-" + part : part;
    else
      result += (negative ? " - " : " + ") + part;
  }
  return result;
}

std::string Dim::text() const { return key(); }

std::int64_t Dim::evaluate(const std::function<std::int64_t(const std::string&)>& symbolValue) const {
  std::int64_t total = 0;
  for (const auto& [key, term] : terms_) {
    std::int64_t factor = term.coefficient;
    for (const AtomPtr& atom : term.atoms) {
      if (atom->kind == Atom::Kind::Symbol) {
        factor = checkedMultiply(factor, symbolValue(atom->name));
        continue;
      }
      const std::int64_t left = atom->left.evaluate(symbolValue), right = atom->right.evaluate(symbolValue);
      std::int64_t part = 0;
      switch (atom->kind) {
        case Atom::Kind::Symbol:
          break;
        case Atom::Kind::FloorDiv:
          part = floorQuotient(left, right);
          break;
        case Atom::Kind::FloorMod:
          part = left - floorQuotient(left, right) * right;
          break;
        case Atom::Kind::Min:
          part = std::min(left, right);
          break;
        case Atom::Kind::Max:
          part = std::max(left, right);
          break;
      }
      factor = checkedMultiply(factor, part);
    }
    total = checkedAdd(total, factor);
  }
  return total;
}

void Dim::collectSymbols(std::vector<std::string>& names) const {
  for (const auto& [key, term] : terms_)
    for (const AtomPtr& atom : term.atoms) {
      if (atom->kind == Atom::Kind::Symbol) {
        if (std::find(names.begin(), names.end(), atom->name) == names.end()) names.push_back(atom->name);
      } else {
        atom->left.collectSymbols(names);
        atom->right.collectSymbols(names);
      }
    }
}

Dim product(const Shape& shape) {
  Dim total = 1;
  for (const Dim& dim : shape) total = total * dim;
  return total;
}

std::string text(const Shape& shape) {
  std::string result = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) result += (i ? ", " : "") + shape[i].text();
  return result + "]";
}

std::optional<std::vector<std::int64_t>> staticShape(const Shape& shape) {
  std::vector<std::int64_t> sizes;
  for (const Dim& dim : shape) {
    const auto value = dim.value();
    if (!value) return std::nullopt;
    sizes.push_back(*value);
  }
  return sizes;
}

}  // namespace sofie
