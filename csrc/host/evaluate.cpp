#include "host/evaluate.h"

#include <algorithm>
#include <atomic>

#include "host/instruction_set.h"
#include "host/pool.h"

namespace semopt {

namespace {

template <class R>
unsigned evaluate_in_threads(const Batch<R>& batch, long long rows, int threads,
                             unsigned (*rows_of)(const Batch<R>&, long long, long long)) {
    constexpr long long kLeast = 512;  // tasks: fewer cost a thread more than they save
    const long long lanes = threads > 0 ? threads : lanes_available(),
                    worth = rows * batch.scenario.user_count / kLeast,
                    most = std::max(std::min({4 * lanes, rows, worth}), 1LL),
                    pieces = most < lanes ? most : most / lanes * lanes,  // as many for each
        share = std::max((rows + pieces - 1) / pieces, 1LL);
    std::atomic<unsigned> faults{0};
    parallel((rows + share - 1) / share, lanes, [&](long long task, int) {
        faults |= rows_of(batch, task * share, std::min(rows, (task + 1) * share));
    });
    return faults;
}

}  // namespace

unsigned evaluate(const Batch<double>& batch, long long rows, int threads) {
    return evaluate_in_threads(batch, rows, threads, kernels().evaluate);
}
unsigned evaluate(const Batch<float>& batch, long long rows, int threads) {
    return evaluate_in_threads(batch, rows, threads, kernels().evaluate_single);
}

Grid grid_of(const Scenario& scenario, const ScenarioView<double>& view, const Slot& slot, int n) {
    const Levels& levels = scenario.levels[n];
    const std::vector<double>& extraction = scenario.extraction[n][slot.task[n]];
    return {view,
            n,
            int(slot.task[n]),
            slot.channels,
            levels.power.data(),
            levels.frequency.data(),
            extraction.data(),
            int(levels.power.size()),
            int(levels.frequency.size()),
            int(extraction.size()),
            slot.gain + (long long)n * slot.channels,
            nullptr,
            nullptr,
            nullptr};
}

void tabulate(const Scenario& scenario, const ScenarioView<double>& view, const Slot& slot,
              const std::vector<double*>& value, const std::vector<double*>& server_energy,
              int threads) {
    const int users = int(scenario.users.size());
    const int most = std::min(users, slot.channels), lists = 1 + most * slot.channels;
    parallel((long long)users * lists, threads, [&](long long task, int) {
        const int n = int(task / lists);
        Grid grid = grid_of(scenario, view, slot, n);
        grid.value = value[n];
        if (!server_energy.empty()) grid.server_energy = server_energy[n];
        kernels().tabulate(grid, task % lists);
    });
}

}  // namespace semopt
