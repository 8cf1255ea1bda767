// The CUDA runtime as Python sees it. Addresses are integers; semopt/backends/gpu/ checks arrays.
#include "gpu/cuda.h"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;
using namespace semopt::cuda;

namespace {

void* address(size_t value) { return reinterpret_cast<void*>(value); }

}  // namespace

PYBIND11_MODULE(_cuda, m) {
    m.def("why_not", &why_not);
    m.def("device_name", &device_name);
    m.def("processors", &processors);
    m.def("current_device", &current_device);
    m.def("device_of", [](size_t memory) { return device_of(address(memory)); });
    m.def("wait", &wait, py::call_guard<py::gil_scoped_release>());
    m.def("kernel_names", &kernel_names);
    m.def("allocate", [](size_t bytes) { return reinterpret_cast<size_t>(allocate(bytes)); });
    m.def("release", [](size_t memory) { release(address(memory)); });
    m.def("copy_in", [](size_t memory, const py::array& host) {
        copy_in(address(memory), host.data(), host.nbytes());
    });
    m.def("copy_out", [](py::array& host, size_t memory) {
        copy_out(host.mutable_data(), address(memory), host.nbytes());
    });
    m.def("clear", [](size_t memory, size_t bytes) { clear(address(memory), bytes); });
    m.def(
        "launch",
        [](const std::string& name, size_t job, int blocks) { launch(name, address(job), blocks); },
        py::call_guard<py::gil_scoped_release>());
}
