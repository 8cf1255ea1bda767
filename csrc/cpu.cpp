// Scoring and searching joint actions on a CPU; compiled once for each instruction set.
//
// `evaluate` sorts a tile of tasks into groups with the same user, task and mode. Within a group
// everything but five numbers is constant and no lane takes a branch, so the plain formulas of
// model.h vectorise. `search` reads scores from lists (space.h): the last users' lists are merged
// into a tail, and each score of the tail meets four heads (sums over the other users) for each
// time it is loaded.
//
// The scan runs in single precision and is a filter only. With u = 2^-24, rounding the head h and
// the tail t and adding them errs by at most 2 u (|h| + |t|) (1 + u), which `slack` bounds: a
// stretch whose largest scanned score plus slack is below the worst kept score holds nothing to be
// kept, and a stretch in which as many scanned scores exceed above + slack as above - slack is
// counted exactly. Every other stretch is scored again in double precision, in the order of the
// definition: users from first to last. So the answer is the exact double-precision one, on any
// number of threads.
#include "cpu.h"

#include <float.h>

#include "cell_loops.h"

#ifndef SEMOPT_ISA
#error "SEMOPT_ISA names the instruction set that this object is compiled for"
#endif
#define SEMOPT_NAME(isa) #isa
#define SEMOPT_QUOTED(isa) SEMOPT_NAME(isa)
#define SEMOPT_JOINED(table, isa) table##_##isa
#define SEMOPT_TABLE(table, isa) SEMOPT_JOINED(table, isa)

namespace semopt {
namespace {

constexpr double kInfinite = __builtin_inf();

// ---- evaluate: tasks of one user, task and mode, side by side ----

enum Mode { kLocally, kRaw, kSemantic, kModes };

constexpr int kGroup = 512, kLanes = 16;  // tasks scored together, a multiple of any vector
constexpr int kRows = 4 * kGroup;         // rows sorted by mode together, so that groups are full

template <class R>
struct alignas(64) Group {
    R gain[kGroup], offloaders[kGroup], power[kGroup], frequency[kGroup], extraction[kGroup],
        latency[kGroup], energy[kGroup], accuracy[kGroup], qoe[kGroup];
    unsigned char violations[kGroup];
};

template <Mode kMode, bool kPadded, class R>
void score(const Scene<R>& scene, int n, int kind, Group<R>& group, int count) {
    const System<R> system = *scene.system;
    const User<R> user = scene.users[n];
    const Task<R> task = scene.tasks[kind];
    AccuracyTable<R> table = scene.tables[kind];
    if (kPadded) table.rows = table.columns = kAxis;
    const int whole = (count + kLanes - 1) / kLanes * kLanes;  // no lane is left over
    for (int i = count; i < whole; ++i) {
        group.gain[i] = group.gain[0];
        group.offloaders[i] = group.offloaders[0];
        group.power[i] = group.power[0];
        group.frequency[i] = group.frequency[0];
        group.extraction[i] = group.extraction[0];
    }
#pragma GCC ivdep
    for (int i = 0; i < whole; ++i) {  // the tables are none of the group's arrays
        const Outcome<R> outcome =
            kMode == kLocally ? execute_locally(system, user, task, group.frequency[i])
                              : offload_in_mode<kMode == kRaw, kPadded>(
                                    system, user, task, table, group.gain[i], group.offloaders[i],
                                    group.power[i], group.frequency[i], group.extraction[i]);
        group.latency[i] = outcome.latency;
        group.energy[i] = outcome.energy;
        group.accuracy[i] = outcome.accuracy;
        group.qoe[i] = outcome.qoe;
    }
    for (int i = 0; i < whole; ++i)
        group.violations[i] = violations(
            system, user, task,
            Outcome<R>{group.latency[i], group.energy[i], group.accuracy[i], group.qoe[i]});
}

template <class R>
void score(const Scene<R>& scene, int n, int kind, Mode mode, Group<R>& group, int count) {
    const AccuracyTable<R>& table = scene.tables[kind];
    const bool padded = table.rows == kAxis && table.columns == kAxis;
    if (mode == kLocally) return score<kLocally, true>(scene, n, kind, group, count);
    if (mode == kRaw)
        return padded ? score<kRaw, true>(scene, n, kind, group, count)
                      : score<kRaw, false>(scene, n, kind, group, count);
    return padded ? score<kSemantic, true>(scene, n, kind, group, count)
                  : score<kSemantic, false>(scene, n, kind, group, count);
}

// Scores rows of one user, task and mode: side by side, then back to where they came from.
template <class R>
void score_rows(const Batch<R>& batch, long long tile, int n, int kind, Mode mode, const int* row,
                int count, const R* offloaders, Group<R>& group) {
    const int users = batch.scene.user_count;
    const R lowest = batch.scene.users[n].frequency_min;
    for (int i = 0; i < count; ++i) {
        const long long e = (tile + row[i]) * users + n;
        const long long slot = batch.slot_per_row ? e : n;
        if (mode != kLocally) group.gain[i] = batch.gain[slot * batch.channels + batch.channel[e]];
        group.offloaders[i] = offloaders[row[i]];
        group.power[i] = batch.power[e];
        group.frequency[i] = mode == kRaw ? lowest : batch.frequency[e];
        group.extraction[i] = batch.extraction[e];
    }
    score(batch.scene, n, kind, mode, group, count);
    for (int i = 0; i < count; ++i) {
        const long long e = (tile + row[i]) * users + n;
        batch.latency[e] = group.latency[i];
        batch.energy[e] = group.energy[i];
        batch.accuracy[e] = group.accuracy[i];
        batch.qoe[e] = group.qoe[i];
        batch.violations[e] = group.violations[i];
    }
}

constexpr int kKinds = 8;  // of task, told apart in one pass

template <class R>
void evaluate(const Batch<R>& batch, long long first, long long last) {
    constexpr int kGroups = kKinds * kModes;
    const int users = batch.scene.user_count;
    Group<R> group;
    R offloaders[kRows];
    int row[kRows];
    unsigned char belongs[kRows];
    for (long long tile = first; tile < last; tile += kRows) {
        const int rows = int(math::min<long long>(kRows, last - tile));
        for (int b = 0; b < rows; ++b) {
            int count = 0;
            for (int n = 0; n < users; ++n) count += batch.channel[(tile + b) * users + n] >= 0;
            offloaders[b] = R(count);
        }
        for (int n = 0; n < users; ++n) {
            for (int kind = 0; kind < batch.scene.task_count; kind += kKinds) {
                // Rows in the order of (kind, mode); those of other kinds come last.
                int end[kGroups + 1] = {};
                for (int b = 0; b < rows; ++b) {
                    const long long e = (tile + b) * users + n;
                    const int offloaded = batch.extraction[e] < R(1) ? kSemantic : kRaw;
                    const int mode = batch.channel[e] < 0 ? int(kLocally) : offloaded;
                    const long long own = batch.task[batch.slot_per_row ? e : n] - kind;
                    const bool here = own >= 0 && own < kKinds;
                    belongs[b] = (unsigned char)(here ? int(own) * kModes + mode : kGroups);
                    ++end[belongs[b]];
                }
                for (int at = 0, g = 0; g <= kGroups; ++g) {
                    const int count = end[g];
                    end[g] = at;
                    at += count;
                }
                for (int b = 0; b < rows; ++b) row[end[belongs[b]]++] = b;
                for (int g = 0; g < kGroups; ++g)
                    for (int at = g ? end[g - 1] : 0; at < end[g]; at += kGroup)
                        score_rows(batch, tile, n, kind + g / kModes, Mode(g % kModes), row + at,
                                   math::min(kGroup, end[g] - at), offloaders, group);
            }
        }
    }
}

// Fills list `list` of a user's scores: 0 is local, 1 + (offloaders - 1) K + channel offloaded.
void tabulate(const Grid& grid, long long list) {
    const bool local = list == 0;
    const int channel = local ? 0 : int((list - 1) % grid.channels);
    const double m = local ? 0 : double((list - 1) / grid.channels + 1);
    const long long semantic = (long long)grid.powers * grid.frequencies * grid.extractions;
    const long long length = local ? grid.frequencies : grid.powers + semantic;
    const long long start = local ? 0 : grid.frequencies + (list - 1) * length;
    const User<double>& user = grid.scene.users[grid.user];
    const Task<double>& task = grid.scene.tasks[grid.task];
    Group<double> group;
    const auto flush = [&](Mode mode, long long to, int count) {
        score(grid.scene, grid.user, grid.task, mode, group, count);
        const double flop = mode == kRaw ? task.server_raw_flop : task.server_flop;
        const double energy =
            local ? 0
                  : server_energy(server_time(flop, m, *grid.scene.system), m, *grid.scene.system);
        for (int i = 0; i < count; ++i)
            grid.value[start + to + i] = group.violations[i] ? -kInfinite : group.qoe[i];
        if (grid.server_energy)
            for (int i = 0; i < count; ++i) grid.server_energy[start + to + i] = energy;
    };
    const auto fill = [&](Mode mode, long long from, long long to) {
        for (long long a = from; a < to; a += kGroup) {
            const int count = int(math::min<long long>(kGroup, to - a));
            for (int i = 0; i < count; ++i) {
                const long long action = a + i - from;
                group.gain[i] = grid.gain[channel];
                group.offloaders[i] = m;
                if (mode == kSemantic) {
                    const long long rest = action / grid.extractions;
                    group.extraction[i] = grid.extraction[action % grid.extractions];
                    group.frequency[i] = grid.frequency[rest % grid.frequencies];
                    group.power[i] = grid.power[rest / grid.frequencies];
                } else {
                    group.extraction[i] = 1;
                    group.frequency[i] = local ? grid.frequency[action] : user.frequency_min;
                    group.power[i] = local ? user.power_max : grid.power[action];
                }
            }
            flush(mode, a, count);
        }
    };
    if (local) return fill(kLocally, 0, length);
    fill(kRaw, 0, grid.powers);
    fill(kSemantic, grid.powers, length);
}

// ---- search: a filter in single precision, the answer in double ----

template <bool kFairest, class R>
R join(R a, R b) {
    return kFairest ? math::min(a, b) : a + b;
}

double join(bool fairest, double a, double b) { return fairest ? math::min(a, b) : a + b; }

// What four heads find in a stretch of the tail.
struct Glance {
    float best[4];
    int surely[4], perhaps[4];  // scores above, and those that may be
};

struct Limits {
    float above_low, above_high, energy_low, energy_high;
};

template <bool kFairest, bool kLimited, bool kCount>
void glance(const float* head, const float* head_energy, const float* tail,
            const float* tail_energy, int count, const Limits& limits, Glance& seen) {
    const float none = -__builtin_inff();
    const float h0 = head[0], h1 = head[1], h2 = head[2], h3 = head[3];
    const float e0 = head_energy[0], e1 = head_energy[1], e2 = head_energy[2], e3 = head_energy[3];
    const float low = limits.above_low, high = limits.above_high;
    const float energy_low = limits.energy_low, energy_high = limits.energy_high;
    float b0 = none, b1 = none, b2 = none, b3 = none;
    int s0 = 0, s1 = 0, s2 = 0, s3 = 0, p0 = 0, p1 = 0, p2 = 0, p3 = 0;
#pragma omp simd reduction(max : b0, b1, b2, b3) reduction(+ : s0, s1, s2, s3, p0, p1, p2, p3)
    for (int j = 0; j < count; ++j) {
        float x0 = join<kFairest>(h0, tail[j]), x1 = join<kFairest>(h1, tail[j]),
              x2 = join<kFairest>(h2, tail[j]), x3 = join<kFairest>(h3, tail[j]);
        if (kLimited) {
            const float y0 = e0 + tail_energy[j], y1 = e1 + tail_energy[j],
                        y2 = e2 + tail_energy[j], y3 = e3 + tail_energy[j];
            if (kCount) {
                s0 += (x0 > high) & (y0 <= energy_low);
                s1 += (x1 > high) & (y1 <= energy_low);
                s2 += (x2 > high) & (y2 <= energy_low);
                s3 += (x3 > high) & (y3 <= energy_low);
            }
            x0 = y0 <= energy_high ? x0 : none;
            x1 = y1 <= energy_high ? x1 : none;
            x2 = y2 <= energy_high ? x2 : none;
            x3 = y3 <= energy_high ? x3 : none;
        } else if (kCount) {
            s0 += x0 > high;
            s1 += x1 > high;
            s2 += x2 > high;
            s3 += x3 > high;
        }
        if (kCount) {
            p0 += x0 >= low;
            p1 += x1 >= low;
            p2 += x2 >= low;
            p3 += x3 >= low;
        }
        b0 = math::max(b0, x0);
        b1 = math::max(b1, x1);
        b2 = math::max(b2, x2);
        b3 = math::max(b3, x3);
    }
    seen = {{b0, b1, b2, b3}, {s0, s1, s2, s3}, {p0, p1, p2, p3}};
}

using GlanceFunction = void (*)(const float*, const float*, const float*, const float*, int,
                                const Limits&, Glance&);

GlanceFunction glance_for(const Search& search) {
    static constexpr GlanceFunction table[2][2][2] = {
        {{glance<false, false, false>, glance<false, false, true>},
         {glance<false, true, false>, glance<false, true, true>}},
        {{glance<true, false, false>, glance<true, false, true>},
         {glance<true, true, false>, glance<true, true, true>}}};
    return table[search.fairest][search.server_energy != nullptr][search.count];
}

// The nearest single-precision numbers that are surely not above and not below x.
float rounded_down(double x) {
    const float y = float(x);
    return double(y) > x ? y - math::max(math::max(y, -y) * FLT_EPSILON, FLT_MIN) : y;
}
float rounded_up(double x) { return -rounded_down(-x); }

bool worse_on_top(const Scored& a, const Scored& b) { return better(a, b); }

void sift_down(Scored* heap, int count, int at) {
    for (int child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && worse_on_top(heap[child], heap[child + 1])) ++child;
        if (!worse_on_top(heap[at], heap[child])) return;
        const Scored moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
    }
}

double worst_kept(const Search& search, const Scan& scan) {
    return scan.kept == search.keep ? scan.best[0].value : -kInfinite;
}

void keep(const Search& search, Scan& scan, const Scored& found) {
    if (scan.kept == search.keep) {
        if (!better(found, scan.best[0])) return;
        scan.best[0] = found;
        sift_down(scan.best, scan.kept, 0);
        return;
    }
    scan.best[scan.kept++] = found;
    if (scan.kept == search.keep)
        for (int i = scan.kept / 2; i-- > 0;) sift_down(scan.best, scan.kept, i);
}

// A channel pattern laid out for scanning: heads of users 0..split-1, a tail of the others.
class Pattern {
  public:
    Pattern(const Search& search, Scan& scan) : search_(search), scan_(scan) {}

    // Lays out the pattern that holds `index`.
    void find(long long index) {
        const Space& space = search_.space;
        start = pattern_at(space, index, scan_.channel);
        int offloaders = 0;
        for (int n = 0; n < space.users; ++n) offloaders += scan_.channel[n] != kLocal;
        size = 1;
        for (int n = 0; n < space.users; ++n) {
            const long long at = list_start(space, n, scan_.channel[n], offloaders);
            scan_.value[n] = search_.value[n] + at;
            if (search_.server_energy) scan_.energy[n] = search_.server_energy[n] + at;
            scan_.size[n] = actions(space, n, scan_.channel[n]);
            size *= scan_.size[n];
        }
        split = space.users - 1;
        tail_size = scan_.size[split];
        while (split > 0 && tail_size * scan_.size[split - 1] <= kMerged)
            tail_size *= scan_.size[--split];
    }

    // Leaves the last user alone in the tail.
    void split_last() {
        split = search_.space.users - 1;
        tail_size = scan_.size[split];
    }

    // The tail in single precision.
    void merge() {
        for (long long at = 0; at < tail_size; at += kTile) {
            const int count = int(math::min<long long>(kTile, tail_size - at));
            double nothing = search_.fairest ? kInfinite : 0;
            score_run(split, nothing, 0, at, count);
            for (int i = 0; i < count; ++i) scan_.tail[at + i] = float(scan_.row[i]);
            if (search_.server_energy)
                for (int i = 0; i < count; ++i)
                    scan_.energy_tail[at + i] = float(scan_.energy_row[i]);
        }
    }

    // Goes to a head: its digits, and the joint score of its users in double precision.
    void go_to(long long head) {
        for (int n = split; n-- > 0;) {
            scan_.digit[n] = int(head % scan_.size[n]);
            head /= scan_.size[n];
        }
        sum_from(0);
    }

    void next_head() {
        int n = split - 1;
        while (n > 0 && scan_.digit[n] + 1 == scan_.size[n]) scan_.digit[n--] = 0;
        if (n < 0) return;
        ++scan_.digit[n];
        if (scan_.digit[n] < scan_.size[n]) sum_from(n);
    }

    double head() const { return scan_.prefix[split]; }
    double head_energy() const { return scan_.energy_prefix[split]; }

    // Scores actions at..at+count-1 of users `user`.. on top of the users before, into the row.
    void score_run(int user, double before, double energy_before, long long at, int count) {
        const Space& space = search_.space;
        const int last = space.users - 1;
        const long long radix = scan_.size[last];
        for (int done = 0; done < count;) {
            long long rest = (at + done) / radix, digit = (at + done) % radix, weight = 1;
            for (int n = user; n < last; ++n) weight *= scan_.size[n];
            double value = before, energy = energy_before;
            for (int n = user; n < last; ++n) {
                weight /= scan_.size[n];
                value = join(search_.fairest, value, scan_.value[n][rest / weight]);
                if (search_.server_energy) energy += scan_.energy[n][rest / weight];
                rest %= weight;
            }
            const int run = int(math::min<long long>(count - done, radix - digit));
            const double* const own = scan_.value[last] + digit;
            double* const row = scan_.row + done;
            if (search_.fairest)
                for (int i = 0; i < run; ++i) row[i] = math::min(value, own[i]);
            else
                for (int i = 0; i < run; ++i) row[i] = value + own[i];
            if (search_.server_energy)
                for (int i = 0; i < run; ++i)
                    scan_.energy_row[done + i] = energy + scan_.energy[last][digit + i];
            done += run;
        }
    }

    long long start = 0, size = 0, tail_size = 1;
    int split = 0;

  private:
    void sum_from(int n) {
        scan_.prefix[0] = search_.fairest ? kInfinite : 0;
        scan_.energy_prefix[0] = 0;
        for (; n < split; ++n) {
            const int digit = scan_.digit[n];
            scan_.prefix[n + 1] = join(search_.fairest, scan_.prefix[n], scan_.value[n][digit]);
            scan_.energy_prefix[n + 1] =
                search_.server_energy ? scan_.energy_prefix[n] + scan_.energy[n][digit] : 0;
        }
    }

    const Search& search_;
    Scan& scan_;
};

enum Purpose { kKeep = 1, kCountAbove = 2 };

// Scores a stretch in double precision and takes from it what `purposes` ask for.
void settle(const Search& search, Scan& scan, Pattern& pattern, long long head, double before,
            double energy_before, long long at, long long end, int purposes) {
    for (; at < end; at += kTile) {
        const int count = int(math::min<long long>(kTile, end - at));
        pattern.score_run(pattern.split, before, energy_before, at, count);
        double* const row = scan.row;
        if (search.server_energy)
            for (int i = 0; i < count; ++i)
                row[i] = scan.energy_row[i] <= search.server_energy_max ? row[i] : -kInfinite;
        if (purposes & kKeep) {
            const long long index = pattern.start + head * pattern.tail_size + at;
            double top = -kInfinite;
#pragma omp simd reduction(max : top)
            for (int i = 0; i < count; ++i) top = math::max(top, row[i]);
            if (top > -kInfinite && top >= worst_kept(search, scan))
                for (int i = 0; i < count; ++i)
                    if (row[i] > -kInfinite && row[i] >= worst_kept(search, scan))
                        keep(search, scan, {row[i], index + i});
        }
        if (purposes & kCountAbove) {
            int above = 0;
            for (int i = 0; i < count; ++i) above += row[i] > search.above;
            scan.above += above;
        }
    }
}

// ---- histogram: every score compared with the edges that it may have crossed ----
//
// Order within a tail changes no count, so the last user's list is sorted: the scores of a block of
// neighbours on one head then lie in a few bins, and one addition and a comparison with each edge
// between the first and the last of them count the block. Rounded addition is monotone, so the
// edges outside need no comparison, and all scores are those of the definition to the last bit.

constexpr int kBlock = 128;

// The bin of a score, -1 below the first and `bins` above the last.
int bin_of(const Search& search, double score) {
    int low = 0, high = search.bins + 1;  // edges [0, low) are at most the score, [high, ..) above
    while (low < high) {
        const int middle = (low + high) / 2;
        if (score >= search.edges[middle])
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

template <bool kFairest, bool kLimited>
long long count_from(double edge, double head, const double* tail, double head_energy,
                     const double* tail_energy, double energy_max, int count) {
    long long above = 0;
#pragma omp simd reduction(+ : above)
    for (int j = 0; j < count; ++j) {
        const bool over = join<kFairest>(head, tail[j]) >= edge;
        const bool cheap = !kLimited || head_energy + tail_energy[j] <= energy_max;
        above += (over & cheap) ? 1 : 0;
    }
    return above;
}

template <bool kFairest, bool kLimited>
void count_bins(const Search& search, Scan& scan, double head, double head_energy,
                const double* tail, const double* tail_energy, long long size) {
    int next = bin_of(search, join<kFairest>(head, tail[0]));
    for (long long at = 0; at < size; at += kBlock) {
        const int count = int(math::min<long long>(kBlock, size - at));
        const auto from = [&](double edge) {
            return count_from<kFairest, kLimited>(edge, head, tail + at, head_energy,
                                                  kLimited ? tail_energy + at : nullptr,
                                                  search.server_energy_max, count);
        };
        const double last = join<kFairest>(head, tail[at + count - 1]);
        int bin = next;
        long long left = from(bin < 0 ? -kInfinite : search.edges[bin]);
        while (bin < search.bins && last >= search.edges[bin + 1]) {
            const long long beyond = from(search.edges[bin + 1]);
            if (bin >= 0) scan.histogram[bin] += left - beyond;
            left = beyond;
            ++bin;
        }
        if (bin >= 0 && bin < search.bins) scan.histogram[bin] += left;
        next = bin;
    }
}

// Heads are all users but the last, whole lists of whom are sorted once.
void count_heads(const Search& search, Scan& scan, Pattern& pattern, long long first,
                 long long last, long long at, long long end) {
    if (first >= last || at >= end) return;
    const int user = search.space.users - 1;
    const double* tail = scan.value[user];
    const long long size = scan.size[user];
    const bool whole = at == 0 && end == size, limited = search.server_energy != nullptr;
    if (!whole || scan.sorted_list != tail) {
        scan.sorted_count = 0;
        for (long long i = at; i < end; ++i) {
            if (tail[i] == -kInfinite) continue;
            scan.sorted[scan.sorted_count] = tail[i];
            if (limited) scan.sorted_energy[scan.sorted_count] = scan.energy[user][i];
            ++scan.sorted_count;
        }
        sort_scores(scan.sorted, limited ? scan.sorted_energy : nullptr, scan.sorted_count);
        scan.sorted_list = whole ? tail : nullptr;
    }
    if (!scan.sorted_count) return;
    const auto count = search.fairest ? limited ? count_bins<true, true> : count_bins<true, false>
                       : limited      ? count_bins<false, true>
                                      : count_bins<false, false>;
    pattern.go_to(first);
    for (long long head = first; head < last; ++head, pattern.next_head())
        if (pattern.head() > -kInfinite)
            count(search, scan, pattern.head(), pattern.head_energy(), scan.sorted,
                  scan.sorted_energy, scan.sorted_count);
}

constexpr int kHeads = 64;  // that pass over a tile of the tail while it is in the L1 cache

// Scans whole heads first..last-1 of a pattern.
void scan_heads(const Search& search, Scan& scan, Pattern& pattern, long long first,
                long long last) {
    const GlanceFunction look = glance_for(search);
    const Limits limits = {rounded_down(search.above - search.slack),
                           rounded_up(search.above + search.slack),
                           rounded_down(search.server_energy_max - search.energy_slack),
                           rounded_up(search.server_energy_max + search.energy_slack)};
    double value[kHeads], energy[kHeads];
    float head[kHeads], head_energy[kHeads];
    Glance seen[kHeads / 4];
    pattern.go_to(first);
    for (long long from = first; from < last; from += kHeads) {
        const int heads = int(math::min<long long>(kHeads, last - from));
        for (int h = 0; h < heads; ++h) {
            value[h] = pattern.head();
            energy[h] = pattern.head_energy();
            pattern.next_head();
        }
        const int padded = (heads + 3) / 4 * 4;
        for (int h = 0; h < padded; ++h) {
            head[h] = float(h < heads ? value[h] : -kInfinite);
            head_energy[h] = float(h < heads ? energy[h] : 0);
        }
        for (long long at = 0; at < pattern.tail_size; at += kTile) {
            const long long end = math::min(at + kTile, pattern.tail_size);
            float top = -__builtin_inff();
            for (int h = 0; h < padded; h += 4) {
                Glance& four = seen[h / 4];
                look(head + h, head_energy + h, scan.tail + at, scan.energy_tail + at,
                     int(end - at), limits, four);
                for (int i = 0; i < 4; ++i) top = math::max(top, four.best[i]);
            }
            // When one is kept and nothing else bars it, the best of this round is at least
            // top - slack: a rising sequence of heads settles one stretch a round, not all.
            const bool sure = search.keep == 1 && !search.server_energy;
            const double floor = sure ? top - search.slack : -kInfinite;
            for (int h = 0; h < heads; ++h) {
                const Glance& four = seen[h / 4];
                const double upper = four.best[h % 4] + search.slack;
                const bool open =
                    upper > -kInfinite && upper >= floor && upper >= worst_kept(search, scan);
                const bool doubt = search.count && four.surely[h % 4] != four.perhaps[h % 4];
                if (search.count && !doubt) scan.above += four.surely[h % 4];
                if (open || doubt)
                    settle(search, scan, pattern, from + h, value[h], energy[h], at, end,
                           (open ? kKeep : 0) | (doubt ? kCountAbove : 0));
            }
        }
    }
}

// Everything in double precision, heads first..last-1 with the actions at..end-1 of the tail.
void settle_heads(const Search& search, Scan& scan, Pattern& pattern, long long first,
                  long long last, long long at, long long end) {
    if (first >= last || at >= end) return;
    pattern.go_to(first);
    for (long long head = first; head < last; ++head, pattern.next_head())
        settle(search, scan, pattern, head, pattern.head(), pattern.head_energy(), at, end,
               kKeep | (search.count ? kCountAbove : 0));
}

// Calls work(first head, last head, first of the tail, end of the tail) on the parts of a range of
// a pattern: the end of a head, whole heads, the start of a head.
template <class Work>
void split_range(long long from, long long to, long long tail, Work work) {
    const long long head = from / tail, end = to / tail;
    if (head == end) return work(head, head + 1, from % tail, to % tail);
    const long long whole = head + (from % tail != 0);
    work(head, whole, from % tail, tail);
    work(whole, end, 0, tail);
    work(end, end + 1, 0, to % tail);
}

void search_range(const Search& search, long long first, long long last, Scan& scan) {
    Pattern pattern(search, scan);
    while (first < last) {
        pattern.find(first);
        const long long from = first - pattern.start;
        const long long to = math::min(last - pattern.start, pattern.size);
        split_range(from, to, pattern.tail_size,
                    [&](long long head, long long end, long long at, long long stop) {
                        if (at > 0 || stop < pattern.tail_size || end - head < 4)
                            return settle_heads(search, scan, pattern, head, end, at, stop);
                        pattern.merge();
                        scan_heads(search, scan, pattern, head, end);
                    });
        if (search.bins) {
            pattern.split_last();
            split_range(from, to, pattern.tail_size,
                        [&](long long head, long long end, long long at, long long stop) {
                            count_heads(search, scan, pattern, head, end, at, stop);
                        });
        }
        first = pattern.start + to;
    }
}

// ---- math.h, function by function ----

template <class R>
void elementary(int function, const R* x, const R* y, R* out, long long count) {
    switch (function) {
        case 0:
            for (long long i = 0; i < count; ++i) out[i] = math::exp(x[i]);
            break;
        case 1:
            for (long long i = 0; i < count; ++i) out[i] = math::log(x[i]);
            break;
        case 2:
            for (long long i = 0; i < count; ++i) out[i] = math::log10(x[i]);
            break;
        case 3:
            for (long long i = 0; i < count; ++i) out[i] = math::log1p(x[i]);
            break;
        default:
            for (long long i = 0; i < count; ++i) out[i] = math::pow(x[i], y[i]);
    }
}

}  // namespace

extern const Ceilings SEMOPT_TABLE(ceilings, SEMOPT_ISA);
extern const Kernels SEMOPT_TABLE(kernels, SEMOPT_ISA);
const Kernels SEMOPT_TABLE(kernels, SEMOPT_ISA) = {SEMOPT_QUOTED(SEMOPT_ISA),
                                                   evaluate<double>,
                                                   evaluate<float>,
                                                   tabulate,
                                                   search_range,
                                                   elementary<double>,
                                                   elementary<float>,
                                                   open_cell,
                                                   best_of_cell,
                                                   &SEMOPT_TABLE(ceilings, SEMOPT_ISA)};

}  // namespace semopt
