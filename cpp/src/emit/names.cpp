#include "emit/names.hxx"

#include <algorithm>
#include <cstdio>
#include <set>

namespace sofie {
namespace {

const std::set<std::string>& keywords() {
  static const std::set<std::string> words{
      "alignas",
      "alignof",
      "and",
      "and_eq",
      "asm",
      "auto",
      "bitand",
      "bitor",
      "bool",
      "break",
      "case",
      "catch",
      "char",
      "char16_t",
      "char32_t",
      "char8_t",
      "class",
      "co_await",
      "co_return",
      "co_yield",
      "compl",
      "concept",
      "const",
      "consteval",
      "constexpr",
      "constinit",
      "const_cast",
      "continue",
      "decltype",
      "default",
      "delete",
      "do",
      "double",
      "dynamic_cast",
      "else",
      "enum",
      "explicit",
      "export",
      "extern",
      "false",
      "float",
      "for",
      "friend",
      "goto",
      "if",
      "inline",
      "int",
      "long",
      "mutable",
      "namespace",
      "new",
      "noexcept",
      "not",
      "not_eq",
      "nullptr",
      "operator",
      "or",
      "or_eq",
      "private",
      "protected",
      "public",
      "register",
      "reinterpret_cast",
      "requires",
      "return",
      "short",
      "signed",
      "sizeof",
      "static",
      "static_assert",
      "static_cast",
      "struct",
      "switch",
      "template",
      "this",
      "thread_local",
      "throw",
      "true",
      "try",
      "typedef",
      "typeid",
      "typename",
      "union",
      "unsigned",
      "using",
      "virtual",
      "void",
      "volatile",
      "wchar_t",
      "while",
      "xor",
      "xor_eq",
      // macros of the standard headers that are not all in capitals or have one letter, and what is not for
      // tensors
      "I",
      "assert",
      "errno",
      "linux",
      "main",
      "std",
      "unix",
  };
  return words;
}

bool isLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool isDigit(char c) { return c >= '0' && c <= '9'; }

/// Whether it is all in capitals, as macros are.
bool mayBeMacro(const std::string& identifier) {
  return identifier.size() > 1 &&
         std::none_of(identifier.begin(), identifier.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

std::string escaped(const std::string& text, bool json) {
  std::string result = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char code[8];
    if (c == '"' || c == '\\') {
      result += {'\\', c};
    } else if (byte >= 0x20 && byte < 0x7f && (json || c != '?')) {
      result += c;
    } else if (json && byte >= 0x80) {
      result += c;
    } else {
      std::snprintf(code, sizeof code, json ? "\\u%04x" : "\\%03o", byte);
      result += code;
    }
  }
  return result + "\"";
}

}  // namespace

std::string identifier(const std::string& name) {
  constexpr std::size_t longest = 64;
  std::string result;
  for (const char c : name.substr(0, longest)) {
    const char next = isLetter(c) || isDigit(c) ? c : '_';
    if (next == '_' && (result.empty() || result.back() == '_')) continue;
    result += next;
  }
  while (!result.empty() && result.back() == '_') result.pop_back();
  if (result.empty() || isDigit(result[0])) result = "t" + result;
  return keywords().count(result) ? result + "_" : result;
}

std::vector<std::string> identifiers(const std::vector<std::string>& names, std::vector<std::string> taken) {
  std::vector<std::string> result;
  const auto isTaken = [&](const std::string& name) {
    return std::find(taken.begin(), taken.end(), name) != taken.end();
  };
  for (const std::string& name : names) {
    const std::string base = identifier(name);
    std::string unique;
    for (int n = 1; unique.empty() || isTaken(unique); ++n) {
      unique = n == 1 ? base : base + (base.back() == '_' ? "" : "_") + std::to_string(n);
      if (mayBeMacro(unique)) unique += "_";
    }
    taken.push_back(unique);
    result.push_back(unique);
  }
  return result;
}

std::string commentText(const std::string& text) {
  std::string result;
  for (const char c : text.substr(0, 400)) {
    const bool harmless = c >= 0x20 && c < 0x7f && c != '\\' && c != '?' && c != '*';
    result += harmless ? c : '_';
  }
  return result;
}

std::string jsonString(const std::string& text) { return escaped(text, true); }
std::string cppString(const std::string& text) { return escaped(text, false); }

}  // namespace sofie
