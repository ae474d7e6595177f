# Offers pysofie_add_model: an ONNX model as a library that programs link to.
#
#   pysofie_add_model(<target> <model.onnx>
#                     [NAME <name>]               of the code, TMVA_SOFIE_<name>; by default the file's
#                     [TARGET cpu|sycl|alpaka]
#                     [PRECISION <precision>]
#                     [DIMS <symbol=n|low:high>...]
#                     [DEPENDS <file>...]         what else the model consists of, such as external data
#                     [INLINE])                   weights in the header
#
# The code is emitted when the project is built, and again when the model or pysofie changes. Who links to
# <target> finds <name>.hxx, the headers for RDataFrame, and the path of the weights as the string
# PYSOFIE_WEIGHTS_<name>. The target's properties PYSOFIE_HEADER and PYSOFIE_WEIGHTS name the files.
#
# The program pysofie is looked for beside this package first; PYSOFIE_EXECUTABLE overrides it.

include_guard(GLOBAL)

# <prefix>/lib/python3.x/site-packages/pysofie/lib/cmake/pysofie in a wheel, <prefix>/lib/cmake/pysofie otherwise
find_program(PYSOFIE_EXECUTABLE pysofie HINTS "${CMAKE_CURRENT_LIST_DIR}/../../../../../../../bin"
                                              "${CMAKE_CURRENT_LIST_DIR}/../../../bin"
             DOC "The program that pysofie_add_model emits code with")

function(pysofie_add_model target model)
  cmake_parse_arguments(PARSE_ARGV 2 model "INLINE" "NAME;TARGET;PRECISION" "DIMS;DEPENDS")
  if(model_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "pysofie_add_model(${target}): unknown arguments ${model_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT EXISTS "${PYSOFIE_EXECUTABLE}")
    message(FATAL_ERROR "pysofie_add_model(${target}) needs the program pysofie, and PYSOFIE_EXECUTABLE is "
                        "${PYSOFIE_EXECUTABLE}: pip install pysofie, or set PYSOFIE_EXECUTABLE to its path")
  endif()
  get_filename_component(file "${model}" ABSOLUTE)
  if(NOT model_NAME)
    get_filename_component(model_NAME "${file}" NAME_WE)
    string(REGEX REPLACE "[^A-Za-z0-9]+" "_" model_NAME "${model_NAME}")
  endif()
  if(NOT model_NAME MATCHES "^[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$")
    message(FATAL_ERROR "pysofie_add_model(${target}): give NAME a word of letters, digits and single "
                        "underscores; it is '${model_NAME}'")
  endif()
  if(NOT model_TARGET)
    set(model_TARGET cpu)
  elseif(NOT model_TARGET STREQUAL "cpu" AND NOT TARGET pysofie::${model_TARGET})
    message(FATAL_ERROR "pysofie_add_model(${target}): TARGET ${model_TARGET} needs "
                        "find_package(pysofie COMPONENTS ${model_TARGET})")
  endif()

  set(options --name "${model_NAME}" --target "${model_TARGET}")
  if(model_PRECISION)
    list(APPEND options --precision "${model_PRECISION}")
  endif()
  if(model_INLINE)
    list(APPEND options --inline)
  endif()
  foreach(dim IN LISTS model_DIMS)
    list(APPEND options --dim "${dim}")
  endforeach()

  set(folder "${CMAKE_CURRENT_BINARY_DIR}/pysofie/${target}")
  set(header "${folder}/${model_NAME}.hxx")
  set(weights "")
  if(NOT model_INLINE)
    set(weights "${folder}/${model_NAME}.dat")
  endif()
  add_custom_command(
    OUTPUT "${header}" ${weights}
    COMMAND "${PYSOFIE_EXECUTABLE}" emit "${file}" -o "${folder}" ${options}
    DEPENDS "${file}" ${model_DEPENDS} "${CMAKE_CURRENT_FUNCTION_LIST_DIR}/pysofieConfigVersion.cmake"
    COMMENT "Emitting the code of ${model}"
    VERBATIM)
  add_custom_target(${target}_code DEPENDS "${header}" ${weights})

  add_library(${target} INTERFACE)
  add_dependencies(${target} ${target}_code)
  target_compile_features(${target} INTERFACE cxx_std_17)
  target_include_directories(${target} INTERFACE "${folder}")
  target_link_libraries(${target} INTERFACE pysofie::rdf)
  if(NOT model_TARGET STREQUAL "cpu")
    target_link_libraries(${target} INTERFACE pysofie::${model_TARGET})
  endif()
  set_target_properties(${target} PROPERTIES PYSOFIE_HEADER "${header}" PYSOFIE_WEIGHTS "${weights}")
  target_compile_definitions(${target} INTERFACE "PYSOFIE_WEIGHTS_${model_NAME}=\"${weights}\"")
endfunction()
