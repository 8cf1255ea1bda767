// The accuracy of offloaded tasks of any kind, from tables whose axes have at most kAxis points.
//
// With AVX-512 an axis is one register or two: what belongs to a number's bucket, and then to its
// cell, is found by a permutation, in place of a load a lane. The four corners of a cell lie side
// by side, so that one load brings them. The values are those of model.h.
#pragma once

#include "cpu.h"
#include "lanes.h"

namespace semopt {
namespace {

// The offloaded tasks of a block at most, and lanes that may be left over.
template <class R>
constexpr int kMostAway = kBlock<R> + kMostLanes;

// Where each task's accuracy lies: the first corner of its cell, and its shares of the cell.
template <class R>
struct alignas(64) Cells {
    Index<R> at[kMostAway<R>];
    R down[kMostAway<R>], across[kMostAway<R>];
};

template <class V>
struct Position {
    Index<V> cell;
    V share;  // of the cell, 0 to 1
};

#if SEMOPT_AVX512

template <class R>
class Axis {
    using V = Lanes<R>;

  public:
    explicit Axis(const AxisRows<R>& rows)
        : first_(math::all<V>(rows.first)),
          last_(math::all<V>(rows.last)),
          per_unit_(math::all<V>(rows.per_unit)),
          offset_(math::all<V>(rows.offset)),
          edge_(rows.edge),
          scale_(rows.scale),
          next_(rows.next),
          start_(rows.start),
          steps_(rows.steps) {}

    // The bucket, and from the cell in which that starts step by step to the one of x.
    Position<V> operator()(V x) const {
        const V within = math::Operations<V>::clamp(x, first_, last_);
        const V bucket = math::multiply_add(within, per_unit_, offset_);
        auto cell = math::bit_cast<Index<V>>(start_[__builtin_convertvector(bucket, Index<V>)]);
        for (int step = 0; step < steps_; ++step) cell = within >= next_[cell] ? cell + 1 : cell;
        return {cell, axis_share(edge_[cell], scale_[cell], within)};
    }

  private:
    V first_, last_, per_unit_, offset_;
    Entries<R> edge_, scale_, next_, start_;
    int steps_;
};

// What lies at corners + 2 at[i]: (low, high, low_next, high_next) of each lane.
inline void load_corners(const double* corners, const long long* at, Doubles (&out)[4]) {
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

inline void load_corners(const float* corners, const int* at, Floats (&out)[4]) {
    typedef double Corners __attribute__((vector_size(16)));  // pairs: (low, high), those next
    typedef double Pairs __attribute__((vector_size(64)));
    const auto corner = [&](int i) { return load<Corners>(corners + 2 * at[i]); };
    const auto four = [&](int i) {  // lanes i, i + 4, i + 8 and i + 12
        const auto two = __builtin_shufflevector(corner(i), corner(i + 4), 0, 1, 2, 3),
                   rest = __builtin_shufflevector(corner(i + 8), corner(i + 12), 0, 1, 2, 3);
        return __builtin_shufflevector(two, rest, 0, 1, 2, 3, 4, 5, 6, 7);
    };
    const Pairs a = four(0), b = four(1), c = four(2), d = four(3);
    using Values = Floats;
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

#else

template <class R>
class Axis {
  public:
    explicit Axis(const AxisRows<R>& rows) : rows_(rows) {}

    Position<R> operator()(R x) const {
        const R within = math::clamp(x, rows_.first, rows_.last);  // infinity has no share
        const Index<R> cell = axis_cell(rows_.edge, kAxis, within);
        return {cell, axis_share(rows_.edge[cell], rows_.scale[cell], within)};
    }

  private:
    const AxisRows<R>& rows_;
};

template <class R>
void load_corners(const R* corners, const Index<R>* at, R (&out)[4]) {
    for (int c = 0; c < 4; ++c) out[c] = corners[2 * *at + c];
}

#endif

template <bool kShared, class R>
void find_cells(const Lookup<R>& lookup, int kinds, const Index<R>* kind, const R* extraction,
                const R* snr_db, int count, Cells<R>& cells) {
    using V = Lanes<R>;
    const auto axis = [&](int k, int which) { return Axis<R>(lookup.axes[2 * k + which]); };
    const Axis<R> down = axis(0, 0), across = axis(0, 1);
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const V mu = load<V>(extraction + i), x = load<V>(snr_db + i);
        const Index<V> own = load<Index<V>>(kind + i);
        Position<V> row = down(mu), column = across(x);
        for (int k = 1; !kShared && k < kinds; ++k) {
            const Position<V> its_row = axis(k, 0)(mu), its_column = axis(k, 1)(x);
            row = {own == k ? its_row.cell : row.cell, own == k ? its_row.share : row.share};
            column = {own == k ? its_column.cell : column.cell,
                      own == k ? its_column.share : column.share};
        }
        const auto raw = is_raw(mu);
        const Index<V> top = raw ? Index<V>{} + kAxis : row.cell;
        store((own * (kAxis + 1) + top) * kAxis + column.cell, cells.at + i);
        store(raw ? V{} : row.share, cells.down + i);
        store(column.share, cells.across + i);
    }
}

// Accuracies of offloaded tasks (10). In two passes: so short, the core is at several vectors of
// each at a time.
template <class R>
void find_accuracies(const Lookup<R>& lookup, int kinds, const Index<R>* kind, const R* extraction,
                     const R* snr_db, int count, R* accuracy) {
    using V = Lanes<R>;
    Cells<R> cells;
    (lookup.shared ? find_cells<true, R> : find_cells<false, R>)(lookup, kinds, kind, extraction,
                                                                 snr_db, count, cells);
    const R* const corners = lookup.corners;
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        V corner[4];
        load_corners(corners, cells.at + i, corner);
        const V u = load<V>(cells.down + i), v = load<V>(cells.across + i);
        store(bilinear(u, v, corner[0], corner[2], corner[1], corner[3]), accuracy + i);
    }
}

}  // namespace
}  // namespace semopt
