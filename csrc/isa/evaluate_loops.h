// `evaluate`: reads joint actions, a block of tasks at a time, and scores them. Included by
// kernels.cpp alone.
#pragma once

#include "isa/score_loops.h"

namespace semopt {
namespace {

// Tasks first..first+count-1 of a batch: whole rows, or a part of one.
struct Part {
    long long first;
    int count, first_user;
    long long offloaders;  // of the row, where this is a part of one
};

// Numbers of offloaders, in whole rows of `users`; kUsers is that number where knowing it at
// compile time pays.
template <int kUsers, class R>
void count_rows(const long long* channel, int users, int count, R* offloaders) {
    const int length = kUsers ? kUsers : users;
#pragma GCC ivdep
    for (int b = 0; b < count; b += length) {
        long long in_row = 0;
        for (int n = 0; n < length; ++n) in_row += channel[b + n] >= 0;
        for (int n = 0; n < length; ++n) offloaders[b + n] = R(in_row);
    }
}

template <class R>
void count_offloaders(const Batch<R>& batch, const Part& part, R* offloaders) {
    const int users = batch.scenario.user_count;
    const long long* const channel = batch.channel + part.first;
    if (users == 2) return count_rows<2>(channel, users, part.count, offloaders);
    if (users == 3) return count_rows<3>(channel, users, part.count, offloaders);
    if (users <= kBlock<R>) return count_rows<0>(channel, users, part.count, offloaders);
    for (int i = 0; i < part.count; ++i) offloaders[i] = R(part.offloaders);
}

// The same for rows of which a vector holds several whole ones: each lane adds up its row's.
template <class R>
Lanes<R> count_in_rows(LaneMask<R> is_offloaded, int users) {
    using V = Lanes<R>;
    V count = choose(is_offloaded, math::all<V>(1), V{});
    for (int apart = 1; apart < users; apart *= 2)
        count += permute(count, load<Index<V>>(kCounting<R>) ^ Index<R>(apart));
    return count;
}

// What depends on a task's place in its block alone: the same for all blocks that start at one
// user.
template <class R>
struct Places {
    Index<R> kind[kBlock<R>];  // where all rows share a slot
    Index<R> row[kBlock<R>];   // where its gains start, among those of the block or of the slot
    unsigned faults;
};

template <class R>
void find_places(const Batch<R>& batch, int first_user, int count, Places<R>& places) {
    const Index<R>* const user = batch.scenario.user_rows.user + first_user;
    const int whole = padded<R>(count);  // the last lanes hold kinds of other users
    places.faults = 0;
    for (int i = 0; i < whole; ++i)
        places.row[i] = (batch.slot_per_row ? i : user[i]) * Index<R>(batch.channels);
    for (int i = 0; !batch.slot_per_row && i < whole; ++i) {
        const long long kind = batch.task[user[i]];
        const bool good = kind >= 0 && kind < batch.scenario.task_count;
        places.kind[i] = good ? Index<R>(kind) : 0;
        if (!good) places.faults = kTaskFault;
    }
}

// Reads the tasks' actions, those of offloaded tasks side by side; returns faults.
template <bool kSlotPerRow, bool kTwoChannels, class R>
unsigned read(const Batch<R>& batch, const Part& part, const Places<R>& places, Block<R>& block,
              Offloaded<R>& tasks) {
    using V = Lanes<R>;
    using Bits = typename math::Real<V>::Bits;
    const long long* const channel = batch.channel + part.first;
    const long long* const kind = batch.task + (kSlotPerRow ? part.first : 0);
    const R* const power = batch.power + part.first;
    const R* const extraction = batch.extraction + part.first;
    const R* const gain = batch.gain + (kSlotPerRow ? part.first * batch.channels : 0);
    const Index<R> channels = batch.channels, kinds = batch.scenario.task_count;
    const V noise = math::all<V>(batch.scenario.system->noise);
    const int users = batch.scenario.user_count;
    const bool rows_in_vectors = kWidth<R> % users == 0;
    R offloaders[kBlock<R>];
    if (!rows_in_vectors) count_offloaders(batch, part, offloaders);
    block.count = part.count;
    block.frequency = batch.frequency + part.first;
    block.extraction = extraction;
    LaneMask<R> good(kAll), kind_good(kAll);
    int kept = 0;
    in_vectors<R>(part.count, [&](int i, auto lanes) __attribute__((always_inline)) {
        const Index<V> none{}, task_channel = load_index(lanes, channel + i, none + kLocal);
        const LaneMask<R> is_offloaded = below(task_channel, channels);
        good = good & below((Index<V>)((Bits)task_channel - kLocal), channels + 1);
        Index<V> task_kind = load<Index<V>>(places.kind + i);
        if constexpr (kSlotPerRow) {
            task_kind = load_index(lanes, kind + i, none);
            const LaneMask<R> valid = below(task_kind, kinds);
            task_kind = choose(valid, task_kind, none);
            kind_good = kind_good & valid;
        }
        const Compress<R> compress(is_offloaded);
        const auto keep = [&](auto values, auto* to) { store(compress(values), to + kept); };
        V task_gain;
        if constexpr (kTwoChannels)
            task_gain = one_of_two(lanes, gain + 2 * i, task_channel);
        else
            task_gain =
                gather(is_offloaded, gain,
                       load<Index<V>>(places.row + i) + choose(is_offloaded, task_channel, none));
        const V task_power = load(lanes, power + i, V{});
        keep(task_kind, tasks.kind);
        keep(snr(checked_gain(task_gain), task_power, noise), tasks.link);
        keep(task_power, tasks.power);
        keep(checked_extraction(load(lanes, extraction + i, V{})), tasks.extraction);
        keep(rows_in_vectors ? count_in_rows<R>(is_offloaded, users) : load<V>(offloaders + i),
             tasks.offloaders);
        block.is_offloaded[i / kWidth<R>] = is_offloaded;
        store(task_kind, block.kind + i);
        kept += semopt::count(is_offloaded);
    });
    tasks.count = kept;
    fill_up(tasks);
    return (good == LaneMask<R>(kAll) ? 0 : kChannelFault) |
           (kind_good == LaneMask<R>(kAll) ? 0 : kTaskFault);
}

template <bool kManyKinds, class R>
unsigned evaluate_part(const Batch<R>& batch, const Part& part, const Places<R>& places,
                       Block<R>& block, Offloaded<R>& offloaded) {
    const bool two_channels = batch.slot_per_row && batch.channels == 2;
    const long long next = part.first + part.count;
    block.lookahead = {batch.channel + next,    batch.slot_per_row ? batch.task + next : nullptr,
                       batch.power + next,      batch.frequency + next,
                       batch.extraction + next, two_channels ? batch.gain + 2 * next : nullptr};
    const unsigned faults =
        (two_channels         ? read<true, true, R>
         : batch.slot_per_row ? read<true, false, R>
                              : read<false, false, R>)(batch, part, places, block, offloaded);
    const Figures<R> figures = {batch.latency + part.first, batch.energy + part.first,
                                batch.accuracy + part.first, batch.qoe + part.first,
                                batch.violations + part.first};
    const UsersInTurn<kManyKinds, R> users_of_part(batch.scenario, part.first_user);
    return faults |
           (score(batch.scenario, users_of_part, block, offloaded, figures) ? kNotANumber : 0);
}

// The rows of a block: as many as fit, and fill vectors if there are such.
template <class R>
int rows_of_block(int users) {
    const int most = kBlock<R> / users;
    for (int rows = most; rows > 0; --rows)
        if (rows * users % kWidth<R> == 0) return rows;
    return most;
}

// The rows of the first block: as many as let the next block start at a cache line, if any number
// does.
template <class R>
int rows_to_line(const R* row, int users, int rows) {
    constexpr uintptr_t kLine = 64;
    for (int b = 0; b < rows; ++b)
        if (((uintptr_t)row + b * users * sizeof(R)) % kLine == 0) return b ? b : rows;
    return rows;
}

template <bool kManyKinds, class R>
unsigned evaluate_rows(const Batch<R>& batch, long long first, long long last) {
    const int users = batch.scenario.user_count;
    Block<R> block;
    Offloaded<R> offloaded;
    Places<R> places;
    unsigned faults = 0;
    const auto score_part = [&](const Part& part) {
        faults |= places.faults | evaluate_part<kManyKinds>(batch, part, places, block, offloaded);
    };
    if (users <= kBlock<R>) {
        const int rows = rows_of_block<R>(users);
        find_places(batch, 0, rows * users, places);
        int now = rows_to_line(batch.qoe + first * users, users, rows);
        for (; first < last; first += now, now = rows)
            score_part({first * users, int(math::min<long long>(now, last - first)) * users, 0, 0});
    }
    for (; first < last; ++first) {
        const long long* const channel = batch.channel + first * users;
        long long offloaders = 0;
        for (int n = 0; n < users; ++n) offloaders += channel[n] >= 0;
        for (int n = 0; n < users; n += kBlock<R>) {
            const int count = math::min(kBlock<R>, users - n);
            find_places(batch, n, count, places);
            score_part({first * users + n, count, n, offloaders});
        }
    }
    return faults;
}

// Scores rows first..last-1 of a batch, and returns its faults.
template <class R>
unsigned evaluate(const Batch<R>& batch, long long first, long long last) {
    return (batch.scenario.task_count > kSmallTableSize<R>
                ? evaluate_rows<true, R>
                : evaluate_rows<false, R>)(batch, first, last);
}

}  // namespace
}  // namespace semopt
