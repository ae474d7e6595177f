#pragma once
#include <map>
#include <string>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

enum class WeightStorage { File, Inline };

struct RenderOptions {
  WeightStorage weights = WeightStorage::File;
  bool profile = false;
};

/// File name to content: <name>.hxx and, with WeightStorage::File, <name>.dat.
using Files = std::map<std::string, std::string>;

/// Turns optimised kernels into source code for a target: "cpu", "sycl" or "alpaka".
/// \throws Error for a target that does not exist
Files render(const Program& program, const std::string& target, const RenderOptions& options = {});

/// The program as the target's renderer takes it, by its layout passes.
/// \throws Error for a target that does not exist
Program laidOut(const Program& program, const std::string& target);

/// A C++ identifier made from any text.
std::string identifier(const std::string& name);

}  // namespace sofie
