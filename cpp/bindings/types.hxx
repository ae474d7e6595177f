#pragma once
#include <nanobind/nanobind.h>

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "sofie/dim.hxx"

/// What several bindings hand to Python.
using Named = nanobind::typed<nanobind::dict, nanobind::str, nanobind::any>;
/// Numbers, or the text of symbolic dims.
using PyShape = std::vector<std::variant<std::int64_t, std::string>>;

inline PyShape dimsOf(const sofie::Shape& shape) {
  PyShape dims;
  for (const sofie::Dim& dim : shape) {
    if (const auto number = dim.value())
      dims.emplace_back(*number);
    else
      dims.emplace_back(dim.text());
  }
  return dims;
}

/// Text that may quote a model's bytes, which need not be UTF-8.
inline nanobind::object lossyText(const std::string& text) {
  return nanobind::steal(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
}
