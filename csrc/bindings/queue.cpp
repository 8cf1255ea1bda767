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
#include "queue/cases.h"
#include "queue/fronts.h"
#include "queue/online.h"

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
    // Raises KeyboardInterrupt or TimeoutError where it is not finished in time.
    Queue(const PackedScenario& scenario, const Doubles& gain, const Integers& task, bool device,
          int threads, double seconds)
        : lanes_(lanes_of(threads)) {
        const UsualRounding usual;
        const Slots slots(scenario, gain, task);
        const ScenarioView<double> view = scenario.view<double>();
        Deadline deadline(seconds);
        {
            py::gil_scoped_release release;
            fronts_ = std::make_unique<Fronts>(scenario, view, slots.gain, slots.task, slots.count,
                                               slots.channels, device, lanes_,
                                               [&] { return deadline(); });
        }
        if (!deadline.stopped()) return;
        PyErr_SetNone(deadline.interrupted() ? PyExc_KeyboardInterrupt : PyExc_TimeoutError);
        throw py::error_already_set();
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

    // The best joint actions of slots (E) where energy that is left has a worth: `left`, `most` and
    // `price` (E, users), `battery` (users), `value` (users, knots) as queue/online.h says.
    py::tuple best_within(const Integers& slot, const Doubles& left, const Doubles& most,
                          const Doubles& price, const Doubles& battery,
                          const Doubles& value) const {
        const UsualRounding usual;
        const std::vector<Purse> purses = purses_of(slot, left, most, price, battery, value);
        std::vector<Column> best(slot.size());
        {
            py::gil_scoped_release release;
            parallel(best.size(), lanes_, [&](long long e, int) {
                best[e] = semopt::best_within(*fronts_, int(slot.data()[e]),
                                              purses.data() + e * fronts_->users());
            });
        }
        return as_arrays(best, fronts_->users());
    }

    // What these slots are worth by the energy that each user alone has left: (E, users, knots).
    Doubles worth_by_energy(const Integers& slot, const Doubles& left, const Doubles& most,
                            const Doubles& price, const Doubles& battery,
                            const Doubles& value) const {
        const UsualRounding usual;
        const std::vector<Purse> purses = purses_of(slot, left, most, price, battery, value);
        Doubles out({slot.size(), value.shape(0), value.shape(1)});
        double* const worth = out.mutable_data();
        {
            py::gil_scoped_release release;
            parallel(slot.size(), lanes_, [&](long long e, int) {
                semopt::worth_by_energy(*fronts_, int(slot.data()[e]),
                                        purses.data() + e * fronts_->users(),
                                        worth + e * value.size());
            });
        }
        return out;
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

    // The search by cases (queue/cases.h) from a decision in hand: the value and the columns of a
    // better one, or None, the bound, the cases as arrays, and why it ended early, "" if it did
    // not.
    py::tuple cases(const Doubles& battery, const Doubles& price, double value, double gap,
                    size_t most, double seconds) const {
        const UsualRounding usual;
        const py::ssize_t users = fronts_->users();
        const double* const budget = input<double>(battery, "battery", {users});
        const double* const first = input<double>(price, "price", {users});
        Deadline deadline(seconds);
        std::unique_ptr<Cases> search;
        {
            py::gil_scoped_release release;
            search = std::make_unique<Cases>(*fronts_, std::vector<double>(budget, budget + users),
                                             lanes_);
            search->solve(value, gap, {first, first + users}, most, [&] { return deadline(); });
        }
        py::object decision = py::none();
        if (!search->decision().empty()) decision = as_arrays(search->decision(), int(users));
        return py::make_tuple(search->value(), decision, search->upper(), arrays_of(*search),
                              deadline.stopped() ? deadline.reason() : "");
    }

  private:
    py::dict arrays_of(const Cases& search) const {
        const py::ssize_t count = search.cases().size(), users = fronts_->users(),
                          slots = fronts_->slots(), most = fronts_->most_offloaders(),
                          channels = fronts_->channels();
        Integers children({count, py::ssize_t(2)}), slot(count), user(count);
        Doubles energy(count), bound(count), price({count, users}),
            duals({count, slots, most, 1 + channels});
        for (py::ssize_t i = 0; i < count; ++i) {
            const Case& one = search.cases()[i];
            std::copy_n(one.children, 2, children.mutable_data() + 2 * i);
            slot.mutable_data()[i] = one.slot;
            user.mutable_data()[i] = one.user;
            energy.mutable_data()[i] = one.energy;
            bound.mutable_data()[i] = one.bound;
            std::copy(one.price.begin(), one.price.end(), price.mutable_data() + i * users);
            std::copy(one.duals.begin(), one.duals.end(),
                      duals.mutable_data() + i * slots * most * (1 + channels));
        }
        return py::dict(py::arg("children") = children, py::arg("slot") = slot,
                        py::arg("user") = user, py::arg("energy") = energy,
                        py::arg("bound") = bound, py::arg("price") = price,
                        py::arg("duals") = duals);
    }

    // A purse for each slot and user.
    std::vector<Purse> purses_of(const Integers& slot, const Doubles& left, const Doubles& most,
                                 const Doubles& price, const Doubles& battery,
                                 const Doubles& value) const {
        const py::ssize_t users = fronts_->users(), count = slot.size();
        require(value.ndim() == 2 && value.shape(0) == users && value.shape(1) >= 2, "value",
                "shape (users, knots) with two knots at least is expected");
        const long long* const slots = input<long long>(slot, "slot", {count});
        const double *of_left = input<double>(left, "left", {count, users}),
                     *of_most = input<double>(most, "most", {count, users}),
                     *of_price = input<double>(price, "price", {count, users}),
                     *batteries = input<double>(battery, "battery", {users});
        const int knots = int(value.shape(1));
        std::vector<Purse> purses;
        for (py::ssize_t e = 0; e < count; ++e) {
            check(int(slots[e]), 0, kLocal, 0);
            for (py::ssize_t n = 0; n < users; ++n) {
                const py::ssize_t i = e * users + n;
                require(0 < batteries[n], "battery", "above 0 is expected");
                require(0 <= of_left[i] && of_left[i] <= batteries[n], "left",
                        "from 0 to the battery is expected");
                require(0 <= of_most[i], "most", "at least 0 is expected");
                purses.push_back({of_left[i], of_most[i], of_price[i], batteries[n],
                                  value.data() + n * knots, knots});
            }
        }
        return purses;
    }

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

}  // namespace

void bind_queue(py::module_& m) {
    py::class_<Queue> queue(
        m, "Queue",
        "The efficient actions of all cells of a queue. It never changes: threads "
        "share it.");
    queue
        .def(py::init<const PackedScenario&, const Doubles&, const Integers&, bool, int, double>(),
             py::arg("scenario"), py::arg("gain"), py::arg("task"), py::arg("device"),
             py::arg("threads"), py::arg("seconds") = kInfinity)
        .def("best", &Queue::best, py::arg("price"))
        .def("best_within", &Queue::best_within, py::arg("slot"), py::arg("left"), py::arg("most"),
             py::arg("price"), py::arg("battery"), py::arg("value"))
        .def("worth_by_energy", &Queue::worth_by_energy, py::arg("slot"), py::arg("left"),
             py::arg("most"), py::arg("price"), py::arg("battery"), py::arg("value"))
        .def("front", &Queue::front, py::arg("slot"), py::arg("user"), py::arg("channel"),
             py::arg("offloaders"))
        .def("cases", &Queue::cases, py::arg("battery"), py::arg("price"), py::arg("value"),
             py::arg("gap"), py::arg("most"), py::arg("seconds"));
    refuse_copies(queue);
}

}  // namespace semopt
