#pragma once
#include <map>
#include <set>
#include <string>

#include "sofie/program.hxx"

namespace sofie {

/// The functions behind a program's Calls, as the text of one target has them.
class Routines {
 public:
  explicit Routines(std::string target) : target_(std::move(target)) {}

  /// What a Call calls: a function of a runtime header, or one that is written here for a user's routine.
  /// \throws UnsupportedError when the routine has no text for the target
  std::string nameOf(const Program& program, const Call& call);

  /// The functions that were written.
  const std::string& text() const { return text_; }
  /// The runtime headers that are called.
  const std::set<std::string>& runtimeHeaders() const { return runtimeHeaders_; }
  /// What users' routines include, as it stands behind #include.
  const std::set<std::string>& includes() const { return includes_; }

 private:
  std::string target_, text_;
  std::map<std::string, std::string> nameOf_;  ///< by the text of parameters and body
  std::set<std::string> runtimeHeaders_, includes_;
};

/// The text with the places where a user's routine ended, and generated lines go on, numbered.
/// \param file  the name of the text, for the compiler's messages
std::string numberedLines(const std::string& text, const std::string& file);

}  // namespace sofie
