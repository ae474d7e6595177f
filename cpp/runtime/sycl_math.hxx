/// \file sycl_math.hxx
/// Whose elementary functions SYCL kernels call.
#ifndef SOFIE_RUNTIME_SYCL_MATH_HXX
#define SOFIE_RUNTIME_SYCL_MATH_HXX

#include <sycl/sycl.hpp>

namespace sofie_runtime {
namespace math_library = ::sycl;
}

#endif
