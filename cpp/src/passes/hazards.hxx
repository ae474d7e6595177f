#pragma once
#include <set>

#include "sofie/program.hxx"

namespace sofie {

/// The buffers that a nest reads.
std::set<int> readBuffers(const Nest& nest);

/// True when no point of the nest stores over an element that `expr`, a part of the nest, has yet to load at
/// another point. \param isStored  whether the expression is what the nest stores, evaluated last at a point
bool keepsApart(const Nest& nest, const Expr& expr, bool isStored);

}  // namespace sofie
