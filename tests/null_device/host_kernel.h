// CUDA's C++ for the host's compiler: a kernel is run by one thread, in a grid of one block of one thread.
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#ifdef __SSE__
#include <xmmintrin.h>
#endif

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static
#define __syncthreads()

struct Dimensions {
  unsigned x, y, z;
};
static const Dimensions threadIdx = {0, 0, 0}, blockIdx = {0, 0, 0}, blockDim = {1, 1, 1}, gridDim = {1, 1, 1};

static inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
static inline int __popcll(unsigned long long bits) { return __builtin_popcountll(bits); }

#include <cupy/carray.cuh>
#include <cupy/math_constants.h>

using std::isfinite;
using std::isinf;
using std::isnan;
using std::max;
using std::min;

// CuPy compiles with -ftz=true: operations on float, not on double, read and write 0 for subnormal numbers.
class FlushToZero {
 public:
#ifdef __SSE__
  FlushToZero() : before(_mm_getcsr()) { _mm_setcsr(before | 0x8040); }
  ~FlushToZero() { _mm_setcsr(before); }

 private:
  const unsigned before;
#endif
};

extern "C" int null_device_noise;

// CUDA's functions are off by some units in the last place. Here the error is at most 2 units and depends on the result
// alone, so that the same numbers have the same error again. Exact results stay, and none passes 1 or −1, which is the
// bound of some functions.
template <typename T>
static inline T with_noise(T y) {
  if (!null_device_noise || !std::isfinite(y) || y == 0 || std::fabs(y) == 1) return y;
  uint64_t bits = 0;
  memcpy(&bits, &y, sizeof y);
  const int units = int((bits * 0x9e3779b97f4a7c15u) >> 40) % 5 - 2;
  T result = y;
  for (int k = 0; k < std::abs(units); k++) result = std::nextafter(result, units > 0 ? T(INFINITY) : T(-INFINITY));
  return (std::fabs(y) < 1) == (std::fabs(result) < 1) ? result : y;
}

#define acos(...) with_noise(std::acos(__VA_ARGS__))
#define asin(...) with_noise(std::asin(__VA_ARGS__))
#define atan(...) with_noise(std::atan(__VA_ARGS__))
#define cbrt(...) with_noise(std::cbrt(__VA_ARGS__))
#define cos(...) with_noise(std::cos(__VA_ARGS__))
#define cosh(...) with_noise(std::cosh(__VA_ARGS__))
#define erf(...) with_noise(std::erf(__VA_ARGS__))
#define erfc(...) with_noise(std::erfc(__VA_ARGS__))
#define exp(...) with_noise(std::exp(__VA_ARGS__))
#define exp2(...) with_noise(std::exp2(__VA_ARGS__))
#define expm1(...) with_noise(std::expm1(__VA_ARGS__))
#define lgamma(...) with_noise(std::lgamma(__VA_ARGS__))
#define log(...) with_noise(std::log(__VA_ARGS__))
#define log10(...) with_noise(std::log10(__VA_ARGS__))
#define log1p(...) with_noise(std::log1p(__VA_ARGS__))
#define log2(...) with_noise(std::log2(__VA_ARGS__))
#define pow(...) with_noise(std::pow(__VA_ARGS__))
#define rsqrt(x) with_noise(1 / std::sqrt(x))
#define sin(...) with_noise(std::sin(__VA_ARGS__))
#define sinh(...) with_noise(std::sinh(__VA_ARGS__))
#define tan(...) with_noise(std::tan(__VA_ARGS__))
#define tanh(...) with_noise(std::tanh(__VA_ARGS__))
