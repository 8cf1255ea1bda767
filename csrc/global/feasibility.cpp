#include "global/feasibility.h"

#include <algorithm>
#include <numeric>

namespace semopt {

Feasibility::Feasibility(const Scenario& scenario, const Slot& slot, bool continuous,
                         const Stop& stop)
    : scenario_(scenario), slot_(slot), continuous_(continuous), stop_(stop), cells_(scenario) {
    cells_.load(slot);
}

bool Feasibility::feasible(const Placement& placement, Mode mode) {
    Tree tree(placement, mode, 1e-8);
    for (int splits = 0; tree.upper() > kInfeasible; ++splits) {
        if (tree.best().value > -kInfinity) return true;
        if (splits < kMostSplits && !stop_() && tree.split()) continue;
        complete_ = false;
        return true;
    }
    return false;
}

bool Feasibility::feasible(int user, int channel, int offloaders, Modes modes) {
    if (!continuous_)
        return (offloaders ? cells_.offload(user, channel, offloaders, modes) : cells_.local(user))
                   .value > -kInfinity;
    const int task = int(slot_.task[user]);
    if (offloaders == 0) return feasible({&scenario_, user, task, 1, 0}, Mode::local);
    const Placement placement{&scenario_, user, task, cells_.gain(user, channel), offloaders};
    return ((modes & kRaw) && feasible(placement, Mode::raw)) ||
           ((modes & kSemantic) && feasible(placement, Mode::semantic));
}

int Feasibility::channels(int user, int offloaders, Modes modes) {
    if (stop_()) {
        complete_ = false;
        return std::max(slot_.channels, 1);
    }
    if (offloaders == 0) return feasible(user, 0, 0, modes);
    by_gain_.resize(slot_.channels);
    std::iota(by_gain_.begin(), by_gain_.end(), 0);
    std::stable_sort(by_gain_.begin(), by_gain_.end(),
                     [&](int a, int b) { return cells_.gain(user, a) > cells_.gain(user, b); });
    const auto first = std::partition_point(by_gain_.begin(), by_gain_.end(), [&](int channel) {
        return feasible(user, channel, offloaders, modes);
    });
    return int(first - by_gain_.begin());
}

}  // namespace semopt
