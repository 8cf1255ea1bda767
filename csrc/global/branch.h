// Branch and bound on the continuous actions of one user.
//
// A tree of boxes covers the actions of one mode; each box holds the proof of its bound (bounds.h).
// The box with the highest bound is split along what the bound loses most to: a sigmoid that is
// convex over a wide range of its cost, or an accuracy that is not concave over a wide range of
// power or extraction. The leaves cover the domain because they came from splits, so the tree is a
// proof of the bound.
#pragma once

#include <vector>

#include "global/interior_point.h"

namespace semopt {

// A cell whose interval does not shrink to a quarter within this many splits is exhausted.
inline constexpr int kMostSplits = 5000;
inline constexpr double kInfeasible = -1e-6;  // a bound this low: QoE without tolls is positive

// An action of one user; a local task has power 0 and extraction 1.
struct Action {
    double value = -kInfinity;  // QoE less toll; -inf: none that meets the limits is known
    double power = 0, frequency = 0, extraction = 1;
};

// Where `task` of `user` runs: on a channel of this gain, one of `offloaders` in all; 0: locally.
struct Placement {
    const Scenario* scenario;
    int user, task;
    double gain;
    int offloaders;
    Toll toll = {};  // that the value of an action is lowered by
};

Mode mode_of(const Action& action);

// Whether rounding errors, which steep slopes magnify, hide what an action is worth.
bool doubtful(const Placement& placement, const Action& action);

class Tree {
  public:
    struct Node {
        Box box;
        Ranges ranges;
        Proof proof;     // unless a range is empty
        Point top;       // where the relaxation is highest
        double proven;   // by `proof`
        double upper;    // by it and those of its ancestors
        int child = -1;  // of two neighbours: below and above `at`
        Axis axis = kPower;
        double at = 0;
    };

    // Bounds are computed to about `precision`.
    Tree(const Placement& placement, Mode mode, double precision);

    Mode mode() const { return mode_; }
    const Subproblem& subproblem() const { return subproblem_; }
    const std::vector<Node>& nodes() const { return nodes_; }  // root first; none without the mode
    // Less than `least`: no action is feasible.
    double upper() const { return open_.empty() ? -kInfinity : nodes_[open_.front()].upper; }
    // No feasible action is worth less: a bound this low proves that there is none.
    double least() const {
        return nodes_.empty()
                   ? kInfeasible
                   : kInfeasible - placement_.toll.price * nodes_[0].ranges.cost[kEnergyCost].high;
    }
    const Action& best() const { return best_; }
    const Action& surest() const { return surest_; }  // the best that is not in doubt
    // Makes an action known, if it is feasible.
    void offer(const Action& action);
    // Splits the box with the highest bound; false where it is too small for that.
    bool split();

  private:
    struct Cut {
        Axis axis;
        double at;
    };

    void add(const Box& box, Point from, double upper);
    Cut choose_cut(const Node& node) const;
    double nearest_knot(Interval side, Axis axis, double at) const;
    Action action_at(const Point& point, double snap) const;
    void consider_corners();
    double worth_of(const Outcome<double>& result) const;

    Placement placement_;
    Mode mode_;
    double precision_;
    Subproblem subproblem_;
    std::vector<Node> nodes_;
    std::vector<int> open_;  // a heap of the leaves, the highest bound first
    Action best_, surest_;
};

// The trees of one offloaded task (raw, semantic) or of a local one.
class Cell {
  public:
    Cell(const Placement& placement, double precision);  // offloaded
    Cell(const Scenario& scenario, int user, int task, double precision,
         const Toll& toll = {});  // local

    double upper() const;  // -inf: proven infeasible
    double lower() const { return best().value; }
    double width() const { return upper() - lower(); }
    const Action& best() const;
    const Action& surest() const;
    // Makes an action known, as a tree does.
    void offer(const Action& action);
    // Tightens until upper() <= threshold or width() <= tolerance, by so many splits at most; false
    // if that was not reached.
    bool refine(double threshold, double tolerance, int splits, const Stop& stop);
    // Whether further splits are in vain: rounding errors, or a convergence too slow to wait for.
    bool exhausted() const { return spent_ >= kMostSplits; }
    const std::vector<Tree>& trees() const { return trees_; }

  private:
    std::vector<Tree> trees_;
    double quarter_ = kInfinity;  // width at which `spent_` starts anew
    int spent_ = 0;               // splits
};

}  // namespace semopt
