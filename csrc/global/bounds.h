// One user's continuous problem in one mode, and rigorous upper bounds on its QoE over boxes.
//
// Let y, z, q be the logarithms of power, extraction and frequency. In every mode
//     latency = constant + t_tx + t_run,   t_tx ~ e^(c z) / ln(1 + s e^y),  t_run ~ e^(-k z - q)
//     energy  = constant + e_tx + e_run,   e_tx = e^y t_tx,                 e_run ~ e^(-k z + 2 q)
// and each part is convex, being the exponential of a convex function: ln(1 + e^x) is log-concave.
// So latency and energy are convex in (y, z, q), and a tangent plane bounds them from below.
// Accuracy falls in neither variable, hence is linear in y and convex in z between the knots of its
// table: a plane above it at the knots and at the ends of a box is above it in all of the box.
//
// Write the outcomes as costs u = (latency, energy, -accuracy), each scored w S(l (u0 - u)). For
// any prices W >= 0 and any action x of a box that meets the limits,
//     QoE(x)  <=  sum_j max over [u_j] of (w_j S(l_j (u0_j - u)) + W_j u)
//                 -  min over x of sum_j W_j u_j(x)
// where [u_j] is what the box and the limits leave of cost j. The maxima have closed forms; planes
// bound the minimum. With prices that are the slopes of the scores' concave envelopes plus the
// limits' multipliers, this is the optimum of the best concave relaxation; yet it holds whatever
// the prices, the planes and the point of tangency are, so that a box and a handful of numbers are
// a proof that any other program can check. QoE is positive: a negative bound proves that the box
// holds no feasible action.
#pragma once

#include <algorithm>

#include "exact/matching.h"
#include "model/scenario.h"

namespace semopt {

enum class Mode { local, raw, semantic };

enum Cost { kLatencyCost, kEnergyCost, kAccuracyCost, kCosts };  // latency, energy, -accuracy

// What boxes are split along: two variables and the costs.
enum Axis { kPower, kExtraction, kCost, kAxes = kCost + kCosts };

struct Interval {
    double low, high;
};

struct Box {
    Interval axis[kAxes];
};

// weight S(slope (reference - u)) - toll (u - free), to be had where u <= limit.
struct Score {
    double weight, slope, reference, limit;
    double toll = 0, free = 0;  // the price of energy, QoE/J, and how much of it has none, J
    double floor = -kInfinity;  // less of the cost is charged, and scored, as this
    bool exact = false;         // the cost is a figure as given, without rounding errors

    double value(double u) const;
    double at_most(double u) const;  // outward rounded
    // By how much rounding errors may move value(u), with u computed from numbers of this size.
    double doubt(double u, double size) const;
    // Further than this from the reference the score is 0 or the weight, as far as numbers tell.
    double cliff() const;
    // The largest value(u) + price u for u in a range, outward rounded.
    double conjugate(double price, Interval range) const;
};

// What a queue whose slots share batteries asks of a task's energy. Cases of the queue are ranges
// of it (semopt/solvers/queue/ranges.py).
struct Toll {
    double price = 0;                    // QoE/J
    double least = 0, most = kInfinity;  // J: less counts as the least, more is refused
    bool device = false;                 // (7) counts, not (9): the server's energy has no price
};

struct Airtime {
    double time, elasticity;  // elasticity: -d ln(time) / d ln(power)
};

struct Subproblem {
    Score score[kCosts];
    double server_time, server_energy;
    double bandwidth, noise, gain, bits, compress_exponent;  // of the transmission
    double flop, extract_exponent, flop_per_cycle,
        energy_coefficient;  // of computing on the device
    Interval frequency;
    Box root;  // the ranges of power and extraction; those of the costs are unbounded
    Mode mode;
    AccuracyTable<double> table;
    int rows, columns;      // knots of the table that matter: none of extraction in raw mode, none
    double local_accuracy;  // of SNR either in local mode

    double link() const { return snr(gain, 1.0, noise); }
    double snr_db(double power) const { return decibel(snr(gain, power, noise)); }
    Airtime airtime(double power, double extraction) const;
    double device_time(double extraction, double frequency) const;
    double device_energy(double time, double frequency) const;
    double accuracy(double extraction, double snr_db) const;
    double steepness() const;  // the most that accuracy rises with a dB
};

// False where the user has no such mode (semantic with an empty range of extraction).
bool make_subproblem(Subproblem& subproblem, const Scenario& scenario, int user, int task,
                     Mode mode, double gain, int offloaders, const Toll& toll = {});

// What proves a bound.
struct Proof {
    double price[kCosts];      // W >= 0
    double slope[2];           // of the plane above price[kAccuracyCost] accuracy, by y and by z
    double power, extraction;  // where the tangent plane touches; the frequency is the best one

    // Without prices each score is bounded alone, by its range: at most the sum of weights.
    bool is_interval() const {
        return price[kLatencyCost] == 0 && price[kEnergyCost] == 0 && price[kAccuracyCost] == 0 &&
               slope[0] == 0 && slope[1] == 0;
    }
};

// What a box and the limits leave of the costs.
struct Ranges {
    Interval cost[kCosts];
    bool possible;  // false where one is empty: the box holds no feasible action
};

struct Bound {
    double upper;              // outward rounded
    double conjugate[kCosts];  // the maxima above, outward rounded
    double cost[kCosts];       // at the point of tangency, the accuracy being that of the plane
};

Ranges cost_ranges(const Subproblem& subproblem, const Box& box);
// `ranges` are those of the box.
Bound upper_bound(const Subproblem& subproblem, const Box& box, const Ranges& ranges,
                  const Proof& proof);

// The largest price accuracy - slope . (y, z) over a box, y and z counted from the given point.
double highest_vertex(const Subproblem& subproblem, const Box& box, double price,
                      const double* slope, double power, double extraction);

// The same proof with as few digits as still prove `enough`.
Proof round_proof(const Subproblem& subproblem, const Box& box, const Ranges& ranges,
                  const Proof& proof, double enough);

}  // namespace semopt
