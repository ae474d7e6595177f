# Defines pysofie::sycl: what generated SYCL code needs from the tool chain.
#
# A SYCL compiler (icpx, clang++, acpp) is used as it is. Any other compiler takes the headers and the
# run-time library of the wheels that `pip install 'pysofie[sycl]'` brings; PYSOFIE_SYCL_ROOT names the
# environment that holds them.

include(CheckCXXCompilerFlag)
include_guard(GLOBAL)

add_library(pysofie_sycl INTERFACE)
add_library(pysofie::sycl ALIAS pysofie_sycl)
target_compile_features(pysofie_sycl INTERFACE cxx_std_17)

set(CMAKE_REQUIRED_LINK_OPTIONS -fsycl)
check_cxx_compiler_flag(-fsycl PYSOFIE_HAS_FSYCL)
unset(CMAKE_REQUIRED_LINK_OPTIONS)

if(PYSOFIE_HAS_FSYCL)
  # icpx defaults to fast-math, which changes the meaning of NaN and infinity.
  target_compile_options(pysofie_sycl INTERFACE -fsycl -ffp-model=precise)
  target_link_options(pysofie_sycl INTERFACE -fsycl)
else()
  set(PYSOFIE_SYCL_ROOT "$ENV{VIRTUAL_ENV}" CACHE PATH "Environment with the wheels of pysofie[sycl]")
  find_path(PYSOFIE_SYCL_INCLUDE sycl/sycl.hpp HINTS "${PYSOFIE_SYCL_ROOT}/include")
  find_library(PYSOFIE_SYCL_LIBRARY NAMES sycl libsycl.so libsycl.so.9 libsycl.so.8
               HINTS "${PYSOFIE_SYCL_ROOT}/lib")
  if(NOT PYSOFIE_SYCL_INCLUDE OR NOT PYSOFIE_SYCL_LIBRARY)
    message(FATAL_ERROR "No SYCL tool chain: use a SYCL compiler (CXX=icpx), or pip install 'pysofie[sycl]' "
                        "and set PYSOFIE_SYCL_ROOT to that environment")
  endif()
  get_filename_component(sycl_library_dir "${PYSOFIE_SYCL_LIBRARY}" DIRECTORY)
  target_include_directories(pysofie_sycl SYSTEM INTERFACE "${PYSOFIE_SYCL_INCLUDE}")
  target_compile_definitions(pysofie_sycl INTERFACE SYCL_DISABLE_FSYCL_SYCLHPP_WARNING)
  target_link_libraries(pysofie_sycl INTERFACE "${PYSOFIE_SYCL_LIBRARY}")
  target_link_options(pysofie_sycl INTERFACE
                      "LINKER:--disable-new-dtags,-rpath,${sycl_library_dir}")
endif()
