// What all objects that Python sees have in common.
#pragma once

#include <pybind11/pybind11.h>

namespace semopt {

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
