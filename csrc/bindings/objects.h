// What all objects and calls that Python sees have in common.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <vector>

#include "model/check.h"
#include "model/scenario.h"

namespace semopt {

using Doubles = pybind11::array_t<double, pybind11::array::c_style>;
using Integers = pybind11::array_t<long long, pybind11::array::c_style>;

// The memory of an array of exactly this shape.
template <class Array>
auto* buffer(Array& array, const char* argument, std::vector<pybind11::ssize_t> shape) {
    require(array.ndim() == pybind11::ssize_t(shape.size()) &&
                std::equal(shape.begin(), shape.end(), array.shape()),
            argument, "another shape is expected");
    return array.mutable_data();
}

// The arrays of one slot: gain (N, K), task (N).
inline Slot as_slot(const Scenario& scenario, const Doubles& gain, const Integers& task) {
    const pybind11::ssize_t users = scenario.users.size();
    require(gain.ndim() == 2 && gain.shape(0) == users, "gain",
            "shape (users, channels) is expected");
    require(task.ndim() == 1 && task.shape(0) == users, "task", "shape (users,) is expected");
    for (pybind11::ssize_t n = 0; n < users; ++n)
        require(task.data()[n] >= 0 && task.data()[n] < pybind11::ssize_t(scenario.tasks.size()),
                "task", "an index below the number of tasks is expected");
    return {gain.data(), task.data(), int(gain.shape(1))};
}

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
