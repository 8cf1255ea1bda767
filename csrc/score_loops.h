// `evaluate` and `tabulate`, a block of tasks at a time, in loops over lanes that take no branch.
//
// What local and offloaded tasks share is found for all of them, in their order. The offloaded ones
// are compressed for what they alone need, rates, powers and accuracies, most of the work. Loops
// are short: long ones keep a core from being at several vectors at a time. Included by cpu.cpp
// alone.
#pragma once

#include "cpu.h"
#include "lanes.h"
#include "lookup.h"
#include "tables.h"

namespace semopt {
namespace {

// As many tasks as fill vectors of any width.
int padded(int count) { return (count + kMostLanes - 1) / kMostLanes * kMostLanes; }

// Tasks that follow each other in memory.
template <class R>
struct alignas(64) Block {
    Index<R> channel[kBlock<R>], kind[kBlock<R>];
    R link[kBlock<R>], power[kBlock<R>], frequency[kBlock<R>], extraction[kBlock<R>],
        offloaders[kBlock<R>];
    // of its extraction or local execution; of its way to the server and there; then of it all
    R flop[kBlock<R>], latency[kBlock<R>], energy[kBlock<R>], accuracy[kBlock<R>];
};

// The offloaded ones of a block: what they bring, and what is found for them.
template <class R>
struct alignas(64) Offloaded {
    Index<R> kind[kMostAway<R>];
    R link[kMostAway<R>], power[kMostAway<R>], extraction[kMostAway<R>], offloaders[kMostAway<R>];
    R rate[kMostAway<R>], snr_db[kMostAway<R>], sent[kMostAway<R>], flop[kMostAway<R>],
        latency[kMostAway<R>], energy[kMostAway<R>], accuracy[kMostAway<R>];
};

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

constexpr int kFew = 3;  // kinds that are told apart by choices in registers

// A user after the other, with tasks of any kind, of which there are few or (loads) many.
template <bool kMany, class R>
class Each {
    using V = Lanes<R>;

  public:
    Each(const Scene<R>& scene, int first_user)
        : fields_(scene.owners.fields + first_user),
          latency_(scene.owners.latency + first_user),
          energy_(scene.owners.energy + first_user),
          length_(scene.owners.length),
          tasks_(scene.tasks) {
        for (int k = 0; k < kFew; ++k) {
            few_[k] = scene.tasks[math::min(k, scene.task_count - 1)];
            start_[k] = math::min(k, scene.task_count - 1) * length_;
        }
    }

    User<V> user(int i) const {
        const auto field = [&](int f) { return load<V>(fields_ + f * length_ + i); };
        return {field(0), field(1), field(2), field(3), field(4),  field(5),
                field(6), field(7), field(8), field(9), field(10), field(11)};
    }
    Task<V> task(Index<V> k) const {
        const auto field = [&](R Task<R>::* of) {
            return kMany ? gather(&(tasks_->*of), k * int(sizeof(Task<R>) / sizeof(R)))
                         : choose(k, math::all<V>(few_[0].*of), math::all<V>(few_[1].*of),
                                  math::all<V>(few_[2].*of));
        };
        return {field(&Task<R>::bits),           field(&Task<R>::semantic_bits),
                field(&Task<R>::local_flop),     field(&Task<R>::extract_flop),
                field(&Task<R>::server_flop),    field(&Task<R>::server_raw_flop),
                field(&Task<R>::local_accuracy), field(&Task<R>::accuracy_min),
                field(&Task<R>::extraction_max)};
    }
    Reference<V> reference(int i, Index<V> k) const {
        const auto of = [&](const R* table) {
            return kMany ? gather(table + i, k * Index<R>(length_) + load<Index<V>>(kCounting))
                         : choose(k, load<V>(table + start_[0] + i), load<V>(table + start_[1] + i),
                                  load<V>(table + start_[2] + i));
        };
        return {of(latency_), of(energy_), task(k).local_accuracy};
    }

  private:
    static constexpr Index<R> kCounting[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    static_assert(sizeof kCounting / sizeof *kCounting == kMostLanes, "a number for each lane");
    static_assert(kFew == 3, "choose() has three");
    static V choose(Index<V> k, V first, V second, V third) {
        const V rest = k == 1 ? second : third;
        return k == 0 ? first : rest;
    }

    const R *fields_, *latency_, *energy_;
    long long length_;
    const Task<R>* tasks_;
    Task<R> few_[kFew];
    long long start_[kFew];
};

// Loops copy what they are given: a copy whose address nobody has stays in registers.

// ---- offloaded tasks, of which there is a multiple of a vector's lanes ----

template <class R>
void link_up(const System<Lanes<R>>& system, int count, Offloaded<R>& tasks) {
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
void extract(const System<Lanes<R>>& system, const Who& whose, int count, Offloaded<R>& tasks) {
    using V = Lanes<R>;
    const Who who = whose;
    const V compress_exponent = system.compress_exponent,
            extract_exponent = system.extract_exponent;
    R high[kMostAway<R>], low[kMostAway<R>];  // of the logarithm, which both powers take
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const math::Sum<V> sum = math::log_sum(load<V>(tasks.extraction + i));
        store(sum.high, high + i);
        store(sum.low, low + i);
    }
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const Task<V> task = who.task(load<Index<V>>(tasks.kind + i));
        const math::Sum<V> log_extraction = {load<V>(high + i), load<V>(low + i)};
        const auto raw = load<V>(tasks.extraction + i) >= Number<V>(1);
        const V sent = sent_bits(task.semantic_bits, log_extraction, compress_exponent),
                flop = extraction_flop(task.extract_flop, log_extraction, extract_exponent);
        store(raw ? task.bits : sent, tasks.sent + i);
        store(raw ? V{} : flop, tasks.flop + i);
    }
}

template <class Who, class R>
void serve(const System<Lanes<R>>& whole, const Who& whose, int count, Offloaded<R>& tasks) {
    using V = Lanes<R>;
    const System<V> system = whole;
    const Who who = whose;
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const Task<V> task = who.task(load<Index<V>>(tasks.kind + i));
        const auto raw = load<V>(tasks.extraction + i) >= Number<V>(1);
        const Costs<V> costs =
            remote_costs(system, load<V>(tasks.offloaders + i), load<V>(tasks.power + i),
                         load<V>(tasks.sent + i), load<V>(tasks.rate + i),
                         raw ? task.server_raw_flop : task.server_flop);
        store(costs.latency, tasks.latency + i);
        store(costs.energy, tasks.energy + i);
    }
}

template <class R>
void reach(const Scene<R>& scene, int count, Offloaded<R>& tasks) {
    if (scene.lookup.corners)
        return find_accuracies(scene.lookup, scene.task_count, tasks.kind, tasks.extraction,
                               tasks.snr_db, count, tasks.accuracy);
    for (int i = 0; i < count; ++i) {
        const R extraction = tasks.extraction[i];
        tasks.accuracy[i] = accuracy(scene.tables[tasks.kind[i]],
                                     extraction >= R(1) ? R(1) : extraction, tasks.snr_db[i]);
    }
}

// Fills what the lanes beyond `count` bring, so that no loop has any left over, and finds the rest.
template <class Who, class R>
void offload(const Scene<R>& scene, const System<Lanes<R>>& system, const Who& who, int count,
             Offloaded<R>& tasks) {
    const int whole = padded(count);
    for (int i = count; i < whole; ++i) {
        tasks.kind[i] = tasks.kind[0];
        tasks.link[i] = tasks.link[0];
        tasks.power[i] = tasks.power[0];
        tasks.extraction[i] = tasks.extraction[0];
        tasks.offloaders[i] = tasks.offloaders[0];
    }
    link_up(system, whole, tasks);
    extract(system, who, whole, tasks);
    serve(system, who, whole, tasks);
    reach(scene, whole, tasks);
}

// ---- all tasks ----

// Copies what the offloaded tasks bring; returns how many they are.
template <class R>
int compress_offloaded(const Block<R>& block, int count, Offloaded<R>& tasks) {
    using V = Lanes<R>;
    int kept = 0;
    for (int i = 0; i < count; i += kWidth<R>) {
        const auto chosen = not_negative(load<Index<V>>(block.channel + i));
        const auto move = [&](auto lanes, const auto* from, auto* to) {
            store(compress(chosen, load<decltype(lanes)>(from + i)), to + kept);
        };
        move(Index<V>{}, block.kind, tasks.kind);
        move(V{}, block.link, tasks.link);
        move(V{}, block.power, tasks.power);
        move(V{}, block.extraction, tasks.extraction);
        move(V{}, block.offloaders, tasks.offloaders);
        kept += semopt::count(chosen);
    }
    return kept;
}

// Puts what was found for the offloaded tasks in their places, beside what the others need.
template <class Who, class R>
void expand_found(const Who& whose, const Offloaded<R>& tasks, int count, Block<R>& block) {
    using V = Lanes<R>;
    const Who who = whose;
    int next = 0;
    for (int i = 0; i < count; i += kWidth<R>) {
        const auto chosen = not_negative(load<Index<V>>(block.channel + i));
        const Task<V> task = who.task(load<Index<V>>(block.kind + i));
        const auto place = [&](const R* from, V other, R* to) {
            store(expand(chosen, load<V>(from + next), other), to + i);
        };
        place(tasks.flop, task.local_flop, block.flop);
        place(tasks.latency, V{}, block.latency);
        place(tasks.energy, V{}, block.energy);
        place(tasks.accuracy, task.local_accuracy, block.accuracy);
        next += semopt::count(chosen);
    }
}

// Adds what a task takes on the user's own device.
template <class Who, class R>
void execute(const Who& whose, int count, Block<R>& block, const Figures<R>& figures) {
    using V = Lanes<R>;
    const Who who = whose;
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const User<V> user = who.user(i);
        const auto raw = (load<Index<V>>(block.channel + i) >= 0) &
                         (load<V>(block.extraction + i) >= Number<V>(1));
        const V frequency = raw ? user.frequency_min : load<V>(block.frequency + i);
        const Costs<V> costs = own_costs(user, load<V>(block.flop + i), frequency) +
                               Costs<V>{load<V>(block.latency + i), load<V>(block.energy + i)};
        store(costs.latency, block.latency + i);
        store(costs.energy, block.energy + i);
        store(costs.latency, figures.latency + i, count - i);
        store(costs.energy, figures.energy + i, count - i);
        store(load<V>(block.accuracy + i), figures.accuracy + i, count - i);
    }
}

template <class Who, class R>
unsigned judge(const System<Lanes<R>>& whole, const Who& whose, int count, const Block<R>& block,
               const Figures<R>& figures) {
    using V = Lanes<R>;
    const System<V> system = whole;
    const Who who = whose;
    constexpr int kNoNumber = 8;  // a bit beside those of violations
    Index<R> broken[kBlock<R>], seen = 0;
#pragma GCC ivdep
    for (int i = 0; i < count; i += kWidth<R>) {
        const User<V> user = who.user(i);
        const Index<V> kind = load<Index<V>>(block.kind + i), none{};
        const V latency = load<V>(block.latency + i), energy = load<V>(block.energy + i),
                accuracy = load<V>(block.accuracy + i);
        const V value = qoe(system, user, who.reference(i, kind), latency, energy, accuracy);
        store(value, figures.qoe + i, count - i);
        store(
            violations(system, user, who.task(kind), Outcome<V>{latency, energy, accuracy, value}) +
                (value == value ? none : none + kNoNumber),
            broken + i);
    }
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        figures.violations[i] = (unsigned char)(broken[i] & (kNoNumber - 1));
        seen |= broken[i];
    }
    return seen >= kNoNumber ? kNotANumber : 0;
}

// Scores the tasks of a block, from what they bring.
template <class Who, class R>
unsigned score(const Scene<R>& scene, const Who& who, int count, Block<R>& block,
               Offloaded<R>& offloaded, const Figures<R>& figures) {
    const System<Lanes<R>> system = in_lanes(*scene.system);
    const int whole = padded(count);
    for (int i = count; i < whole; ++i) {  // local tasks like any other
        block.channel[i] = kLocal;
        block.kind[i] = block.kind[0];
        block.frequency[i] = block.frequency[0];
    }
    const int kept = compress_offloaded(block, whole, offloaded);
    offload(scene, system, who, kept, offloaded);
    expand_found(who, offloaded, whole, block);
    execute(who, count, block, figures);
    return judge(system, who, count, block, figures);
}

// ---- evaluate ----

// Tasks first..first+count-1 of a batch: whole rows, or a part of one.
struct Part {
    long long first;
    int count, first_user;
};

template <class I>
I within(I index, I last) {
    return math::min(math::max(index, I(0)), last);
}

template <bool kSlotPerRow, class R>
unsigned read(const Batch<R>& batch, const Part& part, Block<R>& block) {
    const long long* const channel = batch.channel + part.first;
    const long long* const kind = batch.task + (kSlotPerRow ? part.first : 0);
    const R *const power = batch.power + part.first,
                   *const frequency = batch.frequency + part.first,
                   *const extraction = batch.extraction + part.first;
    const Index<R>* const user = batch.scene.owners.user + part.first_user;
    const R none = 1;  // read in place of a gain where there is no sub-channel
    const R* const gain = !batch.channels ? &none
                          : kSlotPerRow   ? batch.gain + part.first * batch.channels
                                          : batch.gain;
    const Index<R> channels = batch.channels, last = math::max(channels - 1, Index<R>(0)),
                   last_kind = batch.scene.task_count - 1;
    const R noise = batch.scene.system->noise;
    Index<R> good = 1, kind_good = 1;
#pragma GCC ivdep
    for (int i = 0; i < part.count; ++i) {
        const long long given = channel[i], own = kind[kSlotPerRow ? i : user[i]];
        good &= Index<R>((given >= kLocal) & (given < channels));
        kind_good &= Index<R>((own >= 0) & (own <= last_kind));
        block.channel[i] = Index<R>(given);
        block.kind[i] = within(Index<R>(own), last_kind);
        const Index<R> at = within(Index<R>(given), last);
        const R own_gain = checked_gain(gain[(kSlotPerRow ? i : user[i]) * channels + at]);
        block.link[i] = snr(own_gain, power[i], noise);
        block.power[i] = power[i];
        block.frequency[i] = frequency[i];
        block.extraction[i] = checked_extraction(extraction[i]);
    }
    return (good ? 0 : kChannelFault) | (kind_good ? 0 : kTaskFault);
}

// Numbers of offloaders, in whole rows of `users`, known beforehand where they are few.
template <int kUsers, class R>
void count_rows(int users, int count, Block<R>& block) {
    const int length = kUsers ? kUsers : users;
#pragma GCC ivdep
    for (int b = 0; b < count; b += length) {
        Index<R> offloaders = 0;
        for (int n = 0; n < length; ++n) offloaders += block.channel[b + n] >= 0;
        for (int n = 0; n < length; ++n) block.offloaders[b + n] = R(offloaders);
    }
}

template <class R>
void count_offloaders(const Batch<R>& batch, const Part& part, Block<R>& block) {
    const int users = batch.scene.user_count;
    switch (users) {
        case 1:
            return count_rows<1>(users, part.count, block);
        case 2:
            return count_rows<2>(users, part.count, block);
        case 3:
            return count_rows<3>(users, part.count, block);
        case 4:
            return count_rows<4>(users, part.count, block);
    }
    if (users <= kBlock<R>) return count_rows<0>(users, part.count, block);
    const long long* const row = batch.channel + part.first - part.first_user;
    long long offloaders = 0;
    for (int n = 0; n < users; ++n) offloaders += row[n] >= 0;
    for (int i = 0; i < part.count; ++i) block.offloaders[i] = R(offloaders);
}

template <bool kMany, class R>
unsigned evaluate_part(const Batch<R>& batch, const Part& part, Block<R>& block,
                       Offloaded<R>& offloaded) {
    const unsigned faults =
        batch.slot_per_row ? read<true>(batch, part, block) : read<false>(batch, part, block);
    count_offloaders(batch, part, block);
    const Figures<R> figures = {batch.latency + part.first, batch.energy + part.first,
                                batch.accuracy + part.first, batch.qoe + part.first,
                                batch.violations + part.first};
    return faults | score(batch.scene, Each<kMany, R>(batch.scene, part.first_user), part.count,
                          block, offloaded, figures);
}

// The rows of the first block: as many as bring the next one to the start of a cache line, where
// there are such.
template <class R>
int rows_to_line(const R* row, int users, int rows) {
    constexpr uintptr_t kLine = 64;
    for (int b = 0; b < rows; ++b)
        if (((uintptr_t)row + b * users * sizeof(R)) % kLine == 0) return b ? b : rows;
    return rows;
}

template <bool kMany, class R>
unsigned evaluate_rows(const Batch<R>& batch, long long first, long long last) {
    const int users = batch.scene.user_count, most = math::min(users, kBlock<R>),
              rows = math::max(kBlock<R> / users, 1);
    Block<R> block;
    Offloaded<R> offloaded;
    unsigned faults = 0;
    int now = rows_to_line(batch.qoe + first * users, users, rows);
    for (; first < last; first += now, now = rows)
        for (int n = 0; n < users; n += most) {
            const int count = users > most ? math::min(most, users - n)
                                           : int(math::min<long long>(now, last - first)) * users;
            faults |= evaluate_part<kMany>(batch, {first * users + n, count, n}, block, offloaded);
        }
    return faults;
}

// Scores rows first..last-1 of a batch, and returns its faults.
template <class R>
unsigned evaluate(const Batch<R>& batch, long long first, long long last) {
    return (batch.scene.task_count > kFew ? evaluate_rows<true, R>
                                          : evaluate_rows<false, R>)(batch, first, last);
}

// Fills list `list` of a user's scores: 0 is local, 1 + (offloaders - 1) K + channel offloaded.
void tabulate(const Grid& grid, long long list) {
    const Scene<double>& scene = grid.scene;
    const System<double>& system = *scene.system;
    const User<double>& user = scene.users[grid.user];
    const Task<double>& task = scene.tasks[grid.task];
    const Same<double> who(user, task);
    const bool local = list == 0;
    const int channel = local ? 0 : int((list - 1) % grid.channels);
    const double offloaders = local ? 0 : double((list - 1) / grid.channels + 1);
    const long long length =
        local ? grid.frequencies
              : (long long)grid.powers * (1 + grid.frequencies * grid.extractions);
    const long long start = local ? 0 : grid.frequencies + (list - 1) * length;
    const auto server_joule = [&](double flop) {
        return local ? 0 : server_energy(server_time(flop, offloaders, system), offloaders, system);
    };
    const double raw_joule = server_joule(task.server_raw_flop),
                 semantic_joule = server_joule(task.server_flop);
    const int levels = math::max(grid.extractions, 1);  // no semantic action divides by none
    Block<double> block;
    Offloaded<double> offloaded;
    constexpr int kMost = kBlock<double>;
    double latency[kMost], energy[kMost], accuracy[kMost], qoe[kMost];
    unsigned char violations[kMost];
    for (long long first = 0; first < length; first += kMost) {
        const int count = int(math::min<long long>(kMost, length - first));
        for (int i = 0; i < count; ++i) {
            const long long action = first + i, semantic = action - grid.powers,
                            rest = semantic / levels;
            const bool raw = !local && semantic < 0;
            const int power = int(local ? 0 : raw ? action : rest / grid.frequencies);
            block.channel[i] = local ? kLocal : channel;
            block.kind[i] = grid.task;
            block.power[i] = grid.power[power];
            block.extraction[i] = local || raw ? 1 : grid.extraction[semantic % levels];
            block.offloaders[i] = offloaders;
            block.link[i] = local ? 1 : snr(grid.gain[channel], block.power[i], system.noise);
            block.frequency[i] = grid.frequency[local ? action : raw ? 0 : rest % grid.frequencies];
        }
        score(scene, who, count, block, offloaded, {latency, energy, accuracy, qoe, violations});
        double* const value = grid.value + start + first;
        for (int i = 0; i < count; ++i) value[i] = violations[i] ? -kInfinite : qoe[i];
        if (grid.server_energy)
            for (int i = 0; i < count; ++i)
                grid.server_energy[start + first + i] =
                    first + i < grid.powers ? raw_joule : semantic_joule;
    }
}

}  // namespace
}  // namespace semopt
