// The CPU backend's `evaluate` and `tabulate`: the work split over threads.
#pragma once

#include <vector>

#include "host/layout.h"

namespace semopt {

// Both return the faults of the batch (isa/kernels.h): all is scored, a wrong channel as local, a
// wrong kind as the first.
unsigned evaluate(const Batch<double>& batch, long long rows, int threads);
unsigned evaluate(const Batch<float>& batch, long long rows, int threads);

// One user's grid in a slot, without memory for its scores.
Grid grid_of(const Scenario& scenario, const ScenarioView<double>& view, const Slot& slot, int n);

// Scores of every action of every user, as model/space.h lists them: value[n], server_energy[n] (or
// null).
void tabulate(const Scenario& scenario, const ScenarioView<double>& view, const Slot& slot,
              const std::vector<double*>& value, const std::vector<double*>& server_energy,
              int threads);

}  // namespace semopt
