// The best action of a cell: bounds of all extraction levels, then of a level's powers, then its
// actions. A bound takes the least time and the least energy of the tabulated values, since a rule
// such as "the highest frequency is the fastest" may fail in the last digit; kQoeSlack covers the
// rest of the rounding. So no action that scores more is ruled out. Every score equals that of
// `tabulate`, digit for digit: both call the same functions of registers. Included by kernels.cpp
// alone.
#pragma once

#include "isa/cell.h"
#include "isa/lanes.h"

namespace semopt {
namespace {

// Terms of the QoE by accuracies reached, in place; -inf where one is too low.
void judge_accuracies(const CellView& cell, int count, double* accuracy) {
    using V = Lanes<double>;
    const System<V> system = in_lanes(*cell.system);
    const User<V> user = in_lanes(*cell.user);
    const Task<V> task = in_lanes(*cell.task);
    const Reference<V> reference = in_lanes(cell.reference);
    const V none = math::all<V>(-kInfinity);
    in_vectors<double>(count, [&](int i, auto lanes) __attribute__((always_inline)) {
        const V accuracy_reached = load(lanes, accuracy + i, V{});
        const V term = accuracy_term(system, user, reference, accuracy_reached);
        store(lanes, accurate(system, user, task, accuracy_reached) ? term : none, accuracy + i);
    });
}

void open_frame(const FrameView& frame) {
    using V = Lanes<double>;
    const System<V> system = in_lanes(*frame.system);
    const User<V> user = in_lanes(*frame.user);
    const Task<V> task = in_lanes(*frame.task);
    const Reference<V> reference = in_lanes(frame.reference);
    const V none = math::all<V>(-kInfinity), one = math::all<V>(1);
    in_vectors<double>(frame.extractions, [&](int e, auto lanes) __attribute__((always_inline)) {
        const V mu = load(lanes, frame.extraction + e, one);
        const auto raw = is_raw(mu);
        const V sent = sent_bits(task.semantic_bits, mu, system.compress_exponent),
                flop = extraction_flop(task.extract_flop, mu, system.extract_exponent);
        store(lanes, raw ? task.bits : sent, frame.bits + e);
        store(lanes, raw ? V{} : flop, frame.flop + e);
    });
    for (int e = 0; e < frame.extractions; ++e) {
        const V flop = math::all<V>(frame.flop[e]);
        double *const time = frame.device_time + (long long)e * frame.frequencies,
                      *const energy = frame.device_energy + (long long)e * frame.frequencies;
        in_vectors<double>(frame.frequencies, [&](int f,
                                                  auto lanes) __attribute__((always_inline)) {
            const Costs<V> device = device_costs(user, flop, load(lanes, frame.frequency + f, one));
            store(lanes, device.latency, time + f);
            store(lanes, device.energy, energy + f);
        });
        frame.least_time[e] = time[0];
        frame.least_energy[e] = energy[0];
        for (int f = 1; f < frame.frequencies; ++f) {
            frame.least_time[e] = math::min(frame.least_time[e], time[f]);
            frame.least_energy[e] = math::min(frame.least_energy[e], energy[f]);
        }
    }
    in_vectors<double>(frame.frequencies, [&](int f, auto lanes) __attribute__((always_inline)) {
        const Costs<V> device =
            device_costs(user, task.local_flop, load(lanes, frame.frequency + f, one));
        const V value =
            qoe(system, user, reference, device.latency, device.energy, task.local_accuracy);
        const auto broken =
            violations(system, user, task,
                       Outcome<V>{device.latency, device.energy, task.local_accuracy, value});
        store(lanes, broken == Index<V>{} ? value : none, frame.local + f);
    });
}

void open_cell(const CellView& cell) {
    using V = Lanes<double>;
    const V gain = math::all<V>(cell.gain), noise = math::all<V>(cell.system->noise),
            bandwidth = math::all<V>(cell.system->bandwidth), one = math::all<V>(1);
    in_vectors<double>(cell.powers, [&](int p, auto lanes) __attribute__((always_inline)) {
        const V link = snr(gain, load(lanes, cell.power + p, one), noise);
        store(lanes, rate(bandwidth, link), cell.rate + p);
        store(lanes, decibel(link), cell.snr_db + p);
    });
    double most = cell.rate[0], joule = cell.power[0] / most, strongest = cell.snr_db[0];
    for (int p = 1; p < cell.powers; ++p) {
        most = math::max(most, cell.rate[p]);
        joule = math::min(joule, cell.power[p] / cell.rate[p]);
        strongest = math::max(strongest, cell.snr_db[p]);
    }
    cell.extremes[0] = most;
    cell.extremes[1] = joule * (1 - 0x1p-50);  // the energy of a task takes four roundings
    for (int e = 0; e < cell.extractions; ++e) {
        cell.best_accuracy[e] = accuracy(cell.table, cell.extraction[e], strongest);
        cell.filled[e] = 0;
    }
    judge_accuracies(cell, cell.extractions, cell.best_accuracy);
}

// Whether an action comes before the best one in the order of model/space.h.
bool comes_first(int power, int frequency, const Choice& best) {
    return best.extraction > 0 &&
           (power < best.power || (power == best.power && frequency < best.frequency));
}

// `scratch` holds powers + frequencies + extractions numbers.
Choice best_of_cell(const CellView& cell, Modes modes, double offloaders, double* scratch) {
    using V = Lanes<double>;
    const System<V> system = in_lanes(*cell.system);
    const User<V> user = in_lanes(*cell.user);
    const Task<V> task = in_lanes(*cell.task);
    const Reference<V> reference = in_lanes(cell.reference);
    const V none = math::all<V>(-kInfinity), one = math::all<V>(1);
    double *const bound = scratch, *const value = bound + cell.powers,
                  *const level = value + cell.frequencies;
    // Limits are judged of the QoE and `slack`, by which that of a bound may lie below an action's.
    const auto score = [&](V time, V energy, V accuracy,
                           double slack) __attribute__((always_inline)) {
        const V qoe = latency_term(system, user, reference, time) +
                      energy_term(system, user, reference, energy) + accuracy;
        return affordable(system, user, task, time, energy, qoe + math::all<V>(slack)) ? qoe : none;
    };
    const auto server = [&](double flop) {
        const double time = server_time(flop, offloaders, *cell.system);
        return Costs<double>{time, server_energy(time, offloaders, *cell.system)};
    };
    const Costs<double> raw = server(cell.task->server_raw_flop),
                        semantic = server(cell.task->server_flop);
    // Summed in the order of model/model.h: device + (transmission + server).
    const int first = modes & kRaw ? 0 : 1, last = modes & kSemantic ? cell.extractions : 1;
    {
        const Costs<V> raw_server = in_lanes(raw), semantic_server = in_lanes(semantic);
        const V fastest = math::all<V>(cell.extremes[0]), joule = math::all<V>(cell.extremes[1]);
        in_vectors<double>(last, [&](int e, auto lanes) __attribute__((always_inline)) {
            const auto raw_level = is_raw(load(lanes, cell.extraction + e, one));
            const V bits = load(lanes, cell.bits + e, one);
            const V time = transmission_time(bits, fastest) +
                           (raw_level ? raw_server.latency : semantic_server.latency),
                    energy =
                        bits * joule + (raw_level ? raw_server.energy : semantic_server.energy);
            store(lanes,
                  score(load(lanes, cell.least_time + e, one) + time,
                        load(lanes, cell.least_energy + e, one) + energy,
                        load(lanes, cell.best_accuracy + e, one), kQoeSlack),
                  level + e);
        });
    }
    Choice best;
    for (int e = first; e < last; ++e) {
        if (level[e] + kQoeSlack <= best.value) continue;
        const Costs<V> server_costs = in_lanes(e ? semantic : raw);
        const V bits = math::all<V>(cell.bits[e]);
        double* const accuracy = cell.accuracy + (long long)e * cell.powers;
        if (!cell.filled[e]) {
            for (int p = 0; p < cell.powers; ++p)
                accuracy[p] = semopt::accuracy(cell.table, cell.extraction[e], cell.snr_db[p]);
            judge_accuracies(cell, cell.powers, accuracy);
            cell.filled[e] = 1;
        }
        const V least_time = math::all<V>(cell.least_time[e]),
                least_energy = math::all<V>(cell.least_energy[e]);
        in_vectors<double>(cell.powers, [&](int p, auto lanes) __attribute__((always_inline)) {
            const V air = transmission_time(bits, load(lanes, cell.rate + p, one)),
                    energy = transmission_energy(load(lanes, cell.power + p, one), air);
            store(lanes,
                  score(least_time + (air + server_costs.latency),
                        least_energy + (energy + server_costs.energy),
                        load(lanes, accuracy + p, one), e ? kQoeSlack : 0),
                  bound + p);
        });
        const double *const device_time = cell.device_time + (long long)e * cell.frequencies,
                            *const device_energy =
                                cell.device_energy + (long long)e * cell.frequencies;
        for (int p = 0; p < cell.powers; ++p) {
            if (bound[p] + kQoeSlack <= best.value) continue;
            if (e == 0) {  // raw: nothing runs on the device, so its frequency plays no part
                if (bound[p] > best.value) best = {bound[p], p, 0, 0};
                continue;
            }
            const double air = transmission_time(cell.bits[e], cell.rate[p]);
            const V time = math::all<V>(air + semantic.latency),
                    energy =
                        math::all<V>(transmission_energy(cell.power[p], air) + semantic.energy),
                    accuracy_value = math::all<V>(accuracy[p]);
            in_vectors<double>(
                cell.frequencies, [&](int f, auto lanes) __attribute__((always_inline)) {
                    store(lanes,
                          score(load(lanes, device_time + f, one) + time,
                                load(lanes, device_energy + f, one) + energy, accuracy_value, 0),
                          value + f);
                });
            for (int f = 0; f < cell.frequencies; ++f)
                if (value[f] >= best.value && (value[f] > best.value || comes_first(p, f, best)))
                    best = {value[f], p, f, e};
        }
    }
    return best;
}

}  // namespace
}  // namespace semopt
