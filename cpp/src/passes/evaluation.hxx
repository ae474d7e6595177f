#pragma once
#include <optional>

#include "sofie/program.hxx"

namespace sofie {

/// True when the expression depends on nothing but constants and loop variables.
bool readsOnlyConstants(const Program& program, const Expr& expr);

/// A load of a new constant that holds an expression of constants, evaluated over the loops of the nest that
/// it reads; nullopt where these are not of known length.
std::optional<Expr> evaluated(Program& program, const Nest& nest, const Expr& expr);

/// The same of the sum of an expression over the reduction of the nest.
std::optional<Expr> evaluatedSum(Program& program, const Nest& nest, const Expr& expr);

/// The loop variables along which the value of an expression changes.
std::vector<int> variablesOf(const Expr& expr, std::size_t count);

}  // namespace sofie
