#pragma once
#include <optional>
#include <vector>

#include "sofie/program.hxx"

namespace sofie {

/// What is known of a tensor's elements when code is generated: numbers, or dims.
struct Contents {
  std::optional<Constant> constant;
  std::optional<std::vector<Dim>> dims;

  bool known() const { return constant || dims; }
};

/// Runs kernels at generation time: constant folding and the propagation of shape values are nothing else.
///
/// \param program  the kernels; its Constant buffers are known
/// \param known    contents of further buffers, by buffer (may be shorter than the list of buffers)
/// \param result   the tensor wanted
/// \return its elements as numbers where every buffer read is numeric, as dims where symbolic sizes enter;
/// empty when
///         something that is read is unknown or a decision depends on a symbol.
Contents interpret(const Program& program, const std::vector<Contents>& known, const Tensor& result);

}  // namespace sofie
