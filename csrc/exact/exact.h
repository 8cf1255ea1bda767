// The exact grid optimum of a slot in polynomial time.
//
// Once the number m of offloaders is fixed, every term of the QoE belongs to one user and its
// sub-channel, so the best joint action is an assignment with exactly m offloaders (matching.h) of
// the cells' best actions (cells.h). Three facts spare most of the work:
// - A cell's best value does not fall when the gain grows (time and energy fall, accuracy does
//   not), so a cell is bounded by any stronger channel of the same user: cells are scored only
//   where an optimal assignment of the bounds uses them. In floating point time, energy and
//   accuracy keep that order to the last digit, and so do the limits (model/math.h, model/model.h);
//   the QoE keeps it but for kQoeSlack.
// - For the same reason each user's strongest channel bounds the whole of m: sizes are tried by
//   falling bound, and the first bound below the best value ends the search.
// - An assignment of bounds that does not reach the best value rules its m out.
// Few users score to the last digit as the best of all joint actions does; for more, an assignment
// may be another whose sum differs in its rounding.
#pragma once

#include <algorithm>
#include <vector>

#include "exact/cells.h"
#include "exact/matching.h"

namespace semopt {

struct Decision {
    double value = -kInfinity;  // sum or minimum over users; -inf: infeasible
    std::vector<int> channel;   // (users), -1 local
    std::vector<Choice> choice;
};

// What a solve cost.
struct Effort {
    long long cells = 0;  // cells scored
    int sizes = 0;        // numbers of offloaders not ruled out by their first bound
    int assignments = 0;  // assignment problems solved

    void operator+=(const Effort& other) {
        cells += other.cells;
        sizes += other.sizes;
        assignments += other.assignments;
    }
};

// A user that may only offload in these modes; with none, only stay local.
struct Forced {
    int user = -1;
    int modes = 0;
};

class Exact {
  public:
    // `fairest`: maximise the smallest QoE (bottleneck assignment), ties by the sum.
    Exact(const Scenario& scenario, bool fairest) : cells_(scenario), fairest_(fairest) {}

    // The best so far where `stop` asks for an end.
    const Decision& solve(const Slot& slot, const Stop& stop = {}, const Forced& forced = {});
    // No decision of the slot solved is worth more: its value, unless it was stopped.
    double upper() const { return std::max(best_.value, open_); }
    const Effort& effort() const { return effort_; }

  private:
    double bound(int offloaders);
    void solve_sum(int offloaders);
    void solve_min(int offloaders);
    double score(int user, int rank, int offloaders);
    Choice offload(int user, int channel, int offloaders);
    // The best assignment of the current bounds; false where there is none.
    bool assign(int offloaders);
    bool stopped() const { return stop_ && stop_(); }
    void keep(double value, const std::vector<int>& channel);

    Cells cells_;
    bool fairest_;
    Stop stop_;
    Forced forced_;
    Matching matching_;
    Enumeration enumeration_;
    Decision best_;
    Effort effort_;
    int users_ = 0, channels_ = 0;
    double slack_ = 0;          // more than the sums over users lose
    double value_ = 0;          // of the assignment
    std::vector<int> channel_;  // the same, copied
    double open_ = -kInfinity;  // the bound of the sizes that a stop left open
    std::vector<double> local_;
    std::vector<double> upper_;   // (users, channels): bounds on cells of the current size
    std::vector<Choice> choice_;  // (users, channels): the best action where `scored_`
    std::vector<char> scored_;
    std::vector<int> by_gain_;  // (users, channels): channels by falling gain
    std::vector<double> gains_over_local_, thresholds_, obliging_;
};

}  // namespace semopt
