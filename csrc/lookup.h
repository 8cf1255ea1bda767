// Padded accuracy tables (model.h) with AVX-512, where an axis is one register or two: a number's
// cell is found by halving the axis, and what belongs to the cell by a permutation, in place of a
// load a lane. The values are those of model.h. Included by score_loops.h alone.
#pragma once

#include <immintrin.h>

#include "model.h"

namespace semopt {
namespace {

template <class R>
struct Lanes {
    static constexpr int kWidth = 64 / sizeof(R);
    typedef R Values __attribute__((vector_size(64)));
    typedef Index<R> Indices __attribute__((vector_size(64)));
};

template <class R>
typename Lanes<R>::Values load(const R* from) {
    typename Lanes<R>::Values values;
    __builtin_memcpy(&values, from, sizeof values);
    return values;
}

// kAxis numbers.
template <class R>
class Entries {
  public:
    using Values = typename Lanes<R>::Values;
    using Indices = typename Lanes<R>::Indices;

    // Reads `count` numbers; zeros follow.
    Entries(const R* from, int count) {
        R whole[kAxis] = {};
        for (int i = 0; i < count; ++i) whole[i] = from[i];
        low_ = load(whole);
        high_ = load(whole + kAxis - Lanes<R>::kWidth);
    }

    Values operator[](Indices at) const {
        return kAxis > Lanes<R>::kWidth ? __builtin_shuffle(low_, high_, at)
                                        : __builtin_shuffle(low_, at);
    }

  private:
    Values low_, high_;
};

template <class R>
class Axis {
  public:
    using Values = typename Lanes<R>::Values;
    using Indices = typename Lanes<R>::Indices;

    Axis(const R* axis, const R* scale) : edge_(axis, kAxis), scale_(scale, kAxis - 1) {}

    Indices cell(Values x) const {
        Indices cell = {};
        for (int step = kAxis / 2; step > 0; step /= 2) {
            const Indices next = cell + step;
            cell = x >= edge_[next] ? next : cell;
        }
        const Indices last = Indices{} + (kAxis - 2);
        return cell < last ? cell : last;
    }

    Values share(Indices cell, Values x) const { return axis_share(edge_[cell], scale_[cell], x); }

  private:
    Entries<R> edge_, scale_;
};

// table[at] and table[at + 1] of eight indices: both in one load, where a gather takes two.
typedef double Eight __attribute__((vector_size(64)));

inline Eight joined(__m128d a, __m128d b, __m128d c, __m128d d) {
    const __m256d low = __builtin_shufflevector(a, b, 0, 1, 2, 3),
                  high = __builtin_shufflevector(c, d, 0, 1, 2, 3);
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}

void pairs(const double* table, const long long* at, Lanes<double>::Values& first,
           Lanes<double>::Values& second) {
    const auto both = [&](int i) { return _mm_loadu_pd(table + at[i]); };
    const Eight low = joined(both(0), both(1), both(2), both(3)),
                high = joined(both(4), both(5), both(6), both(7));
    const Lanes<double>::Indices even = {0, 2, 4, 6, 8, 10, 12, 14};
    first = __builtin_shuffle(low, high, even);
    second = __builtin_shuffle(low, high, even + 1);
}

void pairs(const float* table, const int* at, Lanes<float>::Values& first,
           Lanes<float>::Values& second) {
    const auto both = [&](int i) {
        return _mm_loadh_pd(_mm_load_sd((const double*)(table + at[i])),
                            (const double*)(table + at[i + 1]));
    };
    const auto low = (Lanes<float>::Values)joined(both(0), both(2), both(4), both(6)),
               high = (Lanes<float>::Values)joined(both(8), both(10), both(12), both(14));
    const Lanes<float>::Indices even = {0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30};
    first = __builtin_shuffle(low, high, even);
    second = __builtin_shuffle(low, high, even + 1);
}

template <class R>
void raw_accuracies(const AccuracyTable<R>& table, const R* snr_db, int count, R* accuracy) {
    const Axis<R> axis(table.snr_db, table.snr_scale);
    const Entries<R> reached(table.raw, kAxis);
    for (int i = 0; i < count; i += Lanes<R>::kWidth) {
        const auto x = load(snr_db + i);
        const auto j = axis.cell(x);
        const auto found = between(axis.share(j, x), reached[j], reached[j + 1]);
        __builtin_memcpy(accuracy + i, &found, sizeof found);
    }
}

template <class R>
void semantic_accuracies(const AccuracyTable<R>& table, const R* extraction, const R* snr_db,
                         int count, R* accuracy) {
    const Axis<R> across(table.snr_db, table.snr_scale),
        down(table.extraction, table.extraction_scale);
    for (int n = 0; n < count; n += Lanes<R>::kWidth) {
        const auto x = load(snr_db + n), mu = load(extraction + n);
        const auto j = across.cell(x), i = down.cell(mu), cell = i * kAxis + j;
        Index<R> at[Lanes<R>::kWidth];
        __builtin_memcpy(at, &cell, sizeof at);
        typename Lanes<R>::Values low, low_next, high, high_next;
        pairs(table.table, at, low, low_next);
        pairs(table.table + kAxis, at, high, high_next);
        const auto v = across.share(j, x);
        const auto found =
            between(down.share(i, mu), between(v, low, low_next), between(v, high, high_next));
        __builtin_memcpy(accuracy + n, &found, sizeof found);
    }
}

}  // namespace
}  // namespace semopt
