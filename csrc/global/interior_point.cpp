// The relaxation, its derivatives and the steps of the interior-point method that solves it: one
// file, over 400 lines, because they share the variables and nothing else does.
#include "global/interior_point.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

namespace semopt {

namespace {

static_assert(std::string_view(SEMOPT_SCORE) == "logistic",
              "another score has another derivative and other peaks: write them here");

constexpr double kDbPerNeper = 4.34294481903251827651;  // 10 / ln(10)
constexpr int kVariables = 3;                           // y, z, q
constexpr int kIterations = 40;

using Vector = std::array<double, kVariables>;
using Matrix = std::array<Vector, kVariables>;

double positive(double x) { return x > 0 ? x : 0; }

double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

// The concave envelope of a score over a range of its cost, by its slope: that of the score up to
// `joint`, of a chord to the end of the range beyond.
struct Envelope {
    Score score;
    double joint = kInfinity, chord = 0;

    Envelope() = default;

    Envelope(const Score& s, Interval range) : score(s) {
        // Flat but for a cliff at an end of the range: the prices of the range's ends tell the
        // rest.
        const double cliff = s.cliff(), most = 0.05 * (range.high - range.low);
        if (range.low >= s.reference + cliff ||
            (cliff < most && range.high <= s.reference + 1.1 * cliff))
            score.weight = 0;
        if (score.weight * s.slope == 0 || range.high <= s.reference) return;
        const double first = s.slope * (s.reference - range.low),
                     last = s.slope * (s.reference - range.high);
        const double end = sigmoid(last);
        double x = std::min(-0.5 * last, std::log1p(-last));  // the joint, as an argument of S
        for (int i = 0; i < 3; ++i) {                         // S'(x) (x - last) = S(x) - S(last)
            const double at = sigmoid(x), slope = at * (1 - at), rise = x - last;
            x -= (slope * rise - (at - end)) / (slope * (1 - 2 * at) * rise);
            x = std::max(x, -1e-3 * last);
        }
        x = std::min(x, first);
        const double rise = x - last;
        joint = s.reference - x / s.slope;
        chord = s.weight * s.slope * (rise > 0 ? (sigmoid(x) - end) / rise : end * (1 - end));
    }

    // What one more unit of cost costs at u, and how that grows.
    std::array<double, 2> price(double u) const {
        if (u > joint) return {chord + score.toll, 0};
        const double at = sigmoid(score.slope * (score.reference - u));
        const double price = score.weight * score.slope * at * (1 - at);
        return {price + score.toll, positive(price * score.slope * (2 * at - 1))};
    }
};

// Primal-dual interior point method for
//     minimise    sum_j loss_j(v_j) + most_j e_j
//     subject to  cost_j(x) <= v_j + e_j,  e_j >= 0,  v_j in range_j,  x in the box,
// where loss_j' is the price of cost j. The multipliers of cost_j(x) <= v_j + e_j are the prices of
// a proof, at most most_j; the excess e_j makes the start feasible, whatever the ranges.
class Relaxation {
  public:
    Relaxation(const Subproblem& subproblem, const Box& box, const Ranges& ranges,
               const Point& start, const double* plane);

    void solve(double precision);
    // Lets prices grow where limits could not be met. False where they could.
    bool raise_prices();
    Point point() const { return {x_[0], x_[1], x_[2]}; }
    double price(int j) const { return dual_[kPrice + j]; }

  private:
    // Slacks and their multipliers: x - low, high - x, v - low, high - v, v + e - cost, e.
    enum {
        kBelow = 0,
        kAbove = 3,
        kFloor = 6,
        kCeiling = 9,
        kPrice = 12,
        kExcess = 15,
        kPairs = 18
    };

    void start();
    void evaluate();
    double residual() const;
    void step(double target);
    double move();
    Vector solve(Matrix& h, const Vector& right) const;

    const Subproblem& subproblem_;
    Envelope envelope_[kCosts];
    Interval range_[kCosts];
    double most_[kCosts];
    Vector low_, high_, x_;
    bool fixed_[kVariables];
    double v_[kCosts];
    const double* plane_;  // accuracy stands at plane[0] + plane[1] y + plane[2] z
    double slack_[kPairs], dual_[kPairs], d_slack_[kPairs], d_dual_[kPairs];
    // Of the last evaluated point:
    double cost_[kCosts], gap_[kCosts];  // gap: of cost + slack = v + e
    Matrix by_;                          // cost j by variable i
    Matrix hessian_;                     // of price . cost, upper triangle
};

Relaxation::Relaxation(const Subproblem& subproblem, const Box& box, const Ranges& ranges,
                       const Point& start, const double* plane)
    : subproblem_(subproblem), plane_(plane) {
    const Interval p = box.axis[kPower], mu = box.axis[kExtraction], f = subproblem.frequency;
    low_ = {std::log(p.low), std::log(mu.low), std::log(f.low)};
    high_ = {std::log(p.high), std::log(mu.high), std::log(f.high)};
    x_ = {start.y, start.z, start.q};
    for (int i = 0; i < kVariables; ++i)
        fixed_[i] = !(high_[i] - low_[i] > 1e-14 * std::abs(low_[i]));
    for (int j = 0; j < kCosts; ++j) {
        Interval& r = range_[j] = ranges.cost[j];
        double size = std::max(std::abs(r.low), std::abs(r.high));
        if (size == 0) size = 1;  // a cost that is always 0
        if (r.high - r.low < 2e-11 * size) r = {r.low - 1e-11 * size, r.high + 1e-11 * size};
        envelope_[j] = Envelope(subproblem.score[j], r);
        most_[j] = 30 / size;  // a price of one percent of a cost seldom reaches 0.3 of a QoE
    }
}

void Relaxation::evaluate() {
    const double power = std::exp(x_[0]), mu = std::exp(x_[1]), f = std::exp(x_[2]);
    const auto [t_tx, rho] = subproblem_.airtime(power, mu);
    const double e_tx = transmission_energy(power, t_tx);
    const double t_device = subproblem_.device_time(mu, f),
                 e_device = subproblem_.device_energy(t_device, f);
    const double s = snr(subproblem_.gain, power, subproblem_.noise), sigma = s / (1 + s);
    const double bend = rho * (1 - sigma - rho);  // d rho / dy
    const double c = subproblem_.compress_exponent, k = subproblem_.extract_exponent;
    cost_[kLatencyCost] = subproblem_.server_time + t_tx + t_device;
    cost_[kEnergyCost] = subproblem_.server_energy + e_tx + e_device;
    cost_[kAccuracyCost] = -(plane_[0] + plane_[1] * x_[0] + plane_[2] * x_[1]);
    by_[kLatencyCost] = {-rho * t_tx, c * t_tx - k * t_device, -t_device};
    by_[kEnergyCost] = {(1 - rho) * e_tx, c * e_tx - k * e_device, 2 * e_device};
    by_[kAccuracyCost] = {-plane_[1], -plane_[2], 0};
    const double t = price(kLatencyCost), e = price(kEnergyCost);
    hessian_[0] = {t * t_tx * (rho * rho - bend) + e * e_tx * ((1 - rho) * (1 - rho) - bend),
                   c * ((1 - rho) * e * e_tx - rho * t * t_tx), 0};
    hessian_[1] = {0, c * c * (t * t_tx + e * e_tx) + k * k * (t * t_device + e * e_device),
                   k * (t * t_device - 2 * e * e_device)};
    hessian_[2] = {0, 0, t * t_device + 4 * e * e_device};
    for (int j = 0; j < kCosts; ++j)
        gap_[j] = cost_[j] + slack_[kPrice + j] - v_[j] - slack_[kExcess + j];
}

// A point inside, every product of slack and multiplier about the same.
void Relaxation::start() {
    constexpr double kProduct = 0.05, kInside = 0.1;
    for (int i = 0; i < kVariables; ++i) {
        const double width = high_[i] - low_[i], margin = kInside * width;
        x_[i] = std::clamp(x_[i], low_[i] + margin, high_[i] - margin);
        slack_[kBelow + i] = fixed_[i] ? 1 : x_[i] - low_[i];
        slack_[kAbove + i] = fixed_[i] ? 1 : high_[i] - x_[i];
        for (int p : {kBelow + i, kAbove + i}) dual_[p] = fixed_[i] ? 0 : kProduct / slack_[p];
    }
    evaluate();
    for (int j = 0; j < kCosts; ++j) {
        const Interval r = range_[j];
        const double margin = kInside * (r.high - r.low);
        v_[j] = std::clamp(cost_[j] + margin, r.low + margin, r.high - margin);
        slack_[kFloor + j] = v_[j] - r.low;
        slack_[kCeiling + j] = r.high - v_[j];
        slack_[kExcess + j] = margin + positive(cost_[j] - v_[j]);
        slack_[kPrice + j] = v_[j] + slack_[kExcess + j] - cost_[j];
        for (int p : {kFloor + j, kCeiling + j}) dual_[p] = kProduct / slack_[p];
        dual_[kPrice + j] = std::min(kProduct / slack_[kPrice + j], 0.5 * most_[j]);
        dual_[kExcess + j] = most_[j] - dual_[kPrice + j];
    }
}

// What the optimality conditions other than slack dual = 0 lack, in units of QoE.
double Relaxation::residual() const {
    double worst = 0;
    for (int j = 0; j < kCosts; ++j) worst = std::max(worst, std::abs(gap_[j]) * price(j));
    for (int i = 0; i < kVariables; ++i) {
        if (fixed_[i]) continue;
        double slope = dual_[kAbove + i] - dual_[kBelow + i];
        for (int j = 0; j < kCosts; ++j) slope += price(j) * by_[j][i];
        worst = std::max(worst, std::abs(slope) * (high_[i] - low_[i]));
    }
    return worst;
}

void Relaxation::solve(double precision) {
    start();
    double length = 0.7;
    for (int i = 0; i < kIterations; ++i) {
        evaluate();
        double product = 0;
        for (int p = 0; p < kPairs; ++p) product += slack_[p] * dual_[p];
        product /= kPairs;
        if (product < precision && residual() < 10 * precision) return;
        const double centring = std::max(0.01, (1 - length) * (1 - length));
        step(std::max(centring * product, 1e-3 * precision));
        length = move();
    }
}

// Newton's step towards slack dual = target in every pair.
void Relaxation::step(double target) {
    double stiffness[kPairs], pull[kPairs];  // dual / slack, target / slack
    for (int p = 0; p < kPairs; ++p) {
        const double inverse = 1 / slack_[p];
        stiffness[p] = dual_[p] * inverse;
        pull[p] = target * inverse;
    }
    Matrix h;
    Vector right;
    for (int i = 0; i < kVariables; ++i) {
        for (int k = i; k < kVariables; ++k) h[k][i] = hessian_[i][k];
        h[i][i] += stiffness[kBelow + i] + stiffness[kAbove + i];
        right[i] = pull[kBelow + i] - pull[kAbove + i];
    }
    double rigidity[kCosts], shift[kCosts], push[kCosts], curb[kCosts];
    for (int j = 0; j < kCosts; ++j) {
        const int w = kPrice + j, e = kExcess + j;
        const auto [price, growth] = envelope_[j].price(v_[j]);
        curb[j] = 1 / (growth + stiffness[kFloor + j] + stiffness[kCeiling + j]);
        push[j] = dual_[w] - price + pull[kFloor + j] - pull[kCeiling + j];
        // d price = rigidity (by . dx + shift)
        rigidity[j] = 1 / (1 / stiffness[w] + 1 / stiffness[e] + curb[j]);
        shift[j] = gap_[j] + target / dual_[w] - slack_[w] - target / dual_[e] + slack_[e] -
                   push[j] * curb[j];
        const double total = dual_[w] + rigidity[j] * shift[j];
        for (int i = 0; i < kVariables; ++i) {
            right[i] -= total * by_[j][i];
            for (int k = 0; k <= i; ++k) h[i][k] += rigidity[j] * by_[j][i] * by_[j][k];
        }
    }
    const Vector dx = solve(h, right);
    for (int i = 0; i < kVariables; ++i) {
        d_slack_[kBelow + i] = dx[i];
        d_slack_[kAbove + i] = -dx[i];
    }
    for (int j = 0; j < kCosts; ++j) {
        const double dw = rigidity[j] * (dot(by_[j], dx) + shift[j]), dv = (push[j] + dw) * curb[j];
        d_slack_[kFloor + j] = dv;
        d_slack_[kCeiling + j] = -dv;
        d_dual_[kPrice + j] = dw;
        d_dual_[kExcess + j] = -dw;
    }
    for (int p = 0; p < kPrice; ++p) d_dual_[p] = pull[p] - dual_[p] - stiffness[p] * d_slack_[p];
    for (int p = kPrice; p < kPairs; ++p)
        d_slack_[p] = (target - slack_[p] * d_dual_[p]) / dual_[p] - slack_[p];
    for (int i = 0; i < kVariables; ++i)
        if (fixed_[i]) d_dual_[kBelow + i] = d_dual_[kAbove + i] = 0;
}

// Goes most of the way to where the first slack or multiplier would vanish; returns how far.
double Relaxation::move() {
    double primal = 0.99, dual = 0.99;  // inverses of the longest steps
    for (int p = 0; p < kPairs; ++p) {
        primal = std::max(primal, -d_slack_[p] / slack_[p]);
        if (d_dual_[p] < 0) dual = std::max(dual, -d_dual_[p] / dual_[p]);
    }
    primal = 0.99 / primal;
    dual = 0.99 / dual;
    for (int p = 0; p < kPairs; ++p) {
        slack_[p] += primal * d_slack_[p];
        dual_[p] += dual * d_dual_[p];
    }
    for (int i = 0; i < kVariables; ++i)
        if (!fixed_[i]) x_[i] += primal * d_slack_[kBelow + i];
    for (int j = 0; j < kCosts; ++j) v_[j] += primal * d_slack_[kFloor + j];
    return std::min(primal, dual);
}

// Cholesky's method on the lower triangle, over the free variables.
Vector Relaxation::solve(Matrix& h, const Vector& right) const {
    Vector s = right;
    for (int i = 0; i < kVariables; ++i) {
        if (fixed_[i]) {
            h[i] = {0, 0, 0};
            h[i][i] = 1;
            s[i] = 0;
        }
        const double diagonal = h[i][i];
        for (int j = 0; j < i; ++j) {
            if (fixed_[j]) h[i][j] = 0;
            for (int k = 0; k < j; ++k) h[i][j] -= h[i][k] * h[j][k];
            h[i][j] *= h[j][j];
            h[i][i] -= h[i][j] * h[i][j];
            s[i] -= h[i][j] * s[j];
        }
        h[i][i] = 1 / std::sqrt(std::max(h[i][i], 1e-16 * diagonal + 1e-300));
        s[i] *= h[i][i];
    }
    for (int i = kVariables - 1; i >= 0; --i) {
        for (int j = i + 1; j < kVariables; ++j) s[i] -= h[j][i] * s[j];
        s[i] *= h[i][i];
    }
    return s;
}

bool Relaxation::raise_prices() {
    bool raised = false;
    for (int j = 0; j < kCosts; ++j)
        if (price(j) > 0.9 * most_[j]) {
            most_[j] *= 1e3;
            raised = true;
        }
    return raised;
}

// Points of the accuracy along one axis of a box through `at`: the box's ends, the knots between.
class Profile {
  public:
    Profile(const Subproblem& subproblem, const Box& box, const Point& at, Axis axis)
        : subproblem_(subproblem),
          axis_(axis),
          offset_(std::log(subproblem.link())),
          mu_(std::exp(at.z)),
          db_(kDbPerNeper * (at.y + offset_)),
          position_(axis == kPower ? at.y : at.z),
          accuracy_(subproblem.accuracy(mu_, db_)) {
        const Interval side = box.axis[axis];
        const double low = std::log(side.low), high = std::log(side.high);
        const int knots = axis == kPower ? subproblem.columns : subproblem.rows;
        add(low);
        for (int i = 0; i < knots; ++i) {
            const double knot = axis == kPower ? subproblem.table.snr_db[i] / kDbPerNeper - offset_
                                               : std::log(subproblem.table.extraction[i]);
            if (knot > low && knot < high) add(knot);
        }
        if (high > low) add(high);
    }

    // The slope of the concave envelope at `at`.
    double slope() {
        size_t hull = 0;  // points_[0 .. hull) are the envelope's vertices so far
        for (const Corner next : points_) {
            while (hull > 1 && below(points_[hull - 2], points_[hull - 1], next)) --hull;
            points_[hull++] = next;
        }
        if (hull < 2) return 0;
        size_t right = 1;
        while (right + 1 < hull && points_[right].position < position_) ++right;
        const Corner a = points_[right - 1], b = points_[right];
        return (b.accuracy - a.accuracy) / (b.position - a.position);
    }

    // What the lowest line of that slope above all points adds at `at`.
    double excess(double slope) const {
        double most = 0;
        for (const Corner c : points_)
            most = std::max(most, c.accuracy - accuracy_ - slope * (c.position - position_));
        return most;
    }

  private:
    struct Corner {
        double position, accuracy;
    };

    static bool below(Corner a, Corner b, Corner c) {  // b, the line from a to c
        return (c.accuracy - a.accuracy) * (b.position - a.position) >=
               (b.accuracy - a.accuracy) * (c.position - a.position);
    }

    void add(double position) {
        points_.push_back(
            {position, axis_ == kPower
                           ? subproblem_.accuracy(mu_, kDbPerNeper * (position + offset_))
                           : subproblem_.accuracy(std::exp(position), db_)});
    }

    const Subproblem& subproblem_;
    const Axis axis_;
    const double offset_, mu_, db_, position_, accuracy_;
    std::vector<Corner> points_;
};

}  // namespace

double plane_excess(const Subproblem& subproblem, const Box& box, const Proof& proof,
                    const Point& at, Axis axis) {
    const double price = proof.price[kAccuracyCost];
    return Profile(subproblem, box, at, axis).excess(price > 0 ? proof.slope[axis] / price : 0);
}

Proof find_proof(const Subproblem& subproblem, const Box& box, const Ranges& ranges,
                 double precision, Point& point) {
    const Interval p = box.axis[kPower], mu = box.axis[kExtraction];
    point.y = std::clamp(point.y, std::log(p.low), std::log(p.high));
    point.z = std::clamp(point.z, std::log(mu.low), std::log(mu.high));
    // The plane touches the concave envelopes of the accuracy along both axes through the point.
    double plane[3] = {0, Profile(subproblem, box, point, kPower).slope(),
                       Profile(subproblem, box, point, kExtraction).slope()};
    plane[0] = highest_vertex(subproblem, box, 1, plane + 1, std::exp(point.y), std::exp(point.z)) -
               plane[1] * point.y - plane[2] * point.z;
    Relaxation relaxation(subproblem, box, ranges, point, plane);
    relaxation.solve(precision);
    for (int i = 0; i < 2 && relaxation.raise_prices(); ++i) relaxation.solve(precision);
    point = relaxation.point();
    Proof proof;
    for (int j = 0; j < kCosts; ++j) proof.price[j] = relaxation.price(j);
    for (int i = 0; i < 2; ++i) proof.slope[i] = proof.price[kAccuracyCost] * plane[1 + i];
    proof.power = std::exp(point.y);
    proof.extraction = std::exp(point.z);
    return proof;
}

}  // namespace semopt
