// DLPack capsules as Python sees them: borrowing another library's memory, and lending ours.
#include <pybind11/stl.h>

#include <memory>
#include <tuple>
#include <vector>

#include "bindings/dlpack.h"
#include "bindings/objects.h"
#include "bindings/register.h"
#include "model/check.h"

namespace py = pybind11;

namespace semopt {
namespace {

using dlpack::Managed, dlpack::Tensor, dlpack::Versioned;
using Numbers = std::vector<int64_t>;

struct GiveBack {
    template <class T>
    void operator()(T* lent) const {
        if (lent->deleter) lent->deleter(lent);
    }
};

// Takes what a capsule holds and marks the capsule as used; null if it holds something else.
template <class T>
std::unique_ptr<T, GiveBack> take(py::handle capsule) {
    if (!PyCapsule_IsValid(capsule.ptr(), T::kName)) return nullptr;
    auto* lent = static_cast<T*>(PyCapsule_GetPointer(capsule.ptr(), T::kName));
    PyCapsule_SetName(capsule.ptr(), T::kUsed);
    return std::unique_ptr<T, GiveBack>(lent);
}

// Another library's memory, given back with this object.
class Borrowed {
  public:
    Borrowed(const std::string& argument, py::handle capsule)
        : plain_(take<Managed>(capsule)), versioned_(take<Versioned>(capsule)) {
        require(plain_ || versioned_, argument.c_str(),
                "a DLPack capsule not yet used is expected");
        require(plain_ || versioned_->major == dlpack::kMajor, argument.c_str(),
                "a DLPack capsule of version 0 or 1 is expected");
    }

    const Tensor& tensor() const { return plain_ ? plain_->tensor : versioned_->tensor; }
    size_t address() const { return size_t(tensor().data) + tensor().byte_offset; }
    Numbers shape() const { return numbers(tensor().shape); }
    Numbers strides() const { return numbers(tensor().strides); }
    std::tuple<int, int, int> type() const {
        const dlpack::DataType& type = tensor().type;
        return {type.code, type.bits, type.lanes};
    }
    std::tuple<int, int> device() const { return {tensor().device.kind, tensor().device.index}; }
    bool read_only() const { return versioned_ && versioned_->flags & dlpack::kReadOnly; }

  private:
    Numbers numbers(const int64_t* values) const {
        return values ? Numbers(values, values + tensor().dimensions) : Numbers();
    }

    std::unique_ptr<Managed, GiveBack> plain_;
    std::unique_ptr<Versioned, GiveBack> versioned_;
};

// Our memory while another library uses it: it holds a reference to the object that owns it.
template <class T>
struct Lent {
    T managed{};
    Numbers shape, strides;
    PyObject* owner;
};

template <class T>
void take_back(T* managed) {
    auto* lent = static_cast<Lent<T>*>(managed->context);
    if (Py_IsInitialized()) {  // a borrower may outlive the interpreter
        py::gil_scoped_acquire gil;
        Py_DECREF(lent->owner);
    }
    delete lent;
}

// Runs when a capsule ends: frees what no library has taken.
template <class T>
void end(PyObject* capsule) {
    if (PyCapsule_IsValid(capsule, T::kName))
        take_back(static_cast<T*>(PyCapsule_GetPointer(capsule, T::kName)));
}

template <class T>
py::object wrap(Tensor tensor, Numbers shape, const py::object& owner, bool read_only) {
    auto lent = std::make_unique<Lent<T>>();
    lent->shape = std::move(shape);
    lent->strides.resize(lent->shape.size());
    int64_t stride = 1;
    for (size_t i = lent->shape.size(); i-- > 0; stride *= lent->shape[i])
        lent->strides[i] = stride;
    tensor.shape = lent->shape.data();
    tensor.strides = lent->strides.data();
    T& managed = lent->managed;
    managed.tensor = tensor;
    managed.context = lent.get();
    managed.deleter = take_back<T>;
    if constexpr (std::is_same_v<T, Versioned>) {
        managed.major = dlpack::kMajor;
        managed.flags = read_only ? dlpack::kReadOnly : 0;
    }
    lent->owner = owner.ptr();
    PyObject* capsule = PyCapsule_New(&managed, T::kName, end<T>);
    if (!capsule) throw py::error_already_set();
    Py_INCREF(lent.release()->owner);
    return py::reinterpret_steal<py::object>(capsule);
}

py::object lend(const py::object& owner, size_t address, Numbers shape, std::tuple<int, int> type,
                std::tuple<int, int> device, bool versioned, bool read_only) {
    Tensor tensor{};
    tensor.data = reinterpret_cast<void*>(address);
    tensor.device = {std::get<0>(device), std::get<1>(device)};
    tensor.dimensions = int32_t(shape.size());
    tensor.type = {uint8_t(std::get<0>(type)), uint8_t(std::get<1>(type)), 1};
    return versioned ? wrap<Versioned>(tensor, std::move(shape), owner, read_only)
                     : wrap<Managed>(tensor, std::move(shape), owner, read_only);
}

}  // namespace

void bind_dlpack(py::module_& m) {
    py::class_<Borrowed> borrowed(
        m, "Borrowed",
        "Another library's memory. Never changed once made: threads share it; what is written "
        "there is for the lender and the borrower to agree on.");
    borrowed
        .def(py::init<const std::string&, py::handle>(), py::arg("argument"), py::arg("capsule"))
        .def_property_readonly("address", &Borrowed::address)
        .def_property_readonly("shape", &Borrowed::shape)
        .def_property_readonly("strides", &Borrowed::strides)
        .def_property_readonly("type", &Borrowed::type)
        .def_property_readonly("device", &Borrowed::device)
        .def_property_readonly("read_only", &Borrowed::read_only);
    refuse_copies(borrowed);
    m.def("lend", &lend, py::arg("owner"), py::arg("address"), py::arg("shape"), py::arg("type"),
          py::arg("device"), py::arg("versioned"), py::arg("read_only"));
}

}  // namespace semopt
