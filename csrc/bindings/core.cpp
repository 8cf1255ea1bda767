// The extension module: what it checks before it loads, and all that it registers.
#include <pybind11/pybind11.h>

#include "bindings/register.h"
#include "host/instruction_set.h"
#include "model/arithmetic.h"

namespace py = pybind11;

PYBIND11_MODULE(_core, m) {
    const std::string faults = semopt::arithmetic_faults();
    if (!faults.empty())
        throw py::import_error(
            "semopt._core was compiled with flags under which its results would "
            "be no proofs (" +
            faults +
            "): compile it without -ffast-math and its like, and with "
            "-ffp-contract=off, as CMakeLists.txt does");
    m.doc() =
        "The compiled half of semopt. Calls drop the GIL, and every function and object may be "
        "called from many threads at a time: what a call writes is its own or its caller's (two "
        "calls must not be given the same array to write, nor one that another writes).";
    m.def(
        "in_usual_rounding",
        [](const py::object& call) {
            const semopt::UsualRounding usual;
            return call();
        },
        py::arg("call"),
        "What call() returns, with results rounded to nearest and denormal numbers kept, whatever "
        "another library has set for this thread; set again after it.");
    semopt::bind_dlpack(m);
    semopt::bind_scenario(m);
    semopt::bind_exact(m);
    semopt::bind_global(m);
    semopt::bind_kernels(m);
    semopt::bind_queue(m);
}
