// `evaluate` and `tabulate`. Within a group of tasks of the same user, kind and mode everything but
// five numbers is constant and no lane takes a branch, so the plain formulas of model.h vectorise.
// Rows are read once and in order: each task goes to the end of its group, and a group that is full
// is scored. Included by cpu.cpp alone.
#pragma once

#include "cpu.h"
#if defined(__AVX512F__) && defined(__AVX512DQ__)
#include "lookup.h"
#define SEMOPT_LOOKUP 1
#endif

namespace semopt {
namespace {

enum Mode { kLocally, kRaw, kSemantic, kModes };

constexpr int kGroup = 64, kLanes = 16;  // tasks scored together, a multiple of any vector

template <class R>
struct alignas(64) Group {
    R gain[kGroup], offloaders[kGroup], power[kGroup], frequency[kGroup], extraction[kGroup];
    int at[kGroup];  // where each came from
};

template <class R>
struct alignas(64) Scores {
    R rate[kGroup], snr_db[kGroup], sent[kGroup], flop[kGroup], latency[kGroup], energy[kGroup],
        accuracy[kGroup], qoe[kGroup];
    unsigned char violations[kGroup];
};

// Rows of a group, with no lane left over.
int padded(int count) { return (count + kLanes - 1) / kLanes * kLanes; }

// The loops are short, so that a core is at several rounds of one at the same time. None of the
// arrays and tables overlap.

template <class R>
void link_up(const System<R>& system, const Group<R>& group, int count, Scores<R>& scores) {
    const R bandwidth = system.bandwidth, noise = system.noise;
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const R link = snr(group.gain[i], group.power[i], noise);
        scores.rate[i] = rate(bandwidth, link);
        scores.snr_db[i] = decibel(link);
    }
}

template <class R>
void extract(const System<R>& system, const Task<R>& task, const Group<R>& group, int count,
             Scores<R>& scores) {
    const R bits = task.semantic_bits, flop = task.extract_flop,
            compress_exponent = system.compress_exponent,
            extract_exponent = system.extract_exponent;
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        // Both powers take the same logarithm, found once.
        const R extraction = group.extraction[i];
        const R sent = sent_bits(bits, extraction, compress_exponent),
                spent = extraction_flop(flop, extraction, extract_exponent);
        scores.sent[i] = sent;
        scores.flop[i] = spent;
    }
}

template <bool kRaw, class R>
void cost(const System<R>& whole, const User<R>& owner, const Task<R>& kind, const Group<R>& group,
          int count, Scores<R>& scores) {
    const System<R> system = whole;
    const User<R> user = owner;
    const Task<R> task = kind;
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const Costs<R> costs = offload_costs<kRaw>(
            system, user, task, group.offloaders[i], group.power[i],
            kRaw ? user.frequency_min : group.frequency[i], kRaw ? R(0) : scores.flop[i],
            kRaw ? task.bits : scores.sent[i], scores.rate[i]);
        scores.latency[i] = costs.latency;
        scores.energy[i] = costs.energy;
    }
}

template <bool kRaw, bool kPadded, class R>
void reach(AccuracyTable<R> table, const Group<R>& group, int count, Scores<R>& scores) {
#ifdef SEMOPT_LOOKUP
    if (kPadded)
        return kRaw ? raw_accuracies(table, scores.snr_db, count, scores.accuracy)
                    : semantic_accuracies(table, group.extraction, scores.snr_db, count,
                                          scores.accuracy);
#endif
#pragma GCC ivdep
    for (int i = 0; i < count; ++i)
        scores.accuracy[i] =
            kRaw ? raw_accuracy<kPadded>(table, scores.snr_db[i])
                 : semantic_accuracy<kPadded>(table, group.extraction[i], scores.snr_db[i]);
}

template <class R>
void execute(const User<R>& owner, const Task<R>& kind, const Group<R>& group, int count,
             Scores<R>& scores) {
    const User<R> user = owner;
    const Task<R> task = kind;
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const R frequency = group.frequency[i];
        const R latency = execution_time(task.local_flop, user.flop_per_cycle, frequency);
        scores.latency[i] = latency;
        scores.energy[i] = execution_energy(user.energy_coefficient, latency, frequency);
        scores.accuracy[i] = task.local_accuracy;
    }
}

template <class R>
void judge(const System<R>& whole, const User<R>& owner, const Task<R>& kind, int count,
           Scores<R>& scores) {
    const System<R> system = whole;
    const User<R> user = owner;
    const Task<R> task = kind;
    const Reference<R> offset = reference(user, task);
#pragma GCC ivdep
    for (int i = 0; i < count; ++i)
        scores.qoe[i] = latency_term(system, user, offset, scores.latency[i]);
#pragma GCC ivdep
    for (int i = 0; i < count; ++i)
        scores.qoe[i] += energy_term(system, user, offset, scores.energy[i]);
#pragma GCC ivdep
    for (int i = 0; i < count; ++i)
        scores.qoe[i] += accuracy_term(system, user, offset, scores.accuracy[i]);
    for (int i = 0; i < count; ++i)
        scores.violations[i] =
            violations(system, user, task,
                       Outcome<R>{scores.latency[i], scores.energy[i], scores.accuracy[i], R(0)});
}

// Scores the first `count` tasks of a group.
template <class R>
void score(const Scene<R>& scene, int n, int kind, Mode mode, Group<R>& group, int count,
           Scores<R>& scores) {
    const System<R>& system = *scene.system;
    const User<R>& user = scene.users[n];
    const Task<R>& task = scene.tasks[kind];
    AccuracyTable<R> table = scene.tables[kind];
    const bool short_axes = table.rows == kAxis && table.columns == kAxis;
    const int whole = padded(count);
    for (int i = count; i < whole; ++i) {
        group.gain[i] = group.gain[0];
        group.offloaders[i] = group.offloaders[0];
        group.power[i] = group.power[0];
        group.frequency[i] = group.frequency[0];
        group.extraction[i] = group.extraction[0];
    }
    if (mode == kLocally) {
        execute(user, task, group, whole, scores);
    } else {
        link_up(system, group, whole, scores);
        if (mode == kRaw) {
            cost<true>(system, user, task, group, whole, scores);
            short_axes ? reach<true, true>(table, group, whole, scores)
                       : reach<true, false>(table, group, whole, scores);
        } else {
            extract(system, task, group, whole, scores);
            cost<false>(system, user, task, group, whole, scores);
            short_axes ? reach<false, true>(table, group, whole, scores)
                       : reach<false, false>(table, group, whole, scores);
        }
    }
    judge(system, user, task, whole, scores);
}

constexpr int kKinds = 3;     // of task, told apart in one pass
constexpr int kTasks = 4096;  // of all users, in rows that are read while they are in a cache

// How many tasks each group holds, in one register: counts in memory would each have to wait for
// the store before.
class Counts {
  public:
    int operator[](int group) const { return int(packed_ >> (kBits * group) & kMost); }
    void add(int group, bool one) { packed_ += uint64_t(one) << (kBits * group); }
    void clear(int group) { packed_ &= ~(kMost << (kBits * group)); }

  private:
    static constexpr int kBits = 6;
    static constexpr uint64_t kMost = (1 << kBits) - 1;
    static_assert(kMost == kGroup - 1 && kBits * kKinds * kModes <= 64, "every count fits");
    uint64_t packed_ = 0;
};

// What a task brings and what it gets, each moved in one go.
template <class R>
struct alignas(4 * sizeof(R)) Given {
    R gain, power, frequency, extraction;
};
struct Place {
    int at, offloaders;  // in the tile; of the row
};

template <class R>
struct alignas(64) Sorted {
    Given<R> given[kGroup];
    Place place[kGroup];
};

// Rows first..first+rows-1, or, where a row does not fit a tile, a part of one: the users that a
// tile holds. Its tasks lie one after the other in every array.
struct Rows {
    long long first;
    int rows, first_user, users;

    int tasks() const { return rows * users; }
    long long origin(int all_users) const { return first * all_users + first_user; }
};

// A tile of rows, as its tasks are sorted into groups. All by task but for `offloaders`.
template <class R>
struct alignas(64) Tile {
    Given<R> given[kTasks];
    alignas(64) Outcome<R> found[kTasks];
    unsigned char code[kTasks];  // the group, or kElsewhere
    unsigned char violations[kTasks];
    int offloaders[kTasks];  // by row
    Sorted<R> sorted[kKinds * kModes];
    Group<R> group;
    Scores<R> scores;
    long long reads, reads_end, writes, writes_end;  // tasks that memory is still asked for
};

constexpr int kElsewhere = kKinds * kModes;  // of another kind

template <bool kWrite, class T>
void fetch(const T* from, long long count) {
    constexpr int kLine = 64;
    for (const char* line = (const char*)from; line < (const char*)(from + count); line += kLine)
        __builtin_prefetch(line, kWrite);
}

// While a group is scored, memory brings what the tile writes and what the next one reads, `count`
// tasks of each at a time.
template <class R>
void fetch_ahead(const Batch<R>& batch, long long count, Tile<R>& tile) {
    const long long to = tile.writes;
    for (const R* array : {batch.latency, batch.energy, batch.accuracy, batch.qoe})
        fetch<true>(array + to, math::min(count, tile.writes_end - to));
    tile.writes = math::min(to + count, tile.writes_end);
    const long long from = tile.reads, most = math::min(count, tile.reads_end - from);
    fetch<false>(batch.channel + from, most);
    for (const R* array : {batch.power, batch.frequency, batch.extraction})
        fetch<false>(array + from, most);
    if (batch.slot_per_row) {
        fetch<false>(batch.task + from, most);
        fetch<false>(batch.gain + from * batch.channels, most * batch.channels);
    }
    tile.reads = from + most;
}

template <class R>
void score_group(const Batch<R>& batch, int n, int kind, int g, int count, Tile<R>& tile) {
    const Sorted<R>& sorted = tile.sorted[g];
    Group<R>& group = tile.group;
    Scores<R>& scores = tile.scores;
    const int whole = padded(count);
#pragma GCC ivdep
    for (int i = 0; i < whole; ++i) {
        const Given<R> given = sorted.given[i];
        group.gain[i] = given.gain;
        group.power[i] = given.power;
        group.frequency[i] = given.frequency;
        group.extraction[i] = given.extraction;
        group.offloaders[i] = R(sorted.place[i].offloaders);
    }
    fetch_ahead(batch, count, tile);
    score(batch.scene, n, kind + g / kModes, Mode(g % kModes), group, count, scores);
    alignas(64) Outcome<R> found[kGroup];
#pragma GCC ivdep
    for (int i = 0; i < whole; ++i)
        found[i] = {scores.latency[i], scores.energy[i], scores.accuracy[i], scores.qoe[i]};
    for (int i = 0; i < count; ++i) {
        const int at = sorted.place[i].at;
        tile.found[at] = found[i];
        tile.violations[at] = scores.violations[i];
    }
}

// Reads a tile's rows.
template <bool kSlotPerRow, class R>
void read_tile(const Batch<R>& batch, const Rows& part, Tile<R>& tile) {
    const int all_users = batch.scene.user_count, users = part.users, tasks = part.tasks();
    const long long origin = part.origin(all_users);
    const long long* const channel = batch.channel + origin;
    const R *const power = batch.power + origin, *const frequency = batch.frequency + origin,
                   *const extraction = batch.extraction + origin;
    const long long channels = batch.channels;
    const R none = 0;  // read in place of a gain where there is no sub-channel
    const R* const gain = !channels     ? &none
                          : kSlotPerRow ? batch.gain + origin * channels
                                        : batch.gain + part.first_user * channels;
#pragma GCC ivdep
    for (int e = 0; e < tasks; ++e) {
        const long long slot = kSlotPerRow ? e : e % users;
        tile.given[e] = {gain[slot * channels + math::max(channel[e], 0LL)], power[e], frequency[e],
                         extraction[e]};
    }
    const long long* const whole = channel - part.first_user;
    for (int b = 0; b < part.rows; ++b) tile.offloaders[b] = 0;
    for (int n = 0; n < all_users; ++n)
        for (int b = 0; b < part.rows; ++b)
            tile.offloaders[b] += whole[(long long)b * all_users + n] >= 0;
}

// Finds the group of every task in a tile, for kinds of task from `kind` on.
template <bool kSlotPerRow, class R>
void find_groups(const Batch<R>& batch, const Rows& part, int kind, Tile<R>& tile) {
    const int users = part.users, tasks = part.tasks();
    const long long origin = part.origin(batch.scene.user_count);
    const long long* const channel = batch.channel + origin;
    const R* const extraction = batch.extraction + origin;
    const long long* const task = batch.task + (kSlotPerRow ? origin : part.first_user);
#pragma GCC ivdep
    for (int e = 0; e < tasks; ++e) {
        const long long own = task[kSlotPerRow ? e : e % users] - kind;
        const long long offloaded = extraction[e] >= R(1) ? kRaw : kSemantic;  // as is a NaN
        const long long mode = channel[e] < 0 ? (long long)kLocally : offloaded;
        tile.code[e] = (unsigned char)((own >= 0) & (own < kKinds) ? own * kModes + mode
                                                                   : (long long)kElsewhere);
    }
}

// Scores the tasks of one user of a tile.
template <class R>
void evaluate_user(const Batch<R>& batch, const Rows& part, int user, int kind, Tile<R>& tile) {
    const int n = part.first_user + user;
    Counts counts;
    for (int b = 0, at = user; b < part.rows; ++b, at += part.users) {
        const int g = tile.code[at];
        const bool here = g != kElsewhere;
        Sorted<R>& sorted = tile.sorted[here ? g : 0];
        const int i = counts[here ? g : 0];  // a task of another kind is overwritten by the next
        sorted.given[i] = tile.given[at];
        sorted.place[i] = {at, tile.offloaders[b]};
        if (here && i == kGroup - 1) {
            score_group(batch, n, kind, g, kGroup, tile);
            counts.clear(g);
        } else {
            counts.add(here ? g : 0, here);
        }
    }
    for (int g = 0; g < kElsewhere; ++g)
        if (counts[g]) score_group(batch, n, kind, g, counts[g], tile);
}

template <class R>
void write_tile(const Batch<R>& batch, const Rows& part, const Tile<R>& tile) {
    const int tasks = part.tasks();
    const long long origin = part.origin(batch.scene.user_count);
    R *const latency = batch.latency + origin, *const energy = batch.energy + origin,
             *const accuracy = batch.accuracy + origin, *const qoe = batch.qoe + origin;
#pragma GCC ivdep
    for (int e = 0; e < tasks; ++e) {
        const Outcome<R> found = tile.found[e];
        latency[e] = found.latency;
        energy[e] = found.energy;
        accuracy[e] = found.accuracy;
        qoe[e] = found.qoe;
    }
    __builtin_memcpy(batch.violations + origin, tile.violations, tasks);
}

template <class R>
void evaluate_tile(const Batch<R>& batch, const Rows& part, Tile<R>& tile) {
    batch.slot_per_row ? read_tile<true>(batch, part, tile) : read_tile<false>(batch, part, tile);
    for (int kind = 0; kind < batch.scene.task_count; kind += kKinds) {
        batch.slot_per_row ? find_groups<true>(batch, part, kind, tile)
                           : find_groups<false>(batch, part, kind, tile);
        for (int user = 0; user < part.users; ++user) evaluate_user(batch, part, user, kind, tile);
    }
    write_tile(batch, part, tile);
}

template <class R>
void evaluate(const Batch<R>& batch, long long first, long long last) {
    const int users = batch.scene.user_count, most = math::min(kTasks, users);
    Tile<R> tile;
    while (first < last) {
        const int rows = int(math::min<long long>(kTasks / most, last - first));
        for (int n = 0; n < users; n += most) {
            const Rows part = {first, rows, n, math::min(most, users - n)};
            tile.writes = part.origin(users);
            tile.reads = tile.writes_end = tile.writes + part.tasks();
            tile.reads_end = math::min(tile.reads + part.tasks(), last * users);
            evaluate_tile(batch, part, tile);
        }
        first += rows;
    }
}

// Fills list `list` of a user's scores: 0 is local, 1 + (offloaders - 1) K + channel offloaded.
void tabulate(const Grid& grid, long long list) {
    const bool local = list == 0;
    const int channel = local ? 0 : int((list - 1) % grid.channels);
    const double m = local ? 0 : double((list - 1) / grid.channels + 1);
    const long long semantic = (long long)grid.powers * grid.frequencies * grid.extractions;
    const long long length = local ? grid.frequencies : grid.powers + semantic;
    const long long start = local ? 0 : grid.frequencies + (list - 1) * length;
    const User<double>& user = grid.scene.users[grid.user];
    const Task<double>& task = grid.scene.tasks[grid.task];
    Group<double> group;
    Scores<double> scores;
    const auto flush = [&](Mode mode, long long to, int count) {
        score(grid.scene, grid.user, grid.task, mode, group, count, scores);
        const double flop = mode == kRaw ? task.server_raw_flop : task.server_flop;
        const double energy =
            local ? 0
                  : server_energy(server_time(flop, m, *grid.scene.system), m, *grid.scene.system);
        for (int i = 0; i < count; ++i)
            grid.value[start + to + i] = scores.violations[i] ? -kInfinite : scores.qoe[i];
        if (grid.server_energy)
            for (int i = 0; i < count; ++i) grid.server_energy[start + to + i] = energy;
    };
    const auto fill = [&](Mode mode, long long from, long long to) {
        for (long long a = from; a < to; a += kGroup) {
            const int count = int(math::min<long long>(kGroup, to - a));
            for (int i = 0; i < count; ++i) {
                const long long action = a + i - from;
                group.gain[i] = grid.gain[channel];
                group.offloaders[i] = m;
                if (mode == kSemantic) {
                    const long long rest = action / grid.extractions;
                    group.extraction[i] = grid.extraction[action % grid.extractions];
                    group.frequency[i] = grid.frequency[rest % grid.frequencies];
                    group.power[i] = grid.power[rest / grid.frequencies];
                } else {
                    group.extraction[i] = 1;
                    group.frequency[i] = local ? grid.frequency[action] : user.frequency_min;
                    group.power[i] = local ? user.power_max : grid.power[action];
                }
            }
            flush(mode, a, count);
        }
    };
    if (local) return fill(kLocally, 0, length);
    fill(kRaw, 0, grid.powers);
    fill(kSemantic, grid.powers, length);
}

}  // namespace
}  // namespace semopt
