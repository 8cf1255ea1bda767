// `evaluate` and `tabulate`. Within a group of tasks of the same user, kind and mode everything but
// five numbers is constant and no lane takes a branch, so the plain formulas of model.h vectorise.
// Rows are read once and in order: each task goes to the end of its group, and a group that is full
// is scored. Included by cpu.cpp alone.
#pragma once

#include "cpu.h"

namespace semopt {
namespace {

enum Mode { kLocally, kRaw, kSemantic, kModes };

constexpr int kGroup = 128, kLanes = 16;  // tasks scored together, a multiple of any vector

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
    static constexpr int kBits = 7;
    static constexpr uint64_t kMost = (1 << kBits) - 1;
    static_assert(kMost == kGroup - 1 && kBits * kKinds * kModes <= 64, "every count fits");
    uint64_t packed_ = 0;
};

template <class R>
void score_group(const Batch<R>& batch, long long origin, int n, int kind, Mode mode,
                 Group<R>& group, int count, Scores<R>& scores) {
    score(batch.scene, n, kind, mode, group, count, scores);

    R *const latency = batch.latency + origin, *const energy = batch.energy + origin,
             *const accuracy = batch.accuracy + origin, *const qoe = batch.qoe + origin;
    unsigned char* const violations = batch.violations + origin;
    for (int i = 0; i < count; ++i) {
        const int at = group.at[i];
        latency[at] = scores.latency[i];
        energy[at] = scores.energy[i];
        accuracy[at] = scores.accuracy[i];
        qoe[at] = scores.qoe[i];
        violations[at] = scores.violations[i];
    }
}

// A tile of rows, as it is sorted into groups.
template <class R>
struct Tile {
    R offloaders[kTasks];        // by row
    unsigned char code[kTasks];  // of one user's tasks: the group, or kElsewhere
    Group<R> groups[kKinds * kModes];
    Scores<R> scores;
};

constexpr int kElsewhere = kKinds * kModes;  // of another kind

int group_of(long long kind, int offloaded, long long channel) {
    const int mode = channel < 0 ? int(kLocally) : offloaded;
    return kind >= 0 && kind < kKinds ? int(kind) * kModes + mode : kElsewhere;
}

// Finds the groups of one user's tasks in rows first..first+rows-1.
template <class R>
void sort_tasks(const Batch<R>& batch, long long first, int rows, int n, int kind,
                unsigned char* code) {
    const long long users = batch.scene.user_count, origin = first * users + n;
    const long long* const channel = batch.channel + origin;
    const R* const extraction = batch.extraction + origin;
    const long long* const task = batch.task + (batch.slot_per_row ? origin : n);
    const long long next = batch.slot_per_row ? users : 0;
    for (int b = 0; b < rows; ++b) {
        const int offloaded = extraction[b * users] >= R(1) ? kRaw : kSemantic;  // as is a NaN
        code[b] = (unsigned char)group_of(task[b * next] - kind, offloaded, channel[b * users]);
    }
}

// The sorted tasks of one user.
template <class R>
void evaluate_user(const Batch<R>& batch, long long first, int rows, int n, int kind,
                   Tile<R>& tile) {
    const int users = batch.scene.user_count;
    const long long origin = first * users + n;
    const R none = 0;  // read in place of a gain where there is no sub-channel
    const R* gain =
        batch.channels ? batch.gain + (batch.slot_per_row ? origin : n) * batch.channels : &none;
    const long long next_gain = batch.slot_per_row ? (long long)users * batch.channels : 0;
    const long long* const channel = batch.channel + origin;
    const R *const power = batch.power + origin, *const frequency = batch.frequency + origin,
                   *const extraction = batch.extraction + origin;
    Counts counts;
    for (int b = 0, at = 0; b < rows; ++b, at += users, gain += next_gain) {
        const int g = tile.code[b];
        const bool here = g != kElsewhere;
        Group<R>& group = tile.groups[here ? g : 0];
        const int i = counts[here ? g : 0];  // a task of another kind is overwritten by the next
        group.gain[i] = gain[math::max(channel[at], 0LL)];
        group.offloaders[i] = tile.offloaders[b];
        group.power[i] = power[at];
        group.frequency[i] = frequency[at];
        group.extraction[i] = extraction[at];
        group.at[i] = at;
        if (here && i == kGroup - 1) {
            score_group(batch, origin, n, kind + g / kModes, Mode(g % kModes), group, kGroup,
                        tile.scores);
            counts.clear(g);
        } else {
            counts.add(here ? g : 0, here);
        }
    }
    for (int g = 0; g < kElsewhere; ++g)
        if (counts[g])
            score_group(batch, origin, n, kind + g / kModes, Mode(g % kModes), tile.groups[g],
                        counts[g], tile.scores);
}

template <class R>
void evaluate(const Batch<R>& batch, long long first, long long last) {
    const int users = batch.scene.user_count;
    Tile<R> tile;
    const long long most = math::max(kTasks / users, 1);
    while (first < last) {
        const int rows = int(math::min(most, last - first));
        for (int b = 0; b < rows; ++b) tile.offloaders[b] = 0;
        for (int n = 0; n < users; ++n)
            for (int b = 0; b < rows; ++b)
                tile.offloaders[b] += batch.channel[(first + b) * users + n] >= 0 ? R(1) : R(0);
        for (int kind = 0; kind < batch.scene.task_count; kind += kKinds) {
            for (int n = 0; n < users; ++n) {
                sort_tasks(batch, first, rows, n, kind, tile.code);
                evaluate_user(batch, first, rows, n, kind, tile);
            }
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
