#pragma once
#include <nanobind/nanobind.h>

#include "sofie/graph.hxx"

/// The rule of an operator that a user wrote in Python, which is called with a line about the node, the opset
/// of ONNX, and types and shapes of the inputs. It is borrowed: what it
/// refers to often refers to the graph, and Python finds no cycle that leads through C++.
sofie::OperatorRule customRule(nanobind::handle rule);
