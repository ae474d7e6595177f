#pragma once
#include "sofie/graph.hxx"
#include "sofie/program.hxx"

namespace sofie {

/// Turns an analysed graph into kernels. Nodes that no output needs and values known at generation time make none.
Program lower(const Graph& graph);

}  // namespace sofie
