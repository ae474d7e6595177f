#pragma once
#include "gradient/activity.hxx"

namespace sofie {

/// Lets reductions that gradients pass through store what they reduce to; maps behind them do the rest.
void splitEpilogues(Program& program, const Activity& activity);

}  // namespace sofie
