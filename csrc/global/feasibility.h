// Who can be served where: the feasibility of cells, for the explanation of an infeasible slot.
#pragma once

#include "exact/cells.h"
#include "global/branch.h"

namespace semopt {

class Feasibility {
  public:
    // On the grid, or over continuous variables.
    Feasibility(const Scenario& scenario, const Slot& slot, bool continuous, const Stop& stop);

    // On how many sub-channels, from the strongest on, a user has a feasible action beside
    // `offloaders` in all: what is feasible on a channel is so on stronger ones. Without offloaders
    // 1 where the local task is feasible.
    int channels(int user, int offloaders, Modes modes = kAnyMode);
    // False where `stop`, or rounding errors, ended a search before it had decided; an undecided
    // action counts as feasible.
    bool complete() const { return complete_; }

  private:
    bool feasible(int user, int channel, int offloaders, Modes modes);
    bool feasible(const Placement& placement, Mode mode);

    const Scenario& scenario_;
    const Slot slot_;
    const bool continuous_;
    const Stop& stop_;
    Cells cells_;
    std::vector<int> by_gain_;
    bool complete_ = true;
};

}  // namespace semopt
