#include "global/branch.h"

#include <algorithm>
#include <cmath>

namespace semopt {

namespace {

constexpr double kSnap =
    1e-6;  // relative: a variable this near to an end of its range is moved there
constexpr double kDoubt = 4e-9;  // checkers allow 1e-9, a tenth of this is what errors are
constexpr double kBelowOne = 1 - 0x1p-53;

bool divisible(Interval side) {
    return side.high - side.low > 1e-13 * std::max(std::abs(side.low), std::abs(side.high));
}

bool inside(Interval side, double x) { return x > side.low && x < side.high; }

// A number of few digits near `at`, a margin away from the ends, in the logarithm where the side is
// decades wide.
double round_within(Interval side, double at, double margin) {
    double width = side.high - side.low;
    if (side.low > 0 && side.high > 100 * side.low) {
        const double step = std::exp(margin * (std::log(side.high) - std::log(side.low)));
        at = width = std::clamp(at, side.low * step, side.high / step);
    } else {
        at = std::clamp(at, side.low + margin * width, side.high - margin * width);
    }
    const double unit = std::pow(10.0, std::floor(std::log10(0.05 * width)));
    const double rounded =
        unit < 1 ? std::round(at / unit) / std::round(1 / unit) : std::round(at / unit) * unit;
    return inside(side, rounded) ? rounded : at;
}

// Where to cut a range of costs that contains a cliff of the score: just beyond the cliff, then
// just before it. 0 where there is none, or it is not narrow beside the range.
double beside_cliff(const Score& score, Interval range) {
    const double half = score.cliff();
    if (!(half < 0.05 * (range.high - range.low))) return 0;
    for (double cut : {score.reference + half, score.reference - half})
        if (inside(range, cut)) return cut;
    return 0;
}

// What an action gives by the model.
Outcome<double> outcome(const Placement& placement, const Action& action) {
    const Scenario& scenario = *placement.scenario;
    const User<double>& user = scenario.users[placement.user];
    const Task<double>& task = scenario.tasks[placement.task];
    return mode_of(action) == Mode::local
               ? execute_locally(scenario.system, user, task, action.frequency)
               : offload(scenario.system, user, task, scenario.tables[placement.task],
                         placement.gain, double(placement.offloaders), action.power,
                         action.frequency, action.extraction);
}

// By how much rounding errors may move the QoE of an action that gives this.
double doubt(const Subproblem& subproblem, const Action& action, const Outcome<double>& result) {
    const double db = std::abs(subproblem.snr_db(action.power));
    return subproblem.score[kLatencyCost].doubt(result.latency, result.latency) +
           subproblem.score[kEnergyCost].doubt(result.energy, result.energy) +
           subproblem.score[kAccuracyCost].doubt(
               -result.accuracy, result.accuracy + subproblem.steepness() * (db + 10));
}

double middle(Interval side) { return 0.5 * (std::log(side.low) + std::log(side.high)); }

}  // namespace

Mode mode_of(const Action& action) {
    if (action.power == 0) return Mode::local;
    return action.extraction == 1 ? Mode::raw : Mode::semantic;
}

bool doubtful(const Placement& placement, const Action& action) {
    Subproblem subproblem;
    make_subproblem(subproblem, *placement.scenario, placement.user, placement.task,
                    mode_of(action), placement.gain, placement.offloaders);
    return doubt(subproblem, action, outcome(placement, action)) > kDoubt;
}

Tree::Tree(const Placement& placement, Mode mode, double precision)
    : placement_(placement), mode_(mode), precision_(precision) {
    if (!make_subproblem(subproblem_, *placement.scenario, placement.user, placement.task, mode,
                         placement.gain, placement.offloaders, placement.toll))
        return;
    add(subproblem_.root,
        {middle(subproblem_.root.axis[kPower]), middle(subproblem_.root.axis[kExtraction]),
         middle(subproblem_.frequency)},
        kInfinity);
}

void Tree::add(const Box& box, Point from, double upper) {
    Node node;
    node.box = box;
    node.ranges = cost_ranges(subproblem_, box);
    node.proven = -kInfinity;
    if (node.ranges.possible) {
        node.proof = find_proof(subproblem_, box, node.ranges, precision_, from);
        node.proven = upper_bound(subproblem_, box, node.ranges, node.proof).upper;
        if (!std::isfinite(from.y + from.z + from.q))
            from = {middle(box.axis[kPower]), middle(box.axis[kExtraction]),
                    middle(subproblem_.frequency)};
        const Proof interval{{}, {}, std::exp(from.y), std::exp(from.z)};
        const double simple = upper_bound(subproblem_, box, node.ranges, interval).upper;
        if (simple < node.proven) {
            node.proof = interval;
            node.proven = simple;
        }
        offer(action_at(from, 0));
        offer(action_at(from, kSnap));
    }
    node.top = from;
    node.upper = std::min(upper, node.proven);
    nodes_.push_back(node);
    open_.push_back(int(nodes_.size()) - 1);
    std::push_heap(open_.begin(), open_.end(),
                   [this](int a, int b) { return nodes_[a].upper < nodes_[b].upper; });
}

// QoE less toll; -inf where too much energy counts.
double Tree::worth_of(const Outcome<double>& result) const {
    const Score& score = subproblem_.score[kEnergyCost];
    if (!(result.energy <= score.limit)) return -kInfinity;
    const double energy = std::max(result.energy, score.floor), paid = energy - score.free;
    double qoe = result.qoe;
    if (energy > result.energy) {
        const Scenario& scenario = *placement_.scenario;
        const User<double>& user = scenario.users[placement_.user];
        qoe = semopt::qoe(scenario.system, user, reference(user, scenario.tasks[placement_.task]),
                          result.latency, energy, result.accuracy);
    }
    return score.toll == 0 ? qoe : qoe - score.toll * paid;
}

void Tree::offer(const Action& action) {
    const Scenario& scenario = *placement_.scenario;
    const Outcome<double> result = outcome(placement_, action);
    const double worth = worth_of(result);
    if (!(worth > surest_.value) || violations(scenario.system, scenario.users[placement_.user],
                                               scenario.tasks[placement_.task], result))
        return;
    const Action known{worth, action.power, action.frequency, action.extraction};
    if (known.value > best_.value) best_ = known;
    if (doubt(subproblem_, action, result) <= kDoubt) surest_ = known;
}

// The action at a point. What lies within `snap` of an end of its range, relative, goes there.
Action Tree::action_at(const Point& point, double snap) const {
    const auto within = [snap](double logarithm, Interval side) {
        const double x = std::exp(logarithm);
        if (x <= side.low * (1 + snap)) return side.low;
        return x >= side.high * (1 - snap) ? side.high : x;
    };
    Action action;
    action.frequency = within(point.q, subproblem_.frequency);
    if (mode_ != Mode::local) action.power = within(point.y, subproblem_.root.axis[kPower]);
    if (mode_ == Mode::semantic)
        action.extraction =
            std::min(within(point.z, subproblem_.root.axis[kExtraction]), kBelowOne);
    return action;
}

// The only feasible points may lie where limits just bind: at the ends of power and extraction,
// with the slowest clock that meets the deadline, which costs the least energy.
void Tree::consider_corners() {
    const Interval p = subproblem_.root.axis[kPower], mu = subproblem_.root.axis[kExtraction],
                   f = subproblem_.frequency;
    const double deadline = placement_.scenario->system.latency_max;
    for (double power : {p.high, p.low})
        for (double extraction : {mu.high, mu.low}) {
            Action action;
            if (mode_ != Mode::local) action.power = power;
            if (mode_ == Mode::semantic) action.extraction = std::min(extraction, kBelowOne);
            const auto in_time = [&](double frequency) {
                action.frequency = frequency;
                return outcome(placement_, action).latency <= deadline;
            };
            double slow = f.low, fast = f.high;
            if (in_time(slow)) fast = slow;
            for (double middle = 0.5 * (slow + fast); slow < middle && middle < fast;
                 middle = 0.5 * (slow + fast))
                (in_time(middle) ? fast : slow) = middle;
            action.frequency = fast;
            offer(action);
            action.frequency = f.high;
            offer(action);
        }
}

// The knot of the accuracy strictly inside `side` that is nearest to `at`; 0 without one.
double Tree::nearest_knot(Interval side, Axis axis, double at) const {
    double nearest = 0;
    const auto offer = [&](double knot) {
        if (knot > side.low && knot < side.high &&
            (nearest == 0 || std::abs(std::log(knot / at)) < std::abs(std::log(nearest / at))))
            nearest = knot;
    };
    if (axis == kPower)
        for (int j = 0; j < subproblem_.columns; ++j)
            offer(std::pow(10.0, 0.1 * subproblem_.table.snr_db[j]) / subproblem_.link());
    else
        for (int i = 0; i < subproblem_.rows; ++i) offer(subproblem_.table.extraction[i]);
    return nearest;
}

Tree::Cut Tree::choose_cut(const Node& node) const {
    const Proof& proof = node.proof;
    const Bound bound = upper_bound(subproblem_, node.box, node.ranges, proof);
    const Interval* range = node.ranges.cost;
    const Score* score = subproblem_.score;
    // NaN, of numbers that overflowed, is at the upper end.
    const auto within = [](Interval side, double x) {
        return x < side.high ? std::max(x, side.low) : side.high;
    };
    Cut best{kPower, 0};
    double most = -kInfinity;
    const auto offer = [&](double loss, Axis axis, double at, double margin) {
        const Interval side = axis >= kCost ? range[axis - kCost] : node.box.axis[axis];
        if (!(loss > most) || !divisible(side)) return;
        most = loss;
        best = {axis, margin > 0 ? round_within(side, at, margin) : at};
    };
    double cost[kCosts] = {bound.cost[kLatencyCost], bound.cost[kEnergyCost],
                           bound.cost[kAccuracyCost]};
    // Where cuts of costs make no progress, narrower ranges of the variables do in the end.
    constexpr size_t kMany = 200, kNowAndThen = 8;
    const bool in_vain = nodes_.size() > kMany && nodes_.size() % kNowAndThen == 1;
    if (proof.is_interval() || in_vain) {
        // The ranges of the costs alone prove as much: they narrow with those of the variables.
        constexpr double kWide = 1.2;
        const Interval p = node.box.axis[kPower], mu = node.box.axis[kExtraction];
        const Axis axis = p.high / p.low > mu.high / mu.low ? kPower : kExtraction;
        const Interval side = node.box.axis[axis];
        if (in_vain ? divisible(side) : side.high > kWide * side.low)
            return {axis, round_within(side, std::exp(middle(side)), 0.2)};
    }
    if (proof.is_interval()) {
        const Outcome<double> top = outcome(placement_, action_at(node.top, 0));
        cost[kLatencyCost] = top.latency;
        cost[kEnergyCost] = top.energy;
    }
    // What each sigmoid's line loses, the accuracy being what the plane takes it for.
    for (int j = 0; j < kCosts; ++j) {
        const double u = within(range[j], cost[j]), cliff = beside_cliff(score[j], range[j]),
                     loss = bound.conjugate[j] - proof.price[j] * u - score[j].value(u);
        if (cliff != 0)
            offer(loss, Axis(kCost + j), cliff, 0);
        else
            offer(loss, Axis(kCost + j), u, 0.1);
    }
    // What the plane loses, priced at its slope or by the sigmoid, whichever is more.
    const double real = subproblem_.accuracy(proof.extraction, subproblem_.snr_db(proof.power));
    const double bounded = -within(range[kAccuracyCost], bound.cost[kAccuracyCost]);
    const double loss =
        std::max(proof.price[kAccuracyCost] * (-bound.cost[kAccuracyCost] - real),
                 score[kAccuracyCost].value(-bounded) - score[kAccuracyCost].value(-real));
    const Axis axis = plane_excess(subproblem_, node.box, proof, node.top, kPower) >
                              plane_excess(subproblem_, node.box, proof, node.top, kExtraction)
                          ? kPower
                          : kExtraction;
    const double at = axis == kPower ? proof.power : proof.extraction;
    const double knot = nearest_knot(node.box.axis[axis], axis, at);
    if (knot > 0)
        offer(loss, axis, knot, 0);
    else
        offer(loss, axis, at, 0.2);
    return best;
}

bool Tree::split() {
    const int parent = open_.front();
    const Cut cut = choose_cut(nodes_[parent]);
    if (cut.at == 0) return false;
    if (best_.value == -kInfinity && parent == 0) consider_corners();
    std::pop_heap(open_.begin(), open_.end(),
                  [this](int a, int b) { return nodes_[a].upper < nodes_[b].upper; });
    open_.pop_back();
    nodes_[parent].child = int(nodes_.size());
    nodes_[parent].axis = cut.axis;
    nodes_[parent].at = cut.at;
    const Point top = nodes_[parent].top;
    const double upper = nodes_[parent].upper;
    Box below = nodes_[parent].box, above = below;
    below.axis[cut.axis].high = above.axis[cut.axis].low = cut.at;
    add(below, top, upper);
    add(above, top, upper);
    return true;
}

Cell::Cell(const Placement& placement, double precision) {
    trees_.emplace_back(placement, Mode::raw, precision);
    trees_.emplace_back(placement, Mode::semantic, precision);
}

Cell::Cell(const Scenario& scenario, int user, int task, double precision, const Toll& toll) {
    trees_.emplace_back(Placement{&scenario, user, task, 1, 0, toll}, Mode::local, precision);
}

double Cell::upper() const {
    double most = -kInfinity;
    for (const Tree& tree : trees_)
        if (tree.upper() > tree.least()) most = std::max(most, tree.upper());
    return most;
}

const Action& Cell::best() const {
    const Action* best = &trees_.front().best();
    for (const Tree& tree : trees_)
        if (tree.best().value > best->value) best = &tree.best();
    return *best;
}

const Action& Cell::surest() const {
    const Action* best = &trees_.front().surest();
    for (const Tree& tree : trees_)
        if (tree.surest().value > best->value) best = &tree.surest();
    return *best;
}

void Cell::offer(const Action& action) {
    for (Tree& tree : trees_)
        if (tree.mode() == mode_of(action)) tree.offer(action);
}

bool Cell::refine(double threshold, double tolerance, int splits, const Stop& stop) {
    for (;; --splits) {
        if (upper() <= std::max(threshold, lower() + tolerance)) return true;
        if (width() < quarter_) {
            quarter_ = 0.25 * width();
            spent_ = 0;
        }
        if (splits <= 0 || exhausted() || stop()) return false;
        Tree* widest = &trees_.front();
        for (Tree& tree : trees_)
            if (tree.upper() > widest->upper()) widest = &tree;
        spent_ = widest->split() ? spent_ + 1 : kMostSplits;
    }
}

}  // namespace semopt
