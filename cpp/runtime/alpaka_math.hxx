/// \file alpaka_math.hxx
/// Whose elementary functions alpaka kernels call: CUDA and HIP compilers overload those of std for the
/// device.
#ifndef SOFIE_RUNTIME_ALPAKA_MATH_HXX
#define SOFIE_RUNTIME_ALPAKA_MATH_HXX

#include <cmath>

namespace sofie_runtime {
namespace math_library = ::std;
}

#endif
