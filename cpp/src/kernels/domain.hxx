#pragma once

namespace sofie {

/// Thrown when a value cannot be known now.
struct Unknown {};

}  // namespace sofie
