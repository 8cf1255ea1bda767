// What all objects and calls that Python sees have in common.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <string>
#include <vector>

#include "global/branch.h"
#include "host/pool.h"
#include "model/check.h"
#include "model/scenario.h"

namespace semopt {

using Doubles = pybind11::array_t<double, pybind11::array::c_style>;
using Integers = pybind11::array_t<long long, pybind11::array::c_style>;

// How many threads a batch runs on: `threads`, 0 for one a core, and no more than that.
inline int lanes_of(int threads) {
    require(threads >= 0, "threads", "at least 0 is expected");
    const int cores = lanes_available();
    return threads ? std::min(threads, cores) : cores;
}

using Shape = std::vector<pybind11::ssize_t>;

// The memory of a C-ordered array of exactly this type and shape; nothing is converted or copied.
template <class T>
T* memory(const pybind11::array& array, const char* argument, const Shape& shape, bool written) {
    using Typed = pybind11::array_t<std::remove_const_t<T>, pybind11::array::c_style>;
    if (!pybind11::isinstance<Typed>(array) || array.ndim() != pybind11::ssize_t(shape.size()) ||
        !std::equal(shape.begin(), shape.end(), array.shape())) {
        const std::string type = pybind11::str(pybind11::dtype::of<std::remove_const_t<T>>());
        pybind11::tuple lengths(shape.size());
        for (size_t i = 0; i < shape.size(); ++i) lengths[i] = shape[i];
        const std::string expected = pybind11::str(lengths);
        throw ArgumentError(argument,
                            "a C-ordered " + type + " array of shape " + expected + " is expected");
    }
    if (!(array.flags() & pybind11::detail::npy_api::NPY_ARRAY_ALIGNED_))
        throw ArgumentError(argument, "memory aligned for its numbers is expected: copy the array");
    if (written && !array.writeable())
        throw ArgumentError(argument, "a writeable array is expected");
    return static_cast<T*>(const_cast<void*>(array.data()));
}

template <class T>
const T* input(const pybind11::array& array, const char* argument, const Shape& shape) {
    return memory<const T>(array, argument, shape, false);
}
template <class T>
T* output(const pybind11::array& array, const char* argument, const Shape& shape) {
    return memory<T>(array, argument, shape, true);
}

inline void require_kinds(const Scenario& scenario, const Integers& task) {
    const auto kinds = (long long)scenario.tasks.size();
    require(std::all_of(task.data(), task.data() + task.size(),
                        [&](long long kind) { return kind >= 0 && kind < kinds; }),
            "task", "indices from 0 to " + std::to_string(kinds - 1) + " are expected");
}

inline void require_gains(const Doubles& gain) {
    require(std::all_of(gain.data(), gain.data() + gain.size(),
                        [](double g) { return g > 0 && g < kInfinity; }),
            "gain", "finite values above 0 are expected");
}

// The arrays of one slot: gain (N, K), task (N).
inline Slot as_slot(const Scenario& scenario, const Doubles& gain, const Integers& task) {
    const pybind11::ssize_t users = scenario.users.size();
    require(gain.ndim() == 2 && gain.shape(0) == users, "gain",
            "shape (users, channels) is expected");
    require(task.ndim() == 1 && task.shape(0) == users, "task", "shape (users,) is expected");
    require_kinds(scenario, task);
    return {gain.data(), task.data(), int(gain.shape(1))};
}

// The arrays of many slots: gain (S, N, K), task (S, N).
struct Slots {
    Slots(const Scenario& scenario, const Doubles& gain, const Integers& task)
        : gain(gain.data()),
          task(task.data()),
          count(gain.ndim() == 3 ? gain.shape(0) : 0),
          users(scenario.users.size()),
          channels(gain.ndim() == 3 ? gain.shape(2) : 0) {
        require(gain.ndim() == 3 && gain.shape(1) == users, "gain",
                "a C-ordered float64 array of shape (slots, users, channels) is expected");
        require(task.ndim() == 2 && task.shape(0) == count && task.shape(1) == users, "task",
                "a C-ordered int64 array of shape (slots, users) is expected");
        require_kinds(scenario, task);
        require_gains(gain);
    }

    Slot operator[](long long s) const {
        return {gain + s * users * channels, task + s * users, int(channels)};
    }

    const double* gain;
    const long long* task;
    pybind11::ssize_t count, users, channels;
};

// Where decisions of slots go: channel, power, frequency, extraction (S, N).
struct DecisionArrays {
    DecisionArrays(const Slots& slots, Integers& to_channel, Doubles& to_power,
                   Doubles& to_frequency, Doubles& to_extraction)
        : users(slots.users),
          channel(output<long long>(to_channel, "channel", {slots.count, users})),
          power(output<double>(to_power, "power", {slots.count, users})),
          frequency(output<double>(to_frequency, "frequency", {slots.count, users})),
          extraction(output<double>(to_extraction, "extraction", {slots.count, users})) {}

    void write(long long s, pybind11::ssize_t user, int on_channel, const Action& action) const {
        const pybind11::ssize_t i = s * users + user;
        channel[i] = on_channel;
        power[i] = action.power;
        frequency[i] = action.frequency;
        extraction[i] = action.extraction;
    }

    pybind11::ssize_t users;
    long long* channel;
    double *power, *frequency, *extraction;
};

// Refuses `copy` and every protocol of `pickle`: the objects of Python that hold this one are
// copied, and make another. (Protocols 0 and 1 would make an object without anything in it.)
template <class Class>
void refuse_copies(Class& bound) {
    namespace py = pybind11;
    const std::string name = py::str(bound.attr("__name__"));
    const auto refuse = [name](const py::object&, const py::args&) -> py::object {
        throw py::type_error("semopt._core." + name +
                             " is neither copied nor pickled: copy or pickle the Problem, Solver "
                             "or environment that it was made from");
    };
    bound.def("__reduce__", refuse);
    bound.def("__reduce_ex__", refuse);
}

}  // namespace semopt
