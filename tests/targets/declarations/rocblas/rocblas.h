// The part of rocBLAS that generated code calls, declared as in ROCm 5 and 6: no package registry has the
// library.
#pragma once
#include <hip/hip_runtime_api.h>

#include <cstdint>

using rocblas_handle = struct _rocblas_handle*;
enum rocblas_status { rocblas_status_success = 0 };
enum rocblas_operation { rocblas_operation_none = 111, rocblas_operation_transpose = 112 };
using rocblas_int = std::int32_t;
using rocblas_stride = std::int64_t;

extern "C" {
rocblas_status rocblas_create_handle(rocblas_handle* handle);
rocblas_status rocblas_destroy_handle(rocblas_handle handle);
rocblas_status rocblas_set_stream(rocblas_handle handle, hipStream_t stream);
const char* rocblas_status_to_string(rocblas_status status);
rocblas_status rocblas_sgemm_strided_batched(rocblas_handle, rocblas_operation, rocblas_operation,
                                             rocblas_int, rocblas_int, rocblas_int, const float*,
                                             const float*, rocblas_int, rocblas_stride, const float*,
                                             rocblas_int, rocblas_stride, const float*, float*, rocblas_int,
                                             rocblas_stride, rocblas_int);
rocblas_status rocblas_dgemm_strided_batched(rocblas_handle, rocblas_operation, rocblas_operation,
                                             rocblas_int, rocblas_int, rocblas_int, const double*,
                                             const double*, rocblas_int, rocblas_stride, const double*,
                                             rocblas_int, rocblas_stride, const double*, double*, rocblas_int,
                                             rocblas_stride, rocblas_int);
}
