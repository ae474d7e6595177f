# Defines pysofie::alpaka: what generated alpaka code needs from the tool chain.
#
# alpaka is found as a CMake package (alpaka_DIR) or as a folder of headers (PYSOFIE_ALPAKA_INCLUDE, also
# read from the environment). PYSOFIE_ALPAKA_BACKEND chooses the accelerator.

include_guard(GLOBAL)

set(PYSOFIE_ALPAKA_BACKEND "CpuSerial" CACHE STRING "The alpaka accelerator that models are compiled for")

set(alpaka_definition_CpuSerial ALPAKA_ACC_CPU_B_SEQ_T_SEQ_ENABLED)
set(alpaka_definition_CpuThreads ALPAKA_ACC_CPU_B_SEQ_T_THREADS_ENABLED)
set(alpaka_definition_CpuOmp2Blocks ALPAKA_ACC_CPU_B_OMP2_T_SEQ_ENABLED)
set(alpaka_definition_GpuCuda ALPAKA_ACC_GPU_CUDA_ENABLED)
set(alpaka_definition_GpuHip ALPAKA_ACC_GPU_HIP_ENABLED)
if(NOT DEFINED alpaka_definition_${PYSOFIE_ALPAKA_BACKEND})
  message(FATAL_ERROR "PYSOFIE_ALPAKA_BACKEND is ${PYSOFIE_ALPAKA_BACKEND}; it must be one of CpuSerial, "
                      "CpuThreads, CpuOmp2Blocks, GpuCuda, GpuHip")
endif()

find_path(PYSOFIE_ALPAKA_INCLUDE alpaka/alpaka.hpp HINTS "$ENV{PYSOFIE_ALPAKA_INCLUDE}"
          "${alpaka_DIR}/include" "${alpaka_DIR}/../../../include")
if(NOT PYSOFIE_ALPAKA_INCLUDE)
  find_package(alpaka CONFIG QUIET)
  if(alpaka_FOUND)
    get_target_property(PYSOFIE_ALPAKA_INCLUDE alpaka::alpaka INTERFACE_INCLUDE_DIRECTORIES)
  else()
    message(FATAL_ERROR "No alpaka: set alpaka_DIR to its CMake package, or PYSOFIE_ALPAKA_INCLUDE to the "
                        "folder that holds alpaka/alpaka.hpp")
  endif()
endif()

add_library(pysofie_alpaka INTERFACE)
add_library(pysofie::alpaka ALIAS pysofie_alpaka)
target_compile_features(pysofie_alpaka INTERFACE cxx_std_20)
target_include_directories(pysofie_alpaka SYSTEM INTERFACE "${PYSOFIE_ALPAKA_INCLUDE}")
target_compile_definitions(pysofie_alpaka INTERFACE ${alpaka_definition_${PYSOFIE_ALPAKA_BACKEND}}
                                                    ALPAKA_DISABLE_VENDOR_RNG)

if(PYSOFIE_ALPAKA_BACKEND STREQUAL "CpuThreads")
  find_package(Threads REQUIRED)
  target_link_libraries(pysofie_alpaka INTERFACE Threads::Threads)
elseif(PYSOFIE_ALPAKA_BACKEND STREQUAL "CpuOmp2Blocks")
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  target_link_libraries(pysofie_alpaka INTERFACE OpenMP::OpenMP_CXX)
elseif(PYSOFIE_ALPAKA_BACKEND STREQUAL "GpuCuda")
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  target_compile_options(
    pysofie_alpaka
    INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr> $<$<COMPILE_LANGUAGE:CUDA>:--extended-lambda>)
  target_compile_definitions(pysofie_alpaka INTERFACE SOFIE_ALPAKA_CUBLAS)
  target_link_libraries(pysofie_alpaka INTERFACE CUDA::cudart CUDA::cublas)
elseif(PYSOFIE_ALPAKA_BACKEND STREQUAL "GpuHip")
  enable_language(HIP)
  find_package(rocblas REQUIRED)
  target_compile_definitions(pysofie_alpaka INTERFACE SOFIE_ALPAKA_ROCBLAS)
  target_link_libraries(pysofie_alpaka INTERFACE roc::rocblas)
endif()
