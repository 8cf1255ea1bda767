#include "global/bounds.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace semopt {

namespace {

static_assert(std::string_view(SEMOPT_SCORE) == "logistic",
              "another score has another derivative and other peaks: write them here");

constexpr double kUnit = 0x1p-53;  // relative rounding error of one operation
constexpr double kLn2 = 0.693147180559945309417;
constexpr double kNepersPerDb = 0.230258509299404568402;  // ln(10) / 10

// Every term of a bound is a chain of at most 20 operations of at most 2 ulp each (model/model.h,
// model/math.h). None of them magnifies the relative error before it by more than the term's `size`
// (SafeSum) allows for. So this share of that size is several times the error.
constexpr double kError = 128 * kUnit;

// A sum with its rounding errors.
class SafeSum {
  public:
    // `size`: of what `term` was computed from, where that is more than the term itself.
    void add(double term, double size = 0) {
        value_ += term;
        size_ += std::max(std::abs(term), size);
    }
    // Infinite where numbers overflowed: then nothing is known.
    double upper() const {
        const double upper = value_ + kError * size_;
        return upper == upper ? upper : kInfinity;
    }

  private:
    double value_ = 0, size_ = 0;
};

// The least value of a line through the origin over a range.
double least(double slope, Interval range) { return slope * (slope > 0 ? range.low : range.high); }

double far_end(Interval range) { return std::max(std::abs(range.low), std::abs(range.high)); }

// A range of a variable in logarithms, counted from a point.
Interval around(Interval range, double point) {
    return {math::log(range.low / point), math::log(range.high / point)};
}

// The frequency that minimises the priced cost of computing on the device.
double best_frequency(const Subproblem& subproblem, const Proof& proof) {
    const double f = std::cbrt(proof.price[kLatencyCost] /
                               (2 * subproblem.energy_coefficient * proof.price[kEnergyCost]));
    const auto [low, high] = subproblem.frequency;
    return f > low ? std::min(f, high) : low;  // low where both prices are 0, f being NaN
}

}  // namespace

double Score::value(double u) const {
    return weight * sigmoid(slope * (reference - u)) - toll * (u - free);
}

// The error of the difference of two costs, which a steep slope magnifies, goes into the argument
// of the sigmoid: the score stays below its weight.
double Score::at_most(double u) const {
    const double error = exact ? 0 : kError * (std::abs(reference) + std::abs(u));
    const double argument = slope * (reference - u + error);
    const double score = argument == argument ? sigmoid(argument) : kTopScore;
    const double most = weight * (score + kError);
    if (toll == 0) return most;
    return most - toll * (u - free) + kError * toll * (std::abs(reference) + std::abs(u));
}

double Score::doubt(double u, double size) const {
    constexpr double kRoundings = 16;
    if (exact) return 0;
    const double error = slope * kRoundings * kUnit * (std::abs(reference) + std::abs(size));
    if (error < 1e-12) return weight * error;
    const double x = slope * (reference - u);
    return weight * (sigmoid(x + error) - sigmoid(x - error));
}

double Score::cliff() const {
    constexpr double kFlat = 36;  // S(-36) = 2e-16
    return kFlat / slope + 4 * kError * std::abs(reference);
}

double Score::conjugate(double price, Interval range) const {
    if (price == 0) return at_most(range.low);  // the ends may be infinite
    const auto end = [&](double u) {
        return at_most(u) + price * u + kError * price * (std::abs(reference) + std::abs(u));
    };
    const double best = std::max(end(range.low), end(range.high));
    // Inside, where S' = S (1 - S) = price / (weight slope), on the concave side. There the sum is
    // flat: what `touch` and `s` lack plays no part.
    const double net = price - toll, steepness = net / (weight * slope);
    if (!(steepness > 0 && steepness < 0.25)) return best;
    const double s = 0.5 * (1 + std::sqrt(1 - 4 * steepness));
    const double span = math::log(s * s / steepness) / slope, touch = reference - span;
    if (!(touch > range.low && touch < range.high)) return best;
    return std::max(
        best, weight * s + net * touch + toll * free +
                  kError * (weight + (price + toll) * (std::abs(reference) + std::abs(span))));
}

Airtime Subproblem::airtime(double power, double extraction) const {
    const double ratio = snr(gain, power, noise), speed = rate(bandwidth, ratio);
    return {transmission_time(sent_bits(bits, extraction, compress_exponent), speed),
            ratio / (1 + ratio) * bandwidth / (speed * kLn2)};
}

double Subproblem::device_time(double extraction, double frequency) const {
    return execution_time(extraction_flop(flop, extraction, extract_exponent), flop_per_cycle,
                          frequency);
}

double Subproblem::device_energy(double time, double frequency) const {
    return execution_energy(energy_coefficient, time, frequency);
}

double Subproblem::accuracy(double extraction, double snr_db) const {
    if (mode == Mode::local) return local_accuracy;
    return mode == Mode::raw ? raw_accuracy(table, snr_db)
                             : semantic_accuracy(table, extraction, snr_db);
}

double Subproblem::steepness() const {
    double most = 0;
    for (int j = 0; j + 1 < columns; ++j) {
        const double width = table.snr_db[j + 1] - table.snr_db[j];
        most = std::max(most, (table.raw[j + 1] - table.raw[j]) / width);
        for (int i = 0; i < rows; ++i) {
            const double* const at = table.table + i * columns + j;
            most = std::max(most, (at[1] - at[0]) / width);
        }
    }
    return most;
}

namespace {

// A subproblem without tolls.
bool make_free(Subproblem& subproblem, const Scenario& scenario, int n, int t, Mode mode,
               double gain, int offloaders) {
    const System<double>& system = scenario.system;
    const User<double>& user = scenario.users[n];
    const Task<double>& task = scenario.tasks[t];
    const AccuracyTable<double>& table = scenario.tables[t];
    const Reference<double> offset = reference(user, task);
    constexpr Interval one{1, 1}, any{-kInfinity, kInfinity};
    const Interval frequency{user.frequency_min, user.frequency_max};
    subproblem = {};
    subproblem.score[kLatencyCost] = {user.weight_latency, system.slope_latency, offset.latency,
                                      system.latency_max};
    subproblem.score[kEnergyCost] = {user.weight_energy, system.slope_energy, offset.energy,
                                     user.energy_max};
    subproblem.score[kAccuracyCost] = {user.weight_accuracy, system.slope_accuracy,
                                       -offset.accuracy, -task.accuracy_min};
    subproblem.bandwidth = system.bandwidth;
    subproblem.flop_per_cycle = user.flop_per_cycle;
    subproblem.energy_coefficient = user.energy_coefficient;
    subproblem.frequency = frequency;
    subproblem.root = {{one, one, any, any, any}};
    subproblem.mode = mode;
    subproblem.table = table;
    subproblem.local_accuracy = task.local_accuracy;
    if (mode == Mode::local) {
        subproblem.gain = subproblem.noise = 1;
        subproblem.flop = task.local_flop;
        subproblem.score[kAccuracyCost].exact = true;
        return true;
    }
    const bool raw = mode == Mode::raw;
    subproblem.server_time =
        server_time(raw ? task.server_raw_flop : task.server_flop, double(offloaders), system);
    subproblem.server_energy = server_energy(subproblem.server_time, double(offloaders), system);
    subproblem.noise = system.noise;
    subproblem.gain = gain;
    subproblem.columns = table.columns;
    subproblem.root.axis[kPower] = {user.power_min, user.power_max};
    if (raw) {
        subproblem.bits = task.bits;
        subproblem.frequency = {user.frequency_min, user.frequency_min};
        return true;
    }
    subproblem.bits = task.semantic_bits;
    subproblem.compress_exponent = system.compress_exponent;
    subproblem.flop = task.extract_flop;
    subproblem.extract_exponent = system.extract_exponent;
    subproblem.root.axis[kExtraction] = {user.extraction_min, task.extraction_max};
    subproblem.rows = table.rows;
    return user.extraction_min < 1 && user.extraction_min <= task.extraction_max;
}

}  // namespace

bool make_subproblem(Subproblem& subproblem, const Scenario& scenario, int n, int t, Mode mode,
                     double gain, int offloaders, const Toll& toll) {
    const bool exists = make_free(subproblem, scenario, n, t, mode, gain, offloaders);
    Score& energy = subproblem.score[kEnergyCost];
    energy.toll = toll.price;
    energy.free = toll.device ? subproblem.server_energy : 0;
    if (toll.least > 0) energy.floor = toll.least + energy.free;
    energy.limit = std::min(energy.limit, toll.most + energy.free);
    return exists;
}

// Each part of a cost is monotone in each variable.
Ranges cost_ranges(const Subproblem& subproblem, const Box& box) {
    const Interval p = box.axis[kPower], mu = box.axis[kExtraction], f = subproblem.frequency;
    const auto bits = [&](double extraction) {
        return sent_bits(subproblem.bits, extraction, subproblem.compress_exponent);
    };
    const auto speed = [&](double power) {
        return rate(subproblem.bandwidth, snr(subproblem.gain, power, subproblem.noise));
    };
    const auto device_energy = [&](double time, double frequency) {
        return subproblem.device_energy(time, frequency);
    };
    const double few = bits(mu.low), many = bits(mu.high), slow = speed(p.low),
                 fast = speed(p.high);
    // Own time at one frequency gives that at the other.
    const double shortest = subproblem.device_time(mu.high, f.high),
                 longest = subproblem.device_time(mu.low, f.low), stretch = f.high / f.low;
    const Interval within[kCosts] = {
        {subproblem.server_time + transmission_time(few, fast) + shortest,
         subproblem.server_time + transmission_time(many, slow) + longest},
        {subproblem.server_energy + transmission_energy(p.low, transmission_time(few, slow)) +
             device_energy(shortest * stretch, f.low),
         subproblem.server_energy + transmission_energy(p.high, transmission_time(many, fast)) +
             device_energy(longest / stretch, f.high)},
        {-subproblem.accuracy(mu.high, subproblem.snr_db(p.high)),
         -subproblem.accuracy(mu.low, subproblem.snr_db(p.low))}};
    constexpr double kSlack = 64 * kUnit;  // relative rounding error of `within`
    Ranges ranges;
    ranges.possible = true;
    for (int j = 0; j < kCosts; ++j) {
        const Interval side = box.axis[kCost + j];
        const Score& score = subproblem.score[j];
        Interval& range = ranges.cost[j];
        // What overflowed to NaN says nothing: it stands second, where a comparison drops it.
        range = {std::max(std::max(side.low, score.floor), within[j].low),
                 std::min(std::min(side.high, score.limit), std::max(within[j].high, score.floor))};
        if (range.low <= range.high) continue;
        // Ends that agree up to rounding are a point, not a contradiction.
        ranges.possible &= range.low <= range.high + kSlack * std::abs(range.low);
        range.high = range.low;
    }
    return ranges;
}

double highest_vertex(const Subproblem& subproblem, const Box& box, double price,
                      const double* slope, double power, double extraction) {
    const Interval p = box.axis[kPower], mu = box.axis[kExtraction];
    const Interval range{subproblem.snr_db(p.low), subproblem.snr_db(p.high)};
    const double origin = subproblem.snr_db(power);
    double highest = -kInfinity;
    const auto vertex = [&](double at, double z, double db) {
        const double y = (db - origin) * kNepersPerDb;
        const double height = price * subproblem.accuracy(at, db) - slope[0] * y - slope[1] * z;
        if (height > highest || height != height) highest = height;  // NaN remains
    };
    const auto row = [&](double at) {
        const double z = math::log(at / extraction);
        vertex(at, z, range.low);
        for (int j = 0; j < subproblem.columns; ++j) {
            const double knot = subproblem.table.snr_db[j];
            if (knot > range.low && knot < range.high) vertex(at, z, knot);
        }
        if (range.high > range.low) vertex(at, z, range.high);
    };
    row(mu.low);
    for (int i = 0; i < subproblem.rows; ++i) {
        const double knot = subproblem.table.extraction[i];
        if (knot > mu.low && knot < mu.high) row(knot);
    }
    if (mu.high > mu.low) row(mu.high);
    return highest;
}

Bound upper_bound(const Subproblem& subproblem, const Box& box, const Ranges& ranges,
                  const Proof& proof) {
    Bound bound;
    SafeSum sum;
    for (int j = 0; j < kCosts; ++j) {
        bound.conjugate[j] = subproblem.score[j].conjugate(proof.price[j], ranges.cost[j]);
        sum.add(bound.conjugate[j]);
    }

    const double time = proof.price[kLatencyCost], joule = proof.price[kEnergyCost];
    const double p = proof.power, mu = proof.extraction, f = best_frequency(subproblem, proof);
    const auto [t_tx, rho] = subproblem.airtime(p, mu);
    const double e_tx = transmission_energy(p, t_tx);
    const double t_device = subproblem.device_time(mu, f),
                 e_device = subproblem.device_energy(t_device, f);
    bound.cost[kLatencyCost] = subproblem.server_time + t_tx + t_device;
    bound.cost[kEnergyCost] = subproblem.server_energy + e_tx + e_device;
    bound.cost[kAccuracyCost] = -subproblem.accuracy(mu, subproblem.snr_db(p));
    bound.upper = sum.upper();
    if (proof.is_interval()) return bound;

    // The tangent plane of latency and energy, priced.
    const double air = time * t_tx + joule * e_tx, device = time * t_device + joule * e_device;
    sum.add(-(time * subproblem.server_time + joule * subproblem.server_energy));
    sum.add(-(air + device));
    const double c = subproblem.compress_exponent, k = subproblem.extract_exponent;
    const Interval dy = around(box.axis[kPower], p), dz = around(box.axis[kExtraction], mu),
                   dq = around(subproblem.frequency, f);
    sum.add(-least(joule * e_tx - rho * air - proof.slope[0], dy) -
                least(c * air - k * device - proof.slope[1], dz) -
                least(2 * joule * e_device - time * t_device, dq),
            (1 + far_end(dy)) * (2 * air + std::abs(proof.slope[0])) +
                (1 + far_end(dz)) * (c * air + k * device + std::abs(proof.slope[1])) +
                (1 + far_end(dq)) * 2 * device);

    // The plane above the priced accuracy.
    const double price = proof.price[kAccuracyCost];
    const double plane = highest_vertex(subproblem, box, price, proof.slope, p, mu);
    const Interval db{subproblem.snr_db(box.axis[kPower].low),
                      subproblem.snr_db(box.axis[kPower].high)};
    const double origin = std::abs(subproblem.snr_db(p));
    sum.add(plane, price + std::abs(proof.slope[0]) * (1 + far_end(dy) + far_end(db) + origin) +
                       std::abs(proof.slope[1]) * (1 + far_end(dz)));
    if (price > 0) bound.cost[kAccuracyCost] = -plane / price;
    bound.upper = sum.upper();
    return bound;
}

Proof round_proof(const Subproblem& subproblem, const Box& box, const Ranges& ranges,
                  const Proof& proof, double enough) {
    for (int digits = 2; digits < 15; ++digits) {
        Proof rounded = proof;
        const auto round = [digits](double& x) {
            char text[32];
            std::snprintf(text, sizeof text, "%.*e", digits - 1, x);
            x = std::strtod(text, nullptr);
        };
        for (double& price : rounded.price) round(price);
        for (double& slope : rounded.slope) round(slope);
        round(rounded.power);
        round(rounded.extraction);
        if (upper_bound(subproblem, box, ranges, rounded).upper <= enough) return rounded;
    }
    return proof;
}

}  // namespace semopt
