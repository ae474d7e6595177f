#pragma once
#include <optional>

#include "sofie/operator.hxx"

namespace sofie {

struct Normalised {
  Tensor output;
  std::optional<Tensor> mean;
  Tensor inverseDeviation;  ///< of the root mean square, where no mean is subtracted
};

/// (x - mean) / deviation * scale + bias over the axes from `first` on, with the stash_type of
/// LayerNormalization.
Normalised layerNormalised(Operator& op, const Tensor& x, std::size_t first, const Tensor& scale,
                           const std::optional<Tensor>& bias, double epsilon);
/// x / root mean square * scale over the axes from `first` on, with the stash_type of RMSNormalization.
Normalised rmsNormalised(Operator& op, const Tensor& x, std::size_t first, const Tensor& scale,
                         double epsilon);
/// The attribute `axis`, from which on the axes are normalised.
std::size_t normalisedAxis(const Operator& op, const Tensor& x);

}  // namespace sofie
