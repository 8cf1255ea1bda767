// The physics and the QoE of one task: the fast twin of semopt/model.py (same names, same order,
// SI units, equation numbers of the paper). Scalar templates for host and device.
#pragma once

#include "math.h"

namespace semopt {

// Fields in the order in which Python packs them (bindings.cpp names them); all of one type, so
// that a row of numbers is a record.
template <class R>
struct System {
    R bandwidth, noise, server_frequency, server_flop_per_cycle, server_energy_coefficient,
        compress_exponent, extract_exponent, latency_max, slope_latency, slope_energy,
        slope_accuracy, server_energy_max;
};

template <class R>
struct User {
    R flop_per_cycle, energy_coefficient, frequency_min, frequency_max, reference_frequency,
        power_min, power_max, extraction_min, energy_max, weight_latency, weight_energy,
        weight_accuracy;
};

template <class R>
struct Task {
    R bits, semantic_bits, local_flop, extract_flop, server_flop, server_raw_flop, local_accuracy,
        accuracy_min, extraction_max;
};

template <class R>
struct AccuracyTable {
    const R *extraction, *snr_db, *table, *raw;  // (I), (J), (I, J), (J)
    int rows, columns;                           // I, J
};

template <class R>
struct Outcome {
    R latency, energy, accuracy, qoe;
};

enum Violation : unsigned char { kLatency = 1, kEnergy = 2, kAccuracy = 4 };

template <class R>
SEMOPT_HD R sigmoid(R x) {
    return R(1) / (R(1) + math::exp(-x));
}

template <class R>
SEMOPT_HD R snr(R gain, R power, R noise) {  // (2)
    return gain * power / noise;
}

template <class R>
SEMOPT_HD R decibel(R ratio) {
    return R(10) * math::log10(ratio);
}

template <class R>
SEMOPT_HD R rate(R bandwidth, R snr) {  // (2)
    return bandwidth * (math::log1p(snr) / R(0.693147180559945309417));
}

template <class R>
SEMOPT_HD R sent_bits(R bits, R extraction, R compress_exponent) {  // (3)
    return bits * math::pow(extraction, compress_exponent);
}

template <class R>
SEMOPT_HD R transmission_time(R sent_bits, R rate) {  // (3)
    return sent_bits / rate;
}

template <class R>
SEMOPT_HD R extraction_flop(R extract_flop, R extraction, R extract_exponent) {  // (4)
    return extract_flop / math::pow(extraction, extract_exponent);
}

template <class R>
SEMOPT_HD R execution_time(R flop, R flop_per_cycle, R frequency) {  // (4)
    return flop / (flop_per_cycle * frequency);
}

template <class R>
SEMOPT_HD R server_time(R server_flop, R offloaders, const System<R>& system) {  // (5)
    return server_flop * offloaders / (system.server_flop_per_cycle * system.server_frequency);
}

template <class R>
SEMOPT_HD R execution_energy(R energy_coefficient, R time, R frequency) {  // (7)
    return energy_coefficient * time * (frequency * frequency * frequency);
}

template <class R>
SEMOPT_HD R transmission_energy(R power, R time) {  // (8)
    return power * time;
}

template <class R>
SEMOPT_HD R server_energy(R time, R offloaders, const System<R>& system) {  // (9)
    const R share = system.server_frequency / offloaders;
    return system.server_energy_coefficient * time * (share * share * share);
}

// The points of a padded axis: shorter ones may end in infinity, their table in its last value,
// which changes no result. Loops over lanes then need no inner loop of unknown length.
constexpr int kAxis = 16;

// The cell of a strictly increasing axis that holds x, 0 to points - 2, clamped; branch-free.
template <bool kPadded, class R>
SEMOPT_HD int axis_cell(const R* axis, int points, R x) {
    static_assert(kAxis == 16, "one comparison for each inner point");
    if (kPadded)
        return (x >= axis[1]) + (x >= axis[2]) + (x >= axis[3]) + (x >= axis[4]) + (x >= axis[5]) +
               (x >= axis[6]) + (x >= axis[7]) + (x >= axis[8]) + (x >= axis[9]) + (x >= axis[10]) +
               (x >= axis[11]) + (x >= axis[12]) + (x >= axis[13]) + (x >= axis[14]);
    int cell = 0;
    for (int i = 1; i < points - 1; ++i) cell += x >= axis[i];
    return cell;
}

// Where x lies in that cell, 0 to 1, clamped.
template <class R>
SEMOPT_HD R axis_share(const R* axis, int cell, R x) {
    const R share = (x - axis[cell]) / (axis[cell + 1] - axis[cell]);
    return math::min(math::max(share, R(0)), R(1));
}

template <bool kPadded = false, class R>
SEMOPT_HD R raw_accuracy(const AccuracyTable<R>& table, R snr_db) {  // (10)
    const int j = axis_cell<kPadded>(table.snr_db, table.columns, snr_db);
    const R v = axis_share(table.snr_db, j, snr_db);
    return (R(1) - v) * table.raw[j] + v * table.raw[j + 1];
}

template <bool kPadded = false, class R>
SEMOPT_HD R semantic_accuracy(const AccuracyTable<R>& table, R extraction, R snr_db) {  // (10)
    const int j = axis_cell<kPadded>(table.snr_db, table.columns, snr_db);
    const R v = axis_share(table.snr_db, j, snr_db);
    const int i = axis_cell<kPadded>(table.extraction, table.rows, extraction);
    const R u = axis_share(table.extraction, i, extraction);
    const int low = i * table.columns + j, high = low + table.columns;
    return (R(1) - u) * ((R(1) - v) * table.table[low] + v * table.table[low + 1]) +
           u * ((R(1) - v) * table.table[high] + v * table.table[high + 1]);
}

template <class R>
SEMOPT_HD R accuracy(const AccuracyTable<R>& table, R extraction, R snr_db) {
    return extraction == R(1) ? raw_accuracy(table, snr_db)
                              : semantic_accuracy(table, extraction, snr_db);
}

// The offset of the QoE: the task run locally at the user's reference frequency.
template <class R>
struct Reference {
    R latency, energy, accuracy;
};

template <class R>
SEMOPT_HD Reference<R> reference(const User<R>& user, const Task<R>& task) {
    const R time = execution_time(task.local_flop, user.flop_per_cycle, user.reference_frequency);
    return {time, execution_energy(user.energy_coefficient, time, user.reference_frequency),
            task.local_accuracy};
}

// The three terms of the QoE (11).
template <class R>
SEMOPT_HD R latency_term(const System<R>& system, const User<R>& user,
                         const Reference<R>& reference, R latency) {
    return user.weight_latency * sigmoid(system.slope_latency * (reference.latency - latency));
}

template <class R>
SEMOPT_HD R energy_term(const System<R>& system, const User<R>& user, const Reference<R>& reference,
                        R energy) {
    return user.weight_energy * sigmoid(system.slope_energy * (reference.energy - energy));
}

template <class R>
SEMOPT_HD R accuracy_term(const System<R>& system, const User<R>& user,
                          const Reference<R>& reference, R accuracy) {
    return user.weight_accuracy * sigmoid(system.slope_accuracy * (accuracy - reference.accuracy));
}

template <class R>
SEMOPT_HD R qoe(const System<R>& system, const User<R>& user, const Reference<R>& reference,
                R latency, R energy, R accuracy) {
    return latency_term(system, user, reference, latency) +
           energy_term(system, user, reference, energy) +
           accuracy_term(system, user, reference, accuracy);
}

template <class R>
SEMOPT_HD Outcome<R> execute_locally(const System<R>& system, const User<R>& user,
                                     const Task<R>& task, R frequency) {
    const R latency = execution_time(task.local_flop, user.flop_per_cycle, frequency);
    const R energy = execution_energy(user.energy_coefficient, latency, frequency);
    return {latency, energy, task.local_accuracy,
            qoe(system, user, reference(user, task), latency, energy, task.local_accuracy)};
}

// An offloaded task in one of its two modes, raw or semantic; the mode is known where loops over
// lanes call this.
template <bool kRaw, bool kPadded = false, class R>
SEMOPT_HD Outcome<R> offload_in_mode(const System<R>& system, const User<R>& user,
                                     const Task<R>& task, const AccuracyTable<R>& table, R gain,
                                     R offloaders, R power, R frequency, R extraction) {
    const R link = snr(gain, power, system.noise);
    const R bits =
        kRaw ? task.bits : sent_bits(task.semantic_bits, extraction, system.compress_exponent);
    const R t_tx = transmission_time(bits, rate(system.bandwidth, link));
    const R flop =
        kRaw ? R(0) : extraction_flop(task.extract_flop, extraction, system.extract_exponent);
    const R t_ex = execution_time(flop, user.flop_per_cycle, frequency);
    const R t_es = server_time(kRaw ? task.server_raw_flop : task.server_flop, offloaders, system);
    const R latency = t_ex + (t_tx + t_es);  // (6)
    const R energy = execution_energy(user.energy_coefficient, t_ex, frequency) +
                     (transmission_energy(power, t_tx) + server_energy(t_es, offloaders, system));
    const R reached = kRaw ? raw_accuracy<kPadded>(table, decibel(link))
                           : semantic_accuracy<kPadded>(table, extraction, decibel(link));
    return {latency, energy, reached,
            qoe(system, user, reference(user, task), latency, energy, reached)};
}

template <class R>
SEMOPT_HD Outcome<R> offload(const System<R>& system, const User<R>& user, const Task<R>& task,
                             const AccuracyTable<R>& table, R gain, R offloaders, R power,
                             R frequency, R extraction) {
    return extraction == R(1) ? offload_in_mode<true>(system, user, task, table, gain, offloaders,
                                                      power, frequency, extraction)
                              : offload_in_mode<false>(system, user, task, table, gain, offloaders,
                                                       power, frequency, extraction);
}

template <class R>
SEMOPT_HD unsigned char violations(const System<R>& system, const User<R>& user,
                                   const Task<R>& task, const Outcome<R>& outcome) {
    return !(outcome.latency <= system.latency_max) * kLatency +  // NaN meets no limit
           !(outcome.energy <= user.energy_max) * kEnergy +
           !(outcome.accuracy >= task.accuracy_min) * kAccuracy;
}

}  // namespace semopt
