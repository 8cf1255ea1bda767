// Queues of slots that share batteries, as Python sees them.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <tuple>

#include "bindings/deadline.h"
#include "bindings/objects.h"
#include "bindings/register.h"
#include "bindings/scenario.h"
#include "model/arithmetic.h"
#include "queue/columns.h"
#include "queue/fronts.h"

namespace py = pybind11;

namespace semopt {
namespace {

// What joint actions take and give, as arrays: value (C), and for each user QoE, energy, channel
// and action (C, N).
py::tuple as_arrays(const std::vector<Column>& columns, int users) {
    const py::ssize_t count = columns.size();
    Doubles value(count), qoe({count, py::ssize_t(users)}), energy({count, py::ssize_t(users)});
    Integers channel({count, py::ssize_t(users)}), action({count, py::ssize_t(users)});
    for (py::ssize_t c = 0; c < count; ++c) {
        value.mutable_data()[c] = columns[c].value;
        for (int n = 0; n < users; ++n) {
            const py::ssize_t i = c * users + n;
            qoe.mutable_data()[i] = columns[c].choice[n].qoe;
            energy.mutable_data()[i] = columns[c].choice[n].energy;
            channel.mutable_data()[i] = columns[c].channel[n];
            action.mutable_data()[i] = columns[c].choice[n].action;
        }
    }
    return py::make_tuple(value, qoe, energy, channel, action);
}

// The efficient actions of a queue's cells, behind checks.
class Queue {
  public:
    Queue(const PackedScenario& scenario, const Doubles& gain, const Integers& task, bool device,
          int threads)
        : lanes_(lanes_of(threads)) {
        const UsualRounding usual;
        const Slots slots(scenario, gain, task);
        const ScenarioView<double> view = scenario.view<double>();
        py::gil_scoped_release release;
        fronts_ = std::make_unique<Fronts>(scenario, view, slots.gain, slots.task, slots.count,
                                           slots.channels, device, lanes_);
    }

    py::tuple best(const Doubles& price) const {
        const UsualRounding usual;
        require(price.ndim() == 1 && price.shape(0) == fronts_->users(), "price",
                "shape (users,) is expected");
        std::vector<Column> best(fronts_->slots());
        {
            py::gil_scoped_release release;
            parallel(fronts_->slots(), lanes_,
                     [&](long long t, int) { best[t] = fronts_->best(int(t), price.data()); });
        }
        return as_arrays(best, fronts_->users());
    }

    // None where there are more than `most`.
    py::object columns(int slot, const Doubles& price, double least, size_t most) const {
        const UsualRounding usual;
        check(slot, 0, kLocal, 0);
        require(price.ndim() == 1 && price.shape(0) == fronts_->users(), "price",
                "shape (users,) is expected");
        std::vector<Column> listed;
        bool all;
        {
            py::gil_scoped_release release;
            all = fronts_->columns(slot, price.data(), least, most, listed);
        }
        return all ? py::object(as_arrays(listed, fronts_->users())) : py::none();
    }

    py::tuple front(int slot, int user, int channel, int offloaders) const {
        check(slot, user, channel, offloaders);
        const Front& front = fronts_->front(slot, user, channel, offloaders);
        Doubles qoe(front.size()), energy(front.size());
        Integers action(front.size());
        for (size_t i = 0; i < front.size(); ++i) {
            qoe.mutable_data()[i] = front[i].qoe;
            energy.mutable_data()[i] = front[i].energy;
            action.mutable_data()[i] = front[i].action;
        }
        return py::make_tuple(qoe, energy, action);
    }

    void add(int slot, int user, int channel, int offloaders,
             const std::vector<std::tuple<double, double, int>>& more) {
        check(slot, user, channel, offloaders);
        Front front;
        for (const auto& [qoe, energy, action] : more) front.push_back({qoe, energy, action});
        fronts_->add(slot, user, channel, offloaders, front);
    }

  private:
    void check(int slot, int user, int channel, int offloaders) const {
        require(0 <= slot && slot < fronts_->slots(), "slot", "one of the queue is expected");
        require(0 <= user && user < fronts_->users(), "user", "one of the scenario is expected");
        require(kLocal <= channel && channel < fronts_->channels(), "channel",
                "-1 or a sub-channel is expected");
        require(channel == kLocal || (1 <= offloaders && offloaders <= fronts_->most_offloaders()),
                "offloaders", "as many as can offload are expected");
    }

    int lanes_;
    std::unique_ptr<Fronts> fronts_;
};

// The best choice of one column a slot within budgets (queue/columns.h), worth more than `lower`:
// its value, -inf where there is none, a bound on all choices but those of at most `lower`, the
// columns chosen, how many states it took, and why it ended early, "" if it did not.
py::tuple choose(const std::vector<Doubles>& value, const std::vector<Doubles>& taken,
                 const Doubles& budget, const Doubles& prices, double lower, double margin,
                 size_t width, double seconds) {
    const UsualRounding usual;
    const py::ssize_t budgets = budget.size();
    require(budget.ndim() == 1 && budgets > 0, "budget", "shape (budgets,) is expected");
    require(prices.ndim() == 2 && prices.shape(0) > 0 && prices.shape(1) == budgets, "prices",
            "shape (prices, budgets) is expected");
    require(width > 0, "width", "at least 1 is expected");
    require(value.size() == taken.size(), "taken", "an array a slot is expected");
    std::vector<SlotColumns> slots;
    for (size_t t = 0; t < value.size(); ++t) {
        const py::ssize_t count = value[t].size();
        require(value[t].ndim() == 1 && count > 0, "value", "a column a slot at least is expected");
        slots.push_back(
            {value[t].data(), input<double>(taken[t], "taken", {count, budgets}), int(count)});
    }
    Choosing choosing(std::move(slots), {budget.data(), budget.data() + budgets},
                      {prices.data(), prices.data() + prices.size()});
    Deadline deadline(seconds);
    bool done;
    {
        py::gil_scoped_release release;
        done = choosing.solve(lower, margin, width, [&] { return deadline(); });
    }
    return py::make_tuple(choosing.value(), choosing.upper(), choosing.choice(), choosing.states(),
                          done ? "" : deadline.reason());
}

}  // namespace

void bind_queue(py::module_& m) {
    py::class_<Queue> queue(m, "Queue",
                            "The efficient actions of all cells of a queue. `add` alone changes "
                            "it: threads share it while nobody adds.");
    queue
        .def(py::init<const PackedScenario&, const Doubles&, const Integers&, bool, int>(),
             py::arg("scenario"), py::arg("gain"), py::arg("task"), py::arg("device"),
             py::arg("threads"))
        .def("best", &Queue::best, py::arg("price"))
        .def("columns", &Queue::columns, py::arg("slot"), py::arg("price"), py::arg("least"),
             py::arg("most"))
        .def("front", &Queue::front, py::arg("slot"), py::arg("user"), py::arg("channel"),
             py::arg("offloaders"))
        .def("add", &Queue::add, py::arg("slot"), py::arg("user"), py::arg("channel"),
             py::arg("offloaders"), py::arg("more"));
    refuse_copies(queue);
    m.def("choose", &choose, py::arg("value"), py::arg("taken"), py::arg("budget"),
          py::arg("prices"), py::arg("lower"), py::arg("margin"), py::arg("width"),
          py::arg("seconds"));
}

}  // namespace semopt
