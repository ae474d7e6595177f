#pragma once
#include <stdexcept>
#include <string>

namespace sofie {

/// Base of every error that the core reports on purpose.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// The model is not a well-formed graph (cycle, undefined name, wrong attribute).
class InvalidModelError : public Error {
  using Error::Error;
};

/// The model is well-formed but uses something that is not supported; lists every such node.
class UnsupportedError : public Error {
  using Error::Error;
};

/// Shapes, dimensions or types do not fit together.
class ShapeError : public Error {
  using Error::Error;
};

}  // namespace sofie
