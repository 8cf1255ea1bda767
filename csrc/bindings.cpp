// What Python sees: arrays are checked here, the GIL is dropped, the kernels are called.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstring>
#include <memory>

#include "check.h"
#include "setting.h"

namespace py = pybind11;
using semopt::require;

namespace {

using Doubles = py::array_t<double, py::array::c_style>;
using Integers = py::array_t<long long, py::array::c_style>;

// The order in which Python packs records: the fields of model.h.
const std::vector<std::string> kSystemFields = {
    "bandwidth",        "noise",          "server_frequency", "server_flop_per_cycle",
    "server_energy_coefficient", "compress_exponent", "extract_exponent", "latency_max",
    "slope_latency",    "slope_energy",   "slope_accuracy",   "server_energy_max"};
const std::vector<std::string> kUserFields = {
    "flop_per_cycle", "energy_coefficient", "frequency_min", "frequency_max",
    "reference_frequency", "power_min", "power_max", "extraction_min",
    "energy_max", "weight_latency", "weight_energy", "weight_accuracy"};
const std::vector<std::string> kTaskFields = {
    "bits", "semantic_bits", "local_flop", "extract_flop", "server_flop",
    "server_raw_flop", "local_accuracy", "accuracy_min", "extraction_max"};

template <class Record>
std::vector<Record> records(const Doubles& rows, const char* argument, size_t fields) {
    require(rows.ndim() == 2 && size_t(rows.shape(1)) == fields, argument,
            "a float64 array of shape (rows, " + std::to_string(fields) + ") is expected");
    static_assert(sizeof(Record) % sizeof(double) == 0);
    require(sizeof(Record) == fields * sizeof(double), argument, "packed with other fields");
    std::vector<Record> out(rows.shape(0));
    std::memcpy(out.data(), rows.data(), out.size() * sizeof(Record));
    return out;
}

std::unique_ptr<semopt::Setting> make_setting(
    const Doubles& system, const Doubles& users, const Doubles& tasks,
    const std::vector<std::array<std::vector<double>, 4>>& tables,
    const std::vector<std::vector<double>>& power, const std::vector<std::vector<double>>& frequency,
    const std::vector<std::vector<std::vector<double>>>& extraction) {
    auto setting = std::make_unique<semopt::Setting>();
    setting->system =
        records<semopt::System<double>>(system, "system", kSystemFields.size()).at(0);
    setting->users = records<semopt::User<double>>(users, "users", kUserFields.size());
    setting->tasks = records<semopt::Task<double>>(tasks, "tasks", kTaskFields.size());
    const size_t count = setting->users.size();
    require(tables.size() == setting->tasks.size(), "tables", "one a task is expected");
    require(power.size() == count && frequency.size() == count && extraction.size() == count,
            "levels", "one list a user is expected");
    for (const auto& table : tables) {
        const auto& [rows, columns, values, raw] = table;
        require(rows.size() >= 2 && columns.size() >= 2 && raw.size() == columns.size() &&
                    values.size() == rows.size() * columns.size(),
                "tables", "axes of at least two points and matching values are expected");
        std::vector<double> flat;
        for (const auto& part : table) flat.insert(flat.end(), part.begin(), part.end());
        setting->storage.push_back(std::move(flat));
        const double* start = setting->storage.back().data();
        const double* grid = start + rows.size() + columns.size();
        setting->tables.push_back({start, start + rows.size(), grid, grid + values.size(),
                                   int(rows.size()), int(columns.size())});
    }
    for (size_t n = 0; n < count; ++n) setting->levels.push_back({power[n], frequency[n]});
    setting->extraction = extraction;
    return setting;
}

}  // namespace

PYBIND11_MODULE(_core, m) {
    m.attr("SYSTEM_FIELDS") = kSystemFields;
    m.attr("USER_FIELDS") = kUserFields;
    m.attr("TASK_FIELDS") = kTaskFields;
    py::class_<semopt::Setting>(m, "Setting")
        .def(py::init(&make_setting), py::arg("system"), py::arg("users"), py::arg("tasks"),
             py::arg("tables"), py::arg("power"), py::arg("frequency"), py::arg("extraction"));
}
