// One cell (user, sub-channel, number of offloaders) on plain memory, and what is done with it; the
// loops are compiled for each instruction set (cell_loops.h).
#pragma once

#include "model/model.h"

namespace semopt {

enum Modes : int { kRaw = 1, kSemantic = 2, kAnyMode = 3 };

// More than a QoE, as computed, may fall where the exact one rises: its three terms err by less
// than 2^-53 each (model/math.h, one_plus_exp), two additions by as much.
constexpr double kQoeSlack = 0x1p-49;

// extraction: 0 is raw mode, e > 0 is level e - 1 of semantic mode. A local task has extraction -1
// and power -1.
struct Choice {
    double value = -kInfinity;
    int power = -1, frequency = -1, extraction = -1;
};

// What a user and its task imply, whatever the channel. Tables of (extraction, frequency) stand row
// by row.
struct FrameView {
    const System<double>* system;
    const User<double>* user;
    const Task<double>* task;
    Reference<double> reference;
    int frequencies, extractions;
    const double* frequency;
    const double* extraction;  // 1 for raw mode, then the levels of semantic mode
    double *bits, *flop, *least_time, *least_energy;  // by extraction
    double *device_time, *device_energy;
    double* local;  // by frequency: QoE of the task run locally, -inf where it breaks a limit
};

// Tables of (extraction, power) and (extraction, frequency) stand row by row.
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
    const double *bits, *least_time, *least_energy;  // by extraction
    const double *device_time, *device_energy;
    double *rate, *snr_db;  // by power
    double* best_accuracy;  // by extraction: term of the QoE where the signal is strongest
    double* accuracy;       // by (extraction, power), in rows that are filled
    char* filled;           // by extraction
    double* extremes;       // of the powers: the highest rate, the least J a bit (slackened)
};

}  // namespace semopt
