#pragma once
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// Puts another dim in the place of a symbol, in all sizes and addresses of the kernels.
void replaceSymbol(std::vector<Kernel>& kernels, const std::string& symbol, const Dim& by);

}  // namespace sofie
