// The QoE of a block of tasks, in loops over lanes that take no branch.
//
// Local and offloaded tasks share what they need of the user's device and what they are judged by.
// Most of the work, rates, powers and accuracies, is for offloaded tasks alone: they are compressed
// side by side, and the results are expanded back. Loops are short, because a long one keeps a core
// from overlapping several vectors. Included by kernels.cpp alone.
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

// Where the next block's input lies, or null; beyond the last block it is another's or nobody's,
// which a prefetch may name. It is asked for in the loops over all tasks, which leave memory idle.
template <class R>
struct Ahead {
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
    Chosen<R> away[kBlock<R> / kWidth<R>];  // which lanes of a vector are offloaded
    const R *frequency, *extraction;        // (count), wherever they are
    int count;
    Ahead<R> ahead = {};
};

// The offloaded ones of a block: what they bring, and what is found for them.
template <class R>
struct alignas(64) Offloaded {
    Index<R> kind[kMostAway<R>];
    R link[kMostAway<R>], power[kMostAway<R>], extraction[kMostAway<R>], offloaders[kMostAway<R>];
    R rate[kMostAway<R>], snr_db[kMostAway<R>], sent[kMostAway<R>], flop[kMostAway<R>],
        latency[kMostAway<R>], energy[kMostAway<R>], accuracy[kMostAway<R>];
    int count;
};

// Gives the lanes beyond the last task what does no harm, so that no loop has any left over.
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

// ---- whose task it is: the user, kind of task and reference of lanes i, i + 1, ... ----

// One user with one kind of task.
template <class R>
class Same {
    using V = Lanes<R>;

  public:
    Same(const User<R>& user, const Task<R>& task)
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

// A user after the other, with tasks of any kind, of which there are few (lanes.h) or many.
template <bool kMany, class R>
class Each {
    using V = Lanes<R>;

  public:
    Each(const ScenarioView<R>& scenario, int first_user)
        : fields_(scenario.owners.fields + first_user),
          time_(scenario.owners.reference_time + first_user),
          power_(scenario.owners.reference_power + first_user),
          length_(scenario.owners.length),
          kinds_(scenario.kinds) {}

    User<V> user(int i) const {
        const auto field = [&](int f) { return load<V>(fields_ + f * length_ + i); };
#define SEMOPT_READ(name) field(offsetof(User<R>, name) / sizeof(R)),
        return {SEMOPT_USER_FIELDS(SEMOPT_READ)};
#undef SEMOPT_READ
    }
    Task<V> task(Index<V> k) const {
        const auto field = [&](int f) {
            const R* const of = kinds_.fields + f * kinds_.length;
            if constexpr (kMany)
                return gather(of, k);
            else
                return Few<R>(of)[k];
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

// Loops copy what they are given: a copy whose address nobody has stays in registers.

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

template <class Who, class R>
void bits_and_flop(const System<Lanes<R>>& system, const Who& whose, int count,
                   Offloaded<R>& tasks) {
    using V = Lanes<R>;
    const Who who = whose;
    const V compress_exponent = system.compress_exponent,
            extract_exponent = system.extract_exponent;
    R high[kMostAway<R>], low[kMostAway<R>];  // of the logarithm, which both powers take
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const math::Sum<V> log_extraction = math::log_sum(load<V>(tasks.extraction + i));
        store(log_extraction.high, high + i);
        store(log_extraction.low, low + i);
    }
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const Task<V> task = who.task(load<Index<V>>(tasks.kind + i));
        const math::Sum<V> log_extraction = {load<V>(high + i), load<V>(low + i)};
        const auto raw = is_raw(load<V>(tasks.extraction + i));
        const V sent = sent_bits(task.semantic_bits, log_extraction, compress_exponent),
                flop = extraction_flop(task.extract_flop, log_extraction, extract_exponent);
        store(raw ? task.bits : sent, tasks.sent + i);
        store(raw ? V{} : flop, tasks.flop + i);
    }
}

template <class Who, class R>
void remote_costs_of(const System<Lanes<R>>& whole, const Who& whose, int count,
                     Offloaded<R>& tasks) {
    using V = Lanes<R>;
    const System<V> system = whole;
    const Who who = whose;
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const Task<V> task = who.task(load<Index<V>>(tasks.kind + i));
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

// Puts what was found for the offloaded tasks in their places, and adds what every task takes on
// the user's own device.
template <class Who, class R>
void device_costs(const Who& whose, const Block<R>& block, const Offloaded<R>& tasks,
                  const Figures<R>& figures) {
    using V = Lanes<R>;
    const Who who = whose;
    const R *const frequency = block.frequency, *const extraction = block.extraction;
    const Figures<R> to = figures;
    const Ahead<R> ahead = block.ahead;
    int next = 0;
    in_vectors<R>(block.count, [&](int i, auto lanes) __attribute__((always_inline)) {
        prefetch<R>(ahead.channel, i);
        prefetch<R>(ahead.kind, i);
        prefetch<R>(ahead.frequency, i);
        const Chosen<R> away = block.away[i / kWidth<R>];
        const Expand<R> in_place(away);
        const auto found = [&](const R* from, V other) {
            return in_place(load<V>(from + next), other);
        };
        const User<V> user = who.user(i);
        const Task<V> task = who.task(load<Index<V>>(block.kind + i));
        const V flop = found(tasks.flop, task.local_flop);
        // Raw tasks are not asked for a frequency.
        const auto raw = is_raw(load(Chosen<R>(away & lanes), extraction + i, V{}));
        const V asked = load(lanes, frequency + i, user.frequency_min);
        const Costs<V> costs = own_costs(user, flop, raw ? user.frequency_min : asked) +
                               Costs<V>{found(tasks.latency, V{}), found(tasks.energy, V{})};
        store(lanes, costs.latency, to.latency + i);
        store(lanes, costs.energy, to.energy + i);
        store(lanes, found(tasks.accuracy, task.local_accuracy), to.accuracy + i);
        next += semopt::count(away);
    });
}

// Finds what the figures are worth, and what they break; returns whether one is not a number.
template <class Who, class R>
bool qoe_and_violations(const System<Lanes<R>>& whole, const Who& whose, const Block<R>& block,
                        const Figures<R>& figures) {
    using V = Lanes<R>;
    const System<V> system = whole;
    const Who who = whose;
    const Figures<R> of = figures;
    const Ahead<R> ahead = block.ahead;
    Index<V> seen{};
    const auto begin = [&](int i, auto lanes) __attribute__((always_inline)) {
        prefetch<R>(ahead.power, i);
        prefetch<R>(ahead.extraction, i);
        prefetch<R>(ahead.gain, 2 * i);
        prefetch<R>(ahead.gain, 2 * i + kWidth<R>);
        const Reference<V> reference = who.reference(i, load<Index<V>>(block.kind + i));
        const auto figure = [&](const R* from) { return load(lanes, from + i, V{}); };
        return divisors(system, reference, figure(of.latency), figure(of.energy),
                        figure(of.accuracy));
    };
    const auto finish = [&](int i, auto lanes,
                            const Divisors<V>& divisors) __attribute__((always_inline)) {
        const User<V> user = who.user(i);
        const Task<V> task = who.task(load<Index<V>>(block.kind + i));
        const auto figure = [&](const R* from) { return load(lanes, from + i, V{}); };
        const V value = qoe(user, divisors);
        const Outcome<V> outcome = {figure(of.latency), figure(of.energy), figure(of.accuracy),
                                    value};
        store(lanes, value, of.qoe + i);
        store_bytes(lanes, violations(system, user, task, outcome), of.violations + i);
        seen |= value == value ? Index<V>{} : Index<V>{} + 1;
    };
    software_pipelined<R>(block.count, begin, finish);
    Index<R> number[kWidth<R>], any = 0;
    store(seen, number);
    for (const Index<R> its : number) any |= its;
    return any;
}

// Scores the tasks of a block, from what they bring; returns whether one has no number.
template <class Who, class R>
bool score(const ScenarioView<R>& scenario, const Who& who, const Block<R>& block,
           Offloaded<R>& offloaded, const Figures<R>& figures) {
    const System<Lanes<R>> system = in_lanes(*scenario.system);
    const int count = padded<R>(offloaded.count);
    rates_and_snr(system, count, offloaded);
    bits_and_flop(system, who, count, offloaded);
    remote_costs_of(system, who, count, offloaded);
    accuracies(scenario, count, offloaded);
    device_costs(who, block, offloaded, figures);
    return qoe_and_violations(system, who, block, figures);
}

}  // namespace
}  // namespace semopt
