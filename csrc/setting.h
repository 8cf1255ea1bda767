// A scenario as the kernels read it: owned copies of the packed records, tables and grid levels.
#pragma once

#include <vector>

#include "model.h"

namespace semopt {

struct Levels {
    std::vector<double> power, frequency;  // W, Hz
};

struct Setting {
    System<double> system;
    std::vector<User<double>> users;                           // N
    std::vector<Task<double>> tasks;                           // T
    std::vector<std::vector<double>> storage;                  // what `tables` points into
    std::vector<AccuracyTable<double>> tables;                 // T
    std::vector<Levels> levels;                                // N
    std::vector<std::vector<std::vector<double>>> extraction;  // N x T, semantic mode only

    Setting() = default;
    Setting(const Setting&) = delete;  // tables point into storage
    Setting& operator=(const Setting&) = delete;
};

// One slot of a setting: gain is (N, K) row by row, task (N).
struct Slot {
    const double* gain;
    const long long* task;
    int channels;
};

}  // namespace semopt
