// exp, log, log10, log1p and pow for host and device, within 2 ulp of correctly rounded.
//
// Branch-free, so that a loop over lanes vectorises, and the same source everywhere, so that a
// table entry does not depend on a library. Each function is a reduction to a small interval, a
// polynomial (Chebyshev interpolation of the function there), and a reconstruction with the
// exponent's bits. `pow` multiplies a logarithm by up to 745, so it takes one as an unevaluated sum
// high + low, good to about 2^-63 (2^-36 in single precision). Products are split exactly by a
// fused multiply-add where the instruction set has one, else by Dekker's splitting: the last bit
// may differ between instruction sets, never the bound. One file, over 400 lines, since host
// compilers, nvcc and NVRTC all read it whole.
#pragma once

// Every file of which a result depends includes this one. (NVRTC is given our flags alone.)
#ifndef __CUDACC_RTC__
#if defined(__FAST_MATH__) || defined(__USE_FAST_MATH__) || defined(__ASSOCIATIVE_MATH__) || \
    defined(__RECIPROCAL_MATH__) || defined(__NO_SIGNED_ZEROS__) ||                          \
    (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__) ||                               \
    (defined(__GCC_IEC_559) && __GCC_IEC_559 == 0)
#error "semopt: results are proofs: compile without -ffast-math, -Ofast and what they stand for"
#endif
#if defined(__FLT_EVAL_METHOD__) && \
    (__FLT_EVAL_METHOD__ < 0 || __FLT_EVAL_METHOD__ == 1 || __FLT_EVAL_METHOD__ == 2)
#error "semopt: results are proofs: compile for SSE2 or wider, without -mfpmath=387 and -m32"
#endif
#endif

#ifdef __CUDACC_RTC__
typedef unsigned long long uint64_t;
typedef unsigned int uint32_t;
#else
#include <cmath>
#include <cstdint>
#endif

// Internal linkage: objects compiled for different instruction sets must not share a function.
// Always inline: a call left in a loop keeps it from being vectorised.
#ifdef __CUDACC__
#define SEMOPT_HD __host__ __device__ static inline
#else
#define SEMOPT_HD static inline __attribute__((always_inline))
#endif

#ifdef __CUDACC__
#define SEMOPT_UNROLL _Pragma("unroll")
#else
#define SEMOPT_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__FMA__) || defined(__aarch64__) || defined(__CUDACC__)
#define SEMOPT_FMA 1
#else
#define SEMOPT_FMA 0
#endif

namespace semopt::math {

template <class R>
SEMOPT_HD R min(R a, R b) {
    return b < a ? b : a;
}
template <class R>
SEMOPT_HD R max(R a, R b) {
    return a < b ? b : a;
}

// What differs between the precisions. R may be a vector of numbers here and below (isa/lanes.h):
// its `Number` is what it holds, its Bits and Index are vectors too. `round` added and taken away
// again rounds to an integer; `ln2_high` has trailing zeros, so that its product with any exponent
// is exact.
template <class R>
struct Real;

template <>
struct Real<double> {
    using Number = double;
    using Word = uint64_t;  // of a number; Bits of an R
    using Bits = Word;
    using Index = long long;  // as wide as the number: loops over lanes mix no widths
    static constexpr int mantissa = 52, bias = 1023, subnormal_shift = 54;
    static constexpr Word one = 0x3ff0000000000000, root_half = 0x3fe6a09e667f3bcd;
    static constexpr double infinity = __builtin_bit_cast(double, Word(0x7ff0000000000000));
    static constexpr double round = 0x1.8p52, splitter = 0x1p27 + 1, smallest_normal = 0x1p-1022,
                            subnormal_scale = 0x1p54, exp_low = -746, exp_high = 710,
                            exp_normal_low = -700, exp_normal_high = 700,
                            log2_e = 1.4426950408889634, ln2 = 0.6931471805599453,
                            ln2_high = 0.6931471805601177, ln2_low = -1.7239444525614835e-13,
                            log10_e = 0.4342944819032518, log10_2_high = 0.30102999566395283,
                            log10_2_low = 2.8363394551044964e-14, two_thirds = 0.6666666666666666,
                            two_thirds_low = 3.700743415417188e-17;
};

template <>
struct Real<float> {
    using Number = float;
    using Word = uint32_t;
    using Bits = Word;
    using Index = int;
    static constexpr int mantissa = 23, bias = 127, subnormal_shift = 25;
    static constexpr Word one = 0x3f800000, root_half = 0x3f3504f3;
    static constexpr float infinity = __builtin_bit_cast(float, Word(0x7f800000));
    static constexpr float round = 0x1.8p23f, splitter = 0x1p12f + 1, smallest_normal = 0x1p-126f,
                           subnormal_scale = 0x1p25f, exp_low = -105, exp_high = 89,
                           exp_normal_low = -80, exp_normal_high = 80, log2_e = 1.4426950216293335f,
                           ln2 = 0.6931471824645996f, ln2_high = 0.693145751953125f,
                           ln2_low = 1.428606765330187e-06f, log10_e = 0.4342944920063019f,
                           log10_2_high = 0.301025390625f, log10_2_low = 4.605038981195214e-06f,
                           two_thirds = 0.6666666865348816f,
                           two_thirds_low = -1.9868215517249155e-08f;
};

template <class To, class From>
SEMOPT_HD To bit_cast(From from) {
    static_assert(sizeof(To) == sizeof(From), "bit_cast keeps the size");
    return __builtin_bit_cast(To, from);
}

template <class R>
using Number = typename Real<R>::Number;

// The same number in every lane.
template <class R>
SEMOPT_HD R all(Number<R> x) {
    return R{} + x;
}

template <class R>
SEMOPT_HD Number<R> nan() {
    return Real<R>::infinity - Real<R>::infinity;
}

// Operations for which some registers have single instructions (isa/lanes_avx2.h,
// isa/lanes_avx512.h).
template <class R>
struct PlainOperations {
    // a b + c; fused where that is one instruction.
    SEMOPT_HD R multiply_add(R a, R b, R c) {
#if SEMOPT_FMA && defined(__CUDA_ARCH__)
        return ::fma(a, b, c);
#elif SEMOPT_FMA
        return std::fma(a, b, c);
#else
        return a * b + c;
#endif
    }

    // NaN stays.
    SEMOPT_HD R clamp(R x, R low, R high) {
        x = x < low ? low : x;
        return x > high ? high : x;
    }

    // A logarithm's value at 0 (-inf), below (NaN) and at infinity; `value` elsewhere.
    SEMOPT_HD R log_limits(R x, R value) {
        return log1p_limits(x, x == R{} ? all<R>(-Real<R>::infinity) : value);
    }

    // The same of log1p, at infinity and below 0.
    SEMOPT_HD R log1p_limits(R x, R value) {
        value = x == Real<R>::infinity ? all<R>(Real<R>::infinity) : value;
        return x >= R{} ? value : all<R>(nan<R>());
    }
};

template <class R>
struct Operations : PlainOperations<R> {};

template <class R>
SEMOPT_HD R multiply_add(R a, R b, R c) {
    return Operations<R>::multiply_add(a, b, c);
}
template <class R>
SEMOPT_HD R clamp(R x, Number<R> low, Number<R> high) {
    return Operations<R>::clamp(x, all<R>(low), all<R>(high));
}

// x where that is usable, else NaN.
template <class Usable, class R>
SEMOPT_HD R or_nan(Usable usable, R x) {
    return usable ? x : all<R>(nan<R>());
}

// a b - product, exactly, where product is a b rounded.
template <class R>
SEMOPT_HD R product_error(R a, R b, R product) {
#if SEMOPT_FMA
    return multiply_add(a, b, -product);
#else
    const R ta = Real<R>::splitter * a, tb = Real<R>::splitter * b;
    const R ah = ta - (ta - a), bh = tb - (tb - b), al = a - ah, bl = b - bh;
    return ((ah * bh - product) + ah * bl + al * bh) + al * bl;
#endif
}

// a b + c, where a b is not rounded before the sum.
template <class R>
SEMOPT_HD R add_product(R a, R b, R c) {
#if SEMOPT_FMA
    return multiply_add(a, b, c);
#else
    const R product = a * b;
    return product + (product_error(a, b, product) + c);
#endif
}

// c0 + c1 x + c2 x^2 + ... by pairs of terms, which do not wait for each other.
template <class R>
SEMOPT_HD R pairs(R, R, Number<R> c) {
    return all<R>(c);
}
template <class R>
SEMOPT_HD R pairs(R x, R, Number<R> c, Number<R> next) {
    return multiply_add(x, all<R>(next), all<R>(c));
}
template <class R, class... C>
SEMOPT_HD R pairs(R x, R square, Number<R> c, Number<R> next, C... rest) {
    return multiply_add(square, pairs(x, square, rest...), pairs(x, square, c, next));
}

template <class R, class... C>
SEMOPT_HD R polynomial(R x, C... c) {
    return pairs(x, x * x, c...);
}

template <class R>
constexpr bool is_double = sizeof(Number<R>) == sizeof(double);

// c - a b, which is exact where a b is c to within a few units in the last place.
template <class R>
SEMOPT_HD R remainder(R a, R b, R c) {
#if SEMOPT_FMA
    return multiply_add(-a, b, c);
#else
    const R product = a * b;
    return (c - product) - product_error(a, b, product);
#endif
}

template <class R>
struct Sum {
    R high, low;
};

// What exp and the logarithms are made of: an argument is reduced to a small one, for which a
// polynomial stands. Lanes have tables, and arguments that are smaller still
// (isa/exp_log_tables.h).
template <class R>
struct Reduction {
    using T = Real<R>;
    using Bits = typename T::Bits;
    using Word = typename T::Word;

    // e^x = 2^n e^r: this added rounds n to its last place.
    static constexpr Number<R> exp_round = T::round;

    // e^r - 1 on |r| <= ln(2) / 2.
    SEMOPT_HD R exp_rest(R r) {
        R p;  // (e^r - 1 - r) / r^2
        if constexpr (is_double<R>)
            p = polynomial(r, 0.5000000000000001, 0.16666666666666669, 0.04166666666662413,
                           0.008333333333330062, 0.0013888888917213717, 0.00019841269863053618,
                           2.4801521295954376e-05, 2.7557268459997064e-06, 2.7620088445409746e-07,
                           2.510038549551032e-08);
        else
            p = polynomial(r, 0.5f, 0.16666576f, 0.041666556f, 0.008363179f, 0.0013926184f);
        return multiply_add(r * r, p, r);
    }

    // 2^n (1 + rest) for shifted = n + exp_round: 2^n in two factors, so that results beyond the
    // normal range come out right, rounded once.
    SEMOPT_HD R scale(R rest, R shifted) {
        const Bits whole = bit_cast<Bits>(shifted) - bit_cast<Word>(exp_round) + Word(2 * T::bias);
        const Bits half = whole >> 1;
        return (Number<R>(1) + rest) * bit_cast<R>(half << T::mantissa) *
               bit_cast<R>((whole - half) << T::mantissa);
    }

    // 2^n where that is normal.
    SEMOPT_HD R normal_power(R shifted) {
        return bit_cast<R>((bit_cast<Bits>(shifted) << T::mantissa) + T::one);
    }

    // x = 2^k (1 + f) for normal x > 0, with 1 + f in [sqrt(1/2), sqrt(2)).
    struct Parts {
        R k, f;
        Bits exponent;  // k + bias
    };

    SEMOPT_HD Parts parts(R x) {
        const Bits exponent = (bit_cast<Bits>(x) + (T::one - T::root_half)) >> T::mantissa;
        // The exponent becomes a number by way of its bits.
        const Word two_to_mantissa = Word(T::bias + T::mantissa) << T::mantissa;
        const R k = bit_cast<R>(exponent | two_to_mantissa) -
                    (bit_cast<Number<R>>(two_to_mantissa) + T::bias);
        const R m = bit_cast<R>(bit_cast<Bits>(x) - ((exponent - Word(T::bias)) << T::mantissa));
        return {k, m - Number<R>(1), exponent};
    }

    // The same for any x > 0, subnormal ones too.
    SEMOPT_HD Parts parts_of_any(R x) {
        const auto subnormal = x < T::smallest_normal;
        Parts result = parts(subnormal ? x * T::subnormal_scale : x);
        result.k = result.k - (subnormal ? all<R>(T::subnormal_shift) : R{});
        return result;
    }

    // The same of 1 + x for x >= 0.
    SEMOPT_HD Parts parts_of_next(R x) {
        const Number<R> one = 1;
        // u = 1 + x rounded, and what is lost.
        const R u = one + x, v = u - x, lost = (one - v) + (x - (u - v));
        Parts result = parts(u);
        const R scale = bit_cast<R>((Word(2 * T::bias + 1) - result.exponent) << T::mantissa);
        result.f = result.f + Number<R>(0.5) * lost * scale;  // scale: 2^(1 - k)
        return result;
    }

    // ln x less ln(1 + f).
    SEMOPT_HD Sum<R> log_base(const Parts& parts) {
        return {parts.k * T::ln2_high, parts.k * T::ln2_low};
    }
    SEMOPT_HD Sum<R> log10_base(const Parts& parts) {
        return {parts.k * T::log10_2_high, parts.k * T::log10_2_low};
    }

    // f - ln(1 + f).
    SEMOPT_HD R log_rest(R f) {
        const R s = f / (Number<R>(2) + f), z = s * s;
        R p;  // 2 artanh(s) / s - 2
        if constexpr (is_double<R>)
            p = z * polynomial(z, 0.666666666666667, 0.39999999999899505, 0.28571428625975487,
                               0.2222221113479508, 0.18182889125261723, 0.15331721600556042,
                               0.14616449685043406);
        else
            p = z * polynomial(z, 0.66666685f, 0.3998878f, 0.2957995f);
        return s * (f - p);
    }

    // ln x with the digits that `pow` needs: k ln 2 + 2 artanh s with s = f / (2 + f).
    SEMOPT_HD Sum<R> log_sum(const Parts& parts) {
        const Number<R> two = 2;
        const R d = two + parts.f, d_low = parts.f - (d - two), inverse = Number<R>(1) / d;
        const R s = parts.f * inverse,
                s_low = multiply_add(-s, d_low, remainder(s, d, parts.f)) * inverse;
        const R z = s * s, z_low = multiply_add(two * s, s_low, product_error(s, s, z));
        R q;  // (2 artanh(s) / s - 2) / z - 2/3
        if constexpr (is_double<R>)
            q = z * polynomial(z, 0.4, 0.28571428571429364, 0.22222222221655885,
                               0.18181818335392802, 0.1538459496251843, 0.1333480469384731,
                               0.11706236339491206, 0.11723178623876518);
        else
            q = z * polynomial(z, 0.4f, 0.2857153f, 0.22204763f, 0.19120455f);
        // 2 artanh s = 2 s + s z (2/3 + q): the last two products carry their errors along.
        const R w = T::two_thirds + q, w_low = ((T::two_thirds - w) + q) + T::two_thirds_low;
        const R g = z * w, g_low = product_error(z, w, g) + multiply_add(z, w_low, z_low * w);
        const R b = s * g, b_low = product_error(s, g, b) + multiply_add(s, g_low, s_low * g);
        const R a = two * s, high = a + b,
                rest = ((a - high) + b) + multiply_add(all<R>(two), s_low, b_low);
        const R whole = parts.k * T::ln2_high, sum = whole + high;
        return {sum, ((whole - sum) + high) + multiply_add(parts.k, all<R>(T::ln2_low), rest)};
    }
};

// n + exp_round, for the n nearest to x log2(e) of those that exp_round leaves.
template <class R>
SEMOPT_HD R exp_shifted(R x) {
    return multiply_add(x, all<R>(Real<R>::log2_e), all<R>(Reduction<R>::exp_round));
}

// e^(x + low), for |low| far below |x| or both small.
template <class R>
SEMOPT_HD R exp_sum(R x, R low) {
    using T = Real<R>;
    const R within = clamp(x, T::exp_low, T::exp_high);
    const R shifted = exp_shifted(within), n = shifted - Reduction<R>::exp_round;
    const R r = multiply_add(n, all<R>(-T::ln2_high), within) +
                multiply_add(n, all<R>(-T::ln2_low), within == x ? low : R{});
    return Reduction<R>::scale(Reduction<R>::exp_rest(r), shifted);
}

// 1 + e^x, of which e^x is good to 2 + |x| / 3 ulp (without fused multiply-add, 2 + 1.1 |x|), held
// so far within the normal range that a number of usual size may be divided by it. So its
// reciprocal is found within a quarter of an ulp of 1.
template <class R>
SEMOPT_HD R one_plus_exp(R x) {
    using T = Real<R>;
    const R within = clamp(x, T::exp_normal_low, T::exp_normal_high);
    const R shifted = exp_shifted(within), n = shifted - Reduction<R>::exp_round;
    const R r = multiply_add(n, all<R>(-T::ln2), within);
    const R power = Reduction<R>::normal_power(shifted);
    return multiply_add(power, Reduction<R>::exp_rest(r), Number<R>(1) + power);
}

template <class R>
SEMOPT_HD R exp(R x) {
    return exp_sum(x, R{});
}

template <class R>
SEMOPT_HD R log(R x) {
    const auto parts = Reduction<R>::parts_of_any(x);
    const Sum<R> base = Reduction<R>::log_base(parts);
    const R rest = Reduction<R>::log_rest(parts.f) - base.low;
    return Operations<R>::log_limits(x, base.high + (parts.f - rest));
}

template <class R>
SEMOPT_HD R log10(R x) {
    const auto parts = Reduction<R>::parts_of_any(x);
    const Sum<R> base = Reduction<R>::log10_base(parts);
    const R log10_e = all<R>(Real<R>::log10_e);
    const R low = multiply_add(-Reduction<R>::log_rest(parts.f), log10_e, base.low);
    return Operations<R>::log_limits(x, base.high + add_product(parts.f, log10_e, low));
}

// For x >= 0, as a signal-to-noise ratio is; NaN below.
template <class R>
SEMOPT_HD R log1p(R x) {
    const auto parts = Reduction<R>::parts_of_next(x);
    const Sum<R> base = Reduction<R>::log_base(parts);
    const R rest = Reduction<R>::log_rest(parts.f) - base.low;
    return Operations<R>::log1p_limits(x, base.high + (parts.f - rest));
}

template <class R>
SEMOPT_HD Sum<R> log_sum(R x) {
    return Reduction<R>::log_sum(Reduction<R>::parts_of_any(x));
}

// x^y for finite x > 0 and finite y, from ln x or from x itself. Without fused multiply-add, y
// times `splitter` must be finite too.
template <class R>
SEMOPT_HD R pow(Sum<R> log_x, R y) {
    const R product = y * log_x.high;
    return exp_sum(product, multiply_add(y, log_x.low, product_error(y, log_x.high, product)));
}

template <class R>
SEMOPT_HD R pow(R x, R y) {
    return pow(log_sum(x), y);
}

}  // namespace semopt::math
