#include "emit/routines.hxx"

#include <sstream>

#include "emit/names.hxx"
#include "sofie/error.hxx"

namespace sofie {
namespace {

/// Stands where the compiler goes back to counting the lines of the generated text.
constexpr const char* endOfBody = "#line of the generated text";

std::string signature(const Program& program, const Call& call) {
  const Routine& routine = *call.definition;
  std::string list = "[[maybe_unused]] std::int64_t item";
  std::size_t place = 0;
  const auto add = [&](const std::string& type) {
    list += ", [[maybe_unused]] " + type + " " + routine.parameters.at(place++);
  };
  const auto addPointers = [&](const std::vector<Tensor>& tensors, const std::string& qualifier) {
    for (const Tensor& tensor : tensors)
      add(qualifier +
          std::string(cppType(program.buffers[static_cast<std::size_t>(tensor.view.buffer)].type)) + "*");
  };
  addPointers(call.inputs, "const ");
  addPointers(call.outputs, "");
  for (std::size_t i = 0; i < call.arguments.size(); ++i) add("std::int64_t");
  for (std::size_t i = 0; i < call.numbers.size(); ++i) add("double");
  return "(" + list + ")";
}

std::string known(const Routine& routine) {
  std::string list;
  for (const auto& [target, body] : routine.bodies) list += (list.empty() ? "" : ", ") + target;
  return list.empty() ? "none" : list;
}

}  // namespace

std::string Routines::nameOf(const Program& program, const Call& call) {
  if (!call.definition) {
    runtimeHeaders_.insert(call.header);
    return "rt::" + call.routine;
  }
  const Routine& routine = *call.definition;
  const auto body = routine.bodies.find(target_);
  if (body == routine.bodies.end())
    throw UnsupportedError("the operator " + routine.name + " has no text for the target " + target_ +
                           ", but for: " + known(routine));
  for (const std::string& header : routine.headers) includes_.insert(header);
  const std::string function = signature(program, call) + " {\n#line 1 " +
                               cppString(routine.name + " for " + target_) + "\n" + body->second + "\n" +
                               endOfBody + "\n}\n\n";
  const auto [entry, isNew] =
      nameOf_.emplace(function, "routine" + std::to_string(nameOf_.size()) + "_" + identifier(call.routine));
  if (isNew)
    text_ += "/// The operator " + commentText(routine.name) + ", as its user wrote it.\nSOFIE_FN void " +
             entry->second + function;
  return entry->second;
}

std::string numberedLines(const std::string& text, const std::string& file) {
  if (text.find(endOfBody) == std::string::npos) return text;
  std::istringstream lines(text);
  std::string result;
  std::size_t number = 1;
  for (std::string line; std::getline(lines, line); ++number)
    result +=
        (line == endOfBody ? "#line " + std::to_string(number + 1) + " " + cppString(file) : line) + "\n";
  return result;
}

}  // namespace sofie
