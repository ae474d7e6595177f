#pragma once
#include <string>
#include <utility>
#include <vector>

#include "emit/interface.hxx"

namespace sofie {

/// struct Dims and the check of its values.
std::string dimsText(const Model& model);
/// struct Session: the C++ interface of a model.
std::string sessionText(const Model& model);
/// What the session's infer returns: "std::vector<float>".
std::string resultType(const Model& model);
/// The table behind the C interface of abi.h.
std::string tableText(const Model& model);

/// The text with every `first` replaced by `second`.
std::string replaceAll(const std::string& text,
                       const std::vector<std::pair<std::string, std::string>>& replacements);

}  // namespace sofie
