#include "host/dispatch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <tuple>
#include <utility>

#include "host/pool.h"
#include "model/arithmetic.h"
#include "model/check.h"

namespace semopt {

extern const Kernels kernels_portable;
#ifdef SEMOPT_X86_64
extern const Kernels kernels_v2, kernels_v3, kernels_v4;
#endif

namespace {

std::vector<const Kernels*> runnable() {
    std::vector<const Kernels*> found = {&kernels_portable};
#ifdef SEMOPT_X86_64
    const auto has = [](bool all, const Kernels& next, std::vector<const Kernels*>& list) {
        if (all) list.push_back(&next);
        return all;
    };
    __builtin_cpu_init();
    has(__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3") &&
            __builtin_cpu_supports("popcnt"),
        kernels_v2, found) &&
        has(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi2"),
            kernels_v3, found) &&
        has(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl"),
            kernels_v4, found);
#endif
    return found;
}

const Kernels* named(const std::string& name) {
    std::string known;
    for (const Kernels* kernels : runnable()) {
        if (name == kernels->name) return kernels;
        known += std::string(known.empty() ? "" : ", ") + kernels->name;
    }
    throw ArgumentError("SEMOPT_ISA",
                        "\"" + name + "\" does not run here; one of " + known + " is expected");
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Kernels* kernels : runnable()) names.push_back(kernels->name);
    return names;
}

std::string arithmetic_faults() {
    std::string faults;
    const auto add = [&](const std::string& where, const char* fault) {
        if (fault) faults += (faults.empty() ? "" : "; ") + where + ": " + fault;
    };
    add("solvers", arithmetic_fault());
    for (const Kernels* kernels : runnable())
        add(std::string("kernels of ") + kernels->name, kernels->arithmetic_fault());
    return faults;
}

const Kernels& kernels() {
    if (!chosen) {
        const char* const name = std::getenv("SEMOPT_ISA");
        chosen = name && *name ? named(name) : runnable().back();
    }
    return *chosen;
}

void use_instruction_set(const std::string& name) { chosen = named(name); }

double ceiling(const std::string& name, int threads) {
    using Clock = std::chrono::steady_clock;
    constexpr long long kRounds = 1 << 22, kCopied = 1 << 26;
    constexpr int kTries = 25;  // others on a host disturb some
    const Ceilings& all = *kernels().ceilings;
    const bool copy = name == "copy";
    const auto spin = name == "fma"          ? all.multiply_add
                      : name == "fma_single" ? all.multiply_add_single
                      : name == "add_max"    ? all.add_max
                                             : nullptr;
    require(copy || spin, "name", "fma, fma_single, add_max or copy is expected");
    const int lanes = threads > 0 ? threads : lanes_available();
    const double lane_bytes = name == "fma" ? sizeof(double) : sizeof(float);
    const double amount = copy ? 2.0 * kCopied : 2.0 * kRounds * all.bytes / lane_bytes;
    std::vector<std::vector<char>> memory(lanes);
    for (auto& own : memory) own.resize(copy ? 2 * kCopied : 0);
    std::vector<double> kept(lanes);
    double best = 0;
    for (int i = 0; i < kTries; ++i) {
        const auto start = Clock::now();
        parallel(lanes, lanes, [&](long long task, int) {
            if (copy)
                std::memcpy(memory[task].data() + kCopied, memory[task].data(), kCopied);
            else
                kept[task] = spin(kRounds, 0.5, 0.25);
        });
        const std::chrono::duration<double> seconds = Clock::now() - start;
        best = std::max(best, lanes * amount / seconds.count());
    }
    return best;
}

// ---- scenes ----

template <class R>
AxisRows<R> axis_rows(const R* axis, int points) {
    AxisRows<R> rows;
    std::memset(&rows, 0, sizeof rows);  // what lies between fields is compared too
    const R infinity = std::numeric_limits<R>::infinity();
    const auto point = [&](int i) { return i < points ? axis[i] : infinity; };
    for (int i = 0; i < kAxis; ++i) {
        rows.edge[i] = point(i);
        rows.next[i] = point(i + 1);
        rows.scale[i] = i + 1 < points ? R(1) / (axis[i + 1] - axis[i]) : R(0);
    }
    rows.first = axis[0];
    rows.last = axis[points - 1];
    // A number's bucket rises with it, as rounding keeps the order: a bucket starts in the cell of
    // the last point that lies in one before it.
    const auto position = [&](R x) { return std::fma(x, rows.per_unit, rows.offset); };
    const auto bucket = [&](R x) { return int(position(x)); };
    rows.per_unit = R(0.999) * kAxis / (rows.last - rows.first);
    rows.offset = -rows.first * rows.per_unit;
    const bool sound = position(rows.first) > -1 && position(rows.last) < kAxis;
    if (!sound) rows.per_unit = rows.offset = 0;  // too short for its numbers: one bucket
    for (int b = 0, i = 0; b < kAxis; ++b) {
        while (i + 1 < points && bucket(axis[i + 1]) < b) ++i;
        const Index<R> cell = i;
        std::memcpy(&rows.start[b], &cell, sizeof cell);
        int last = i;
        while (last + 1 < points && bucket(axis[last + 1]) <= b) ++last;
        rows.steps = std::max(rows.steps, last - i);
    }
    return rows;
}

template <class R>
SceneOwner<R>::SceneOwner(const Setting& setting) {
    // All fields of a record are of one type (model/model.h): a record is a row of numbers.
    const auto copy = [](const auto& from, auto& to) {
        const double* const source = reinterpret_cast<const double*>(&from);
        R* const target = reinterpret_cast<R*>(&to);
        static_assert(sizeof from / sizeof(double) == sizeof to / sizeof(R), "the same fields");
        for (size_t i = 0; i < sizeof from / sizeof(double); ++i) target[i] = R(source[i]);
    };
    copy(setting.system, system_);
    users_.resize(setting.users.size());
    tasks_.resize(setting.tasks.size());
    for (size_t n = 0; n < users_.size(); ++n) copy(setting.users[n], users_[n]);
    for (size_t t = 0; t < tasks_.size(); ++t) copy(setting.tasks[t], tasks_[t]);
    own_tables(setting);
    own_users();
    own_kinds();
}

template <class R>
void SceneOwner<R>::own_tables(const Setting& setting) {
    const auto numbers = [](const double* from, int count) {
        return std::vector<R>(from, from + count);
    };
    bool fits = true;
    for (const AccuracyTable<double>& table : setting.tables) {
        tables_.push_back(own_table(numbers(table.extraction, table.rows),
                                    numbers(table.snr_db, table.columns),
                                    numbers(table.table, table.rows * table.columns),
                                    numbers(table.raw, table.columns), storage_));
        fits &= table.rows <= kAxis && table.columns <= kAxis;
    }
    if (!fits) return;
    for (const AccuracyTable<R>& table : tables_) {
        axes_.push_back(axis_rows(table.extraction, table.rows));
        axes_.push_back(axis_rows(table.snr_db, table.columns));
        const auto row = [&](int i) {
            return i < kAxis ? table.table + std::min(i, table.rows - 1) * table.columns
                             : table.raw;
        };
        for (int i = 0; i <= kAxis; ++i)
            for (int j = 0; j <= kAxis; ++j)
                for (const R* from : {row(i), row(i < kAxis - 1 ? i + 1 : i)})
                    corners_.push_back(from[std::min(j, table.columns - 1)]);
    }
    shared_axes_ = true;
    for (size_t k = 1; k < tables_.size(); ++k)
        for (int which = 0; which < 2; ++which)
            shared_axes_ &= !std::memcmp(&axes_[which], &axes_[2 * k + which], sizeof axes_[which]);
}

template <class R>
void SceneOwner<R>::own_users() {
    const size_t users = users_.size(), length = std::max<size_t>(users, kBlock<R>) + kMostLanes;
    constexpr size_t kFields = sizeof(User<R>) / sizeof(R);
    user_fields_.resize(kFields * length);
    for (size_t i = 0; i < length; ++i) {
        const User<R>& user = users_[i % users];
        user_.push_back(Index<R>(i % users));
        for (size_t f = 0; f < kFields; ++f)
            user_fields_[f * length + i] = reinterpret_cast<const R*>(&user)[f];
        reference_time_.push_back(reference_time(user));
        reference_power_.push_back(reference_power(user));
    }
}

template <class R>
void SceneOwner<R>::own_kinds() {
    const size_t length = std::max<size_t>(tasks_.size(), kMostLanes);
    constexpr size_t kFields = sizeof(Task<R>) / sizeof(R);
    kind_fields_.resize(kFields * length);
    for (size_t t = 0; t < tasks_.size(); ++t)
        for (size_t f = 0; f < kFields; ++f)
            kind_fields_[f * length + t] = reinterpret_cast<const R*>(&tasks_[t])[f];
}

template <class R>
Scene<R> SceneOwner<R>::scene() const {
    return {&system_,
            users_.data(),
            tasks_.data(),
            tables_.data(),
            {user_.data(), user_fields_.data(), reference_time_.data(), reference_power_.data(),
             (long long)user_.size()},
            {kind_fields_.data(), int(std::max<size_t>(tasks_.size(), kMostLanes))},
            {axes_.data(), corners_.empty() ? nullptr : corners_.data(), shared_axes_},
            int(users_.size()),
            int(tasks_.size())};
}

template class SceneOwner<double>;
template class SceneOwner<float>;

// ---- evaluate ----

namespace {

template <class R>
unsigned evaluate_in_threads(const Batch<R>& batch, long long rows, int threads,
                             unsigned (*rows_of)(const Batch<R>&, long long, long long)) {
    constexpr long long kLeast = 512;  // tasks: fewer cost a thread more than they save
    const long long lanes = threads > 0 ? threads : lanes_available(),
                    worth = rows * batch.scene.user_count / kLeast,
                    most = std::max(std::min({4 * lanes, rows, worth}), 1LL),
                    pieces = most < lanes ? most : most / lanes * lanes,  // as many for each
        share = std::max((rows + pieces - 1) / pieces, 1LL);
    std::atomic<unsigned> faults{0};
    parallel((rows + share - 1) / share, lanes, [&](long long task, int) {
        faults |= rows_of(batch, task * share, std::min(rows, (task + 1) * share));
    });
    return faults;
}

}  // namespace

unsigned evaluate(const Batch<double>& batch, long long rows, int threads) {
    return evaluate_in_threads(batch, rows, threads, kernels().evaluate);
}
unsigned evaluate(const Batch<float>& batch, long long rows, int threads) {
    return evaluate_in_threads(batch, rows, threads, kernels().evaluate_single);
}

void tabulate(const Scenes& scenes, const Slot& slot, const std::vector<double*>& value,
              const std::vector<double*>& server_energy, int threads) {
    const Setting& setting = scenes.setting;
    const int users = int(setting.users.size());
    const int most = std::min(users, slot.channels), lists = 1 + most * slot.channels;
    parallel((long long)users * lists, threads, [&](long long task, int) {
        const int n = int(task / lists);
        const Levels& levels = setting.levels[n];
        const std::vector<double>& extraction = setting.extraction[n][slot.task[n]];
        const Grid grid = {scenes.full.scene(),
                           n,
                           int(slot.task[n]),
                           slot.channels,
                           levels.power.data(),
                           levels.frequency.data(),
                           extraction.data(),
                           int(levels.power.size()),
                           int(levels.frequency.size()),
                           int(extraction.size()),
                           slot.gain + (long long)n * slot.channels,
                           value[n],
                           server_energy.empty() ? nullptr : server_energy[n]};
        kernels().tabulate(grid, task % lists);
    });
}

// ---- search ----

SpaceOwner::SpaceOwner(std::vector<long long> local, std::vector<long long> offload, int channels)
    : local_(std::move(local)), offload_(std::move(offload)), channels_(channels) {
    const int users = int(local_.size());
    require(users >= 1 && offload_.size() == local_.size(), "offload",
            "one count a user is expected");
    require(channels >= 0, "channels", "at least 0 is expected");
    for (int n = 0; n < users; ++n)
        require(local_[n] >= 1 && offload_[n] >= 1, "local, offload",
                "counts of at least 1 are expected");
    rest_.assign(size_t(users + 1) * (channels + 1), 1);
    for (int n = users; n-- > 0;)
        for (int free = 0; free <= channels; ++free) {
            const long long* const next = &rest_[size_t(n + 1) * (channels + 1)];
            long long stay = 0, go = 0, total = 0;
            const bool fits =
                !__builtin_mul_overflow(local_[n], next[free], &stay) &&
                (free == 0 || (!__builtin_mul_overflow(offload_[n], next[free - 1], &go) &&
                               !__builtin_mul_overflow(go, (long long)free, &go))) &&
                !__builtin_add_overflow(stay, go, &total);
            require(fits, "joint actions", "fewer than 2^63 are expected");
            rest_[size_t(n) * (channels + 1) + free] = total;
        }
}

void sort_scores(double* score, double* beside, long long count) {
    if (!beside) return std::sort(score, score + count);
    std::vector<std::pair<double, double>> both(count);
    for (long long i = 0; i < count; ++i) both[i] = {score[i], beside[i]};
    std::sort(both.begin(), both.end());
    for (long long i = 0; i < count; ++i) std::tie(score[i], beside[i]) = both[i];
}

std::vector<double> bin_edges(int bins, double low, double high) {
    const double per_unit = bins / (high - low);
    // Doubles in rising order are integers in rising order, but for the sign.
    constexpr uint64_t sign = uint64_t(1) << 63;
    const auto number = [](uint64_t rank) {
        return math::bit_cast<double>(rank & sign ? rank ^ sign : ~rank);
    };
    const auto rank = [](double x) {
        const uint64_t bits = math::bit_cast<uint64_t>(x);
        return bits & sign ? ~bits : bits ^ sign;
    };
    std::vector<double> edges;
    for (int bin = 0; bins && bin <= bins; ++bin) {
        const double infinity = std::numeric_limits<double>::infinity();
        uint64_t below = rank(-infinity), reached = rank(infinity);
        while (reached - below > 1) {  // rounding is monotone
            const uint64_t middle = below + (reached - below) / 2;
            const double exact = (number(middle) - low) * per_unit;
            (bin < bins ? exact >= bin : exact > bin) ? reached = middle : below = middle;
        }
        edges.push_back(number(reached));  // the last bin holds its upper end
    }
    return edges;
}

namespace {

// The memory of one thread's scan.
struct ScanOwner {
    ScanOwner(const Search& search, long long tail)
        : best(search.keep),
          histogram(search.bins),
          channel(search.space.users),
          digit(search.space.users),
          value(search.space.users),
          energy(search.space.users),
          size(search.space.users),
          prefix(search.space.users + 1),
          energy_prefix(search.space.users + 1),
          merged(tail),
          energy_merged(search.server_energy ? tail : 0),
          row(kTile),
          energy_row(kTile),
          sorted(counts(search) ? tail : 0),
          sorted_energy(counts(search) && search.server_energy ? tail : 0),
          scan{best.data(),
               0,
               0,
               histogram.data(),
               nullptr,
               sorted.data(),
               sorted_energy.data(),
               0,
               channel.data(),
               digit.data(),
               value.data(),
               energy.data(),
               size.data(),
               prefix.data(),
               energy_prefix.data(),
               merged.data(),
               search.server_energy ? energy_merged.data() : merged.data(),
               row.data(),
               energy_row.data()} {}
    ScanOwner(const ScanOwner&) = delete;

    static bool counts(const Search& search) { return search.count || search.bins; }

    std::vector<Scored> best;
    std::vector<long long> histogram;
    std::vector<int> channel, digit;
    std::vector<const double*> value, energy;
    std::vector<long long> size;
    std::vector<double> prefix, energy_prefix;
    std::vector<float> merged, energy_merged;
    std::vector<double> row, energy_row, sorted, sorted_energy;
    Scan scan;
};

}  // namespace

Answer search(const Search& search, long long first, long long last, int threads) {
    const Space& space = search.space;
    long long tail = kMerged;
    for (int n = 0; n < space.users; ++n) tail = std::max({tail, space.local[n], space.offload[n]});
    const int lanes = threads > 0 ? threads : lanes_available();
    const long long share =
        std::clamp<long long>((last - first) / (16LL * lanes), 1 << 16, 1 << 28);
    const long long tasks = (last - first) / share + ((last - first) % share != 0);
    std::vector<std::unique_ptr<ScanOwner>> owners(
        std::min<long long>(lanes, std::max(tasks, 1LL)));
    for (auto& owner : owners) owner = std::make_unique<ScanOwner>(search, tail);
    parallel(tasks, int(owners.size()), [&](long long task, int lane) {
        const long long from = first + task * share;
        kernels().search(search, from, last - from < share ? last : from + share,
                         owners[lane]->scan);
    });
    Answer answer;
    answer.histogram.resize(search.bins);
    for (const auto& owner : owners) {
        const Scan& scan = owner->scan;
        answer.best.insert(answer.best.end(), scan.best, scan.best + scan.kept);
        answer.above += scan.above;
        for (int i = 0; i < search.bins; ++i) answer.histogram[i] += scan.histogram[i];
    }
    std::sort(answer.best.begin(), answer.best.end(), better);
    if (answer.best.size() > size_t(search.keep)) answer.best.resize(search.keep);
    return answer;
}

}  // namespace semopt
