// The continuous optimum and its certificate as Python sees them.
#include "global/global.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <string>

#include "bindings/deadline.h"
#include "bindings/decode.h"
#include "bindings/objects.h"
#include "bindings/register.h"
#include "bindings/scenario.h"
#include "exact/exact.h"
#include "host/pool.h"
#include "model/arithmetic.h"
#include "model/check.h"

namespace py = pybind11;

namespace semopt {
namespace {

const char* const kModeNames[] = {"local", "raw", "semantic"};
const char* const kAxisNames[] = {"power", "extraction", "latency", "energy", "loss"};

std::vector<double> as_list(const Proof& proof) {
    return {proof.price[kLatencyCost],
            proof.price[kEnergyCost],
            proof.price[kAccuracyCost],
            proof.slope[0],
            proof.slope[1],
            proof.power,
            proof.extraction};
}

// Best action and bound of one cell (global/branch.h); `offloaders` 0 is the local task.
py::dict cell_optimum(const PackedScenario& scenario, int user, int task, double gain,
                      int offloaders, double tolerance) {
    const UsualRounding usual;
    const double precision = std::min(1e-3 * tolerance, 1e-8);
    Cell cell = offloaders == 0 ? Cell(scenario, user, task, precision)
                                : Cell({&scenario, user, task, gain, offloaders}, precision);
    const bool done = cell.refine(-kInfinity, tolerance, kMostSplits, [] { return false; });
    const Action& best = cell.best();
    size_t boxes = 0;
    for (const Tree& tree : cell.trees()) boxes += tree.nodes().size();
    return py::dict(py::arg("value") = best.value, py::arg("upper") = cell.upper(),
                    py::arg("power") = best.power, py::arg("frequency") = best.frequency,
                    py::arg("extraction") = best.extraction, py::arg("boxes") = boxes,
                    py::arg("done") = done);
}

// The bound of a box (axes by two) that a proof gives: its seven numbers, or a good proof's where
// `numbers` is empty. Returns the bound and the numbers; -inf without any for an impossible box.
py::tuple box_bound(const PackedScenario& scenario, int user, int task, double gain, int offloaders,
                    int mode, const std::vector<std::array<double, 2>>& sides,
                    const std::vector<double>& numbers) {
    const UsualRounding usual;
    require(0 <= mode && mode < 3, "mode", "0, 1 or 2 is expected");
    require(sides.size() == kAxes, "sides", "one of each axis is expected");
    require(numbers.empty() || numbers.size() == 7, "numbers", "seven or none are expected");
    Subproblem subproblem;
    require(make_subproblem(subproblem, scenario, user, task, Mode(mode), gain, offloaders), "mode",
            "one that the user has is expected");
    Box box;
    for (int i = 0; i < kAxes; ++i) box.axis[i] = {sides[i][0], sides[i][1]};
    const Ranges ranges = cost_ranges(subproblem, box);
    if (!ranges.possible) return py::make_tuple(-kInfinity, std::vector<double>());
    Proof proof;
    if (numbers.empty()) {
        Point point{std::log(sides[0][0]), std::log(sides[1][0]),
                    std::log(subproblem.frequency.low)};
        proof = find_proof(subproblem, box, ranges, 1e-9, point);
    } else {
        const double* x = numbers.data();
        proof = {{x[0], x[1], x[2]}, {x[3], x[4]}, x[5], x[6]};
    }
    return py::make_tuple(upper_bound(subproblem, box, ranges, proof).upper, as_list(proof));
}

// A tree in preorder, cut off where a node proves `enough`: a split is (axis, at), a leaf the seven
// numbers of its proof less the frequency, or nothing where the ranges of its costs prove it.
void write_tree(const Tree& tree, int index, double enough, py::list& out) {
    const Tree::Node& node = tree.nodes()[index];
    if (node.proven > enough && node.child >= 0) {
        out.append(py::make_tuple(kAxisNames[node.axis], node.at));
        write_tree(tree, node.child, enough, out);
        write_tree(tree, node.child + 1, enough, out);
        return;
    }
    if (!node.ranges.possible) {
        out.append(py::make_tuple());
        return;
    }
    out.append(as_list(round_proof(tree.subproblem(), node.box, node.ranges, node.proof, enough)));
}

py::list write_covers(const std::vector<Cover>& covers) {
    py::list out;
    for (const Cover& cover : covers) {
        const bool infeasible = cover.upper == -kInfinity;
        py::dict modes;
        for (const Tree& tree : cover.cell->trees()) {
            py::list nodes;
            if (!tree.nodes().empty()) {
                write_tree(tree, 0, infeasible ? tree.least() : cover.upper, nodes);
                modes[kModeNames[int(tree.mode())]] = nodes;
            }
        }
        py::object upper = py::none();
        if (!infeasible) upper = py::float_(cover.upper);
        out.append(py::make_tuple(cover.user, cover.channel, upper, modes));
    }
    return out;
}

// The best decision of the grid, or the best so far.
void offer_grid_optimum(Global& global, Exact& exact, const Scenario& scenario, const Slot& slot,
                        const Stop& stop) {
    const Decision& grid = exact.solve(slot, stop);
    if (grid.value == -kInfinity) return;
    std::vector<Action> action;
    for (size_t n = 0; n < scenario.users.size(); ++n)
        action.push_back(decode(scenario, n, slot.task[n], grid.channel[n], grid.choice[n]));
    global.offer(grid.channel, action, grid.value);
}

// What is asked of the energy of each task (S, N): `toll` (N) for more than `least`, and at most
// `most`, (S, N) both. None where `toll` is empty.
std::vector<Toll> as_tolls(const Shape& shape, const Doubles& toll, const Doubles& least,
                           const Doubles& most, bool device) {
    if (toll.size() == 0) return {};
    const py::ssize_t users = shape[1];
    const double *const price = input<double>(toll, "toll", {users}),
                        *const low = input<double>(least, "least", shape),
                        *const high = input<double>(most, "most", shape);
    std::vector<Toll> tolls;
    for (py::ssize_t i = 0; i < shape[0] * users; ++i)
        tolls.push_back({price[i % users], low[i], high[i], device});
    return tolls;
}

// The continuous optimum of a slot; with `prove`, what the certificate shows. Tolls are those of
// `solve_globals`, of one slot.
py::dict solve_global(const PackedScenario& scenario, const Doubles& gain, const Integers& task,
                      double gap, double seconds, bool prove, const Doubles& toll,
                      const Doubles& least, const Doubles& most, bool device) {
    const UsualRounding usual;
    const Slot slot = as_slot(scenario, gain, task);
    const Shape shape{1, py::ssize_t(scenario.users.size())};
    const std::vector<Toll> tolls = as_tolls(shape, toll, least, most, device);
    Deadline deadline(seconds);
    const Stop stop = [&] { return deadline(); };
    Global global(scenario, slot, gap, tolls.empty() ? nullptr : tolls.data());
    bool done;
    {
        py::gil_scoped_release release;
        if (tolls.empty()) {
            Exact exact(scenario, false);
            offer_grid_optimum(global, exact, scenario, slot, stop);
        }
        done = global.solve(stop);
    }
    py::dict out(py::arg("done") = done, py::arg("stopped") = deadline.reason(),
                 py::arg("lower") = global.lower(), py::arg("upper") = global.upper(),
                 py::arg("proven") = global.proven());
    const py::ssize_t places = 1 + slot.channels, users = py::ssize_t(scenario.users.size());
    out["boxes"] = Integers({users, places}, global.boxes().data());
    py::list progress;
    for (const Known& known : global.progress())
        progress.append(py::make_tuple(known.time, known.lower, known.upper));
    out["progress"] = progress;
    py::list power, frequency, extraction;
    for (const Action& action : global.action()) {
        power.append(action.power);
        frequency.append(action.frequency);
        extraction.append(action.extraction);
    }
    out["channel"] = global.channel();
    out["power"] = power;
    out["frequency"] = frequency;
    out["extraction"] = extraction;
    if (!prove) return out;
    out["local"] = write_covers(global.local_covers());
    py::list sizes;
    const double allowed = global.proven() == -kInfinity ? -1 : global.proven();
    for (int m = 0; m < global.sizes(); ++m) {
        const py::list covers = write_covers(global.covers(m, allowed));
        const Prices& prices = global.prices(m);
        sizes.append(py::dict(py::arg("bound") = prices.bound, py::arg("channel") = prices.channel,
                              py::arg("offloader") = prices.offloader, py::arg("covers") = covers));
    }
    out["sizes"] = sizes;
    return out;
}

// The continuous optima of slots gain (S, N, K), task (S, N): decisions into channel, power,
// frequency, extraction (S, N), where one is known; the interval of the optimum into lower and
// upper (S), -inf of an infeasible slot; boxes (S). Slots are shared out to `threads`, 0: one a
// core; no result depends on it. With tolls (N) on energy a task may be skipped (global/global.h),
// its frequency then is 0; without, they are empty. `least` and `most` (S, N) are the ranges of the
// energy that counts, which is (7) alone with `device`. Returns why it was stopped before all were
// begun or finished, "" if not.
std::string solve_globals(const PackedScenario& scenario, const Doubles& gain, const Integers& task,
                          double gap, double seconds, int threads, Integers channel, Doubles power,
                          Doubles frequency, Doubles extraction, Doubles lower, Doubles upper,
                          Integers boxes, const Doubles& toll, const Doubles& least,
                          const Doubles& most, bool device) {
    const UsualRounding usual;
    const Slots slots(scenario, gain, task);
    const DecisionArrays decisions(slots, channel, power, frequency, extraction);
    double* const to_lower = output<double>(lower, "lower", {slots.count});
    double* const to_upper = output<double>(upper, "upper", {slots.count});
    long long* const to_boxes = output<long long>(boxes, "boxes", {slots.count});
    const std::vector<Toll> each = as_tolls({slots.count, slots.users}, toll, least, most, device);
    const bool tolls = !each.empty();
    Deadline deadline(seconds);
    const Stop stop = [&] { return deadline(); };
    const int lanes = int(std::clamp<py::ssize_t>(slots.count, 1, lanes_of(threads)));
    std::vector<std::unique_ptr<Exact>> exact(lanes);
    for (auto& solver : exact) solver = std::make_unique<Exact>(scenario, false);
    {
        py::gil_scoped_release release;
        parallel(slots.count, lanes, [&](long long s, int lane) {
            if (stop()) return;
            const Slot slot = slots[s];
            Global global(scenario, slot, gap, tolls ? &each[s * slots.users] : nullptr);
            if (!tolls) offer_grid_optimum(global, *exact[lane], scenario, slot, stop);
            global.solve(stop);
            to_lower[s] = global.lower();
            to_upper[s] = !tolls && global.upper() < 0 ? -kInfinity : global.upper();
            const std::vector<long long> count = global.boxes();
            to_boxes[s] = std::accumulate(count.begin(), count.end(), 0LL);
            for (size_t n = 0; n < global.channel().size(); ++n)
                decisions.write(s, n, global.channel()[n], global.action()[n]);
        });
    }
    return deadline.stopped() ? deadline.reason() : "";
}

// Good actions of cells (R), one a row, in so many splits: of users' tasks on channels of some
// gains beside others, or at home where there are 0 offloaders, at prices of the energy that counts
// and within a limit of it. Frequency 0 tells that no action is known.
void solve_cells(const PackedScenario& scenario, const Integers& user, const Integers& task,
                 const Doubles& gain, const Integers& offloaders, const Doubles& price,
                 const Doubles& most, bool device, double tolerance, int splits, Doubles power,
                 Doubles frequency, Doubles extraction) {
    const UsualRounding usual;
    const Shape rows{user.size()};
    const long long *const users = input<long long>(user, "user", rows),
                           *const tasks = input<long long>(task, "task", rows),
                           *const beside = input<long long>(offloaders, "offloaders", rows);
    const double *const gains = input<double>(gain, "gain", rows),
                        *const prices = input<double>(price, "price", rows),
                        *const limits = input<double>(most, "most", rows);
    double *const to_power = output<double>(power, "power", rows),
                  *const to_frequency = output<double>(frequency, "frequency", rows),
                  *const to_extraction = output<double>(extraction, "extraction", rows);
    require_kinds(scenario, task);
    const auto count = (long long)scenario.users.size();
    require(std::all_of(users, users + rows[0], [&](long long n) { return n >= 0 && n < count; }),
            "user", "indices of users are expected");
    for (py::ssize_t r = 0; r < rows[0]; ++r) {
        const int n = int(users[r]), t = int(tasks[r]), m = int(beside[r]);
        const Toll toll{prices[r], 0, limits[r], device};
        const double precision = std::min(1e-3 * tolerance, 1e-8);
        Cell cell = m == 0 ? Cell(scenario, n, t, precision, toll)
                           : Cell({&scenario, n, t, gains[r], m, toll}, precision);
        cell.refine(-kInfinity, tolerance, splits, [] { return false; });
        const Action& best = cell.best();
        to_power[r] = best.power;
        to_frequency[r] = best.value > -kInfinity ? best.frequency : 0;
        to_extraction[r] = best.extraction;
    }
}

}  // namespace

void bind_global(py::module_& m) {
    m.def("cell_optimum", &cell_optimum, py::arg("scenario"), py::arg("user"), py::arg("task"),
          py::arg("gain"), py::arg("offloaders"), py::arg("tolerance"));
    m.def("box_bound", &box_bound, py::arg("scenario"), py::arg("user"), py::arg("task"),
          py::arg("gain"), py::arg("offloaders"), py::arg("mode"), py::arg("sides"),
          py::arg("numbers"));
    m.def("solve_globals", &solve_globals, py::arg("scenario"), py::arg("gain"), py::arg("task"),
          py::arg("gap"), py::arg("seconds"), py::arg("threads"), py::arg("channel").noconvert(),
          py::arg("power").noconvert(), py::arg("frequency").noconvert(),
          py::arg("extraction").noconvert(), py::arg("lower").noconvert(),
          py::arg("upper").noconvert(), py::arg("boxes").noconvert(), py::arg("toll"),
          py::arg("least"), py::arg("most"), py::arg("device"));
    m.def("solve_cells", &solve_cells, py::arg("scenario"), py::arg("user"), py::arg("task"),
          py::arg("gain"), py::arg("offloaders"), py::arg("price"), py::arg("most"),
          py::arg("device"), py::arg("tolerance"), py::arg("splits"), py::arg("power").noconvert(),
          py::arg("frequency").noconvert(), py::arg("extraction").noconvert());
    m.def("solve_global", &solve_global, py::arg("scenario"), py::arg("gain"), py::arg("task"),
          py::arg("gap"), py::arg("seconds"), py::arg("prove"), py::arg("toll"), py::arg("least"),
          py::arg("most"), py::arg("device"));
}

}  // namespace semopt
