// The accuracy of offloaded tasks of any kind, from tables whose axes have at most kAxis points.
//
// Where an axis fits into one or two registers, permutations look up a number's bucket and then its
// cell; elsewhere each lane takes a load. The four corners of a cell lie side by side: one load
// reads them. The values are those of model/model.h.
#pragma once

#include "isa/kernels.h"
#include "isa/lanes.h"

namespace semopt {
namespace {

// The most offloaded tasks of a block, and the lanes that may remain in the last vector.
template <class R>
constexpr int kMaxOffloaded = kBlock<R> + kMostLanes;

// Where each task's accuracy lies: the first corner of its cell, and its shares of the cell.
template <class R>
struct alignas(64) TableCells {
    Index<R> at[kMaxOffloaded<R>];
    R down[kMaxOffloaded<R>], across[kMaxOffloaded<R>];
};

template <class V>
struct Position {
    Index<V> cell;
    V share;  // of the cell, 0 to 1
};

template <class R>
constexpr bool kInRegisters = kAxis * sizeof(R) <= 2 * SEMOPT_REGISTER;

template <class R, bool = kInRegisters<R>>
class Axis {
    using V = Lanes<R>;

  public:
    explicit Axis(const AxisRows<R>& rows) : rows_(rows) {}

    Position<V> operator()(V x) const {
        const V within = math::clamp(x, rows_.first, rows_.last);  // infinity has no share
        const Index<V> cell = axis_cell(rows_.edge, kAxis, within);
        return {cell, axis_share(pick(rows_.edge, cell), pick(rows_.scale, cell), within)};
    }

  private:
    const AxisRows<R>& rows_;
};

#if SEMOPT_REGISTER

template <class R>
class Axis<R, true> {
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
        auto cell = math::bit_cast<Index<V>>(start_[truncate(bucket)]);
        for (int step = 0; step < steps_; ++step) cell = within >= next_[cell] ? cell + 1 : cell;
        return {cell, axis_share(edge_[cell], scale_[cell], within)};
    }

  private:
    V first_, last_, per_unit_, offset_;
    Entries<R> edge_, scale_, next_, start_;
    int steps_;
};

#endif

template <bool kShared, class R>
void find_cells(const Lookup<R>& lookup, int kinds, const Index<R>* kind, const R* extraction,
                const R* snr_db, int count, TableCells<R>& cells) {
    using V = Lanes<R>;
    const auto axis = [&](int k, int which) { return Axis<R>(lookup.axes[2 * k + which]); };
    const Axis<R> down = axis(0, 0), across = axis(0, 1);
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const V mu = load<V>(extraction + i), x = load<V>(snr_db + i);
        const Index<V> task_kind = load<Index<V>>(kind + i);
        Position<V> row = down(mu), column = across(x);
        for (int k = 1; !kShared && k < kinds; ++k) {
            const Position<V> row_of_kind = axis(k, 0)(mu), column_of_kind = axis(k, 1)(x);
            row = {task_kind == k ? row_of_kind.cell : row.cell,
                   task_kind == k ? row_of_kind.share : row.share};
            column = {task_kind == k ? column_of_kind.cell : column.cell,
                      task_kind == k ? column_of_kind.share : column.share};
        }
        const auto raw = is_raw(mu);
        const Index<V> top = raw ? Index<V>{} + kAxis : row.cell;
        store((task_kind * (kAxis + 1) + top) * (kAxis + 1) + column.cell, cells.at + i);
        store(raw ? V{} : row.share, cells.down + i);
        store(column.share, cells.across + i);
    }
}

// Accuracies of offloaded tasks (10), in two passes: each is short enough for a core to overlap
// several of its vectors.
template <class R>
void find_accuracies(const Lookup<R>& lookup, int kinds, const Index<R>* kind, const R* extraction,
                     const R* snr_db, int count, R* accuracy) {
    using V = Lanes<R>;
    TableCells<R> cells;
    (lookup.shared ? find_cells<true, R> : find_cells<false, R>)(lookup, kinds, kind, extraction,
                                                                 snr_db, count, cells);
    const R* const corners = lookup.corners;
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        V corner[4];
        load_fours(corners, cells.at + i, corner);
        const V u = load<V>(cells.down + i), v = load<V>(cells.across + i);
        store(bilinear(u, v, corner[0], corner[2], corner[1], corner[3]), accuracy + i);
    }
}

}  // namespace
}  // namespace semopt
