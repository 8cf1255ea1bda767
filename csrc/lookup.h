// The accuracy of offloaded tasks of any kind, from tables whose axes have at most kAxis points.
//
// With AVX-512 an axis is one register or two: a number's cell is found by halving the axis, and
// what belongs to the cell by a permutation, in place of a load a lane. The four corners of a cell
// lie side by side, so that one load brings them. The values are those of model.h.
#pragma once

#include "cpu.h"
#include "sieve.h"

namespace semopt {
namespace {

// The offloaded tasks of a block at most, and as many lanes as no vector has more of.
template <class R>
constexpr int kMostAway = kBlock<R> + 16;

// Where each task's accuracy lies: the first corner of its cell, and its shares of the cell.
template <class R>
struct alignas(64) Cells {
    Index<R> at[kMostAway<R>];
    R down[kMostAway<R>], across[kMostAway<R>];
};

#if SEMOPT_AVX512

template <class R>
struct Lanes {
    static constexpr int kWidth = 64 / sizeof(R);
    typedef R Values __attribute__((vector_size(64)));
    typedef Index<R> Indices __attribute__((vector_size(64)));
};

template <class V, class T>
V load(const T* from) {
    V values;
    __builtin_memcpy(&values, from, sizeof values);
    return values;
}

// kAxis numbers, any of which a lane may ask for.
template <class R>
class Entries {
  public:
    using Values = typename Lanes<R>::Values;
    using Indices = typename Lanes<R>::Indices;

    explicit Entries(const R* from)
        : low_(load<Values>(from)), high_(load<Values>(from + kAxis - Lanes<R>::kWidth)) {}

    Values operator[](Indices at) const {
        return kAxis > Lanes<R>::kWidth ? __builtin_shuffle(low_, high_, at)
                                        : __builtin_shuffle(low_, at);
    }

  private:
    Values low_, high_;
};

template <class R>
struct Position {
    typename Lanes<R>::Indices cell;
    typename Lanes<R>::Values share;  // of the cell, 0 to 1
};

template <class R>
class Axis {
  public:
    using Values = typename Lanes<R>::Values;
    using Indices = typename Lanes<R>::Indices;

    explicit Axis(const R* points) : edge_(points), scale_(points + kAxis) {}

    Position<R> operator()(Values x) const {
        Indices cell = {};
        for (int step = kAxis / 2; step > 0; step /= 2) {
            const Indices next = cell + step;
            cell = x >= edge_[next] ? next : cell;
        }
        const Indices last = Indices{} + (kAxis - 2);
        cell = cell < last ? cell : last;
        return {cell, axis_share(edge_[cell], scale_[cell], x)};
    }

  private:
    Entries<R> edge_, scale_;
};

// What lies at corners + 2 at[i]: (low, high, low_next, high_next) of each lane.
inline void load_corners(const double* corners, const long long* at,
                         Lanes<double>::Values (&out)[4]) {
    typedef double Corners __attribute__((vector_size(32)));
    const auto both = [&](int i) {  // lanes i and i + 4
        return __builtin_shufflevector(load<Corners>(corners + 2 * at[i]),
                                       load<Corners>(corners + 2 * at[i + 4]), 0, 1, 2, 3, 4, 5, 6,
                                       7);
    };
    const auto a = both(0), b = both(1), c = both(2), d = both(3);
    // Of lanes 0 and 1 (2 and 3): low, low, low_next, low_next; then of 4 and 5 (6 and 7). And
    // high.
    const auto low_ab = __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14),
               low_cd = __builtin_shufflevector(c, d, 0, 8, 2, 10, 4, 12, 6, 14),
               high_ab = __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15),
               high_cd = __builtin_shufflevector(c, d, 1, 9, 3, 11, 5, 13, 7, 15);
    out[0] = __builtin_shufflevector(low_ab, low_cd, 0, 1, 8, 9, 4, 5, 12, 13);
    out[1] = __builtin_shufflevector(high_ab, high_cd, 0, 1, 8, 9, 4, 5, 12, 13);
    out[2] = __builtin_shufflevector(low_ab, low_cd, 2, 3, 10, 11, 6, 7, 14, 15);
    out[3] = __builtin_shufflevector(high_ab, high_cd, 2, 3, 10, 11, 6, 7, 14, 15);
}

inline void load_corners(const float* corners, const int* at, Lanes<float>::Values (&out)[4]) {
    typedef double Corners __attribute__((vector_size(16)));  // pairs: (low, high), those next
    typedef double Pairs __attribute__((vector_size(64)));
    const auto corner = [&](int i) { return load<Corners>(corners + 2 * at[i]); };
    const auto four = [&](int i) {  // lanes i, i + 4, i + 8 and i + 12
        const auto two = __builtin_shufflevector(corner(i), corner(i + 4), 0, 1, 2, 3),
                   rest = __builtin_shufflevector(corner(i + 8), corner(i + 12), 0, 1, 2, 3);
        return __builtin_shufflevector(two, rest, 0, 1, 2, 3, 4, 5, 6, 7);
    };
    const Pairs a = four(0), b = four(1), c = four(2), d = four(3);
    using Values = Lanes<float>::Values;
    const auto first = [](Pairs x, Pairs y) {  // the pairs (low, high) of lanes, side by side
        return (Values)__builtin_shufflevector(x, y, 0, 8, 2, 10, 4, 12, 6, 14);
    };
    const auto second = [](Pairs x, Pairs y) {
        return (Values)__builtin_shufflevector(x, y, 1, 9, 3, 11, 5, 13, 7, 15);
    };
    const auto even = [](Values x, Values y) {
        return __builtin_shufflevector(x, y, 0, 2, 16, 18, 4, 6, 20, 22, 8, 10, 24, 26, 12, 14, 28,
                                       30);
    };
    const auto odd = [](Values x, Values y) {
        return __builtin_shufflevector(x, y, 1, 3, 17, 19, 5, 7, 21, 23, 9, 11, 25, 27, 13, 15, 29,
                                       31);
    };
    const Values now_ab = first(a, b), now_cd = first(c, d), next_ab = second(a, b),
                 next_cd = second(c, d);
    out[0] = even(now_ab, now_cd);
    out[1] = odd(now_ab, now_cd);
    out[2] = even(next_ab, next_cd);
    out[3] = odd(next_ab, next_cd);
}

template <class T, class V>
void store(V values, T* to) {
    __builtin_memcpy(to, &values, sizeof values);
}

template <bool kShared, class R>
void find_cells(const Lookup<R>& lookup, int kinds, const Index<R>* kind, const R* extraction,
                const R* snr_db, int count, Cells<R>& cells) {
    using Values = typename Lanes<R>::Values;
    using Indices = typename Lanes<R>::Indices;
    const auto axis = [&](int k, int which) {
        return Axis<R>(lookup.axes + (2 * k + which) * 2 * kAxis);
    };
    const Axis<R> down = axis(0, 0), across = axis(0, 1);
    for (int n = 0; n < count; n += Lanes<R>::kWidth) {
        const Values mu = load<Values>(extraction + n), x = load<Values>(snr_db + n);
        const Indices own = load<Indices>(kind + n);
        Position<R> row = down(mu), column = across(x);
        for (int k = 1; !kShared && k < kinds; ++k) {
            const Position<R> other_row = axis(k, 0)(mu), other_column = axis(k, 1)(x);
            row = {own == k ? other_row.cell : row.cell, own == k ? other_row.share : row.share};
            column = {own == k ? other_column.cell : column.cell,
                      own == k ? other_column.share : column.share};
        }
        const auto raw = mu >= 1;
        const Indices i = raw ? Indices{} + kAxis : row.cell;
        store((own * (kAxis + 1) + i) * kAxis + column.cell, cells.at + n);
        store(raw ? Values{} : row.share, cells.down + n);
        store(column.share, cells.across + n);
    }
}

template <class R>
void interpolate(const R* corners, const Cells<R>& cells, int count, R* accuracy) {
    using Values = typename Lanes<R>::Values;
    for (int n = 0; n < count; n += Lanes<R>::kWidth) {
        Values corner[4];
        load_corners(corners, cells.at + n, corner);
        const Values u = load<Values>(cells.down + n), v = load<Values>(cells.across + n);
        store(between(u, between(v, corner[0], corner[2]), between(v, corner[1], corner[3])),
              accuracy + n);
    }
}

#else

// The cell and share of each x on the axis of tasks of kind k.
template <class R>
void locate(const R* axis, Index<R> k, const Index<R>* kind, const R* x, int count, Index<R>* cell,
            R* share) {
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        Index<R> found = 0;
        SEMOPT_UNROLL
        for (int p = 1; p < kAxis - 1; ++p) found = x[i] >= axis[p] ? Index<R>(p) : found;
        const R part = axis_share(axis[found], axis[kAxis + found], x[i]);
        cell[i] = kind[i] == k ? found : cell[i];
        share[i] = kind[i] == k ? part : share[i];
    }
}

template <bool kShared, class R>
void find_cells(const Lookup<R>& lookup, int kinds, const Index<R>* kind, const R* extraction,
                const R* snr_db, int count, Cells<R>& cells) {
    static constexpr Index<R> kSame[kMostAway<R>] = {};
    Index<R> row[kMostAway<R>] = {}, column[kMostAway<R>] = {};
    const Index<R>* const own = kShared ? kSame : kind;
    for (int k = 0; k < (kShared ? 1 : kinds); ++k) {
        const R* const axes = lookup.axes + k * 4 * kAxis;
        locate(axes, Index<R>(k), own, extraction, count, row, cells.down);
        locate(axes + 2 * kAxis, Index<R>(k), own, snr_db, count, column, cells.across);
    }
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const bool raw = extraction[i] >= R(1);
        cells.at[i] =
            (kind[i] * (kAxis + 1) + (raw ? Index<R>(kAxis) : row[i])) * kAxis + column[i];
        cells.down[i] = raw ? R(0) : cells.down[i];
    }
}

template <class R>
void interpolate(const R* corners, const Cells<R>& cells, int count, R* accuracy) {
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const R* const corner = corners + 2 * cells.at[i];
        accuracy[i] = between(cells.down[i], between(cells.across[i], corner[0], corner[2]),
                              between(cells.across[i], corner[1], corner[3]));
    }
}

#endif

// Accuracies of offloaded tasks (10). In two passes: so short, the core works at several vectors of
// each at a time.
template <class R>
void find_accuracies(const Lookup<R>& lookup, int kinds, const Index<R>* kind, const R* extraction,
                     const R* snr_db, int count, R* accuracy) {
    Cells<R> cells;
    (lookup.shared ? find_cells<true, R> : find_cells<false, R>)(lookup, kinds, kind, extraction,
                                                                 snr_db, count, cells);
    interpolate(lookup.corners, cells, count, accuracy);
}

}  // namespace
}  // namespace semopt
