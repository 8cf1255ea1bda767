#include "queue/fronts.h"

#include <algorithm>

#include "host/evaluate.h"
#include "host/instruction_set.h"
#include "host/pool.h"

namespace semopt {

namespace {

// Leaves the efficient ones, of equal ones the first.
void make_efficient(Front& front) {
    double spare = kInfinity, most = -kInfinity;  // what costs more than the best is no candidate
    for (const Efficient& one : front)
        if (one.qoe > most || (one.qoe == most && one.energy < spare)) {
            most = one.qoe;
            spare = one.energy;
        }
    front.erase(std::remove_if(front.begin(), front.end(),
                               [&](const Efficient& one) { return one.energy > spare; }),
                front.end());
    std::sort(front.begin(), front.end(), [](const Efficient& a, const Efficient& b) {
        if (a.energy != b.energy) return a.energy < b.energy;
        return a.qoe != b.qoe ? a.qoe > b.qoe : a.action < b.action;
    });
    double best = -kInfinity;
    front.erase(std::remove_if(front.begin(), front.end(),
                               [&](const Efficient& one) {
                                   if (one.qoe <= best) return true;
                                   best = one.qoe;
                                   return false;
                               }),
                front.end());
}

Judged best_of(const Front& front, double price) {
    Judged best;
    for (const Efficient& one : front) {
        const double value = one.qoe - price * one.energy;
        if (value > best.value) best = {&one, value};
    }
    return best;
}

}  // namespace

Fronts::Fronts(const Scenario& scenario, const ScenarioView<double>& view, const double* gain,
               const long long* task, int slots, int channels, bool device, int threads,
               const Stop& stop)
    : slots_(slots),
      users_(int(scenario.users.size())),
      channels_(channels),
      most_(std::min(users_, channels)) {
    const long long lists = 1 + (long long)most_ * channels;
    fronts_.resize(size_t(slots) * users_ * lists);
    // A server that takes no energy leaves that of the device: nothing is lost in a difference.
    System<double> free_server = *view.system;
    free_server.server_energy_coefficient = 0;
    ScenarioView<double> device_alone = view;
    device_alone.system = &free_server;
    parallel((long long)slots * users_, threads, [&](long long job, int) {
        if (stop()) return;
        const int t = int(job / users_), n = int(job % users_);
        const Slot slot{gain + size_t(t) * users_ * channels, task + size_t(t) * users_, channels};
        Grid grid = grid_of(scenario, view, slot, n);
        const long long local = grid.frequencies,
                        length = (long long)grid.powers *
                                 (1 + (long long)grid.frequencies * grid.extractions);
        std::vector<double> value(local + (lists - 1) * length), energy(value.size()), other;
        grid.value = value.data();
        grid.energy = energy.data();
        Grid of_device = grid;
        of_device.scenario = device_alone;
        if (device) other.resize(value.size());
        of_device.value = other.data();
        for (long long list = 0; list < lists; ++list) {
            kernels().tabulate(grid, list);
            if (device) kernels().tabulate(of_device, list);
            const long long start = list ? local + (list - 1) * length : 0,
                            count = list ? length : local;
            Front& front = fronts_[size_t(job) * lists + list];
            if (list == 0) front.push_back({0, 0, kSkip});
            for (long long i = 0; i < count; ++i)
                if (value[start + i] > -kInfinity)
                    front.push_back({value[start + i], energy[start + i], int(i)});
            make_efficient(front);
            front.shrink_to_fit();
        }
    });
}

size_t Fronts::place(int t, int n, int channel, int m) const {
    const size_t lists = 1 + size_t(most_) * channels_;
    const size_t list = channel < 0 ? 0 : 1 + size_t(m - 1) * channels_ + channel;
    return (size_t(t) * users_ + n) * lists + list;
}

const Front& Fronts::front(int t, int n, int channel, int m) const {
    return fronts_[place(t, n, channel, m)];
}

Column Fronts::best(int t, const double* price) const {
    return best(t, [price](const Front& front, int n) { return best_of(front, price[n]); });
}

Column Fronts::best(int t, const Judge& judge) const {
    std::vector<double> local(users_), weight(size_t(users_) * channels_, -kInfinity);
    for (int n = 0; n < users_; ++n) local[n] = judge(front(t, n, kLocal, 0), n).value;
    Matching matching;
    Column best;
    for (int m = 0; m <= most_; ++m) {
        for (int n = 0; m && n < users_; ++n)
            for (int k = 0; k < channels_; ++k)
                weight[size_t(n) * channels_ + k] = judge(front(t, n, k, m), n).value;
        if (!matching.solve(weight.data(), local.data(), users_, channels_, m) ||
            matching.value() <= best.value)
            continue;
        best.value = matching.value();
        best.channel = matching.channel();
    }
    const int m = users_ - int(std::count(best.channel.begin(), best.channel.end(), kLocal));
    for (int n = 0; n < users_; ++n)
        best.choice.push_back(*judge(front(t, n, best.channel[n], m), n).action);
    return best;
}

}  // namespace semopt
