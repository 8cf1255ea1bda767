// Tasks side by side: with AVX-512 a register of numbers, elsewhere one number, of which the
// compiler makes vectors. Loops over tasks are written once, in steps of kWidth. The formulas of
// model.h take either.
#pragma once

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

#if SEMOPT_AVX512

typedef double Doubles __attribute__((vector_size(64)));
typedef float Floats __attribute__((vector_size(64)));

// Masks of all lanes: without one, GCC warns of what these functions leave open.
constexpr int kAll = -1;

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

// Which lanes are not negative.
SEMOPT_HD __mmask8 not_negative(Index<Doubles> x) {
    return _mm512_movepi64_mask((__m512i)x) ^ __mmask8(~0);
}
SEMOPT_HD __mmask16 not_negative(Index<Floats> x) {
    return _mm512_movepi32_mask((__m512i)x) ^ __mmask16(~0);
}
SEMOPT_HD int count(unsigned lanes) { return __builtin_popcount(lanes); }

// The chosen lanes first, in order.
template <class V>
SEMOPT_HD V compress(__mmask8 chosen, V x) {
    return (V)_mm512_maskz_compress_epi64(chosen, (__m512i)x);
}
template <class V>
SEMOPT_HD V compress(__mmask16 chosen, V x) {
    return (V)_mm512_maskz_compress_epi32(chosen, (__m512i)x);
}

// The reverse: the first lanes of x where chosen, elsewhere those of `other`.
SEMOPT_HD Doubles expand(__mmask8 chosen, Doubles x, Doubles other) {
    return (Doubles)_mm512_mask_expand_pd((__m512d)other, chosen, (__m512d)x);
}
SEMOPT_HD Floats expand(__mmask16 chosen, Floats x, Floats other) {
    return (Floats)_mm512_mask_expand_ps((__m512)other, chosen, (__m512)x);
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

template <class I>
SEMOPT_HD bool not_negative(I x) {
    return x >= 0;
}
SEMOPT_HD int count(bool chosen) { return chosen; }
template <class V>
SEMOPT_HD V compress(bool, V x) {
    return x;
}
template <class V>
SEMOPT_HD V expand(bool chosen, V x, V other) {
    return chosen ? x : other;
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

// The first lanes alone, where fewer are `left` than there are; one is.
template <class V, class T>
SEMOPT_HD void store(V values, T* to, int left) {
    constexpr int kLanes = sizeof(V) / sizeof(T);
    if constexpr (kLanes == 1) {
        *to = values;
    } else if (left >= kLanes) {
        store(values, to);
    } else {
        for (int i = 0; i < left; ++i) to[i] = values[i];
    }
}

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

// 16 numbers, any of which a lane may ask for: only the low bits of `at` count.
template <class V>
class Entries {
    using R = math::Number<V>;

  public:
    explicit Entries(const R* from) : low_(load<V>(from)), high_(load<V>(from + 16 - kWidth<R>)) {}

    V operator[](Index<V> at) const {
        if constexpr (kWidth<R> < 16)
            return (V)_mm512_permutex2var_pd((__m512d)low_, (__m512i)at, (__m512d)high_);
        else
            return (V)_mm512_maskz_permutexvar_ps(kAll, (__m512i)at, (__m512)low_);
    }

  private:
    V low_, high_;
};

#endif

}  // namespace
}  // namespace semopt
