// What each file of this room registers with the module.
#pragma once

#include <pybind11/pybind11.h>

namespace semopt {

void bind_dlpack(pybind11::module_& m);
void bind_scenario(pybind11::module_& m);
void bind_exact(pybind11::module_& m);
void bind_global(pybind11::module_& m);
void bind_kernels(pybind11::module_& m);
void bind_queue(pybind11::module_& m);

}  // namespace semopt
