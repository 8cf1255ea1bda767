// The optimum of the grid as Python sees it: whole batches, single cells, and what is feasible.
#include "exact/exact.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "bindings/deadline.h"
#include "bindings/decode.h"
#include "bindings/objects.h"
#include "bindings/register.h"
#include "bindings/scenario.h"
#include "global/feasibility.h"
#include "host/pool.h"
#include "model/arithmetic.h"

namespace py = pybind11;

namespace semopt {
namespace {

// Warm exact solvers over the slots of a batch; `threads` 0: one a core. Concurrent calls share
// nothing but the scenario: each call moves solvers out of `idle_`. The GIL protects `idle_` (a
// mutex could stay locked in a forked child).
class ExactBatch {
  public:
    ExactBatch(const PackedScenario& scenario, bool fairest, int threads)
        : scenario_(scenario), fairest_(fairest) {
        const UsualRounding usual;
        lanes_ = lanes_of(threads);
        idle_.push_back(std::make_unique<Exact>(scenario, fairest));
    }

    // Decisions of slots gain (S, N, K), task (S, N) into channel, power, frequency, extraction
    // (S, N) and value (S); an infeasible slot has value -inf, channels -1 and NaN. Time up after
    // `seconds`, and Ctrl-C, leave the best so far; `upper` (S) then is above the value. Returns
    // the effort of all slots, and why it stopped early, if it did.
    py::dict solve(const Doubles& gain, const Integers& task, Integers channel, Doubles power,
                   Doubles frequency, Doubles extraction, Doubles value, Doubles upper,
                   double seconds) {
        const UsualRounding usual;
        const Slots slots(scenario_, gain, task);
        const DecisionArrays decisions(slots, channel, power, frequency, extraction);
        double* const to_value = output<double>(value, "value", {slots.count});
        double* const to_upper = output<double>(upper, "upper", {slots.count});
        const BusySolvers busy(*this, int(std::clamp<py::ssize_t>(slots.count, 1, lanes_)));
        std::vector<Effort> efforts(busy.solvers.size());
        // A slot of few actions ends before a clock need be read.
        std::optional<Deadline> deadline;
        Stop stop;
        if (double(slots.channels) * actions() >= kWithDeadline) {
            deadline.emplace(seconds);
            stop = [&] { return (*deadline)(); };
        }
        {
            py::gil_scoped_release release;
            parallel(slots.count, int(efforts.size()), [&](long long s, int lane) {
                const Slot slot = slots[s];
                Exact& solver = *busy.solvers[lane];
                const Decision& decision = solver.solve(slot, stop);
                efforts[lane] += solver.effort();
                to_value[s] = decision.value;
                to_upper[s] = solver.upper();
                const bool feasible = decision.value > -kInfinity;
                const double nan = std::nan("");
                for (py::ssize_t n = 0; n < slots.users; ++n)
                    if (feasible)
                        decisions.write(s, n, decision.channel[n],
                                        decode(scenario_, n, slot.task[n], decision.channel[n],
                                               decision.choice[n]));
                    else
                        decisions.write(s, n, -1, {nan, nan, nan, nan});
            });
        }
        Effort total;
        for (const Effort& effort : efforts) total += effort;
        py::dict summary(py::arg("cells") = total.cells, py::arg("sizes") = total.sizes,
                         py::arg("assignments") = total.assignments);
        if (deadline && deadline->stopped()) summary["stopped"] = deadline->reason();
        return summary;
    }

  private:
    using Solvers = std::vector<std::unique_ptr<Exact>>;
    static constexpr double kWithDeadline = 2e5;  // actions of all users on all sub-channels

    // Of all users on one sub-channel, whatever their tasks.
    double actions() const {
        double total = 0;
        for (size_t n = 0; n < scenario_.levels.size(); ++n) {
            size_t semantic = 0;
            for (const auto& levels : scenario_.extraction[n])
                semantic = std::max(semantic, levels.size());
            const Levels& user = scenario_.levels[n];
            total += double(user.power.size()) * (1 + double(user.frequency.size()) * semantic);
        }
        return total;
    }

    // One call's solvers, idle again after it.
    struct BusySolvers {
        BusySolvers(ExactBatch& batch, int count) : idle(batch.idle_) {
            while (int(solvers.size()) < count && !idle.empty()) {
                solvers.push_back(std::move(idle.back()));
                idle.pop_back();
            }
            while (int(solvers.size()) < count)
                solvers.push_back(std::make_unique<Exact>(batch.scenario_, batch.fairest_));
        }
        ~BusySolvers() {
            for (auto& solver : solvers) idle.push_back(std::move(solver));
        }
        BusySolvers(const BusySolvers&) = delete;

        Solvers& idle;
        Solvers solvers;
    };

    const PackedScenario& scenario_;
    const bool fairest_;
    int lanes_;
    Solvers idle_;
};

// What the best action of each cell gives, for each kind of task: latency, energy, accuracy and QoE
// (M + 1, N, T, K) beside m = 0, ..., M offloaders, the user included; m = 0 is the best local
// action, whatever the sub-channel. Where no action meets its limits, the QoE is -inf and the rest
// NaN.
void best_of_cells(const PackedScenario& scenario, const Doubles& gain, Doubles latency,
                   Doubles energy, Doubles accuracy, Doubles qoe) {
    const UsualRounding usual;
    const py::ssize_t users = scenario.users.size(), kinds = scenario.tasks.size();
    require(gain.ndim() == 2 && gain.shape(0) == users, "gain",
            "shape (users, channels) is expected");
    require_gains(gain);
    require(qoe.ndim() == 4 && qoe.shape(0) >= 1, "qoe",
            "shape (sizes, users, kinds, channels) is expected");
    const py::ssize_t channels = gain.shape(1), sizes = qoe.shape(0);
    const Shape shape = {sizes, users, kinds, channels};
    double* const to_latency = output<double>(latency, "latency", shape);
    double* const to_energy = output<double>(energy, "energy", shape);
    double* const to_accuracy = output<double>(accuracy, "accuracy", shape);
    double* const to_qoe = output<double>(qoe, "qoe", shape);
    py::gil_scoped_release release;
    Cells cells(scenario);
    for (py::ssize_t kind = 0; kind < kinds; ++kind) {
        const std::vector<long long> task(users, kind);
        cells.load({gain.data(), task.data(), int(channels)});
        for (py::ssize_t m = 0; m < sizes; ++m)
            for (py::ssize_t n = 0; n < users; ++n)
                for (py::ssize_t k = 0; k < channels; ++k) {
                    const Choice choice = m ? cells.offload(n, k, m) : cells.local(n);
                    Outcome<double> out = {std::nan(""), std::nan(""), std::nan(""), 0};
                    if (choice.value > -kInfinity) {
                        const Action best = decode(scenario, n, kind, m ? k : -1, choice);
                        out = m ? offload(scenario.system, scenario.users[n], scenario.tasks[kind],
                                          scenario.tables[kind], cells.gain(n, k), double(m),
                                          best.power, best.frequency, best.extraction)
                                : execute_locally(scenario.system, scenario.users[n],
                                                  scenario.tasks[kind], best.frequency);
                    }
                    const py::ssize_t at = ((m * users + n) * kinds + kind) * channels + k;
                    to_latency[at] = out.latency;
                    to_energy[at] = out.energy;
                    to_accuracy[at] = out.accuracy;
                    to_qoe[at] = choice.value;
                }
    }
}

// The best assignment with exactly m pairs: (value, channel of each user); value -inf without one.
py::tuple assign(const Doubles& weight, const Doubles& local, int offloaders) {
    const UsualRounding usual;
    require(weight.ndim() == 2, "weight", "shape (users, channels) is expected");
    require(local.ndim() == 1 && local.shape(0) == weight.shape(0), "local",
            "shape (users,) is expected");
    Matching matching;
    matching.solve(weight.data(), local.data(), weight.shape(0), weight.shape(1), offloaders);
    return py::make_tuple(matching.value(), matching.channel());
}

// The best decision of the grid in which a user may only offload in some modes (1 raw, 2 semantic,
// 0 stay local): its value, that user's action and its value, and why it was stopped, "" if it was
// not.
py::dict forced(const PackedScenario& scenario, const Doubles& gain, const Integers& task, int user,
                int modes, double seconds) {
    const Slot slot = as_slot(scenario, gain, task);
    const UsualRounding usual;
    require(0 <= user && user < int(scenario.users.size()), "user", "one of the slot is expected");
    require(modes >= 0 && modes <= 3, "modes", "0 to 3 is expected");
    Exact exact(scenario, false);
    Deadline deadline(seconds);
    const Stop stop = [&] { return deadline(); };
    const Decision* decision;
    {
        py::gil_scoped_release release;
        decision = &exact.solve(slot, stop, {user, modes});
    }
    py::dict out(py::arg("value") = decision->value,
                 py::arg("stopped") = deadline.stopped() ? deadline.reason() : "");
    if (decision->value == -kInfinity) return out;
    const std::vector<int>& channel = decision->channel;
    const Action action =
        decode(scenario, user, slot.task[user], channel[user], decision->choice[user]);
    out["action"] =
        py::make_tuple(channel[user], action.power, action.frequency, action.extraction);
    out["action_value"] = action.value;
    out["offloaders"] = channel.size() - std::count(channel.begin(), channel.end(), -1);
    return out;
}

// For each of some numbers of offloaders, on how many sub-channels each of some users has a
// feasible action (global/feasibility.h), and why the search ended early: "" where it did not.
py::tuple feasible_channels(const PackedScenario& scenario, const Doubles& gain,
                            const Integers& task, const std::vector<int>& users,
                            const std::vector<int>& offloaders, int modes, bool continuous,
                            double seconds) {
    const UsualRounding usual;
    const Slot slot = as_slot(scenario, gain, task);
    require(modes >= 1 && modes <= 3, "modes", "1, 2 or 3 is expected");
    for (int n : users)
        require(0 <= n && n < int(scenario.users.size()), "users", "some of the slot are expected");
    Deadline deadline(seconds);
    const Stop stop = [&] { return deadline(); };
    Feasibility feasibility(scenario, slot, continuous, stop);
    std::vector<std::vector<int>> channels;
    {
        py::gil_scoped_release release;
        for (int m : offloaders) {
            channels.emplace_back();
            for (int n : users) channels.back().push_back(feasibility.channels(n, m, Modes(modes)));
        }
    }
    return py::make_tuple(channels, feasibility.complete() ? "" : deadline.reason());
}

}  // namespace

void bind_exact(py::module_& m) {
    py::class_<ExactBatch> batch(m, "ExactBatch",
                                 "Warm exact solvers. A state for each call: threads share the "
                                 "object, and a call that finds its solvers taken makes more.");
    batch
        .def(py::init<const PackedScenario&, bool, int>(), py::arg("scenario"), py::arg("fairest"),
             py::arg("threads"), py::keep_alive<1, 2>())
        .def("solve", &ExactBatch::solve, py::arg("gain"), py::arg("task"),
             py::arg("channel").noconvert(), py::arg("power").noconvert(),
             py::arg("frequency").noconvert(), py::arg("extraction").noconvert(),
             py::arg("value").noconvert(), py::arg("upper").noconvert(), py::arg("seconds"));
    refuse_copies(batch);
    m.def("best_of_cells", &best_of_cells, py::arg("scenario"), py::arg("gain"),
          py::arg("latency").noconvert(), py::arg("energy").noconvert(),
          py::arg("accuracy").noconvert(), py::arg("qoe").noconvert());
    m.def("assign", &assign, py::arg("weight"), py::arg("local"), py::arg("offloaders"));
    m.def("feasible_channels", &feasible_channels, py::arg("scenario"), py::arg("gain"),
          py::arg("task"), py::arg("users"), py::arg("offloaders"), py::arg("modes"),
          py::arg("continuous"), py::arg("seconds"));
    m.def("forced", &forced, py::arg("scenario"), py::arg("gain"), py::arg("task"), py::arg("user"),
          py::arg("modes"), py::arg("seconds"));
}

}  // namespace semopt
