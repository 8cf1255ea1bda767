// Registers of numbers, by the instructions of AVX2. Included by lanes.h alone.
//
// LaneMask lanes are a number with a bit for each, as with AVX-512. Tables turn it into a
// permutation of words of 32 bits, which can express any permutation of doubles or of floats.
#pragma once

#include <immintrin.h>

#include <limits>

#include "isa/lanes.h"

namespace semopt {
namespace math {

template <>
struct Operations<Doubles> : PlainOperations<Doubles> {
    SEMOPT_HD Doubles multiply_add(Doubles a, Doubles b, Doubles c) {
        return (Doubles)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
    }
    // Of two numbers, one of them NaN, these instructions take the second.
    SEMOPT_HD Doubles clamp(Doubles x, Doubles low, Doubles high) {
        return (Doubles)_mm256_min_pd((__m256d)high, _mm256_max_pd((__m256d)low, (__m256d)x));
    }
};

template <>
struct Operations<Floats> : PlainOperations<Floats> {
    SEMOPT_HD Floats multiply_add(Floats a, Floats b, Floats c) {
        return (Floats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
    }
    SEMOPT_HD Floats clamp(Floats x, Floats low, Floats high) {
        return (Floats)_mm256_min_ps((__m256)high, _mm256_max_ps((__m256)low, (__m256)x));
    }
};

}  // namespace math

namespace {

template <int kLanes>
class LaneBits {
  public:
    LaneBits() = default;
    // Bits beyond the lanes are left out.
    constexpr LaneBits(unsigned bits) : bits_(bits & ((1u << kLanes) - 1)) {}
    constexpr operator unsigned() const { return bits_; }

  private:
    unsigned char bits_;
};

template <>
struct LanesOf<double> {
    using Values = Doubles;
    using Mask = LaneBits<4>;
};
template <>
struct LanesOf<float> {
    using Values = Floats;
    using Mask = LaneBits<8>;
};

SEMOPT_HD int count(unsigned lanes) { return __builtin_popcount(lanes); }

// All bits of a lane where chosen.
SEMOPT_HD __m256i spread(LaneBits<4> chosen) {
    const __m256i bit = _mm256_setr_epi64x(1, 2, 4, 8);
    return _mm256_cmpeq_epi64(_mm256_and_si256(_mm256_set1_epi64x(chosen), bit), bit);
}
SEMOPT_HD __m256i spread(LaneBits<8> chosen) {
    const __m256i bit = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(int(chosen)), bit), bit);
}

// Lanes where the highest bit is set.
SEMOPT_HD LaneBits<4> high_bits(Index<Doubles> x) { return _mm256_movemask_pd((__m256d)x); }
SEMOPT_HD LaneBits<8> high_bits(Index<Floats> x) { return _mm256_movemask_ps((__m256)x); }

// Lanes where x, taken as unsigned, is below `limit`, which is not negative.
template <class I, class Limit>
SEMOPT_HD auto below(I x, Limit limit) {
    return high_bits((I)(x < limit) & ~x);
}

// The words of x where the highest bit of `where` is set.
template <class V>
SEMOPT_HD V blend(__m256i where, V x, V other) {
    return (V)_mm256_blendv_ps((__m256)other, (__m256)x, (__m256)where);
}
template <int kLanes, class V>
SEMOPT_HD V choose(LaneBits<kLanes> chosen, V x, V other) {
    return blend(spread(chosen), x, other);
}

// The even numbers of a and then b, and the odd ones.
template <class V>
struct EvenAndOdd {
    V even, odd;
};

template <class V>
SEMOPT_HD EvenAndOdd<V> deinterleave(V a, V b) {
    const auto in_order = [](auto pairs) {
        return (V)_mm256_permute4x64_epi64((__m256i)pairs, 0xd8);
    };
    if constexpr (sizeof a[0] == 8)
        return {in_order(_mm256_unpacklo_pd((__m256d)a, (__m256d)b)),
                in_order(_mm256_unpackhi_pd((__m256d)a, (__m256d)b))};
    else
        return {in_order(_mm256_shuffle_ps((__m256)a, (__m256)b, 0x88)),
                in_order(_mm256_shuffle_ps((__m256)a, (__m256)b, 0xdd))};
}

// ---- loads and stores of chosen lanes: others have what is in `rest`, or stay ----

SEMOPT_HD __m256i load_chosen(__m256i chosen, const double* from) {
    return (__m256i)_mm256_maskload_pd(from, chosen);
}
SEMOPT_HD __m256i load_chosen(__m256i chosen, const float* from) {
    return (__m256i)_mm256_maskload_ps(from, chosen);
}
SEMOPT_HD __m256i load_chosen(__m256i chosen, const long long* from) {
    return _mm256_maskload_epi64(from, chosen);
}

template <int kLanes, class V, class T>
SEMOPT_HD V load(LaneBits<kLanes> chosen, const T* from, V rest) {
    if (chosen == LaneBits<kLanes>(kAll)) return load<V>(from);
    const __m256i where = spread(chosen);
    return blend(where, (V)load_chosen(where, from), rest);
}

SEMOPT_HD void store(LaneBits<4> chosen, Doubles x, double* to) {
    if (chosen == LaneBits<4>(kAll)) return store(x, to);
    _mm256_maskstore_pd(to, spread(chosen), (__m256d)x);
}
SEMOPT_HD void store(LaneBits<8> chosen, Floats x, float* to) {
    if (chosen == LaneBits<8>(kAll)) return store(x, to);
    _mm256_maskstore_ps(to, spread(chosen), (__m256)x);
}

// Indices of 64 bits; what does not fit into a lane becomes one that is as much out of range.
SEMOPT_HD Index<Doubles> load_index(LaneBits<4> chosen, const long long* from,
                                    Index<Doubles> rest) {
    return load(chosen, from, rest);
}
SEMOPT_HD Index<Floats> load_index(LaneBits<8> chosen, const long long* from, Index<Floats> rest) {
    const Index<Doubles> none{};
    const auto [low, high] =
        deinterleave((Index<Floats>)load(LaneBits<4>(chosen), from, none),
                     (Index<Floats>)load(LaneBits<4>(chosen >> 4), from + 4, none));
    const Index<Floats> lowest = Index<Floats>{} + std::numeric_limits<int>::min();
    const Index<Floats> index = high == low >> 31 ? low : lowest;
    return chosen == LaneBits<8>(kAll) ? index : choose(chosen, index, rest);
}

// The lowest byte of each of the first lanes.
template <int kLanes, class I>
SEMOPT_HD void store_bytes(LaneBits<kLanes> chosen, I x, unsigned char* to) {
    // Those of each half to its front; then the front of one behind that of the other.
    const __m256i front = _mm256_set1_epi32(kLanes == 4 ? 0x0800 : 0x0c080400);
    const __m256i bytes = _mm256_shuffle_epi8((__m256i)x, front);
    const __m128i low = _mm256_castsi256_si128(bytes), high = _mm256_extracti128_si256(bytes, 1);
    const long long all = _mm_cvtsi128_si64(kLanes == 4 ? _mm_unpacklo_epi16(low, high)
                                                        : _mm_unpacklo_epi32(low, high));
    __builtin_memcpy(to, &all, chosen == LaneBits<kLanes>(kAll) ? kLanes : count(chosen));
}

// ---- permutations ----

// Lanes by the numbers of their words.
SEMOPT_HD __m256i words(Index<Doubles> at) {
    const Index<Doubles> twice = at + at;
    return (__m256i)((twice & 0xffffffff) | (twice + 1) << 32);
}
SEMOPT_HD __m256i words(Index<Floats> at) { return (__m256i)at; }

template <class V>
SEMOPT_HD V permute_words(V x, __m256i at) {
    return (V)_mm256_permutevar8x32_epi32((__m256i)x, at);
}

// Lane at[l] of x in lane l.
template <class V, class I>
SEMOPT_HD V permute(V x, I at) {
    return permute_words(x, words(at));
}

// For each choice of lanes, the words that compress it (0: none is left) or expand it (-1: not
// chosen).
template <int kLanes>
struct Permutations {
    signed char compress[1 << kLanes][8], expand[1 << kLanes][8];

    constexpr Permutations() : compress(), expand() {
        constexpr int kWords = 8 / kLanes;  // of a lane
        for (int chosen = 0; chosen < 1 << kLanes; ++chosen) {
            int front = 0;
            for (int w = 0; w < 8; ++w) {
                const bool is_chosen = chosen & 1 << w / kWords;
                expand[chosen][w] = is_chosen ? front : -1;
                if (is_chosen) compress[chosen][front++] = w;
            }
        }
    }
};
template <class R>
constexpr Permutations<kWidth<R>> kPermutations{};

SEMOPT_HD __m256i load_permutation(const signed char (&permutation)[8]) {
    return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)permutation));
}

// Brings the chosen lanes to the front, in order.
template <class R>
class Compress {
  public:
    explicit Compress(LaneMask<R> chosen)
        : at_(load_permutation(kPermutations<R>.compress[chosen])) {}

    template <class V>
    V operator()(V x) const {
        return permute_words(x, at_);
    }

  private:
    __m256i at_;
};

// The reverse: the first lanes of x where chosen, elsewhere those of `other`.
template <class R>
class Expand {
  public:
    explicit Expand(LaneMask<R> chosen) : at_(load_permutation(kPermutations<R>.expand[chosen])) {}

    Lanes<R> operator()(Lanes<R> x, Lanes<R> other) const {
        return blend(at_, other, permute_words(x, at_));
    }

  private:
    __m256i at_;
};

// 16 floats of which a lane may ask for any.
template <class R>
class Entries {
    static_assert(kWidth<R> == 8, "doubles would take four registers");
    using V = Lanes<R>;

  public:
    explicit Entries(const R* from) : low_(load<V>(from)), high_(load<V>(from + 8)) {}

    V operator[](Index<V> at) const {  // bit 3 of `at` says in which register
        return blend((__m256i)(at << 28), permute(high_, at), permute(low_, at));
    }

  private:
    V low_, high_;
};

// What a number is without its fraction.
SEMOPT_HD Index<Floats> truncate(Floats x) { return (Index<Floats>)_mm256_cvttps_epi32((__m256)x); }

// ---- from anywhere ----

SEMOPT_HD Doubles gather(LaneBits<4> chosen, const double* from, Index<Doubles> at) {
    return (Doubles)_mm256_mask_i64gather_pd(__m256d{}, from, (__m256i)at, (__m256d)spread(chosen),
                                             sizeof *from);
}
SEMOPT_HD Floats gather(LaneBits<8> chosen, const float* from, Index<Floats> at) {
    return (Floats)_mm256_mask_i32gather_ps(__m256{}, from, (__m256i)at, (__m256)spread(chosen),
                                            sizeof *from);
}
template <class R>
SEMOPT_HD Lanes<R> gather(const R* from, Index<Lanes<R>> at) {
    return gather(LaneMask<R>(kAll), from, at);
}
// The same of an array, by single loads: a gather takes many processors longer.
template <size_t length>
SEMOPT_HD Doubles pick(const double (&from)[length], Index<Doubles> at) {
    return (Doubles)_mm256_setr_pd(from[at[0]], from[at[1]], from[at[2]], from[at[3]]);
}

// The first or second (`at` 0 or 1) of two numbers for each of the first lanes.
template <class R>
SEMOPT_HD Lanes<R> one_of_two(LaneMask<R> lanes, const R* from, Index<Lanes<R>> at) {
    using V = Lanes<R>;
    const unsigned both = (1u << 2 * count(lanes)) - 1;
    const V a = load(LaneMask<R>(both), from, V{}),
            b = load(LaneMask<R>(both >> kWidth<R>), from + kWidth<R>, V{});
    const auto [first, second] = deinterleave(a, b);
    return blend((__m256i)(at > 0), second, first);
}

// Four numbers that lie together at from + 2 at[l], one in each of four registers.
inline void load_fours(const double* from, const long long* at, Doubles (&out)[4]) {
    const auto four = [&](int l) { return _mm256_loadu_pd(from + 2 * at[l]); };
    const __m256d a = four(0), b = four(1), c = four(2), d = four(3);
    const __m256d even_ab = _mm256_unpacklo_pd(a, b), odd_ab = _mm256_unpackhi_pd(a, b),
                  even_cd = _mm256_unpacklo_pd(c, d), odd_cd = _mm256_unpackhi_pd(c, d);
    out[0] = (Doubles)_mm256_permute2f128_pd(even_ab, even_cd, 0x20);
    out[1] = (Doubles)_mm256_permute2f128_pd(odd_ab, odd_cd, 0x20);
    out[2] = (Doubles)_mm256_permute2f128_pd(even_ab, even_cd, 0x31);
    out[3] = (Doubles)_mm256_permute2f128_pd(odd_ab, odd_cd, 0x31);
}

inline void load_fours(const float* from, const int* at, Floats (&out)[4]) {
    const auto both = [&](int l) {  // lanes l and l + 4
        return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(from + 2 * at[l])),
                                    _mm_loadu_ps(from + 2 * at[l + 4]), 1);
    };
    const __m256 a = both(0), b = both(1), c = both(2), d = both(3);
    const __m256 low_ab = _mm256_unpacklo_ps(a, b), high_ab = _mm256_unpackhi_ps(a, b),
                 low_cd = _mm256_unpacklo_ps(c, d), high_cd = _mm256_unpackhi_ps(c, d);
    out[0] = (Floats)_mm256_shuffle_ps(low_ab, low_cd, 0x44);
    out[1] = (Floats)_mm256_shuffle_ps(low_ab, low_cd, 0xee);
    out[2] = (Floats)_mm256_shuffle_ps(high_ab, high_cd, 0x44);
    out[3] = (Floats)_mm256_shuffle_ps(high_ab, high_cd, 0xee);
}

}  // namespace
}  // namespace semopt
