#pragma once
#include <string>
#include <vector>

namespace sofie {

/// A C++ identifier made from any text: letters, digits and '_', never a keyword, never empty, never
/// reserved.
std::string identifier(const std::string& name);
/// Identifiers for a list of names, all different from each other and from those in `taken`.
std::vector<std::string> identifiers(const std::vector<std::string>& names,
                                     std::vector<std::string> taken = {});
/// Printable ASCII that cannot end or continue a comment.
std::string commentText(const std::string& text);
/// A quoted JSON string.
std::string jsonString(const std::string& text);
/// A quoted C++ string literal.
std::string cppString(const std::string& text);

}  // namespace sofie
