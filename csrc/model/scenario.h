// A scenario as the kernels read it: owned copies of the packed records, tables and grid levels.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "model/model.h"

namespace semopt {

struct Levels {
    std::vector<double> power, frequency;  // W, Hz
};

// A rising axis. Points that the precision does not tell apart are moved up, each to the next
// number or so far that the reciprocal of its cell's width is finite.
template <class R>
std::vector<R> kept_apart(std::vector<R> axis) {
    using Limits = std::numeric_limits<R>;
    for (size_t i = 1; i < axis.size(); ++i)
        axis[i] = std::max({axis[i], std::nextafter(axis[i - 1], math::Real<R>::infinity),
                            axis[i - 1] + Limits::min()});
    return axis;
}

// A table and the widths of its cells, laid out in `storage`.
template <class R>
AccuracyTable<R> make_table(const std::vector<R>& given_extraction,
                            const std::vector<R>& given_snr_db, const std::vector<R>& table,
                            const std::vector<R>& raw, std::vector<std::vector<R>>& storage) {
    const std::vector<R> extraction = kept_apart(given_extraction),
                         snr_db = kept_apart(given_snr_db);
    std::vector<R> flat;
    for (const auto* part : {&extraction, &snr_db, &table, &raw})
        flat.insert(flat.end(), part->begin(), part->end());
    for (const auto* axis : {&extraction, &snr_db}) {
        for (size_t i = 1; i < axis->size(); ++i)
            flat.push_back(R(1) / ((*axis)[i] - (*axis)[i - 1]));
        flat.push_back(0);
    }
    storage.push_back(std::move(flat));
    const R* const start = storage.back().data();
    const size_t rows = extraction.size(), columns = snr_db.size();
    const R *const values = start + rows + columns, *const last = values + table.size(),
                   *const scale = last + columns;
    return {start, start + rows, values, last, scale, scale + rows, int(rows), int(columns)};
}

struct Scenario {
    System<double> system;
    std::vector<User<double>> users;                           // N
    std::vector<Task<double>> tasks;                           // T
    std::vector<std::vector<double>> storage;                  // what `tables` points into
    std::vector<AccuracyTable<double>> tables;                 // T
    std::vector<Levels> levels;                                // N
    std::vector<std::vector<std::vector<double>>> extraction;  // N x T, semantic mode only

    Scenario() = default;
    Scenario(const Scenario&) = delete;  // tables point into storage
    Scenario& operator=(const Scenario&) = delete;
};

// One slot of a scenario: gain is (N, K) row by row, task (N).
struct Slot {
    const double* gain;
    const long long* task;
    int channels;
};

}  // namespace semopt
