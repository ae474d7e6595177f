#pragma once
#include "sofie/program.hxx"

namespace sofie {

/// Lays intermediate images out with their channel as the fastest axis, so that vectors run along channels:
/// of what convolutions write and of what pooling, activations and padding make of it.
void channelsLast(Program& program);

/// Orders the loops of every nest so that the innermost ones move least in memory.
void sortAxes(Program& program);

/// Runs neighbouring loops that move evenly through all addresses as one loop.
void mergeAxes(Program& program);

/// Copies constants that a nest would read with large steps where it stores consecutive elements, so that the
/// elements it reads are consecutive, too.
void sortConstants(Program& program);

}  // namespace sofie
