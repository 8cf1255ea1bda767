// Registers of numbers, by the instructions of AVX-512. Included by lanes.h alone.
//
// Where an instruction takes a mask, it is given one, of all lanes if need be (kAll): without it
// GCC warns of what the plain functions leave open.
#pragma once

#include <immintrin.h>

#include <type_traits>

#include "isa/lanes.h"

namespace semopt {

namespace math {

// What a logarithm is, a digit for each class of its argument, lowest first: NaN (two kinds) as it
// is, 0 gives -inf, 1 the value, -inf NaN, inf as it is, below 0 NaN, above the value.
constexpr int kLogLimits = 0x03530422, kLog1pLimits = 0x03530022;

template <>
struct Operations<Doubles> {
    SEMOPT_HD Doubles multiply_add(Doubles a, Doubles b, Doubles c) {
        return (Doubles)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
    }
    // Of two numbers, one of them NaN, these instructions take the second.
    SEMOPT_HD Doubles clamp(Doubles x, Doubles low, Doubles high) {
        return (Doubles)_mm512_maskz_min_pd(kAll, (__m512d)high,
                                            _mm512_maskz_max_pd(kAll, (__m512d)low, (__m512d)x));
    }
    // x 2^n, n rounded down.
    SEMOPT_HD Doubles scale(Doubles x, Doubles n) {
        return (Doubles)_mm512_maskz_scalef_pd(kAll, (__m512d)x, (__m512d)n);
    }
    // x = mantissa 2^exponent, subnormal or not, with the mantissa from 1 to 2.
    SEMOPT_HD Doubles mantissa(Doubles x) {
        return (Doubles)_mm512_maskz_getmant_pd(kAll, (__m512d)x, _MM_MANT_NORM_1_2,
                                                _MM_MANT_SIGN_src);
    }
    SEMOPT_HD Doubles exponent(Doubles x) {
        return (Doubles)_mm512_maskz_getexp_pd(kAll, (__m512d)x);
    }
    SEMOPT_HD Doubles log_limits(Doubles x, Doubles value) { return limits(x, value, kLogLimits); }
    SEMOPT_HD Doubles log1p_limits(Doubles x, Doubles value) {
        return limits(x, value, kLog1pLimits);
    }

  private:
    SEMOPT_HD Doubles limits(Doubles x, Doubles value, int which) {
        return (Doubles)_mm512_fixupimm_pd((__m512d)value, (__m512d)x, _mm512_set1_epi64(which), 0);
    }
};

template <>
struct Operations<Floats> {
    SEMOPT_HD Floats multiply_add(Floats a, Floats b, Floats c) {
        return (Floats)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
    }
    SEMOPT_HD Floats clamp(Floats x, Floats low, Floats high) {
        return (Floats)_mm512_maskz_min_ps(kAll, (__m512)high,
                                           _mm512_maskz_max_ps(kAll, (__m512)low, (__m512)x));
    }
    SEMOPT_HD Floats scale(Floats x, Floats n) {
        return (Floats)_mm512_maskz_scalef_ps(kAll, (__m512)x, (__m512)n);
    }
    SEMOPT_HD Floats mantissa(Floats x) {
        return (Floats)_mm512_maskz_getmant_ps(kAll, (__m512)x, _MM_MANT_NORM_1_2,
                                               _MM_MANT_SIGN_src);
    }
    SEMOPT_HD Floats exponent(Floats x) { return (Floats)_mm512_maskz_getexp_ps(kAll, (__m512)x); }
    SEMOPT_HD Floats log_limits(Floats x, Floats value) { return limits(x, value, kLogLimits); }
    SEMOPT_HD Floats log1p_limits(Floats x, Floats value) { return limits(x, value, kLog1pLimits); }

  private:
    SEMOPT_HD Floats limits(Floats x, Floats value, int which) {
        return (Floats)_mm512_fixupimm_ps((__m512)value, (__m512)x, _mm512_set1_epi32(which), 0);
    }
};

}  // namespace math

namespace {

template <>
struct LanesOf<double> {
    using Values = Doubles;
    using Mask = __mmask8;
};
template <>
struct LanesOf<float> {
    using Values = Floats;
    using Mask = __mmask16;
};

SEMOPT_HD int count(unsigned lanes) { return __builtin_popcount(lanes); }

// Lanes where x, taken as unsigned, is below `limit`.
SEMOPT_HD __mmask8 below(Index<Doubles> x, long long limit) {
    return _mm512_cmplt_epu64_mask((__m512i)x, _mm512_set1_epi64(limit));
}
SEMOPT_HD __mmask16 below(Index<Floats> x, int limit) {
    return _mm512_cmplt_epu32_mask((__m512i)x, _mm512_set1_epi32(limit));
}

SEMOPT_HD Index<Doubles> compress(__mmask8 chosen, Index<Doubles> x) {
    return (Index<Doubles>)_mm512_maskz_compress_epi64(chosen, (__m512i)x);
}
SEMOPT_HD Index<Floats> compress(__mmask16 chosen, Index<Floats> x) {
    return (Index<Floats>)_mm512_maskz_compress_epi32(chosen, (__m512i)x);
}
SEMOPT_HD Index<Doubles> expand(__mmask8 chosen, Index<Doubles> x) {
    return (Index<Doubles>)_mm512_maskz_expand_epi64(chosen, (__m512i)x);
}
SEMOPT_HD Index<Floats> expand(__mmask16 chosen, Index<Floats> x) {
    return (Index<Floats>)_mm512_maskz_expand_epi32(chosen, (__m512i)x);
}

// Lane at[l] of x in lane l.
template <class V>
SEMOPT_HD V permute(V x, Index<Doubles> at) {
    return (V)_mm512_maskz_permutexvar_epi64(kAll, (__m512i)at, (__m512i)x);
}
template <class V>
SEMOPT_HD V permute(V x, Index<Floats> at) {
    return (V)_mm512_maskz_permutexvar_epi32(kAll, (__m512i)at, (__m512i)x);
}
SEMOPT_HD Doubles permute(__mmask8 chosen, Doubles x, Index<Doubles> at, Doubles other) {
    return (Doubles)_mm512_mask_permutexvar_pd((__m512d)other, chosen, (__m512i)at, (__m512d)x);
}
SEMOPT_HD Floats permute(__mmask16 chosen, Floats x, Index<Floats> at, Floats other) {
    return (Floats)_mm512_mask_permutexvar_ps((__m512)other, chosen, (__m512i)at, (__m512)x);
}

// Loads and stores of chosen lanes: others have what is in `rest`, or stay.
SEMOPT_HD Doubles load(__mmask8 chosen, const double* from, Doubles rest) {
    return (Doubles)_mm512_mask_loadu_pd((__m512d)rest, chosen, from);
}
SEMOPT_HD Floats load(__mmask16 chosen, const float* from, Floats rest) {
    return (Floats)_mm512_mask_loadu_ps((__m512)rest, chosen, from);
}
SEMOPT_HD void store(__mmask8 chosen, Doubles x, double* to) {
    _mm512_mask_storeu_pd(to, chosen, (__m512d)x);
}
SEMOPT_HD void store(__mmask16 chosen, Floats x, float* to) {
    _mm512_mask_storeu_ps(to, chosen, (__m512)x);
}

// Indices of 64 bits; what does not fit into a lane becomes one that is as much out of range.
SEMOPT_HD Index<Doubles> load_index(__mmask8 chosen, const long long* from, Index<Doubles> rest) {
    return (Index<Doubles>)_mm512_mask_loadu_epi64((__m512i)rest, chosen, from);
}
SEMOPT_HD Index<Floats> load_index(__mmask16 chosen, const long long* from, Index<Floats> rest) {
    const auto half = [&](unsigned lanes, const long long* indices) {
        return _mm512_maskz_cvtsepi64_epi32(kAll,
                                            _mm512_maskz_loadu_epi64(__mmask8(lanes), indices));
    };
    const __m512i both = _mm512_maskz_inserti64x4(
        kAll, _mm512_maskz_inserti64x4(kAll, __m512i{}, half(chosen, from), 0),
        half(chosen >> 8, from + 8), 1);
    return (Index<Floats>)_mm512_mask_mov_epi32((__m512i)rest, chosen, both);
}
SEMOPT_HD void store_bytes(__mmask8 chosen, Index<Doubles> x, unsigned char* to) {
    _mm512_mask_cvtepi64_storeu_epi8(to, chosen, (__m512i)x);
}
SEMOPT_HD void store_bytes(__mmask16 chosen, Index<Floats> x, unsigned char* to) {
    _mm512_mask_cvtepi32_storeu_epi8(to, chosen, (__m512i)x);
}

SEMOPT_HD Index<Doubles> choose(__mmask8 chosen, Index<Doubles> x, Index<Doubles> other) {
    return (Index<Doubles>)_mm512_mask_mov_epi64((__m512i)other, chosen, (__m512i)x);
}
SEMOPT_HD Index<Floats> choose(__mmask16 chosen, Index<Floats> x, Index<Floats> other) {
    return (Index<Floats>)_mm512_mask_mov_epi32((__m512i)other, chosen, (__m512i)x);
}

SEMOPT_HD Doubles choose(__mmask8 chosen, Doubles x, Doubles other) {
    return (Doubles)_mm512_mask_mov_pd((__m512d)other, chosen, (__m512d)x);
}
SEMOPT_HD Floats choose(__mmask16 chosen, Floats x, Floats other) {
    return (Floats)_mm512_mask_mov_ps((__m512)other, chosen, (__m512)x);
}

SEMOPT_HD Doubles gather(__mmask8 chosen, const double* from, Index<Doubles> at) {
    return (Doubles)_mm512_mask_i64gather_pd(__m512d{}, chosen, (__m512i)at, from, sizeof *from);
}
SEMOPT_HD Floats gather(__mmask16 chosen, const float* from, Index<Floats> at) {
    return (Floats)_mm512_mask_i32gather_ps(__m512{}, chosen, (__m512i)at, from, sizeof *from);
}
SEMOPT_HD Doubles gather(const double* from, Index<Doubles> at) {
    return (Doubles)_mm512_mask_i64gather_pd(__m512d{}, kAll, (__m512i)at, from, sizeof *from);
}
SEMOPT_HD Floats gather(const float* from, Index<Floats> at) {
    return (Floats)_mm512_mask_i32gather_ps(__m512{}, kAll, (__m512i)at, from, sizeof *from);
}

// Numbers of which a lane may ask for any: as many as two registers have; only the low bits of `at`
// count.
template <class R>
class LargeTable {
    using V = Lanes<R>;

  public:
    explicit LargeTable(const R* from) : low_(load<V>(from)), high_(load<V>(from + kWidth<R>)) {}
    LargeTable(V low, V high) : low_(low), high_(high) {}

    V operator[](Index<V> at) const {
        if constexpr (kWidth<R> == 8)
            return (V)_mm512_permutex2var_pd((__m512d)low_, (__m512i)at, (__m512d)high_);
        else
            return (V)_mm512_permutex2var_ps((__m512)low_, (__m512i)at, (__m512)high_);
    }

  private:
    V low_, high_;
};

template <class R>
using Entries = std::conditional_t<kWidth<R> == 16, SmallTable<R>, LargeTable<R>>;  // 16 numbers

// What a number is without its fraction.
template <class V>
SEMOPT_HD Index<V> truncate(V x) {
    return __builtin_convertvector(x, Index<V>);
}

// Brings the chosen lanes to the front, in order. One register is compressed, of lanes' numbers,
// and the others follow by a permutation, which takes a core a fifth of the time.
template <class R>
class Compress {
  public:
    explicit Compress(LaneMask<R> chosen)
        : at_(compress(chosen, load<Index<Lanes<R>>>(kCounting<R>))) {}

    template <class V>
    V operator()(V x) const {
        return permute(x, at_);
    }

  private:
    Index<Lanes<R>> at_;
};

// The reverse: the first lanes of x where chosen, elsewhere those of `other`.
template <class R>
class Expand {
  public:
    explicit Expand(LaneMask<R> chosen)
        : chosen_(chosen), at_(expand(chosen, load<Index<Lanes<R>>>(kCounting<R>))) {}

    Lanes<R> operator()(Lanes<R> x, Lanes<R> other) const {
        return permute(chosen_, x, at_, other);
    }

  private:
    LaneMask<R> chosen_;
    Index<Lanes<R>> at_;
};

// The first or second (`at` 0 or 1) of two numbers for each of the first lanes.
template <class R>
SEMOPT_HD Lanes<R> one_of_two(LaneMask<R> lanes, const R* from, Index<Lanes<R>> at) {
    using V = Lanes<R>;
    const unsigned long long both = (1ull << 2 * count(lanes)) - 1;
    const V low = load(LaneMask<R>(both), from, V{}),
            high = load(LaneMask<R>(both >> kWidth<R>), from + kWidth<R>, V{});
    return LargeTable<R>(low, high)[2 * load<Index<V>>(kCounting<R>) | at];
}

// Four numbers that lie together at from + 2 at[l], one in each of four registers.
inline void load_fours(const double* from, const long long* at, Doubles (&out)[4]) {
    typedef double Four __attribute__((vector_size(32)));
    const auto both = [&](int l) {  // lanes l and l + 4
        return __builtin_shufflevector(load<Four>(from + 2 * at[l]),
                                       load<Four>(from + 2 * at[l + 4]), 0, 1, 2, 3, 4, 5, 6, 7);
    };
    const auto a = both(0), b = both(1), c = both(2), d = both(3);
    // Of lanes 0 and 1 (2 and 3) the first, of both the third, and so of 4 and 5 (6 and 7); and the
    // others.
    const auto even_ab = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14),
               even_cd = __builtin_shufflevector(c, d, 0, 8, 2, 10, 4, 12, 6, 14),
               odd_ab = __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15),
               odd_cd = __builtin_shufflevector(c, d, 1, 9, 3, 11, 5, 13, 7, 15);
    out[0] = __builtin_shufflevector(even_ab, even_cd, 0, 1, 8, 9, 4, 5, 12, 13);
    out[1] = __builtin_shufflevector(odd_ab, odd_cd, 0, 1, 8, 9, 4, 5, 12, 13);
    out[2] = __builtin_shufflevector(even_ab, even_cd, 2, 3, 10, 11, 6, 7, 14, 15);
    out[3] = __builtin_shufflevector(odd_ab, odd_cd, 2, 3, 10, 11, 6, 7, 14, 15);
}

inline void load_fours(const float* from, const int* at, Floats (&out)[4]) {
    typedef double Four __attribute__((vector_size(16)));  // of floats
    typedef double Pairs __attribute__((vector_size(64)));
    const auto four_at = [&](int l) { return load<Four>(from + 2 * at[l]); };
    const auto four = [&](int l) {  // lanes l, l + 4, l + 8 and l + 12
        const auto two = __builtin_shufflevector(four_at(l), four_at(l + 4), 0, 1, 2, 3),
                   rest = __builtin_shufflevector(four_at(l + 8), four_at(l + 12), 0, 1, 2, 3);
        return __builtin_shufflevector(two, rest, 0, 1, 2, 3, 4, 5, 6, 7);
    };
    const Pairs a = four(0), b = four(1), c = four(2), d = four(3);
    using V = Floats;
    const auto first_pairs = [](Pairs x, Pairs y) {
        return (V)__builtin_shufflevector(x, y, 0, 8, 2, 10, 4, 12, 6, 14);
    };
    const auto second_pairs = [](Pairs x, Pairs y) {
        return (V)__builtin_shufflevector(x, y, 1, 9, 3, 11, 5, 13, 7, 15);
    };
    const auto even = [](V x, V y) {
        return __builtin_shufflevector(x, y, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28,
                                       30);
    };
    const auto odd = [](V x, V y) {
        return __builtin_shufflevector(x, y, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29,
                                       31);
    };
    const V first_ab = first_pairs(a, b), first_cd = first_pairs(c, d),
            second_ab = second_pairs(a, b), second_cd = second_pairs(c, d);
    out[0] = even(first_ab, first_cd);
    out[1] = odd(first_ab, first_cd);
    out[2] = even(second_ab, second_cd);
    out[3] = odd(second_ab, second_cd);
}

}  // namespace
}  // namespace semopt
