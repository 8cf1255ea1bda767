#include "bindings/scenario.h"

#include <pybind11/stl.h>

#include <array>
#include <cstring>
#include <string>

#include "bindings/objects.h"
#include "bindings/register.h"
#include "model/arithmetic.h"

namespace py = pybind11;

namespace semopt {
namespace {

// The order in which Python packs records.
#define SEMOPT_NAME(field) #field,
const std::vector<std::string> kSystemFields = {SEMOPT_SYSTEM_FIELDS(SEMOPT_NAME)},
                               kUserFields = {SEMOPT_USER_FIELDS(SEMOPT_NAME)},
                               kTaskFields = {SEMOPT_TASK_FIELDS(SEMOPT_NAME)};

template <class Record>
std::vector<Record> records(const Doubles& rows, const char* argument) {
    constexpr py::ssize_t fields = sizeof(Record) / sizeof(double);
    require(rows.ndim() == 2 && rows.shape(1) == fields, argument,
            "a float64 array of shape (rows, " + std::to_string(fields) + ") is expected");
    std::vector<Record> out(rows.shape(0));
    std::memcpy(out.data(), rows.data(), out.size() * sizeof(Record));
    return out;
}

std::unique_ptr<PackedScenario> make_scenario(
    const Doubles& system, const Doubles& users, const Doubles& tasks,
    const std::vector<std::array<std::vector<double>, 4>>& tables,
    const std::vector<std::vector<double>>& power,
    const std::vector<std::vector<double>>& frequency,
    const std::vector<std::vector<std::vector<double>>>& extraction) {
    const UsualRounding usual;
    auto scenario = std::make_unique<PackedScenario>();
    scenario->system = records<System<double>>(system, "system").at(0);
    scenario->users = records<User<double>>(users, "users");
    scenario->tasks = records<Task<double>>(tasks, "tasks");
    const size_t count = scenario->users.size();
    require(tables.size() == scenario->tasks.size(), "tables", "one a task is expected");
    require(power.size() == count && frequency.size() == count && extraction.size() == count,
            "levels", "one list a user is expected");
    for (const auto& table : tables) {
        const auto& [rows, columns, values, raw] = table;
        require(rows.size() >= 2 && columns.size() >= 2 && raw.size() == columns.size() &&
                    values.size() == rows.size() * columns.size(),
                "tables", "axes of at least two points and matching values are expected");
        scenario->tables.push_back(make_table(rows, columns, values, raw, scenario->storage));
    }
    for (size_t n = 0; n < count; ++n) scenario->levels.push_back({power[n], frequency[n]});
    scenario->extraction = extraction;
    return scenario;
}

}  // namespace

void bind_scenario(py::module_& m) {
    m.attr("SYSTEM_FIELDS") = kSystemFields;
    m.attr("USER_FIELDS") = kUserFields;
    m.attr("TASK_FIELDS") = kTaskFields;
    m.attr("SCORE") = SEMOPT_SCORE;
    py::dict limits;
#define SEMOPT_LIMIT(name, bit, kept) limits[name] = bit;
    SEMOPT_LIMITS(SEMOPT_LIMIT)
#undef SEMOPT_LIMIT
    m.attr("LIMITS") = limits;
    py::class_<PackedScenario> scenario(
        m, "Scenario", "A packed scenario. Never changed once made: threads share it.");
    scenario.def(py::init(&make_scenario), py::arg("system"), py::arg("users"), py::arg("tasks"),
                 py::arg("tables"), py::arg("power"), py::arg("frequency"), py::arg("extraction"));
    scenario.def(
        "device_image",
        [](const PackedScenario& self, bool single, size_t base) {
            const UsualRounding usual;
            const DeviceImage image = single ? device_image(self.view<float>(), base)
                                             : device_image(self.view<double>(), base);
            return py::make_tuple(py::bytes(image.bytes.data(), image.bytes.size()), image.users,
                                  image.tasks, image.tables);
        },
        py::arg("single"), py::arg("base"),
        "What a device reads of the scenario, to lie at `base` there, in single or double "
        "precision; and where in it users, tasks and tables begin.");
    refuse_copies(scenario);
}

}  // namespace semopt
