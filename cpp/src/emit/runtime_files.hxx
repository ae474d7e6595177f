#pragma once
#include <string_view>

namespace sofie {

/// The text of a header of cpp/runtime, embedded when the core is built.
std::string_view runtimeHeader(std::string_view name);

}  // namespace sofie
