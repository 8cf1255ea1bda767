// Tasks side by side: with AVX-512 a register of numbers, elsewhere one number, of which the
// compiler makes vectors. Loops over tasks are written once, in steps of kWidth. The formulas of
// model.h take either.
#pragma once

#include <limits>
#include <type_traits>

#include "model.h"

// GCC before 12 has no __builtin_shufflevector: it makes the vectors there too.
#define SEMOPT_AVX512 0
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#include <immintrin.h>
#undef SEMOPT_AVX512
#define SEMOPT_AVX512 1
#endif
#endif

namespace semopt {

// All lanes. Without it GCC warns of what the functions of AVX-512 leave open.
constexpr int kAll = -1;

#if SEMOPT_AVX512

typedef double Doubles __attribute__((vector_size(64)));
typedef float Floats __attribute__((vector_size(64)));

namespace math {

template <>
struct Real<Doubles> : Real<double> {
    typedef Word Bits __attribute__((vector_size(64)));
    typedef long long Index __attribute__((vector_size(64)));
};

template <>
struct Real<Floats> : Real<float> {
    typedef Word Bits __attribute__((vector_size(64)));
    typedef int Index __attribute__((vector_size(64)));
};

// What a logarithm is, a digit for each class of its argument, lowest first: NaN (two kinds) as it
// is, 0 gives -inf, 1 the value, -inf NaN, inf as it is, below 0 NaN, above the value.
constexpr int kLogLimits = 0x03530422;

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
    SEMOPT_HD Doubles log_limits(Doubles x, Doubles value) {
        return (Doubles)_mm512_fixupimm_pd((__m512d)value, (__m512d)x,
                                           _mm512_set1_epi64(kLogLimits), 0);
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
    SEMOPT_HD Floats log_limits(Floats x, Floats value) {
        return (Floats)_mm512_fixupimm_ps((__m512)value, (__m512)x, _mm512_set1_epi32(kLogLimits),
                                          0);
    }
};

}  // namespace math

namespace {

template <class R>
struct LanesOf {
    typedef R Values __attribute__((vector_size(64)));
};

// A bit for each lane.
template <class R>
struct ChosenOf;
template <>
struct ChosenOf<double> {
    using Values = __mmask8;
};
template <>
struct ChosenOf<float> {
    using Values = __mmask16;
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
    const auto half = [&](unsigned lanes, const long long* its) {
        return _mm512_maskz_cvtsepi64_epi32(kAll, _mm512_maskz_loadu_epi64(__mmask8(lanes), its));
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

}  // namespace

#else

namespace {

template <class R>
struct LanesOf {
    using Values = R;
};

template <class R>
struct ChosenOf {
    using Values = bool;
};

SEMOPT_HD int count(bool chosen) { return chosen; }
template <class I>
SEMOPT_HD bool below(I x, I limit) {
    return std::make_unsigned_t<I>(x) < std::make_unsigned_t<I>(limit);
}
template <class R>
SEMOPT_HD R load(bool chosen, const R* from, R rest) {
    return chosen ? *from : rest;
}
template <class R>
SEMOPT_HD void store(bool, R x, R* to) {
    *to = x;
}
template <class I>
SEMOPT_HD I load_index(bool, const long long* from, I) {
    const I low = I(*from);
    return low == *from ? low : std::numeric_limits<I>::min();
}
template <class I>
SEMOPT_HD void store_bytes(bool, I x, unsigned char* to) {
    *to = (unsigned char)x;
}
template <class V>
SEMOPT_HD V choose(bool chosen, V x, V other) {
    return chosen ? x : other;
}
template <class V, class I>
SEMOPT_HD V permute(V x, I) {
    return x;
}
template <class R, class I>
SEMOPT_HD R gather(bool chosen, const R* from, I at) {
    const R none{};
    return *(chosen ? from + at : &none);
}
template <class R, class I>
SEMOPT_HD R gather(const R* from, I at) {
    return from[at];
}

}  // namespace

#endif

// Of each object its own, as the widths differ.
namespace {

template <class R>
using Lanes = typename LanesOf<R>::Values;

template <class R>
using Chosen = typename ChosenOf<R>::Values;

template <class R>
constexpr int kWidth = sizeof(Lanes<R>) / sizeof(R);

template <class V, class T>
SEMOPT_HD V load(const T* from) {
    if constexpr (sizeof(V) == sizeof(T)) {
        return *from;
    } else {
        V values;
        __builtin_memcpy(&values, from, sizeof values);
        return values;
    }
}

template <class V, class T>
SEMOPT_HD void store(V values, T* to) {
    if constexpr (sizeof(V) == sizeof(T))
        *to = values;
    else
        __builtin_memcpy(to, &values, sizeof values);
}

// Calls body(i, lanes) for vectors of `count` numbers, the last of which may have lanes left over.
template <class R, class Body>
SEMOPT_HD void in_vectors(int count, Body body) {
    constexpr int kLanes = kWidth<R>;
    int i = 0;
#pragma GCC ivdep
    for (; i + kLanes <= count; i += kLanes) body(i, Chosen<R>(kAll));
    if (i < count) body(i, Chosen<R>((1u << (count - i)) - 1));
}

// finish(i, lanes, begin(i, lanes)) for such vectors: one is begun beside the end of that before
// it, so that a core, which sees so far ahead and no further, has more to do at a time.
template <class R, class Begin, class Finish>
SEMOPT_HD void in_two_steps(int count, Begin begin, Finish finish) {
    constexpr int kLanes = kWidth<R>;
    const Chosen<R> all(kAll);
    int i = 0;
    if constexpr (kLanes == 1) {
#pragma GCC ivdep
        for (; i < count; ++i) finish(i, all, begin(i, all));
        return;
    }
    if (count >= kLanes) {
        auto before = begin(0, all);
        for (i = kLanes; i + kLanes <= count; i += kLanes) {
            const auto now = begin(i, all);
            finish(i - kLanes, all, before);
            before = now;
        }
        finish(i - kLanes, all, before);
    }
    const Chosen<R> rest((1u << (count - i)) - 1);
    if (i < count) finish(i, rest, begin(i, rest));
}

template <class R>
constexpr Index<R> kCounting[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

// A record with the same numbers in every lane.
template <template <class> class Record, class R>
SEMOPT_HD Record<Lanes<R>> in_lanes(const Record<R>& record) {
    constexpr int kFields = sizeof record / sizeof(R);  // of one type (model.h)
    R from[kFields];
    Lanes<R> to[kFields];
    __builtin_memcpy(from, &record, sizeof record);
    for (int f = 0; f < kFields; ++f) to[f] = math::all<Lanes<R>>(from[f]);
    Record<Lanes<R>> out;
    __builtin_memcpy(&out, to, sizeof out);
    return out;
}

#if SEMOPT_AVX512

// Numbers of which a lane may ask for any: as many as a register has.
template <class R>
class Few {
    using V = Lanes<R>;

  public:
    Few() = default;
    explicit Few(const R* from) : values_(load<V>(from)) {}

    V operator[](Index<V> at) const {
        if constexpr (kWidth<R> == 8)
            return (V)_mm512_maskz_permutexvar_pd(kAll, (__m512i)at, (__m512d)values_);
        else
            return (V)_mm512_maskz_permutexvar_ps(kAll, (__m512i)at, (__m512)values_);
    }

  private:
    V values_;
};

// As many as two registers have; only the low bits of `at` count.
template <class R>
class Many {
    using V = Lanes<R>;

  public:
    explicit Many(const R* from) : low_(load<V>(from)), high_(load<V>(from + kWidth<R>)) {}
    Many(V low, V high) : low_(low), high_(high) {}

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
using Entries = std::conditional_t<kWidth<R> == 16, Few<R>, Many<R>>;  // 16 numbers

#else

// Of the first three numbers.
template <class R>
class Few {
  public:
    explicit Few(const R* from) : first_(from[0]), second_(from[1]), third_(from[2]) {}

    R operator[](Index<R> at) const {
        const R rest = at == 1 ? second_ : third_;
        return at == 0 ? first_ : rest;
    }

  private:
    R first_, second_, third_;
};

#endif

// Brings the chosen lanes to the front, in order. One register is compressed, of lanes' numbers,
// and the others follow by a permutation, which takes a core a fifth of the time.
template <class R>
class Compress {
  public:
#if SEMOPT_AVX512
    explicit Compress(Chosen<R> chosen)
        : at_(compress(chosen, load<Index<Lanes<R>>>(kCounting<R>))) {}

    template <class V>
    V operator()(V x) const {
        return permute(x, at_);
    }

  private:
    Index<Lanes<R>> at_;
#else
    explicit Compress(Chosen<R>) {}

    template <class V>
    V operator()(V x) const {
        return x;
    }
#endif
};

// The reverse: the first lanes of x where chosen, elsewhere those of `other`.
template <class R>
class Expand {
  public:
#if SEMOPT_AVX512
    explicit Expand(Chosen<R> chosen)
        : chosen_(chosen), at_(expand(chosen, load<Index<Lanes<R>>>(kCounting<R>))) {}

    Lanes<R> operator()(Lanes<R> x, Lanes<R> other) const {
        return permute(chosen_, x, at_, other);
    }

  private:
    Chosen<R> chosen_;
    Index<Lanes<R>> at_;
#else
    explicit Expand(Chosen<R> chosen) : chosen_(chosen) {}

    Lanes<R> operator()(Lanes<R> x, Lanes<R> other) const { return chosen_ ? x : other; }

  private:
    Chosen<R> chosen_;
#endif
};

// The first or second (`at` 0 or 1) of each lane's two numbers.
template <class R>
SEMOPT_HD Lanes<R> one_of_two(Chosen<R> lanes, const R* from, Index<Lanes<R>> at) {
    using V = Lanes<R>;
#if SEMOPT_AVX512
    const unsigned long long both = (1ull << 2 * count(lanes)) - 1;  // of the first lanes
    const V low = load(Chosen<R>(both), from, V{}),
            high = load(Chosen<R>(both >> kWidth<R>), from + kWidth<R>, V{});
    return Many<R>(low, high)[2 * load<Index<V>>(kCounting<R>) + at];
#else
    return from[lanes && at == 1];
#endif
}

}  // namespace
}  // namespace semopt
