#pragma once
#include <nanobind/nanobind.h>

#include "sofie/graph.hxx"

/// The rule of an operator that a user wrote in Python, which is called with a line about the node, the opset
/// of ONNX, and types and shapes of the inputs.
sofie::OperatorRule customRule(const nanobind::object& rule);
