// `evaluate` and `tabulate`, a block of tasks at a time, in loops over lanes that take no branch.
//
// What local and offloaded tasks share is found for all of them, in their order. The offloaded ones
// close ranks for what they alone need, rates, powers and accuracies, most of the work; the
// formulas are the plain ones of model.h, which vectorise. Included by cpu.cpp alone.
#pragma once

#include "cpu.h"
#include "lookup.h"
#include "sieve.h"

namespace semopt {
namespace {

constexpr int kLanes = 16;  // a multiple of any vector

// Tasks that follow each other in memory.
template <class R>
struct alignas(64) Block {
    Index<R> channel[kBlock<R>], kind[kBlock<R>];
    R link[kBlock<R>], power[kBlock<R>], extraction[kBlock<R>], offloaders[kBlock<R>];
    // of a task's extraction or local execution; of its way to the server and there
    R flop[kBlock<R>], latency[kBlock<R>], energy[kBlock<R>], accuracy[kBlock<R>];
};

// The offloaded ones of a block: what they bring, and what is found for them.
template <class R>
struct alignas(64) Offloaded {
    static constexpr int kMost = kMostAway<R>;
    Index<R> kind[kMost];
    R link[kMost], power[kMost], extraction[kMost], offloaders[kMost];
    R rate[kMost], snr_db[kMost], sent[kMost], flop[kMost], latency[kMost], energy[kMost],
        accuracy[kMost];
};

// Where the figures of a block go.
template <class R>
struct Figures {
    R *latency, *energy, *accuracy, *qoe;
    unsigned char* violations;
};

int padded(int count) { return (count + kLanes - 1) / kLanes * kLanes; }

// ---- whose task it is: a lane's user, kind of task and reference ----

// One user with one kind of task.
template <class R>
struct Same {
    User<R> own_user;
    Task<R> own_task;
    Reference<R> own_reference;

    User<R> user(int) const { return own_user; }
    Task<R> task(Index<R>) const { return own_task; }
    Reference<R> reference(int, Index<R>) const { return own_reference; }
};

constexpr int kFew = 3;  // kinds that are told apart by choices in registers

// A user after the other, with tasks of any kind, of which there are few or (loads) many.
template <bool kMany, class R>
class Each {
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

    User<R> user(int i) const {
        const auto field = [&](int f) { return fields_[f * length_ + i]; };
        return {field(0), field(1), field(2), field(3), field(4),  field(5),
                field(6), field(7), field(8), field(9), field(10), field(11)};
    }
    Task<R> task(Index<R> k) const {
        if (kMany) return tasks_[k];
        const auto field = [&](R Task<R>::* of) {
            return choose(k, few_[0].*of, few_[1].*of, few_[2].*of);
        };
        return {field(&Task<R>::bits),           field(&Task<R>::semantic_bits),
                field(&Task<R>::local_flop),     field(&Task<R>::extract_flop),
                field(&Task<R>::server_flop),    field(&Task<R>::server_raw_flop),
                field(&Task<R>::local_accuracy), field(&Task<R>::accuracy_min),
                field(&Task<R>::extraction_max)};
    }
    Reference<R> reference(int i, Index<R> k) const {
        const auto of = [&](const R* table) {
            return kMany ? table[k * length_ + i]
                         : choose(k, table[start_[0] + i], table[start_[1] + i],
                                  table[start_[2] + i]);
        };
        return {of(latency_), of(energy_), task(k).local_accuracy};
    }

  private:
    static_assert(kFew == 3, "choose() has three");
    static R choose(Index<R> k, R first, R second, R third) {
        return k == 0 ? first : k == 1 ? second : third;
    }

    const R *fields_, *latency_, *energy_;
    long long length_;
    const Task<R>* tasks_;
    Task<R> few_[kFew];
    long long start_[kFew];
};

// ---- offloaded tasks ----

template <class R>
void link_up(const System<R>& system, int count, Offloaded<R>& tasks) {
    const R bandwidth = system.bandwidth;
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        tasks.rate[i] = rate(bandwidth, tasks.link[i]);
        tasks.snr_db[i] = decibel(tasks.link[i]);
    }
}

template <class Who, class R>
void extract(const System<R>& system, const Who& whose, int count, Offloaded<R>& tasks) {
    const Who who = whose;
    const R compress_exponent = system.compress_exponent,
            extract_exponent = system.extract_exponent;
    R high[Offloaded<R>::kMost], low[Offloaded<R>::kMost];
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const math::Sum<R> sum = math::log_sum(tasks.extraction[i]);
        high[i] = sum.high;
        low[i] = sum.low;
    }
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const Task<R> task = who.task(tasks.kind[i]);
        const math::Sum<R> log_extraction = {high[i], low[i]};
        const bool raw = tasks.extraction[i] >= R(1);
        const R sent = sent_bits(task.semantic_bits, log_extraction, compress_exponent),
                flop = extraction_flop(task.extract_flop, log_extraction, extract_exponent);
        tasks.sent[i] = raw ? task.bits : sent;
        tasks.flop[i] = raw ? R(0) : flop;
    }
}

template <class Who, class R>
void serve(const System<R>& whole, const Who& whose, int count, Offloaded<R>& tasks) {
    const System<R> system = whole;
    const Who who = whose;
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const Task<R> task = who.task(tasks.kind[i]);
        const R flop = tasks.extraction[i] >= R(1) ? task.server_raw_flop : task.server_flop;
        const Costs<R> costs = remote_costs(system, tasks.offloaders[i], tasks.power[i],
                                            tasks.sent[i], tasks.rate[i], flop);
        tasks.latency[i] = costs.latency;
        tasks.energy[i] = costs.energy;
    }
}

template <class R>
void reach(const Scene<R>& scene, int count, Offloaded<R>& tasks) {
    const Lookup<R>& lookup = scene.lookup;
    if (!lookup.corners) {
        for (int i = 0; i < count; ++i) {
            const AccuracyTable<R>& table = scene.tables[tasks.kind[i]];
            tasks.accuracy[i] =
                tasks.extraction[i] >= R(1)
                    ? raw_accuracy(table, tasks.snr_db[i])
                    : semantic_accuracy(table, tasks.extraction[i], tasks.snr_db[i]);
        }
    } else {
        find_accuracies(lookup, scene.task_count, tasks.kind, tasks.extraction, tasks.snr_db, count,
                        tasks.accuracy);
    }
}

// Fills what the lanes beyond `count` bring, so that no loop has any left over, and finds the rest.
template <class Who, class R>
void offload(const Scene<R>& scene, const Who& who, int count, Offloaded<R>& tasks) {
    const int whole = padded(count);
    for (int i = count; i < whole; ++i) {
        tasks.kind[i] = tasks.kind[0];
        tasks.link[i] = tasks.link[0];
        tasks.power[i] = tasks.power[0];
        tasks.extraction[i] = tasks.extraction[0];
        tasks.offloaders[i] = tasks.offloaders[0];
    }
    link_up(*scene.system, whole, tasks);
    extract(*scene.system, who, whole, tasks);
    serve(*scene.system, who, whole, tasks);
    reach(scene, whole, tasks);
}

// ---- all tasks ----

// Adds what a task takes on the user's own device, in place of what it takes elsewhere.
template <class Who, class R>
void execute(const Who& whose, const R* frequency, int count, const Block<R>& block,
             const Figures<R>& figures) {
    const Who who = whose;
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const User<R> user = who.user(i);
        const bool raw = (block.channel[i] >= 0) & (block.extraction[i] >= R(1));
        const Costs<R> own =
            own_costs(user, block.flop[i], raw ? user.frequency_min : frequency[i]);
        const Costs<R> costs = own + Costs<R>{block.latency[i], block.energy[i]};
        figures.latency[i] = costs.latency;
        figures.energy[i] = costs.energy;
        figures.accuracy[i] = block.accuracy[i];
    }
}

template <class Who, class R>
unsigned judge(const System<R>& whole, const Who& whose, int count, const Block<R>& block,
               const Figures<R>& figures) {
    const System<R> system = whole;
    const Who who = whose;
    Index<R> broken[kBlock<R>], good = 1;
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) {
        const User<R> user = who.user(i);
        const Reference<R> offset = who.reference(i, block.kind[i]);
        const R latency = figures.latency[i], energy = figures.energy[i],
                accuracy = figures.accuracy[i];
        const R value = qoe(system, user, offset, latency, energy, accuracy);
        figures.qoe[i] = value;
        good &= Index<R>(value == value);
        broken[i] = violations(system, user, who.task(block.kind[i]),
                               Outcome<R>{latency, energy, accuracy, value});
    }
#pragma GCC ivdep
    for (int i = 0; i < count; ++i) figures.violations[i] = (unsigned char)broken[i];
    return good ? 0 : kNotANumber;
}

// Scores tasks of a block: all but what is found here is there.
template <class Who, class R>
unsigned score(const Scene<R>& scene, const Who& whose, const R* frequency, int count,
               Block<R>& block, Offloaded<R>& away, const Figures<R>& figures) {
    const Who who = whose;
    const int whole = padded(count);
    for (int i = count; i < whole; ++i) {
        block.channel[i] = kLocal;
        block.kind[i] = 0;
    }
#pragma GCC ivdep
    for (int i = 0; i < whole; ++i) {
        const Task<R> task = who.task(block.kind[i]);
        block.flop[i] = task.local_flop;
        block.latency[i] = 0;
        block.energy[i] = 0;
        block.accuracy[i] = task.local_accuracy;
    }
    const auto numbers = [](auto* indices) { return (R*)indices; };
    const int gone = close_ranks<R, 5>(
        block.channel, whole,
        {numbers(block.kind), block.link, block.power, block.extraction, block.offloaders},
        {numbers(away.kind), away.link, away.power, away.extraction, away.offloaders});
    offload(scene, who, gone, away);
    open_ranks<R, 4>(block.channel, whole, {away.flop, away.latency, away.energy, away.accuracy},
                     {block.flop, block.latency, block.energy, block.accuracy});
    execute(who, frequency, count, block, figures);
    return judge(*scene.system, who, count, block, figures);
}

// ---- evaluate ----

// Tasks first..first+count-1 of a batch: whole rows, or a part of one.
struct Part {
    long long first;
    int count, first_user;
};

template <bool kSlotPerRow, class R>
unsigned read(const Batch<R>& batch, const Part& part, Block<R>& block) {
    const long long *const channel = batch.channel + part.first, *const kind =
                                                                     batch.task +
                                                                     (kSlotPerRow ? part.first : 0);
    const R *const power = batch.power + part.first, *const extraction =
                                                         batch.extraction + part.first;
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
        block.kind[i] = math::clamp(Index<R>(own), Index<R>(0), last_kind);
        const Index<R> at = math::clamp(Index<R>(given), Index<R>(0), last);
        block.link[i] = snr(gain[(kSlotPerRow ? i : user[i]) * channels + at], power[i], noise);
        block.power[i] = power[i];
        block.extraction[i] = extraction[i];
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
                       Offloaded<R>& away) {
    const unsigned faults =
        batch.slot_per_row ? read<true>(batch, part, block) : read<false>(batch, part, block);
    count_offloaders(batch, part, block);
    const Figures<R> figures = {batch.latency + part.first, batch.energy + part.first,
                                batch.accuracy + part.first, batch.qoe + part.first,
                                batch.violations + part.first};
    return faults | score(batch.scene, Each<kMany, R>(batch.scene, part.first_user),
                          batch.frequency + part.first, part.count, block, away, figures);
}

// The rows of the first block: as many as bring the next one to the start of a cache line, where
// there are such.
template <class R>
int rows_to_line(const R* row, int users, int rows) {
    constexpr unsigned long long kLine = 64;
    for (int b = 1; b < rows; ++b)
        if ((unsigned long long)(row + b * users) % kLine == 0) return b;
    return rows;
}

template <bool kMany, class R>
unsigned evaluate_rows(const Batch<R>& batch, long long first, long long last) {
    const int users = batch.scene.user_count, most = math::min(users, kBlock<R>),
              rows = math::max(kBlock<R> / users, 1);
    Block<R> block;
    Offloaded<R> away;
    unsigned faults = 0;
    int now = rows_to_line(batch.qoe + first * users, users, rows);
    for (; first < last; first += now, now = rows)
        for (int n = 0; n < users; n += most) {
            const int count = users > most ? math::min(most, users - n)
                                           : int(math::min<long long>(now, last - first)) * users;
            faults |= evaluate_part<kMany>(batch, {first * users + n, count, n}, block, away);
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
    const Same<double> who = {user, task, reference(user, task)};
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
    Offloaded<double> away;
    constexpr int kMost = kBlock<double>;
    alignas(64) double frequency[kMost], latency[kMost], energy[kMost], accuracy[kMost], qoe[kMost];
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
            frequency[i] = grid.frequency[local ? action : raw ? 0 : rest % grid.frequencies];
        }
        score(scene, who, frequency, count, block, away,
              {latency, energy, accuracy, qoe, violations});
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
