// One cell (user, sub-channel, number of offloaders) on plain memory, and what is done with it; the
// loops are compiled for each instruction set (cell_loops.h).
#pragma once

#include "model.h"

namespace semopt {

enum Modes : int { kRaw = 1, kSemantic = 2, kAnyMode = 3 };

// extraction: 0 is raw mode, e > 0 the level e - 1 of semantic mode. Local: extraction and power
// -1.
struct Choice {
    double value = -__builtin_inf();
    int power = -1, frequency = -1, extraction = -1;
};

// Levels of (extraction, power) and (extraction, frequency) tables stand row by row.
struct CellView {
    const System<double>* system;
    const User<double>* user;
    const Task<double>* task;
    AccuracyTable<double> table;
    Reference<double> reference;
    double gain;
    int powers, frequencies, extractions;
    const double* power;
    const double* extraction;  // 1 for raw mode, then the levels of semantic mode
    const double* bits;        // on the air, by extraction
    const double *own_time, *own_energy;
    const int* used_frequencies;  // by extraction: 1 in raw mode
    double *rate, *snr_db;        // by power
    double* best_accuracy;        // by extraction: term of the QoE at the highest power
    double* accuracy;             // by (extraction, power), in rows that are filled
    char* filled;                 // by extraction
};

}  // namespace semopt
