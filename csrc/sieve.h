// The offloaded tasks of a block close ranks, and what was found for them goes back to their
// places: with AVX-512 by the instructions made for it, elsewhere a task at a time.
#pragma once

#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include <immintrin.h>
#define SEMOPT_AVX512 1
#else
#define SEMOPT_AVX512 0
#endif

#include "model.h"

namespace semopt {
namespace {

#if SEMOPT_AVX512

inline __mmask8 offloaded(const long long* channel) {
    return _mm512_movepi64_mask(_mm512_loadu_si512(channel)) ^ __mmask8(~0);
}
inline __mmask16 offloaded(const int* channel) {
    return _mm512_movepi32_mask(_mm512_loadu_si512(channel)) ^ __mmask16(~0);
}
inline __m512i close_ranks(__mmask8 chosen, __m512i x) {
    return _mm512_maskz_compress_epi64(chosen, x);
}
inline __m512i close_ranks(__mmask16 chosen, __m512i x) {
    return _mm512_maskz_compress_epi32(chosen, x);
}
inline __m512i open_ranks(__m512i other, __mmask8 chosen, __m512i x) {
    return _mm512_mask_expand_epi64(other, chosen, x);
}
inline __m512i open_ranks(__m512i other, __mmask16 chosen, __m512i x) {
    return _mm512_mask_expand_epi32(other, chosen, x);
}

#endif

// Copies what belongs to the tasks whose channel is not negative, in order; returns how many there
// are. `count` is a multiple of a vector's lanes; as many more numbers are written as those have.
template <class R, int kArrays>
int close_ranks(const Index<R>* channel, int count, const R* const (&from)[kArrays],
                R* const (&to)[kArrays]) {
    int kept = 0;
#if SEMOPT_AVX512
    for (int i = 0; i < count; i += int(64 / sizeof(R))) {
        const auto chosen = offloaded(channel + i);
        SEMOPT_UNROLL
        for (int a = 0; a < kArrays; ++a)
            _mm512_storeu_si512(to[a] + kept, close_ranks(chosen, _mm512_loadu_si512(from[a] + i)));
        kept += __builtin_popcount(chosen);
    }
#else
    for (int i = 0; i < count; ++i) {
        SEMOPT_UNROLL
        for (int a = 0; a < kArrays; ++a) to[a][kept] = from[a][i];
        kept += channel[i] >= 0;
    }
#endif
    return kept;
}

// The reverse: overwrites what belongs to those tasks.
template <class R, int kArrays>
void open_ranks(const Index<R>* channel, int count, const R* const (&from)[kArrays],
                R* const (&to)[kArrays]) {
    int next = 0;
#if SEMOPT_AVX512
    for (int i = 0; i < count; i += int(64 / sizeof(R))) {
        const auto chosen = offloaded(channel + i);
        SEMOPT_UNROLL
        for (int a = 0; a < kArrays; ++a)
            _mm512_storeu_si512(to[a] + i, open_ranks(_mm512_loadu_si512(to[a] + i), chosen,
                                                      _mm512_loadu_si512(from[a] + next)));
        next += __builtin_popcount(chosen);
    }
#else
    for (int i = 0; i < count; ++i) {
        const bool here = channel[i] >= 0;
        SEMOPT_UNROLL
        for (int a = 0; a < kArrays; ++a) to[a][i] = here ? from[a][next] : to[a][i];
        next += here;
    }
#endif
}

}  // namespace
}  // namespace semopt
