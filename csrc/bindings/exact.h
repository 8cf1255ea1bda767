#pragma once

#include <pybind11/pybind11.h>

namespace semopt {

void bind_exact(pybind11::module_& m);

}  // namespace semopt
