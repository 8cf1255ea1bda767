// The physics and the QoE of one task: the fast twin of semopt/model.py (same names, same order,
// SI units, equation numbers of the paper). Templates for host and device, of a number or, on the
// host, of a vector of them (isa/lanes.h). One file, over 400 lines, to be read beside that one.
#pragma once

#include "model/math.h"

namespace semopt {

using math::Number;

constexpr double kInfinity = math::Real<double>::infinity;

template <class R>
using Index = typename math::Real<R>::Index;

// The figures of semopt/figures.py, in the order in which Python packs them; one list a record,
// from which the record, its names (bindings/scenario.cpp) and its rows (isa/score_loops.h) are
// made. All are of one type, so that a row of numbers is a record.
#define SEMOPT_SYSTEM_FIELDS(FIELD)  \
    FIELD(bandwidth)                 \
    FIELD(noise)                     \
    FIELD(server_frequency)          \
    FIELD(server_flop_per_cycle)     \
    FIELD(server_energy_coefficient) \
    FIELD(compress_exponent)         \
    FIELD(extract_exponent)          \
    FIELD(latency_max)               \
    FIELD(slope_latency)             \
    FIELD(slope_energy)              \
    FIELD(slope_accuracy)            \
    FIELD(server_energy_max)

#define SEMOPT_USER_FIELDS(FIELD) \
    FIELD(flop_per_cycle)         \
    FIELD(energy_coefficient)     \
    FIELD(frequency_min)          \
    FIELD(frequency_max)          \
    FIELD(reference_frequency)    \
    FIELD(power_min)              \
    FIELD(power_max)              \
    FIELD(extraction_min)         \
    FIELD(energy_max)             \
    FIELD(weight_latency)         \
    FIELD(weight_energy)          \
    FIELD(weight_accuracy)

#define SEMOPT_TASK_FIELDS(FIELD) \
    FIELD(bits)                   \
    FIELD(semantic_bits)          \
    FIELD(local_flop)             \
    FIELD(extract_flop)           \
    FIELD(server_flop)            \
    FIELD(server_raw_flop)        \
    FIELD(local_accuracy)         \
    FIELD(accuracy_min)           \
    FIELD(extraction_max)

#define SEMOPT_DECLARED(name) R name;
template <class R>
struct System {
    SEMOPT_SYSTEM_FIELDS(SEMOPT_DECLARED)
};

template <class R>
struct User {
    SEMOPT_USER_FIELDS(SEMOPT_DECLARED)
};

template <class R>
struct Task {
    SEMOPT_TASK_FIELDS(SEMOPT_DECLARED)
};
#undef SEMOPT_DECLARED

template <class R>
struct AccuracyTable {
    const R *extraction, *snr_db, *table, *raw;  // (I), (J), (I, J), (J)
    const R *extraction_scale, *snr_scale;       // (I), (J), 1 / width of each cell, then 0
    int rows, columns;                           // I, J
};

template <class R>
struct Outcome {
    R latency, energy, accuracy, qoe;
};

// A condition that holds whatever the figures are.
struct Kept {};
SEMOPT_HD Kept operator&(Kept, Kept) { return {}; }
template <class Condition>
SEMOPT_HD Condition operator&(Kept, Condition condition) {
    return condition;
}
template <class Condition>
SEMOPT_HD Condition operator&(Condition condition, Kept) {
    return condition;
}

// The limits of semopt/figures.py that are checked here, the one place for all kernels and solvers:
// name, bit of `violations`, condition. Bit 0 marks a limit on all users together, which is checked
// where joint actions are scored. Problems with other limits are refused.
#define SEMOPT_LIMITS(LIMIT)                                    \
    LIMIT("latency", 1, outcome.latency <= system.latency_max)  \
    LIMIT("energy", 2, outcome.energy <= user.energy_max)       \
    LIMIT("accuracy", 4, outcome.accuracy >= task.accuracy_min) \
    LIMIT("server energy", 0, Kept())

// The score by its name in semopt/model.py, and what no score exceeds. Its derivative and bounds
// stand in global/bounds.cpp and global/interior_point.cpp.
#define SEMOPT_SCORE "logistic"
constexpr double kTopScore = 1;

// 1 + e^x: what a weight is divided by where x tells how much worse a figure is than its reference.
template <class R>
SEMOPT_HD R divisor(R x) {
    return math::one_plus_exp(x);
}

template <class R>
SEMOPT_HD R sigmoid(R x) {
    return Number<R>(1) / divisor(-x);
}

// Whether a task is sent as it is, not what it means.
template <class R>
SEMOPT_HD auto is_raw(R extraction) {
    return extraction == Number<R>(1);
}

// Inputs of an offloaded task; what is out of range gives no QoE.
template <class R>
SEMOPT_HD R checked_extraction(R extraction) {
    return math::or_nan((extraction > Number<R>(0)) & (extraction <= Number<R>(1)), extraction);
}

template <class R>
SEMOPT_HD R checked_gain(R gain) {
    return math::or_nan((gain >= Number<R>(0)) & (gain < math::Real<R>::infinity), gain);
}

template <class R>
SEMOPT_HD R snr(R gain, R power, R noise) {  // (2)
    return gain * (Number<R>(1) / noise) * power;
}

template <class R>
SEMOPT_HD R decibel(R ratio) {
    return Number<R>(10) * math::log10(ratio);
}

template <class R>
SEMOPT_HD R rate(R bandwidth, R snr) {  // (2)
    return bandwidth * (math::log1p(snr) * Number<R>(1.44269504088896340736));
}

// Extraction as a number or, here and in extraction_flop, as its logarithm (math::log_sum).
template <class R, class Extraction>
SEMOPT_HD R sent_bits(R bits, Extraction extraction, R compress_exponent) {  // (3)
    return bits * math::pow(extraction, compress_exponent);
}

template <class R>
SEMOPT_HD R transmission_time(R sent_bits, R rate) {  // (3)
    return sent_bits / rate;
}

template <class R, class Extraction>
SEMOPT_HD R extraction_flop(R extract_flop, Extraction extraction, R extract_exponent) {  // (4)
    return extract_flop * math::pow(extraction, -extract_exponent);
}

template <class R>
SEMOPT_HD R execution_time(R flop, R flop_per_cycle, R frequency) {  // (4)
    return flop / (flop_per_cycle * frequency);
}

template <class R>
SEMOPT_HD R server_time(R server_flop, R offloaders, const System<R>& system) {  // (5)
    return server_flop * offloaders *
           (Number<R>(1) / (system.server_flop_per_cycle * system.server_frequency));
}

// The energy of a cycle times how many there are, both of usual size: a cube of hertz would leave
// the range of single precision.
template <class R>
SEMOPT_HD R execution_energy(R energy_coefficient, R time, R frequency) {  // (7)
    return energy_coefficient * frequency * frequency * (time * frequency);
}

template <class R>
SEMOPT_HD R transmission_energy(R power, R time) {  // (7)
    return power * time;
}

template <class R>
SEMOPT_HD R server_energy(R time, R offloaders, const System<R>& system) {  // (8)
    return execution_energy(system.server_energy_coefficient, time,
                            system.server_frequency / offloaders);
}

// The cell of a strictly increasing axis that holds x, branch-free; the last point is a cell of its
// own, without width.
template <class R>
SEMOPT_HD Index<R> axis_cell(const Number<R>* axis, int points, R x) {
    Index<R> cell{};
    SEMOPT_UNROLL
    for (int i = 1; i < points; ++i) cell += x >= axis[i] ? Index<R>{} + 1 : Index<R>{};
    return cell;
}

// Where x lies in its cell, 0 to 1, clamped.
template <class R>
SEMOPT_HD R axis_share(R edge, R scale, R x) {
    const R share = (x - edge) * scale;
    return math::clamp(share, 0, 1);
}

// From low to high >= low: exactly low at share 0, never above high, and never falling as the share
// grows, in floating point too.
template <class R>
SEMOPT_HD R between(R share, R low, R high) {
    return math::min(math::multiply_add(share, high - low, low), high);
}

// The same, but what never falls is the value as low or high grows.
template <class R>
SEMOPT_HD R mixed(R share, R low, R high) {
    const R mean = math::multiply_add(share, high, (Number<R>(1) - share) * low);
    return math::max(math::min(mean, high), low);
}

// Between the corners of a cell, at share u of the way down its rows and v across its columns. As v
// grows it never falls: a stronger signal costs no accuracy, not even the last digit.
template <class R>
SEMOPT_HD R bilinear(R u, R v, R low, R low_next, R high, R high_next) {
    return mixed(u, between(v, low, low_next), between(v, high, high_next));
}

// A number on an axis: its cell, its share of that, and how far the next point lies in memory.
template <class R>
struct Place {
    int cell, next;
    R share;
};

template <class R>
SEMOPT_HD Place<R> place(const R* axis, const R* scale, int points, R x) {
    const R within = math::clamp(x, axis[0], axis[points - 1]);  // infinity has no share
    const int cell = int(axis_cell(axis, points, within));
    return {cell, cell < points - 1, axis_share(axis[cell], scale[cell], within)};
}

template <class R>
SEMOPT_HD R raw_accuracy(const AccuracyTable<R>& table, R snr_db) {  // (10)
    const Place<R> at = place(table.snr_db, table.snr_scale, table.columns, snr_db);
    const R* const corner = table.raw + at.cell;
    return between(at.share, corner[0], corner[at.next]);
}

template <class R>
SEMOPT_HD R semantic_accuracy(const AccuracyTable<R>& table, R extraction, R snr_db) {  // (10)
    const Place<R> across = place(table.snr_db, table.snr_scale, table.columns, snr_db),
                   down = place(table.extraction, table.extraction_scale, table.rows, extraction);
    const R *const low = table.table + down.cell * table.columns + across.cell,
                   *const high = low + down.next * table.columns;
    return bilinear(down.share, across.share, low[0], low[across.next], high[0], high[across.next]);
}

template <class R>
SEMOPT_HD R accuracy(const AccuracyTable<R>& table, R extraction, R snr_db) {
    return is_raw(extraction) ? raw_accuracy(table, snr_db)
                              : semantic_accuracy(table, extraction, snr_db);
}

// The offset of the QoE: the task run locally at the user's reference frequency, where a FLOP takes
// `reference_time` (s) and the device `reference_power` (W).
template <class R>
struct Reference {
    R latency, energy, accuracy;
};

template <class R>
SEMOPT_HD R reference_time(const User<R>& user) {
    return execution_time(math::all<R>(1), user.flop_per_cycle, user.reference_frequency);
}

template <class R>
SEMOPT_HD R reference_power(const User<R>& user) {
    return execution_energy(user.energy_coefficient, math::all<R>(1), user.reference_frequency);
}

template <class R>
SEMOPT_HD Reference<R> reference(R reference_time, R reference_power, const Task<R>& task) {
    const R time = reference_time * task.local_flop;
    return {time, reference_power * time, task.local_accuracy};
}

template <class R>
SEMOPT_HD Reference<R> reference(const User<R>& user, const Task<R>& task) {
    return reference(reference_time(user), reference_power(user), task);
}

// The three terms of the QoE (11), each a weight by one of these divisors.
template <class R>
SEMOPT_HD R latency_divisor(const System<R>& system, const Reference<R>& reference, R latency) {
    return divisor(system.slope_latency * (latency - reference.latency));
}
template <class R>
SEMOPT_HD R energy_divisor(const System<R>& system, const Reference<R>& reference, R energy) {
    return divisor(system.slope_energy * (energy - reference.energy));
}
template <class R>
SEMOPT_HD R accuracy_divisor(const System<R>& system, const Reference<R>& reference, R accuracy) {
    return divisor(system.slope_accuracy * (reference.accuracy - accuracy));
}

template <class R>
SEMOPT_HD R latency_term(const System<R>& system, const User<R>& user,
                         const Reference<R>& reference, R latency) {
    return user.weight_latency / latency_divisor(system, reference, latency);
}

template <class R>
SEMOPT_HD R energy_term(const System<R>& system, const User<R>& user, const Reference<R>& reference,
                        R energy) {
    return user.weight_energy / energy_divisor(system, reference, energy);
}

template <class R>
SEMOPT_HD R accuracy_term(const System<R>& system, const User<R>& user,
                          const Reference<R>& reference, R accuracy) {
    return user.weight_accuracy / accuracy_divisor(system, reference, accuracy);
}

template <class R>
struct Divisors {
    R latency, energy, accuracy;
};

template <class R>
SEMOPT_HD Divisors<R> divisors(const System<R>& system, const Reference<R>& reference, R latency,
                               R energy, R accuracy) {
    return {latency_divisor(system, reference, latency), energy_divisor(system, reference, energy),
            accuracy_divisor(system, reference, accuracy)};
}

template <class R>
SEMOPT_HD R qoe(const User<R>& user, const Divisors<R>& divisors) {
    return user.weight_latency / divisors.latency + user.weight_energy / divisors.energy +
           user.weight_accuracy / divisors.accuracy;
}

template <class R>
SEMOPT_HD R qoe(const System<R>& system, const User<R>& user, const Reference<R>& reference,
                R latency, R energy, R accuracy) {
    return qoe(user, divisors(system, reference, latency, energy, accuracy));
}

// What a part of a task takes.
template <class R>
struct Costs {
    R latency, energy;
};

template <class R>
SEMOPT_HD Costs<R> operator+(const Costs<R>& a, const Costs<R>& b) {
    return {a.latency + b.latency, a.energy + b.energy};
}

// `flop` on the user's device: a local task, or the extraction of an offloaded one.
template <class R>
SEMOPT_HD Costs<R> device_costs(const User<R>& user, R flop, R frequency) {
    const R time = execution_time(flop, user.flop_per_cycle, frequency);
    return {time, execution_energy(user.energy_coefficient, time, frequency)};
}

// `sent` bits at `rate` on the air, then `flop` on the server.
template <class R>
SEMOPT_HD Costs<R> remote_costs(const System<R>& system, R offloaders, R power, R sent, R rate,
                                R flop) {
    const R t_tx = transmission_time(sent, rate), t_es = server_time(flop, offloaders, system);
    return {t_tx + t_es,  // (6)
            transmission_energy(power, t_tx) + server_energy(t_es, offloaders, system)};
}

template <class R>
SEMOPT_HD Outcome<R> execute_locally(const System<R>& system, const User<R>& user,
                                     const Task<R>& task, R frequency) {
    const Costs<R> device = device_costs(user, task.local_flop, frequency);
    return {device.latency, device.energy, task.local_accuracy,
            qoe(system, user, reference(user, task), device.latency, device.energy,
                task.local_accuracy)};
}

// An offloaded task in one of its two modes, raw or semantic.
template <bool kRaw, class R>
SEMOPT_HD Outcome<R> offload_in_mode(const System<R>& system, const User<R>& user,
                                     const Task<R>& task, const AccuracyTable<R>& table, R gain,
                                     R offloaders, R power, R frequency, R extraction) {
    const R link = snr(gain, power, system.noise);
    const R sent =
        kRaw ? task.bits : sent_bits(task.semantic_bits, extraction, system.compress_exponent);
    const R flop =
        kRaw ? R(0) : extraction_flop(task.extract_flop, extraction, system.extract_exponent);
    const Costs<R> device = kRaw ? Costs<R>{} : device_costs(user, flop, frequency);
    const Costs<R> costs =
        device + remote_costs(system, offloaders, power, sent, rate(system.bandwidth, link),
                              kRaw ? task.server_raw_flop : task.server_flop);
    const R reached = kRaw ? raw_accuracy(table, decibel(link))
                           : semantic_accuracy(table, extraction, decibel(link));
    return {costs.latency, costs.energy, reached,
            qoe(system, user, reference(user, task), costs.latency, costs.energy, reached)};
}

template <class R>
SEMOPT_HD Outcome<R> offload(const System<R>& system, const User<R>& user, const Task<R>& task,
                             const AccuracyTable<R>& table, R gain, R offloaders, R power,
                             R frequency, R extraction) {
    return is_raw(extraction) ? offload_in_mode<true>(system, user, task, table, gain, offloaders,
                                                      power, frequency, extraction)
                              : offload_in_mode<false>(system, user, task, table, gain, offloaders,
                                                       power, frequency, extraction);
}

template <class R, class Condition>
SEMOPT_HD Index<R> broken_bit(int bit, Condition kept) {
    const Index<R> none{};
    return kept ? none : none + bit;
}
template <class R>
SEMOPT_HD Index<R> broken_bit(int, Kept) {
    return Index<R>{};
}

// The limits that an outcome breaks, as bits; NaN meets none.
template <class R>
SEMOPT_HD Index<R> violations(const System<R>& system, const User<R>& user, const Task<R>& task,
                              const Outcome<R>& outcome) {
    const Index<R> none{};
#define SEMOPT_BROKEN(name, bit, kept) +broken_bit<R>(bit, kept)
    return none SEMOPT_LIMITS(SEMOPT_BROKEN);
#undef SEMOPT_BROKEN
}

// Outcomes as `exact` judges them, in two parts, where one bound stands for many actions: the least
// of each cost, the most of each merit. A limit of another kind (the other way round, or on two
// figures at once other than by `&`) would make it lose optima, so with these types it does not
// compile.
template <class R>
struct Least {
    R value;
};
template <class R>
struct Most {
    R value;
};
struct JudgedElsewhere {};
template <class Latency, class Energy, class Accuracy, class Qoe>
struct PartialOutcome {
    Latency latency;
    Energy energy;
    Accuracy accuracy;
    Qoe qoe;
};

template <class R>
SEMOPT_HD auto operator<=(Least<R> cost, R bound) {
    return cost.value <= bound;
}
template <class R>
SEMOPT_HD auto operator>=(Most<R> merit, R bound) {
    return merit.value >= bound;
}
template <class R>
SEMOPT_HD Kept operator<=(JudgedElsewhere, R) {
    return {};
}
template <class R>
SEMOPT_HD Kept operator>=(JudgedElsewhere, R) {
    return {};
}

template <class R, class Judged>
SEMOPT_HD auto keeps_limits(const System<R>& system, const User<R>& user, const Task<R>& task,
                            const Judged& outcome) {
#define SEMOPT_KEPT(name, bit, kept) &(kept)
    return Kept() SEMOPT_LIMITS(SEMOPT_KEPT);
#undef SEMOPT_KEPT
}

// Whether an outcome keeps the limits of what is not its accuracy, and those of its accuracy.
template <class R>
SEMOPT_HD auto affordable(const System<R>& system, const User<R>& user, const Task<R>& task,
                          R latency, R energy, R qoe) {
    return keeps_limits(system, user, task,
                        PartialOutcome<Least<R>, Least<R>, JudgedElsewhere, Most<R>>{
                            {latency}, {energy}, {}, {qoe}});
}
template <class R>
SEMOPT_HD auto accurate(const System<R>& system, const User<R>& user, const Task<R>& task,
                        R accuracy) {
    return keeps_limits(system, user, task,
                        PartialOutcome<JudgedElsewhere, JudgedElsewhere, Most<R>, JudgedElsewhere>{
                            {}, {}, {accuracy}, {}});
}

}  // namespace semopt
