# The runtime headers travel inside the compiler, which writes them into the code that it generates.
#
# Included from CMakeLists.txt it offers embed_runtime(TARGET DIRECTORY), which adds to TARGET a generated
# source defining sofie::runtimeHeader. Run as a script (cmake -P) it writes that source.

if(CMAKE_SCRIPT_MODE_FILE)
  # Byte arrays, because compilers limit the length of string literals.
  set(arrays "")
  set(table "")
  set(index 0)
  string(REPLACE "|" ";" headers "${HEADERS}")
  foreach(header IN LISTS headers)
    get_filename_component(name "${header}" NAME)
    file(READ "${header}" bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND arrays "// ${name}\nconst unsigned char header_${index}[] = {${bytes}0};\n")
    string(APPEND table "    {\"${name}\", text(header_${index})},\n")
    math(EXPR index "${index} + 1")
  endforeach()
  file(
    WRITE "${OUTPUT}"
    "#include \"emit/runtime_files.hxx\"

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>

namespace {

template <std::size_t N>
std::string_view text(const unsigned char (&bytes)[N]) {
  return {reinterpret_cast<const char*>(bytes), N - 1};
}

${arrays}
}  // namespace

std::string_view sofie::runtimeHeader(std::string_view name) {
  static const std::pair<std::string_view, std::string_view> headers[] = {
${table}  };
  for (const auto& [known, content] : headers)
    if (known == name) return content;
  throw std::logic_error(\"no runtime header named \" + std::string(name));
}
")
  return()
endif()

set(EMBED_RUNTIME_SCRIPT "${CMAKE_CURRENT_LIST_FILE}")

function(embed_runtime target directory)
  file(GLOB headers CONFIGURE_DEPENDS "${directory}/*.hxx" "${directory}/*.h")
  list(SORT headers)
  list(JOIN headers "|" joined)
  set(output "${CMAKE_CURRENT_BINARY_DIR}/runtime_files.cpp")
  add_custom_command(
    OUTPUT "${output}"
    COMMAND "${CMAKE_COMMAND}" "-DHEADERS=${joined}" "-DOUTPUT=${output}" -P "${EMBED_RUNTIME_SCRIPT}"
    DEPENDS ${headers} "${EMBED_RUNTIME_SCRIPT}"
    COMMENT "Embedding the runtime headers"
    VERBATIM)
  target_sources(${target} PRIVATE "${output}")
endfunction()
