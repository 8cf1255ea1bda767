// The QoE of a block of tasks, in loops over lanes that take no branch.
//
// All tasks need the costs on the user's device, the QoE and the limits. Most of the work (rates,
// powers, accuracies) is for offloaded tasks alone: they are compressed side by side, and the
// results are expanded back. Loops are short, because a long one keeps a core from overlapping
// several vectors. Included by kernels.cpp alone.
#pragma once

#include <cstddef>

#include "isa/accuracy_lookup.h"
#include "isa/exp_log_tables.h"
#include "isa/kernels.h"
#include "isa/lanes.h"

namespace semopt {
namespace {

// As many tasks as fill vectors.
template <class R>
constexpr int padded(int count) {
    return (count + kWidth<R> - 1) / kWidth<R> * kWidth<R>;
}

// Where the next block's input lies, or null. Beyond the last block these addresses are outside the
// batch: a prefetch does not fault there. The loops over all tasks prefetch, since they leave
// memory idle.
template <class R>
struct Lookahead {
    const long long *channel, *kind;
    const R *power, *frequency, *extraction;
    const R* gain;  // two numbers a task
};

// Into the L2 cache. Where the compiler makes the vectors, it makes none of a loop with this.
template <class R, class T>
SEMOPT_HD void prefetch(const T* from, int i) {
    constexpr int kLine = 64, kBytes = kWidth<R> * sizeof(T);
    if constexpr (kWidth<R> > 1)
        for (int b = 0; from && b < kBytes; b += kLine)
            __builtin_prefetch((const void*)((uintptr_t)from + i * sizeof(T) + b), 0, 2);
}

// Tasks that follow each other in memory, at most kBlock.
template <class R>
struct alignas(64) Block {
    Index<R> kind[kBlock<R>];
    LaneMask<R> is_offloaded[kBlock<R> / kWidth<R>];  // which lanes of a vector are offloaded
    const R *frequency, *extraction;                  // (count), wherever they are
    int count;
    Lookahead<R> lookahead = {};
};

// The offloaded tasks of a block: their actions, then what is computed from them.
template <class R>
struct alignas(64) Offloaded {
    static constexpr int kMost = kMaxOffloaded<R>;

    Index<R> kind[kMost];
    R link[kMost], power[kMost], extraction[kMost], offloaders[kMost];
    R rate[kMost], snr_db[kMost], sent[kMost], flop[kMost], latency[kMost], energy[kMost],
        accuracy[kMost];
    int count;
};

// Fills the lanes beyond the last task with harmless numbers, so that loops run on whole vectors.
template <class R>
void fill_up(Offloaded<R>& tasks) {
    using V = Lanes<R>;
    store(Index<V>{}, tasks.kind + tasks.count);
    for (R* const field : {tasks.link, tasks.power, tasks.extraction, tasks.offloaders})
        store(V{}, field + tasks.count);
}

// Where the figures of a block go.
template <class R>
struct Figures {
    R *latency, *energy, *accuracy, *qoe;
    unsigned char* violations;
};

// ---- the user, kind of task and reference of lanes i, i + 1, ... ----

// One user with one kind of task.
template <class R>
class OneUser {
    using V = Lanes<R>;

  public:
    OneUser(const User<R>& user, const Task<R>& task)
        : user_(in_lanes(user)),
          task_(in_lanes(task)),
          reference_(in_lanes(semopt::reference(user, task))) {}

    User<V> user(int) const { return user_; }
    Task<V> task(Index<V>) const { return task_; }
    Reference<V> reference(int, Index<V>) const { return reference_; }

  private:
    User<V> user_;
    Task<V> task_;
    Reference<V> reference_;
};

// One user after the other. Tasks are of any kind; there are few kinds (lanes.h) or many.
template <bool kManyKinds, class R>
class UsersInTurn {
    using V = Lanes<R>;

  public:
    UsersInTurn(const ScenarioView<R>& scenario, int first_user)
        : fields_(scenario.user_rows.fields + first_user),
          time_(scenario.user_rows.reference_time + first_user),
          power_(scenario.user_rows.reference_power + first_user),
          length_(scenario.user_rows.length),
          kinds_(scenario.kinds) {}

    User<V> user(int i) const {
        const auto field = [&](int f) { return load<V>(fields_ + f * length_ + i); };
#define SEMOPT_READ(name) field(offsetof(User<R>, name) / sizeof(R)),
        return {SEMOPT_USER_FIELDS(SEMOPT_READ)};
#undef SEMOPT_READ
    }
    Task<V> task(Index<V> k) const {
        const auto field = [&](int f) {
            const R* const row = kinds_.fields + f * kinds_.length;
            if constexpr (kManyKinds)
                return gather(row, k);
            else
                return SmallTable<R>(row)[k];
        };
#define SEMOPT_READ(name) field(offsetof(Task<R>, name) / sizeof(R)),
        return {SEMOPT_TASK_FIELDS(SEMOPT_READ)};
#undef SEMOPT_READ
    }
    Reference<V> reference(int i, Index<V> k) const {
        return semopt::reference(load<V>(time_ + i), load<V>(power_ + i), task(k));
    }

  private:
    const R *fields_, *time_, *power_;
    long long length_;
    Kinds<R> kinds_;
};

// Each loop copies its constant arguments: a local variable whose address is not taken stays in
// registers.

// ---- offloaded tasks, of which there is a multiple of a vector's lanes ----

template <class R>
void rates_and_snr(const System<Lanes<R>>& system, int count, Offloaded<R>& tasks) {
    using V = Lanes<R>;
    const V bandwidth = system.bandwidth;
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const V link = load<V>(tasks.link + i);
        store(rate(bandwidth, link), tasks.rate + i);
        store(decibel(link), tasks.snr_db + i);
    }
}

template <class Users, class R>
void bits_and_flop(const System<Lanes<R>>& system, const Users& all_users, int count,
                   Offloaded<R>& tasks) {
    using V = Lanes<R>;
    const Users users = all_users;
    const V compress_exponent = system.compress_exponent,
            extract_exponent = system.extract_exponent;
    R high[kMaxOffloaded<R>], low[kMaxOffloaded<R>];  // of the logarithm, which both powers need
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const math::Sum<V> log_extraction = math::log_sum(load<V>(tasks.extraction + i));
        store(log_extraction.high, high + i);
        store(log_extraction.low, low + i);
    }
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const Task<V> task = users.task(load<Index<V>>(tasks.kind + i));
        const math::Sum<V> log_extraction = {load<V>(high + i), load<V>(low + i)};
        const auto raw = is_raw(load<V>(tasks.extraction + i));
        const V sent = sent_bits(task.semantic_bits, log_extraction, compress_exponent),
                flop = extraction_flop(task.extract_flop, log_extraction, extract_exponent);
        store(raw ? task.bits : sent, tasks.sent + i);
        store(raw ? V{} : flop, tasks.flop + i);
    }
}

template <class Users, class R>
void remote_costs_of(const System<Lanes<R>>& common, const Users& all_users, int count,
                     Offloaded<R>& tasks) {
    using V = Lanes<R>;
    const System<V> system = common;
    const Users users = all_users;
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const Task<V> task = users.task(load<Index<V>>(tasks.kind + i));
        const auto raw = is_raw(load<V>(tasks.extraction + i));
        const Costs<V> costs =
            remote_costs(system, load<V>(tasks.offloaders + i), load<V>(tasks.power + i),
                         load<V>(tasks.sent + i), load<V>(tasks.rate + i),
                         raw ? task.server_raw_flop : task.server_flop);
        store(costs.latency, tasks.latency + i);
        store(costs.energy, tasks.energy + i);
    }
}

template <class R>
void accuracies(const ScenarioView<R>& scenario, int count, Offloaded<R>& tasks) {
    if (scenario.lookup.corners)
        return find_accuracies(scenario.lookup, scenario.task_count, tasks.kind, tasks.extraction,
                               tasks.snr_db, count, tasks.accuracy);
    for (int i = 0; i < count; ++i)
        tasks.accuracy[i] =
            accuracy(scenario.tables[tasks.kind[i]], tasks.extraction[i], tasks.snr_db[i]);
}

// ---- all tasks ----

// Expands the costs of the offloaded tasks to their places, and adds those of every task on its
// user's device.
template <class Users, class R>
void total_costs(const Users& all_users, const Block<R>& block, const Offloaded<R>& tasks,
                 const Figures<R>& figures) {
    using V = Lanes<R>;
    const Users users = all_users;
    const R *const frequency = block.frequency, *const extraction = block.extraction;
    const Figures<R> out = figures;
    const Lookahead<R> lookahead = block.lookahead;
    int next = 0;
    in_vectors<R>(block.count, [&](int i, auto lanes) __attribute__((always_inline)) {
        prefetch<R>(lookahead.channel, i);
        prefetch<R>(lookahead.kind, i);
        prefetch<R>(lookahead.frequency, i);
        const LaneMask<R> is_offloaded = block.is_offloaded[i / kWidth<R>];
        const Expand<R> in_place(is_offloaded);
        const auto expanded = [&](const R* from, V other) {
            return in_place(load<V>(from + next), other);
        };
        const User<V> user = users.user(i);
        const Task<V> task = users.task(load<Index<V>>(block.kind + i));
        const V flop = expanded(tasks.flop, task.local_flop);
        // The frequency of a raw task is not read.
        const auto raw = is_raw(load(LaneMask<R>(is_offloaded & lanes), extraction + i, V{}));
        const V chosen_frequency = load(lanes, frequency + i, user.frequency_min);
        const Costs<V> costs =
            device_costs(user, flop, raw ? user.frequency_min : chosen_frequency) +
            Costs<V>{expanded(tasks.latency, V{}), expanded(tasks.energy, V{})};
        store(lanes, costs.latency, out.latency + i);
        store(lanes, costs.energy, out.energy + i);
        store(lanes, expanded(tasks.accuracy, task.local_accuracy), out.accuracy + i);
        next += semopt::count(is_offloaded);
    });
}

// Computes QoE and violated limits from the other figures; returns whether a QoE is NaN.
template <class Users, class R>
bool qoe_and_violations(const System<Lanes<R>>& common, const Users& all_users,
                        const Block<R>& block, const Figures<R>& figures) {
    using V = Lanes<R>;
    const System<V> system = common;
    const Users users = all_users;
    const Figures<R> out = figures;
    const Lookahead<R> lookahead = block.lookahead;
    Index<V> not_numbers{};
    const auto begin = [&](int i, auto lanes) __attribute__((always_inline)) {
        prefetch<R>(lookahead.power, i);
        prefetch<R>(lookahead.extraction, i);
        prefetch<R>(lookahead.gain, 2 * i);
        prefetch<R>(lookahead.gain, 2 * i + kWidth<R>);
        const Reference<V> reference = users.reference(i, load<Index<V>>(block.kind + i));
        const auto figure = [&](const R* from) { return load(lanes, from + i, V{}); };
        return divisors(system, reference, figure(out.latency), figure(out.energy),
                        figure(out.accuracy));
    };
    const auto finish = [&](int i, auto lanes,
                            const Divisors<V>& divisors) __attribute__((always_inline)) {
        const User<V> user = users.user(i);
        const Task<V> task = users.task(load<Index<V>>(block.kind + i));
        const auto figure = [&](const R* from) { return load(lanes, from + i, V{}); };
        const V value = qoe(user, divisors);
        const Outcome<V> outcome = {figure(out.latency), figure(out.energy), figure(out.accuracy),
                                    value};
        store(lanes, value, out.qoe + i);
        store_bytes(lanes, violations(system, user, task, outcome), out.violations + i);
        not_numbers |= value == value ? Index<V>{} : Index<V>{} + 1;
    };
    software_pipelined<R>(block.count, begin, finish);
    Index<R> number[kWidth<R>], any = 0;
    store(not_numbers, number);
    for (const Index<R> lane : number) any |= lane;
    return any;
}

// Scores the tasks of a block from their actions; returns whether a QoE is NaN.
template <class Users, class R>
bool score(const ScenarioView<R>& scenario, const Users& users, const Block<R>& block,
           Offloaded<R>& offloaded, const Figures<R>& figures) {
    const System<Lanes<R>> system = in_lanes(*scenario.system);
    const int count = padded<R>(offloaded.count);
    rates_and_snr(system, count, offloaded);
    bits_and_flop(system, users, count, offloaded);
    remote_costs_of(system, users, count, offloaded);
    accuracies(scenario, count, offloaded);
    total_costs(users, block, offloaded, figures);
    return qoe_and_violations(system, users, block, figures);
}

}  // namespace
}  // namespace semopt
