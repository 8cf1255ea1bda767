// What a choice of grid levels stands for: the twin of `decode` in semopt/grid.py, which takes a
// joint action's number of any size, where this takes the levels that a search has chosen
// (tests/solvers/test_exact.py compares the two).
#pragma once

#include "global/branch.h"
#include "isa/cell.h"

namespace semopt {

// A grid action in SI units, as results report it: power 0 and extraction 1 where local, the lower
// end of the frequency range where raw; all 0 where there is none.
inline Action decode(const Scenario& scenario, size_t user, long long task, long long channel,
                     const Choice& choice) {
    const Levels& levels = scenario.levels[user];
    const double value = choice.value;
    if (channel < 0) return {value, 0, levels.frequency[choice.frequency], 1};
    if (value == -kInfinity) return {value, 0, 0, 0};
    if (choice.extraction == 0)
        return {value, levels.power[choice.power], scenario.users[user].frequency_min, 1};
    return {value, levels.power[choice.power], levels.frequency[choice.frequency],
            scenario.extraction[user][task][choice.extraction - 1]};
}

}  // namespace semopt
