// `tabulate`: the scores of one user's grid of actions. Included by kernels.cpp alone.
#pragma once

#include "isa/score_loops.h"

namespace semopt {
namespace {

// Fills list `list` of a user's scores: 0 is local, 1 + (offloaders - 1) K + channel offloaded.
void tabulate(const Grid& grid, long long list) {
    const ScenarioView<double>& scenario = grid.scenario;
    const System<double>& system = *scenario.system;
    const User<double>& user = scenario.users[grid.user];
    const Task<double>& task = scenario.tasks[grid.task];
    const OneUser<double> one_user(user, task);
    const bool local = list == 0;
    const int channel = local ? 0 : int((list - 1) % grid.channels);
    const double offloaders = local ? 0 : double((list - 1) / grid.channels + 1);
    const long long length =
        local ? grid.frequencies
              : (long long)grid.powers * (1 + grid.frequencies * grid.extractions);
    const long long start = local ? 0 : grid.frequencies + (list - 1) * length;
    const auto server_joule = [&](double flop) {
        return local ? 0 : server_energy(server_time(flop, offloaders, system), offloaders, system);
    };
    const double raw_joule = server_joule(task.server_raw_flop),
                 semantic_joule = server_joule(task.server_flop);
    const int levels = math::max(grid.extractions, 1);  // no semantic action divides by none
    constexpr int kMost = kBlock<double>;
    double frequency[kMost], extraction[kMost], latency[kMost], energy[kMost], accuracy[kMost],
        qoe[kMost];
    unsigned char violations[kMost];
    Block<double> block;
    block.frequency = frequency;
    block.extraction = extraction;
    for (int i = 0; i < kMost; ++i) block.kind[i] = grid.task;
    const LaneMask<double> none(0), all(kAll);
    for (auto& lanes : block.is_offloaded) lanes = local ? none : all;
    Offloaded<double> tasks;
    for (long long first = 0; first < length; first += kMost) {
        const int count = int(math::min<long long>(kMost, length - first));
        for (int i = 0; i < count; ++i) {
            const long long action = first + i, semantic = action - grid.powers,
                            rest = semantic / levels;
            const bool raw = !local && semantic < 0;
            frequency[i] = grid.frequency[local ? action : raw ? 0 : rest % grid.frequencies];
            extraction[i] = local || raw ? 1 : grid.extraction[semantic % levels];
            if (local) continue;
            tasks.kind[i] = grid.task;
            tasks.power[i] = grid.power[raw ? action : rest / grid.frequencies];
            tasks.link[i] = snr(grid.gain[channel], tasks.power[i], system.noise);
            tasks.extraction[i] = extraction[i];
            tasks.offloaders[i] = offloaders;
        }
        block.count = count;
        tasks.count = local ? 0 : count;
        fill_up(tasks);
        score(scenario, one_user, block, tasks, {latency, energy, accuracy, qoe, violations});
        double* const value = grid.value + start + first;
        for (int i = 0; i < count; ++i) value[i] = violations[i] ? -kInfinity : qoe[i];
        if (grid.energy)
            for (int i = 0; i < count; ++i) grid.energy[start + first + i] = energy[i];
        if (grid.server_energy)
            for (int i = 0; i < count; ++i)
                grid.server_energy[start + first + i] =
                    first + i < grid.powers ? raw_joule : semantic_joule;
    }
}

}  // namespace
}  // namespace semopt
