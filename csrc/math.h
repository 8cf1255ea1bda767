// Elementary functions for host and device.
#pragma once

#include <cmath>

#ifdef __CUDACC__
#define SEMOPT_HD __host__ __device__ inline
#else
#define SEMOPT_HD inline
#endif

namespace semopt::math {

template <class R>
SEMOPT_HD R exp(R x) {
    return std::exp(x);
}
template <class R>
SEMOPT_HD R log10(R x) {
    return std::log10(x);
}
template <class R>
SEMOPT_HD R log1p(R x) {
    return std::log1p(x);
}
template <class R>
SEMOPT_HD R pow(R x, R y) {
    return std::pow(x, y);
}
template <class R>
SEMOPT_HD R min(R a, R b) {
    return b < a ? b : a;
}
template <class R>
SEMOPT_HD R max(R a, R b) {
    return a < b ? b : a;
}

}  // namespace semopt::math
