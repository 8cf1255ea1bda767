// What Python sees: arrays are checked here, the GIL is dropped, the kernels are called.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <optional>

#include "bindings/decode.h"
#include "bindings/dlpack_capsules.h"
#include "bindings/global.h"
#include "bindings/kernels.h"
#include "bindings/objects.h"
#include "exact/exact.h"
#include "host/dispatch.h"
#include "host/pool.h"
#include "host/watch.h"
#include "model/arithmetic.h"
#include "model/check.h"
#include "model/scenario.h"

namespace py = pybind11;
using semopt::require;

namespace {

using Doubles = py::array_t<double, py::array::c_style>;
using Integers = py::array_t<long long, py::array::c_style>;

// The order in which Python packs records: the fields of model/model.h.
const std::vector<std::string> kSystemFields = {"bandwidth",
                                                "noise",
                                                "server_frequency",
                                                "server_flop_per_cycle",
                                                "server_energy_coefficient",
                                                "compress_exponent",
                                                "extract_exponent",
                                                "latency_max",
                                                "slope_latency",
                                                "slope_energy",
                                                "slope_accuracy",
                                                "server_energy_max"};
const std::vector<std::string> kUserFields = {
    "flop_per_cycle",      "energy_coefficient", "frequency_min", "frequency_max",
    "reference_frequency", "power_min",          "power_max",     "extraction_min",
    "energy_max",          "weight_latency",     "weight_energy", "weight_accuracy"};
const std::vector<std::string> kTaskFields = {"bits",           "semantic_bits", "local_flop",
                                              "extract_flop",   "server_flop",   "server_raw_flop",
                                              "local_accuracy", "accuracy_min",  "extraction_max"};

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
    const std::vector<std::vector<double>>& power,
    const std::vector<std::vector<double>>& frequency,
    const std::vector<std::vector<std::vector<double>>>& extraction) {
    const semopt::UsualRounding usual;
    auto setting = std::make_unique<semopt::Setting>();
    setting->system = records<semopt::System<double>>(system, "system", kSystemFields.size()).at(0);
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
        setting->tables.push_back(semopt::own_table(rows, columns, values, raw, setting->storage));
    }
    for (size_t n = 0; n < count; ++n) setting->levels.push_back({power[n], frequency[n]});
    setting->extraction = extraction;
    return setting;
}

template <class Array>
auto* buffer(Array& array, const char* argument, std::vector<py::ssize_t> shape) {
    require(array.ndim() == py::ssize_t(shape.size()) &&
                std::equal(shape.begin(), shape.end(), array.shape()),
            argument, "another shape is expected");
    return array.mutable_data();
}

// Warm exact solvers over the slots of a batch; `threads` 0: one a core. Callers at the same time
// share nothing but the setting: each call takes solvers of its own out of `idle_`, which is read
// and written with the GIL held alone (a lock of ours could be left locked in a forked child).
class ExactBatch {
  public:
    ExactBatch(const semopt::Setting& setting, bool fairest, int threads)
        : setting_(setting), fairest_(fairest) {
        const semopt::UsualRounding usual;
        require(threads >= 0, "threads", "at least 0 is expected");
        const int cores = semopt::lanes_available();
        lanes_ = threads ? std::min(threads, cores) : cores;
        idle_.push_back(std::make_unique<semopt::Exact>(setting, fairest));
    }

    // Decisions of slots gain (S, N, K), task (S, N) into channel, power, frequency, extraction
    // (S, N) and value (S); an infeasible slot has value -inf, channels -1 and NaN. Time up after
    // `seconds`, and Ctrl-C, leave the best so far; `upper` (S) then is above the value. Returns
    // the effort of all slots, and why it stopped early, if it did.
    py::dict solve(const Doubles& gain, const Integers& task, Integers channel, Doubles power,
                   Doubles frequency, Doubles extraction, Doubles value, Doubles upper,
                   double seconds) {
        const semopt::UsualRounding usual;
        const py::ssize_t users = setting_.users.size(), kinds = setting_.tasks.size();
        require(gain.ndim() == 3 && gain.shape(1) == users, "gain",
                "a C-ordered float64 array of shape (slots, users, channels) is expected");
        const py::ssize_t slots = gain.shape(0), channels = gain.shape(2);
        require(task.ndim() == 2 && task.shape(0) == slots && task.shape(1) == users, "task",
                "a C-ordered int64 array of shape (slots, users) is expected");
        require(std::all_of(task.data(), task.data() + task.size(),
                            [&](long long kind) { return kind >= 0 && kind < kinds; }),
                "task", "indices from 0 to " + std::to_string(kinds - 1) + " are expected");
        require(std::all_of(gain.data(), gain.data() + gain.size(),
                            [](double g) { return g > 0 && g < semopt::kInfinity; }),
                "gain", "finite values above 0 are expected");
        long long* const to_channel = buffer(channel, "channel", {slots, users});
        double* const to_power = buffer(power, "power", {slots, users});
        double* const to_frequency = buffer(frequency, "frequency", {slots, users});
        double* const to_extraction = buffer(extraction, "extraction", {slots, users});
        double* const to_value = buffer(value, "value", {slots});
        double* const to_upper = buffer(upper, "upper", {slots});
        const double* const gains = gain.data();
        const long long* const tasks = task.data();
        const Taken taken(*this, int(std::clamp<py::ssize_t>(slots, 1, lanes_)));
        std::vector<semopt::Effort> efforts(taken.solvers.size());
        // A slot of few actions ends before anybody would look at the clock.
        std::optional<semopt::Watch> watch;
        semopt::Stop stop;
        if (double(channels) * actions() >= kWatched) {
            watch.emplace(seconds);
            stop = [&] { return (*watch)(); };
        }
        {
            py::gil_scoped_release release;
            semopt::parallel(slots, int(efforts.size()), [&](long long s, int lane) {
                const semopt::Slot slot{gains + s * users * channels, tasks + s * users,
                                        int(channels)};
                semopt::Exact& solver = *taken.solvers[lane];
                const semopt::Decision& decision = solver.solve(slot, stop);
                efforts[lane] += solver.effort();
                to_value[s] = decision.value;
                to_upper[s] = solver.upper();
                const bool feasible = decision.value > -semopt::kInfinity;
                for (py::ssize_t n = 0; n < users; ++n) {
                    const py::ssize_t i = s * users + n;
                    const double nan = std::nan("");
                    const semopt::Action action =
                        feasible ? semopt::decode(setting_, n, slot.task[n], decision.channel[n],
                                                  decision.choice[n])
                                 : semopt::Action{nan, nan, nan, nan};
                    to_channel[i] = feasible ? decision.channel[n] : -1;
                    to_power[i] = action.power;
                    to_frequency[i] = action.frequency;
                    to_extraction[i] = action.extraction;
                }
            });
        }
        semopt::Effort total;
        for (const semopt::Effort& effort : efforts) total += effort;
        py::dict told(py::arg("cells") = total.cells, py::arg("sizes") = total.sizes,
                      py::arg("assignments") = total.assignments);
        if (watch && watch->stopped()) told["stopped"] = watch->reason();
        return told;
    }

  private:
    using Solvers = std::vector<std::unique_ptr<semopt::Exact>>;
    static constexpr double kWatched = 2e5;  // actions of all users on all sub-channels

    // Of all users on one sub-channel, whatever their tasks.
    double actions() const {
        double total = 0;
        for (size_t n = 0; n < setting_.levels.size(); ++n) {
            size_t semantic = 0;
            for (const auto& levels : setting_.extraction[n])
                semantic = std::max(semantic, levels.size());
            const semopt::Levels& own = setting_.levels[n];
            total += double(own.power.size()) * (1 + double(own.frequency.size()) * semantic);
        }
        return total;
    }

    // One call's solvers, idle again after it.
    struct Taken {
        Taken(ExactBatch& batch, int count) : idle(batch.idle_) {
            while (int(solvers.size()) < count && !idle.empty()) {
                solvers.push_back(std::move(idle.back()));
                idle.pop_back();
            }
            while (int(solvers.size()) < count)
                solvers.push_back(std::make_unique<semopt::Exact>(batch.setting_, batch.fairest_));
        }
        ~Taken() {
            for (auto& solver : solvers) idle.push_back(std::move(solver));
        }
        Taken(const Taken&) = delete;

        Solvers& idle;
        Solvers solvers;
    };

    const semopt::Setting& setting_;
    const bool fairest_;
    int lanes_;
    Solvers idle_;
};

// The best action of every cell beside `offloaders` in all, over the modes allowed (1 raw,
// 2 semantic, 3 both): value, power, frequency, extraction (N, K); value -inf where infeasible.
void best_cells(const semopt::Setting& setting, const Doubles& gain, const Integers& task,
                int offloaders, int modes, Doubles value, Doubles power, Doubles frequency,
                Doubles extraction) {
    const semopt::UsualRounding usual;
    const py::ssize_t users = setting.users.size();
    require(gain.ndim() == 2 && gain.shape(0) == users, "gain",
            "shape (users, channels) is expected");
    require(task.ndim() == 1 && task.shape(0) == users, "task", "shape (users,) is expected");
    require(modes >= 1 && modes <= 3, "modes", "1, 2 or 3 is expected");
    const py::ssize_t channels = gain.shape(1);
    double* const to_value = buffer(value, "value", {users, channels});
    double* const to_power = buffer(power, "power", {users, channels});
    double* const to_frequency = buffer(frequency, "frequency", {users, channels});
    double* const to_extraction = buffer(extraction, "extraction", {users, channels});
    semopt::Cells cells(setting);
    cells.load({gain.data(), task.data(), int(channels)});
    py::gil_scoped_release release;
    for (py::ssize_t n = 0; n < users; ++n)
        for (py::ssize_t k = 0; k < channels; ++k) {
            const py::ssize_t i = n * channels + k;
            const semopt::Choice choice = cells.offload(n, k, offloaders, semopt::Modes(modes));
            const semopt::Action action = semopt::decode(setting, n, task.data()[n], k, choice);
            to_value[i] = choice.value;
            to_power[i] = action.power;
            to_frequency[i] = action.frequency;
            to_extraction[i] = action.extraction;
        }
}

// The best assignment with exactly m pairs: (value, channel of each user); value -inf without one.
py::tuple assign(const Doubles& weight, const Doubles& local, int offloaders) {
    const semopt::UsualRounding usual;
    require(weight.ndim() == 2, "weight", "shape (users, channels) is expected");
    require(local.ndim() == 1 && local.shape(0) == weight.shape(0), "local",
            "shape (users,) is expected");
    semopt::Matching matching;
    matching.solve(weight.data(), local.data(), weight.shape(0), weight.shape(1), offloaders);
    return py::make_tuple(matching.value(), matching.channel());
}

}  // namespace

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
    m.attr("SYSTEM_FIELDS") = kSystemFields;
    m.attr("USER_FIELDS") = kUserFields;
    m.attr("TASK_FIELDS") = kTaskFields;
    py::class_<semopt::Setting> setting(
        m, "Setting", "A packed scenario. Never changed once made: threads share it.");
    setting.def(py::init(&make_setting), py::arg("system"), py::arg("users"), py::arg("tasks"),
                py::arg("tables"), py::arg("power"), py::arg("frequency"), py::arg("extraction"));
    semopt::refuse_copies(setting);
    py::class_<ExactBatch> batch(m, "ExactBatch",
                                 "Warm exact solvers. A state for each call: threads share the "
                                 "object, and a call that finds its solvers taken makes more.");
    batch
        .def(py::init<const semopt::Setting&, bool, int>(), py::arg("setting"), py::arg("fairest"),
             py::arg("threads"), py::keep_alive<1, 2>())
        .def("solve", &ExactBatch::solve, py::arg("gain"), py::arg("task"),
             py::arg("channel").noconvert(), py::arg("power").noconvert(),
             py::arg("frequency").noconvert(), py::arg("extraction").noconvert(),
             py::arg("value").noconvert(), py::arg("upper").noconvert(), py::arg("seconds"));
    semopt::refuse_copies(batch);
    m.def(
        "in_usual_rounding",
        [](const py::object& call) {
            const semopt::UsualRounding usual;
            return call();
        },
        py::arg("call"),
        "What call() returns, with results rounded to nearest and denormal numbers kept, whatever "
        "another library has set for this thread; set again after it.");
    m.def("best_cells", &best_cells, py::arg("setting"), py::arg("gain"), py::arg("task"),
          py::arg("offloaders"), py::arg("modes"), py::arg("value").noconvert(),
          py::arg("power").noconvert(), py::arg("frequency").noconvert(),
          py::arg("extraction").noconvert());
    m.def("assign", &assign, py::arg("weight"), py::arg("local"), py::arg("offloaders"));
    semopt::bind_dlpack(m);
    semopt::bind_global(m);
    semopt::bind_kernels(m);
}
