// The CPU backend as Python sees it: every array is checked here, then the GIL is dropped.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <optional>

#include "bindings/objects.h"
#include "bindings/register.h"
#include "bindings/scenario.h"
#include "host/evaluate.h"
#include "host/instruction_set.h"
#include "host/pool.h"
#include "host/search.h"
#include "model/arithmetic.h"
#include "model/check.h"
#include "probe/ceiling.h"

namespace py = pybind11;

namespace semopt {
namespace {

// What is written may lie where one of `in_place` does, place for place; else it shares no memory.
struct Sharing {
    std::vector<const py::array*> read, in_place, written;
};

void require_own_memory(const Sharing& arrays, const std::vector<const char*>& written_names) {
    const auto start = [](const py::array& array) { return uintptr_t(array.data()); };
    const auto overlap = [&](const py::array& a, const py::array& b) {
        return start(a) < start(b) + b.nbytes() && start(b) < start(a) + a.nbytes();
    };
    for (size_t i = 0; i < arrays.written.size(); ++i) {
        const py::array& target = *arrays.written[i];
        bool shared = false;
        for (const py::array* other : arrays.read) shared |= overlap(target, *other);
        for (size_t j = 0; j < i; ++j) shared |= overlap(target, *arrays.written[j]);
        for (const py::array* other : arrays.in_place)
            shared |= overlap(target, *other) &&
                      (start(target) != start(*other) || target.nbytes() != other->nbytes());
        require(!shared, written_names[i],
                "memory of its own is expected, or that of power, frequency or extraction");
    }
}

std::string indices_expected(long long low, long long end) {
    return "indices from " + std::to_string(low) + " to " + std::to_string(end - 1) +
           " are expected";
}

// Fields of `Actions`, then of `Outcome`.
constexpr const char* kFields[] = {"channel", "power",    "frequency", "extraction", "latency",
                                   "energy",  "accuracy", "qoe",       "violations"};
constexpr int kFieldCount = std::size(kFields), kOfActions = 4;
using Records = std::array<py::array, kFieldCount>;

// The arrays of two Python records. Attribute names are interned strings, made once.
Records arrays_of(py::handle actions, py::handle out) {
    static const auto names = [] {
        std::array<PyObject*, kFieldCount> made;
        for (int f = 0; f < kFieldCount; ++f) made[f] = PyUnicode_InternFromString(kFields[f]);
        return made;
    }();
    Records records;
    for (int f = 0; f < kFieldCount; ++f) {
        py::object held = (f < kOfActions ? actions : out).attr(py::handle(names[f]));
        if (!py::isinstance<py::array>(held))
            throw ArgumentError(kFields[f], "an array is expected");
        records[f] = py::reinterpret_steal<py::array>(held.release());
    }
    return records;
}

// Returns whether every QoE is a number.
template <class R>
bool evaluate_arrays(const ScenarioView<R>& scenario, const Records& records, const py::array& gain,
                     const py::array& task, int threads) {
    const auto& [channel, power, frequency, extraction, latency, energy, accuracy, qoe,
                 violations] = records;
    const py::ssize_t users = scenario.user_count;
    Shape shape(channel.shape(), channel.shape() + channel.ndim());
    if (shape.empty()) shape.push_back(users);
    shape.back() = users;
    require(gain.ndim() >= 2, "gain",
            "shape (users, channels) or (..., users, channels) is expected");
    const bool slot_per_row = gain.ndim() > 2;
    const py::ssize_t channels = gain.shape(gain.ndim() - 1);
    const Shape slot = slot_per_row ? shape : Shape{users};
    Shape gains = slot;
    gains.push_back(channels);
    // A lane's index counts from the slot, or from the first row of a block.
    const py::ssize_t most =
        std::numeric_limits<int>::max() / std::max<py::ssize_t>(users, kBlock<R>);
    if (channels >= most)
        throw ArgumentError(
            "gain", "at most " + std::to_string(most - 1) + " sub-channels are expected here");
    const Batch<R> batch = {scenario,
                            input<long long>(channel, "channel", shape),
                            input<R>(power, "power", shape),
                            input<R>(frequency, "frequency", shape),
                            input<R>(extraction, "extraction", shape),
                            input<R>(gain, "gain", gains),
                            input<long long>(task, "task", slot),
                            int(channels),
                            slot_per_row,
                            output<R>(latency, "latency", shape),
                            output<R>(energy, "energy", shape),
                            output<R>(accuracy, "accuracy", shape),
                            output<R>(qoe, "qoe", shape),
                            output<unsigned char>(violations, "violations", shape)};
    require_own_memory({{&channel, &gain, &task},
                        {&power, &frequency, &extraction},
                        {&latency, &energy, &accuracy, &qoe, &violations}},
                       {"latency", "energy", "accuracy", "qoe", "violations"});
    const py::gil_scoped_release release;
    const unsigned faults = evaluate(batch, channel.size() / users, threads);
    if (faults & kChannelFault) throw ArgumentError("channel", indices_expected(kLocal, channels));
    if (faults & kTaskFault) throw ArgumentError("task", indices_expected(0, scenario.task_count));
    return !(faults & kNotANumber);
}

void tabulate_arrays(const PackedScenario& scenario, const Doubles& gain, const Integers& task,
                     const std::vector<py::array>& value,
                     const std::vector<py::array>& server_energy, int threads) {
    const Slot slot = as_slot(scenario, gain, task);
    const py::ssize_t users = gain.shape(0), channels = gain.shape(1);
    require(py::ssize_t(value.size()) == users, "value", "one array a user is expected");
    require(server_energy.empty() || server_energy.size() == value.size(), "server_energy",
            "one array a user, or none at all, is expected");
    const py::ssize_t most = std::min(users, channels);
    std::vector<double*> values, energies;
    for (py::ssize_t n = 0; n < users; ++n) {
        const Levels& levels = scenario.levels[n];
        const py::ssize_t semantic = scenario.extraction[n][slot.task[n]].size();
        const py::ssize_t local = levels.frequency.size();
        const Shape shape = {local + most * channels * py::ssize_t(levels.power.size()) *
                                         (1 + local * semantic)};
        values.push_back(output<double>(value[n], "value", shape));
        if (!server_energy.empty())
            energies.push_back(output<double>(server_energy[n], "server_energy", shape));
    }
    const ScenarioView<double> view = scenario.view<double>();
    const py::gil_scoped_release release;
    tabulate(scenario, view, slot, values, energies, threads);
}

std::vector<const double*> lists(const std::vector<py::array>& arrays, const Space& space,
                                 const char* argument) {
    require(int(arrays.size()) == space.users, argument, "one array a user is expected");
    std::vector<const double*> out;
    for (int n = 0; n < space.users; ++n)
        out.push_back(input<double>(arrays[n], argument, {list_total(space, n)}));
    return out;
}

py::tuple search_lists(const CountedSpace& counts, const std::vector<py::array>& value,
                       const std::vector<py::array>& server_energy, double server_energy_max,
                       bool fairest, long long start, long long stop, int keep,
                       std::optional<double> above, int bins, double low, double high, double slack,
                       double energy_slack, int threads) {
    const UsualRounding usual;
    const Space space = counts.space();
    require(0 <= start && start <= stop && stop <= counts.size(), "start, stop",
            "0 <= start <= stop <= " + std::to_string(counts.size()) + " is expected");
    require(keep >= 0, "keep", "a number that is not negative is expected");
    require(!above || !std::isnan(*above), "above", "a number is expected");
    require(bins >= 0 && (bins == 0 || low < high), "histogram", "low < high is expected");
    const auto values = lists(value, space, "value");
    const auto energies = server_energy.empty() ? std::vector<const double*>{}
                                                : lists(server_energy, space, "server_energy");
    const std::vector<double> edges = bin_edges(bins, low, high);
    const Search search = {space,
                           values.data(),
                           energies.empty() ? nullptr : energies.data(),
                           server_energy_max,
                           fairest,
                           keep,
                           above.has_value(),
                           std::nextafter(above.value_or(0), kInfinity),  // strictly above
                           bins,
                           edges.data(),
                           slack,
                           energy_slack};
    Answer answer;
    {
        const py::gil_scoped_release release;
        answer = semopt::search(search, start, stop, threads);
    }
    py::array_t<double> scores(answer.best.size());
    py::array_t<long long> indices(answer.best.size());
    for (size_t i = 0; i < answer.best.size(); ++i) {
        scores.mutable_at(i) = answer.best[i].value;
        indices.mutable_at(i) = answer.best[i].index;
    }
    return py::make_tuple(scores, indices, answer.above,
                          py::array_t<long long>(answer.histogram.size(), answer.histogram.data()));
}

template <class R>
void elementary_arrays(void (*kernel)(int, const R*, const R*, R*, long long), int function,
                       const py::array& x, const py::array& y, const py::array& out) {
    require(x.ndim() == 1, "x", "shape (count,) is expected");
    const Shape shape = {x.shape(0)};
    kernel(function, input<R>(x, "x", shape), input<R>(y, "y", shape), output<R>(out, "out", shape),
           shape[0]);
}

void elementary(const std::string& name, const py::array& x, const py::array& y,
                const py::array& out) {
    const UsualRounding usual;
    static const std::vector<std::string> names = {"exp", "log", "log10", "log1p", "pow"};
    const int function = int(std::find(names.begin(), names.end(), name) - names.begin());
    require(function < int(names.size()), "name", "exp, log, log10, log1p or pow is expected");
    if (py::isinstance<py::array_t<float>>(x))
        elementary_arrays(kernels().elementary_single, function, x, y, out);
    else
        elementary_arrays(kernels().elementary, function, x, y, out);
}

}  // namespace

void bind_kernels(py::module_& m) {
    m.def("instruction_sets", &instruction_sets);
    m.def("instruction_set", [] { return std::string(kernels().name); });
    m.def("use_instruction_set", &use_instruction_set, py::arg("name"));
    m.def("threads_available", &lanes_available);
    m.def("ceiling", &ceiling, py::arg("name"), py::arg("threads") = 0,
          py::call_guard<py::gil_scoped_release>());
    m.def("elementary", &elementary, py::arg("name"), py::arg("x"), py::arg("y"), py::arg("out"));

    m.def(
        "evaluate",
        [](const PackedScenario& scenario, py::handle actions, const py::array& gain,
           const py::array& task, py::handle out, int threads) {
            const Records records = arrays_of(actions, out);
            return py::isinstance<py::array_t<float>>(records[1])
                       ? evaluate_arrays(scenario.view<float>(), records, gain, task, threads)
                       : evaluate_arrays(scenario.view<double>(), records, gain, task, threads);
        },
        py::arg("scenario"), py::arg("actions"), py::arg("gain"), py::arg("task"), py::arg("out"),
        py::arg("threads") = 0);
    m.def("tabulate", &tabulate_arrays, py::arg("scenario"), py::arg("gain"), py::arg("task"),
          py::arg("value"), py::arg("server_energy"), py::arg("threads") = 0);

    py::class_<CountedSpace> space(m, "Space",
                                   "Joint actions by number. Never changed once made; a search has "
                                   "its own scratch memory: threads share it.");
    space
        .def(py::init<std::vector<long long>, std::vector<long long>, int>(), py::arg("local"),
             py::arg("offload"), py::arg("channels"))
        .def_property_readonly("size", &CountedSpace::size)
        .def(
            "pattern_at",
            [](const CountedSpace& self, long long index) {
                require(0 <= index && index < self.size(), "index",
                        "0 to " + std::to_string(self.size() - 1) + " is expected");
                std::vector<int> channel(self.space().users);
                const long long start = pattern_at(self.space(), index, channel.data());
                return py::make_tuple(channel, start);
            },
            py::arg("index"))
        .def("search", &search_lists, py::arg("value"), py::arg("server_energy"),
             py::arg("server_energy_max"), py::arg("fairest"), py::arg("start"), py::arg("stop"),
             py::arg("keep"), py::arg("above"), py::arg("bins"), py::arg("low"), py::arg("high"),
             py::arg("slack"), py::arg("energy_slack"), py::arg("threads") = 0);
    refuse_copies(space);
}

}  // namespace semopt
