#pragma once
#include <functional>
#include <vector>

#include "sofie/graph.hxx"
#include "sofie/program.hxx"

namespace sofie {

/// Which nodes of an analysed graph must be computed when it runs.
std::vector<bool> neededNodes(const Graph& graph);

/// Turns an analysed graph into kernels. Nodes that no output needs and values known at generation time make
/// none.
Program lower(const Graph& graph);

/// Writes the kernels of a subgraph into a program.
/// \param arguments  the tensors of its inputs
/// \param captured  gives the tensors of a captured value
/// \return the subgraph's outputs
std::vector<Item> lowerInto(Program& program, const Graph& graph, const std::vector<Item>& arguments,
                            const std::function<Item(int)>& captured);

}  // namespace sofie
