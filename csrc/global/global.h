// The continuous optimum of a slot, to a given gap, with what proves it.
//
// As in exact/exact.h, one assignment problem for each number m of offloaders, but the cells are
// intervals [best known action, bound] that branch and bound tightens (branch.h). Only cells that
// an optimal assignment of the bounds uses are tightened: when their intervals are narrow the
// assignment is optimal to the sum of their widths. The assignment's prices tell how good a bound
// every other cell needs, which is what the certificate shows.
#pragma once

#include <algorithm>
#include <chrono>
#include <map>

#include "exact/matching.h"
#include "global/branch.h"

namespace semopt {

// A tree that proves a bound on the cell of (user, channel, m), hence on the user's weaker
// channels.
struct Cover {
    int user, channel;  // channel -1: the local task
    double upper;       // negative: no feasible action
    const Cell* cell;
};

// Prices that bound every joint action with m offloaders by
//     sum(user) + sum(channel) + m offloader,
// as long as each cell's value is at most user[n] + channel[k] + offloader, and each local task's
// at most user[n].
struct Prices {
    std::vector<double> user, channel;
    double offloader = 0, bound = kInfinity;
};

// What was known at a time, in seconds since the search was made: the decision's value, the bound.
struct Known {
    double time, lower, upper;
};

class Global {
  public:
    // `gap`: absolute, on the whole sum.
    // With tolls (users) on energy a task may also be skipped, without QoE: a slot of a queue that
    // shares batteries.
    Global(const Scenario& scenario, const Slot& slot, double gap, const Toll* toll = nullptr);

    // Keeps a decision, worth `value`, if that is more than the best so far.
    void offer(const std::vector<int>& channel, const std::vector<Action>& action, double value);
    // Tightens until upper() - lower() <= gap; false where `stop` ended it, or rounding errors
    // allow no further progress. The bound is valid at any time.
    bool solve(const Stop& stop);

    double lower() const { return lower_; }  // -inf: no feasible joint action is known
    double upper() const;                    // -inf: none exists; at most all weights
    double proven() const;                   // the largest bound of all numbers of offloaders
    const std::vector<int>& channel() const { return channel_; }  // (users), -1 local
    const std::vector<Action>& action() const { return action_; }

    int sizes() const { return int(sizes_.size()); }  // 1 + the largest m
    const Prices& prices(int offloaders) const { return sizes_[offloaders].prices; }
    // Cells that prove the prices of m, given that their bound may be `allowed`.
    std::vector<Cover> covers(int offloaders, double allowed);
    std::vector<Cover> local_covers() const;
    // Boxes bounded so far, (users, 1 + channels): of the local task, and of the cells that were
    // made for each channel, whatever the number of offloaders.
    std::vector<long long> boxes() const;
    const std::vector<Known>& progress() const { return progress_; }  // whenever more was known

  private:
    static constexpr double kFiner = 1e-3;  // than a cell's tolerance: precision of one bound

    struct Size {
        Prices prices;
        bool opened = false, stuck = false;
        std::vector<std::map<int, Cell>> cell;  // by user: where made, by the channel's rank
        std::vector<double> upper;              // (users, channels), once opened
    };

    Cell& cell(int offloaders, int user, int rank);
    double upper(int offloaders, int user, int rank);
    void note(int offloaders, int user, int rank);
    void open(int offloaders);
    void set_first_prices(int offloaders);
    void set_prices(int offloaders, std::vector<double> channel, double offloader,
                    std::vector<double> user);
    bool tighten(int offloaders, const Stop& stop);
    void keep(const std::vector<int>& channel);
    bool search(const Stop& stop);
    void record();
    void prefer_sure();
    Cell& cell_of(int user);
    double skip(int user) const { return -toll_[user].price * toll_[user].least; }
    void polish(const Stop& stop);
    double precision() const { return std::max(kFiner * tolerance_, 1e-13); }

    const Scenario& scenario_;
    const Slot slot_;
    const int users_, channels_;
    const double gap_, tolerance_;
    double impossible_;         // a weight so low that an assignment with it is negative
    std::vector<double> most_;  // (users), the sum of weights and a margin: QoE is at most that
    double weights_ = 0;        // of all users
    double skipped_ = 0;        // what all tasks skipped are worth, with tolls
    std::vector<Cell> local_;
    std::vector<int> by_gain_;  // (users, channels): channels by falling gain
    std::vector<int> rank_;     // (users, channels): the inverse
    const Toll* toll_;
    std::vector<Size> sizes_;
    Matching matching_;
    std::vector<double> local_weight_;
    double lower_ = -kInfinity;
    std::vector<int> channel_;
    std::vector<Action> action_;
    const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
    std::vector<Known> progress_;
};

}  // namespace semopt
