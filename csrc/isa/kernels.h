// The CPU kernels: one object per instruction set (kernels.cpp), each a table of functions on plain
// memory. Callers split the work over threads (host/); nothing here allocates.
#pragma once

#include "isa/cell.h"
#include "model/model.h"
#include "model/space.h"

namespace semopt {

struct Ceilings;  // probe/ceiling.h

// Tasks that are scored together, 6 KiB a field: a block's results stay in the core's caches.
template <class R>
constexpr int kBlock = 6144 / sizeof(R);

constexpr int kMostLanes = 16;  // of any vector

// The user of each task of a block, task after task. A block starts at the first user or, where a
// row is longer than a block, at any user.
template <class R>
struct UserRows {
    const Index<R>* user;                       // (length)
    const R* fields;                            // (fields of a User, length)
    const R *reference_time, *reference_power;  // (length)
    long long length;                           // kMostLanes more than kBlock and N
};

// The fields of each kind of task, field after field.
template <class R>
struct Kinds {
    const R* fields;  // (fields of a Task, length)
    int length;       // T, or kMostLanes if that is more
};

// The most points of an axis that the vector code takes. Shorter axes end in infinity, their tables
// in the last value, which changes no result.
constexpr int kAxis = 16;

// An axis, whose length is divided into kAxis buckets: x is in bucket x per_unit + offset, rounded
// down. With as few points as buckets, most buckets lie within two cells.
template <class R>
struct alignas(64) AxisRows {
    R edge[kAxis];   // the points
    R scale[kAxis];  // 1 / width of the cell that a point starts
    R next[kAxis];   // the point that ends it
    R start[kAxis];  // the bits of the cell (Index<R>) in which a bucket starts
    R first, last, per_unit, offset;
    int steps;  // the most cells from that one to where a number of its bucket is
};

// All kinds' accuracy tables, padded. The last row of corners is that of raw mode.
template <class R>
struct Lookup {
    const AxisRows<R>* axes;  // (T, 2): extraction, SNR
    // (T, kAxis + 1, kAxis + 1, 2): of rows i and i + 1, column after column, the last one twice;
    // null if an axis is longer.
    const R* corners;
    bool shared;  // the axes of all kinds are the same
};

// A scenario in the precision of the kernels.
template <class R>
struct ScenarioView {
    const System<R>* system;
    const User<R>* users;            // (N)
    const Task<R>* tasks;            // (T)
    const AccuracyTable<R>* tables;  // (T)
    UserRows<R> user_rows;
    Kinds<R> kinds;
    Lookup<R> lookup;
    int user_count, task_count;
};

// Joint actions to be scored: arrays (B, N) row by row.
template <class R>
struct Batch {
    ScenarioView<R> scenario;
    const long long* channel;
    const R *power, *frequency, *extraction;
    const R* gain;          // (N, K), or (B, N, K) with a slot a row
    const long long* task;  // (N) or (B, N)
    int channels;
    bool slot_per_row;
    R *latency, *energy, *accuracy, *qoe;
    unsigned char* violations;
};

// Faults of a batch, detected while it is scored.
constexpr unsigned kChannelFault = 1, kTaskFault = 2, kNotANumber = 4;

// One user's grid in a slot, and where its scores go (model/space.h); infeasible actions score
// -inf.
struct Grid {
    ScenarioView<double> scenario;
    int user, task, channels;
    const double *power, *frequency, *extraction;  // ascending; extraction below 1
    int powers, frequencies, extractions;
    const double* gain;  // (K) of this user
    double* value;
    double* server_energy;  // J, beside each score; null where nothing limits it
    double* energy;         // J of the task, likewise; null where nobody asks
};

// What a scan over joint actions searches for; lists of scores are ordered as in model/space.h.
struct Search {
    Space space;
    const double* const* value;          // (N) scores of each user
    const double* const* server_energy;  // (N), or null without a limit
    double server_energy_max;
    bool fairest;  // the smallest of the users' scores, not their sum
    int keep;      // how many of the best to keep
    bool count;    // count those that score at least `above`
    double above;
    int bins;             // of a histogram; 0: none
    const double* edges;  // (bins + 1) the least score of each bin, and of none after the last
    double slack, energy_slack;  // largest error of the single-precision scan
};

// The results of a scan and its scratch memory: one a thread.
struct Scan {
    Scored* best;  // (keep), heap with the worst on top
    int kept;
    long long above;
    long long* histogram;            // (bins)
    const double* sorted_list;       // the list of the last user that `sorted` holds, or null
    double *sorted, *sorted_energy;  // its feasible scores, rising; null where nothing is counted
    long long sorted_count;
    int *channel, *digit;            // (N)
    const double **value, **energy;  // (N) lists of the current pattern
    long long* size;                 // (N)
    double *prefix, *energy_prefix;  // (N + 1)
    float *tail, *energy_tail;       // (tail_limit)
    double *row, *energy_row;        // (kTile)
};

// Sorts scores (count), and the numbers beside them (or null) with them. Defined in
// host/search.cpp: objects that are compiled for one instruction set must not share the library's
// templates.
void sort_scores(double* score, double* beside, long long count);

constexpr int kTile = 4096;       // scores a pass over the heads reads: L1 cache
constexpr int kMerged = 1 << 15;  // largest list merged from several users'

struct Kernels {
    const char* name;
    unsigned (*evaluate)(const Batch<double>&, long long first, long long last);  // faults
    unsigned (*evaluate_single)(const Batch<float>&, long long first, long long last);
    void (*tabulate)(const Grid&, long long list);  // 0 local, then as in list_start
    void (*search)(const Search&, long long first, long long last, Scan&);
    void (*elementary)(int function, const double* x, const double* y, double* out,
                       long long count);
    void (*elementary_single)(int function, const float* x, const float* y, float* out,
                              long long count);
    void (*open_frame)(const FrameView&);
    void (*open_cell)(const CellView&);  // fills what does not depend on the number of offloaders
    Choice (*best_of_cell)(const CellView&, Modes, double offloaders, double* scratch);
    const char* (*arithmetic_fault)();  // model/arithmetic.h
    const Ceilings* ceilings;
};

}  // namespace semopt
