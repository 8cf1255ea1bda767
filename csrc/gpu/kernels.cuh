// Device code: the formulas of model/model.h and the order of model/space.h, spread over threads.
//
// Read by nvcc into the wheel and by NVRTC from the headers that the wheel ships, so it includes no
// host header. Every kernel takes pointers to a job, a record of 8-byte fields that Python packs:
// one way to call it from both.
//
// A search scans in single precision and scores what is left in double, as on the CPU
// (isa/scan_loops.h has the error argument). A unit is kUnitHeads heads times kUnitTail scores of
// the tail. Each thread of a block keeps kPerThread scores of the tail in registers and meets every
// head once, read from shared memory: one addition and one maximum a joint action. `scan` leaves
// the largest score of each unit. From these the host takes a bound, and `collect` scores exactly
// what the scan does not rule out and gathers what reaches that bound. A score in doubt against the
// value to be counted above is scored in double on the spot.
#pragma once

#include "model/model.h"
#include "model/space.h"

namespace semopt::device {

constexpr int kThreads = 256, kPerThread = 16, kWarp = 32;
constexpr int kUnitTail = kThreads * kPerThread, kUnitHeads = kThreads;
constexpr int kMaxBins = 4096;

template <class R>
struct EvaluateJob {
    const System<R>* system;
    const User<R>* users;
    const Task<R>* tasks;
    const AccuracyTable<R>* tables;
    const long long* channel;  // (B, N) and so on, as in Batch of isa/kernels.h
    const R *power, *frequency, *extraction, *gain;
    const long long* task;
    R *latency, *energy, *accuracy, *qoe;
    unsigned char* violations;
    unsigned long long* faults;  // bits of Fault
    long long rows, user_count, channels, task_count, slot_per_row;
};

enum Fault : unsigned long long { kIndex = 1, kNotANumber = 2 };

struct SearchJob {
    const double* const* value;          // (N) lists of one channel pattern
    const double* const* server_energy;  // (N), or null without a limit
    const long long* size;               // (N)
    float *head, *head_energy, *tail, *tail_energy;
    float* best;                    // (units) the largest scanned score of each
    Scored* collected;              // (capacity) by `collect`
    unsigned long long* reached;    // how many reach the bound, or more than `capacity`
    unsigned long long* above;      // joint actions above `above_value`
    unsigned long long* histogram;  // (bins)
    double server_energy_max, above_value, slack, energy_slack, low, per_unit;
    Scored bound;            // the worst joint action to be collected
    long long users, split;  // heads are of users 0..split-1, the tail of the others
    long long start;         // of the pattern
    long long first_head, heads, tail_size, capacity, bins;
    long long fairest, count;
};

// ---- kernels ----

template <class R>
__device__ void evaluate(const EvaluateJob<R>& job) {
    const long long users = job.user_count, step = (long long)gridDim.x * blockDim.x;
    unsigned long long faults = 0;
    for (long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x; e < job.rows * users;
         e += step) {
        const long long row = e / users, n = e % users, slot = job.slot_per_row ? e : n;
        const long long channel = job.channel[e], kind = job.task[slot];
        if (channel < kLocal || channel >= job.channels || kind < 0 || kind >= job.task_count) {
            faults |= kIndex;
            continue;
        }
        const System<R>& system = *job.system;
        const User<R>& user = job.users[n];
        const Task<R>& task = job.tasks[kind];
        int offloaders = 0;
        for (long long i = row * users; i < (row + 1) * users; ++i)
            offloaders += job.channel[i] >= 0;
        const R extraction = checked_extraction(job.extraction[e]);
        const Outcome<R> outcome =
            channel < 0 ? execute_locally(system, user, task, job.frequency[e])
                        : offload(system, user, task, job.tables[kind],
                                  checked_gain(job.gain[slot * job.channels + channel]),
                                  R(offloaders), job.power[e], job.frequency[e], extraction);
        job.latency[e] = outcome.latency;
        job.energy[e] = outcome.energy;
        job.accuracy[e] = outcome.accuracy;
        job.qoe[e] = outcome.qoe;
        job.violations[e] = (unsigned char)violations(system, user, task, outcome);
        if (outcome.qoe != outcome.qoe) faults |= kNotANumber;
    }
    if (faults) atomicOr(job.faults, faults);
}

// The exact score and server energy of users from..to-1, whose digits `index` holds.
__device__ inline double exact(const SearchJob& job, long long from, long long to, long long index,
                               double* energy) {
    long long weight = 1;
    for (long long n = from; n < to; ++n) weight *= job.size[n];
    double value = job.fairest ? kInfinity : 0;
    for (long long n = from; n < to; ++n) {
        weight /= job.size[n];
        const long long digit = index / weight;
        index -= digit * weight;
        const double score = job.value[n][digit];
        value = job.fairest ? math::min(value, score) : value + score;
        if (job.server_energy) *energy += job.server_energy[n][digit];
    }
    return value;
}

__device__ inline double exact(const SearchJob& job, long long index) {
    double energy = 0;
    const double value = exact(job, 0, job.users, index, &energy);
    return job.server_energy && energy > job.server_energy_max ? -kInfinity : value;
}

// The heads, or the tail, in single precision.
__device__ inline void merge(const SearchJob& job, bool tail) {
    const long long count = tail ? job.tail_size : job.heads, first = tail ? 0 : job.first_head;
    const long long step = (long long)gridDim.x * blockDim.x;
    for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += step) {
        double energy = 0;
        const double value =
            exact(job, tail ? job.split : 0, tail ? job.users : job.split, first + i, &energy);
        (tail ? job.tail : job.head)[i] = float(value);
        if (job.server_energy) (tail ? job.tail_energy : job.head_energy)[i] = float(energy);
    }
}

// No score is NaN, so these need no comparison beside the choice: one instruction.
__device__ inline float larger(float a, float b) { return fmaxf(a, b); }

template <bool kFairest>
__device__ inline float join(float a, float b) {
    return kFairest ? fminf(a, b) : a + b;
}

__device__ inline float warp_max(float value) {
    for (int step = kWarp / 2; step > 0; step /= 2)
        value = larger(value, __shfl_down_sync(0xffffffffu, value, step));
    return value;
}

__device__ inline unsigned long long warp_sum(unsigned long long value) {
    for (int step = kWarp / 2; step > 0; step /= 2)
        value += __shfl_down_sync(0xffffffffu, value, step);
    return value;
}

// The scan's bounds around the value to be counted above: a score between them is in doubt.
__device__ inline float doubt_low(const SearchJob& job) {
    return float(job.above_value - job.slack * (1 + 1e-3));
}
__device__ inline float doubt_high(const SearchJob& job) {
    return float(job.above_value + job.slack * (1 + 1e-3));
}

// How many of a thread's joint actions with one head exceed that value, exactly. Rarely needed, and
// kept out of line: it would crowd out the registers of a scan.
template <bool kFairest>
__device__ __noinline__ unsigned exceeding(const SearchJob& job, long long head, long long at) {
    const float head_score = job.head[head - job.first_head], low = doubt_low(job);
    unsigned found = 0;
    for (long long j = at + threadIdx.x; j < job.tail_size && j < at + kUnitTail; j += kThreads)
        if (join<kFairest>(head_score, job.tail[j]) >= low)
            found += exact(job, head * job.tail_size + j) > job.above_value;
    return found;
}

template <bool kFairest, bool kLimited, bool kCount>
__device__ void scan(const SearchJob& job) {
    __shared__ float head[kUnitHeads], head_energy[kUnitHeads], part[kThreads / kWarp];
    const float least = -math::Real<float>::infinity;
    const float energy_high = float((job.server_energy_max + job.energy_slack) * (1 + 1e-6));
    const float low = doubt_low(job), high = doubt_high(job);
    // Read once: for all the compiler knows, what is written might change them.
    const float *const tails = job.tail, *const tail_energies = job.tail_energy;
    const long long width = job.tail_size, tiles = (width + kUnitTail - 1) / kUnitTail;
    const long long units = (job.heads + kUnitHeads - 1) / kUnitHeads * tiles;
    const int lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
    unsigned long long above = 0;
    for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {
        const long long first = unit / tiles * kUnitHeads, at = unit % tiles * kUnitTail;
        // The barrier after `part` was written keeps these writes behind the last unit's reads.
        const long long h = first + threadIdx.x;
        head[threadIdx.x] = h < job.heads ? job.head[h] : least;
        if (kLimited) head_energy[threadIdx.x] = h < job.heads ? job.head_energy[h] : 0;
        __syncthreads();
        float tail[kPerThread], energy[kPerThread], best = least;
        for (int i = 0; i < kPerThread; ++i) {
            const long long j = at + i * kThreads + threadIdx.x;
            tail[i] = j < width ? tails[j] : least;
            energy[i] = kLimited && j < width ? tail_energies[j] : 0;
        }
#pragma unroll(kCount ? 1 : 4)
        for (int h = 0; h < kUnitHeads; ++h) {
            const float head_score = head[h], head_joule = kLimited ? head_energy[h] : 0;
            float score[kPerThread], most = kCount ? least : best;
#pragma unroll
            for (int i = 0; i < kPerThread; ++i) {
                score[i] = join<kFairest>(head_score, tail[i]);
                if (kLimited) score[i] = head_joule + energy[i] <= energy_high ? score[i] : least;
                most = larger(most, score[i]);
            }
            best = kCount ? larger(best, most) : most;
            if (kCount && most >= low && most > least) {
                unsigned reach = 0, exceed = 0;
#pragma unroll
                for (int i = 0; i < kPerThread; ++i) {
                    reach += score[i] >= low;
                    exceed += score[i] > high;
                }
                // With a limit on energy every candidate is in doubt.
                above += reach > exceed || kLimited
                             ? exceeding<kFairest>(job, job.first_head + first + h, at)
                             : exceed;
            }
        }
        best = warp_max(best);
        if (lane == 0) part[warp] = best;
        __syncthreads();
        if (threadIdx.x == 0) {
            for (int w = 1; w < kThreads / kWarp; ++w) best = larger(best, part[w]);
            job.best[unit] = best;
        }
    }
    if (kCount) {
        above = warp_sum(above);
        if (lane == 0 && above) atomicAdd(job.above, above);
    }
}

// Gathers the joint actions that are as good as `bound` or better, in any order. More than there is
// room for end the search: the host then asks again with a better bound.
__device__ inline void collect(const SearchJob& job) {
    const volatile unsigned long long* const reached = job.reached;
    const unsigned long long capacity = job.capacity;
    const long long tiles = (job.tail_size + kUnitTail - 1) / kUnitTail;
    const long long units = (job.heads + kUnitHeads - 1) / kUnitHeads * tiles;
    for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {
        if (job.best[unit] + job.slack < job.bound.value) continue;
        const long long first = unit / tiles * kUnitHeads, at = unit % tiles * kUnitTail;
        const long long end = math::min<long long>(at + kUnitTail, job.tail_size);
        const long long last = math::min<long long>(first + kUnitHeads, job.heads);
        for (long long h = first; h < last && *reached <= capacity; ++h) {
            for (long long j = at + threadIdx.x; j < end; j += kThreads) {
                const float head_score = job.head[h], tail_score = job.tail[j];
                const float scanned =
                    job.fairest ? fminf(head_score, tail_score) : head_score + tail_score;
                if (scanned + job.slack < job.bound.value) continue;
                const long long index = (job.first_head + h) * job.tail_size + j;
                const Scored scored = {exact(job, index), job.start + index};
                if (better(job.bound, scored)) continue;
                const unsigned long long place = atomicAdd(job.reached, 1ull);
                if (place < capacity) job.collected[place] = scored;
            }
        }
    }
}

// The bin of a score, the last with its upper end; -1 below and `bins` above. It never falls as the
// score grows, so two scores of one bin have all between them in it.
__device__ inline long long bin_of(const SearchJob& job, double score) {
    const double bin = (score - job.low) * job.per_unit;
    return bin < 0 ? -1 : bin > job.bins ? job.bins : math::min<long long>(bin, job.bins - 1);
}

// Feasible joint actions by exact score, which is needed only near the edges of bins.
__device__ inline void count_bins(const SearchJob& job) {
    __shared__ unsigned bins[kMaxBins];
    for (int b = threadIdx.x; b < job.bins; b += kThreads) bins[b] = 0;
    __syncthreads();
    const long long tiles = (job.tail_size + kUnitTail - 1) / kUnitTail;
    const long long units = (job.heads + kUnitHeads - 1) / kUnitHeads * tiles;
    for (long long unit = blockIdx.x; unit < units; unit += gridDim.x) {
        const long long first = unit / tiles * kUnitHeads, at = unit % tiles * kUnitTail;
        const long long end = math::min<long long>(at + kUnitTail, job.tail_size);
        const long long last = math::min<long long>(first + kUnitHeads, job.heads);
        for (long long j = at + threadIdx.x; j < end; j += kThreads) {
            for (long long h = first; h < last; ++h) {
                const float head_score = job.head[h], tail_score = job.tail[j];
                const double scanned =
                    job.fairest ? fminf(head_score, tail_score) : head_score + tail_score;
                bool sure = true;
                if (job.server_energy) {
                    const double energy = job.head_energy[h] + job.tail_energy[j];
                    if (energy > job.server_energy_max + job.energy_slack) continue;
                    sure = energy < job.server_energy_max - job.energy_slack;
                }
                long long bin = bin_of(job, scanned - job.slack);
                if (!sure || bin != bin_of(job, scanned + job.slack))
                    bin = bin_of(job, exact(job, (job.first_head + h) * job.tail_size + j));
                if (bin >= 0 && bin < job.bins) atomicAdd(&bins[bin], 1u);
            }
        }
    }
    __syncthreads();
    for (int b = threadIdx.x; b < job.bins; b += kThreads)
        if (bins[b]) atomicAdd(&job.histogram[b], (unsigned long long)bins[b]);
}

}  // namespace semopt::device

// ---- entry points, by names that both compilers give back unchanged ----

extern "C" {

__global__ void semopt_evaluate(const semopt::device::EvaluateJob<double>* job) {
    semopt::device::evaluate(*job);
}

__global__ void semopt_evaluate_single(const semopt::device::EvaluateJob<float>* job) {
    semopt::device::evaluate(*job);
}

__global__ void semopt_heads(const semopt::device::SearchJob* job) {
    semopt::device::merge(*job, false);
}

__global__ void semopt_tail(const semopt::device::SearchJob* job) {
    semopt::device::merge(*job, true);
}

// Name, fairest, limited, count.
#define SEMOPT_SCANS(SCAN)                     \
    SCAN(sum, false, false, false)             \
    SCAN(sum_count, false, false, true)        \
    SCAN(sum_limited, false, true, false)      \
    SCAN(sum_limited_count, false, true, true) \
    SCAN(min, true, false, false)              \
    SCAN(min_count, true, false, true)         \
    SCAN(min_limited, true, true, false)       \
    SCAN(min_limited_count, true, true, true)

// At least two blocks a multiprocessor: without that word the compiler saves registers, and spills.
#define SEMOPT_SCAN(name, fairest, limited, count)                             \
    __global__ void __launch_bounds__(semopt::device::kThreads, count ? 2 : 0) \
        semopt_scan_##name(const semopt::device::SearchJob* job) {             \
        semopt::device::scan<fairest, limited, count>(*job);                   \
    }
SEMOPT_SCANS(SEMOPT_SCAN)
#undef SEMOPT_SCAN

__global__ void __launch_bounds__(semopt::device::kThreads, 2)
    semopt_collect(const semopt::device::SearchJob* job) {
    semopt::device::collect(*job);
}

__global__ void __launch_bounds__(semopt::device::kThreads, 2)
    semopt_histogram(const semopt::device::SearchJob* job) {
    semopt::device::count_bins(*job);
}

}  // extern "C"
