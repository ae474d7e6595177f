#pragma once
#include <map>
#include <string>
#include <vector>

#include "gradient/activity.hxx"

namespace sofie {

/// A buffer of a loop's body that has become a row for every iteration.
struct Expansion {
  Shape row;   ///< what it was
  Dim offset;  ///< of the row of an iteration
};

/// By the buffer that holds the rows; states, which iterations hand on, are none.
using Expansions = std::map<int, Expansion>;

/// Gives the buffers that loops write again and again a place for every iteration (array expansion:
/// Feautrier, Supercomputing 1988), so that the values of all iterations are there when the loops run
/// backwards. Of a state there is one more row: what it was at the beginning.
///
/// \param refusals  receives what stands against it, by loop
Expansions expandLoops(Program& program, const Activity& activity, std::vector<std::string>& refusals);

}  // namespace sofie
