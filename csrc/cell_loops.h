// The best action of a cell: bounds of a whole extraction level, then of a whole power, then its
// actions. Latency falls in power and frequency, energy rises in both, accuracy rises in power;
// what a bound rules out is dominated for this number of offloaders. Included by cpu.cpp alone.
#pragma once

#include "cell.h"

namespace semopt {
namespace {

double accuracy_of(const CellView& cell, int e, int p) {
    const double reached = accuracy(cell.table, cell.extraction[e], cell.snr_db[p]);
    return reached < cell.task->accuracy_min
               ? -__builtin_inf()
               : accuracy_term(*cell.system, *cell.user, cell.reference, reached);
}

void open_cell(const CellView& cell) {
    for (int p = 0; p < cell.powers; ++p) {
        const double link = snr(cell.gain, cell.power[p], cell.system->noise);
        cell.rate[p] = rate(cell.system->bandwidth, link);
        cell.snr_db[p] = decibel(link);
    }
    for (int e = 0; e < cell.extractions; ++e) {
        cell.best_accuracy[e] = accuracy_of(cell, e, cell.powers - 1);
        cell.filled[e] = 0;
    }
}

// `scratch` holds powers + frequencies numbers.
Choice best_of_cell(const CellView& cell, Modes modes, double offloaders, double* scratch) {
    const System<double> system = *cell.system;
    const User<double> user = *cell.user;
    const Reference<double> reference = cell.reference;
    double *const bound = scratch, *const value = scratch + cell.powers;
    const auto score = [&](double time, double energy, double accuracy) {
        const double qoe = latency_term(system, user, reference, time) +
                           energy_term(system, user, reference, energy) + accuracy;
        const bool feasible = (time <= system.latency_max) & (energy <= user.energy_max);
        return feasible ? qoe : -__builtin_inf();
    };
    Choice best;
    const int first = modes & kRaw ? 0 : 1, last = modes & kSemantic ? cell.extractions : 1;
    for (int e = first; e < last; ++e) {
        const double flop = e ? cell.task->server_flop : cell.task->server_raw_flop;
        const double server = server_time(flop, offloaders, system);
        const double server_joule = server_energy(server, offloaders, system);
        const double *own_time = cell.own_time + e * cell.frequencies,
                     *own_energy = cell.own_energy + e * cell.frequencies;
        const int frequencies = cell.used_frequencies[e], powers = cell.powers;
        const double bits = cell.bits[e], least_time = own_time[frequencies - 1],
                     least_energy = own_energy[0];
        // In the order of model.h: what the user computes, then (the air, then the server).
        const auto air_time = [&](int p) { return transmission_time(bits, cell.rate[p]); };
        const auto air_energy = [&](int p) {
            return transmission_energy(cell.power[p], air_time(p));
        };
        if (score(least_time + (air_time(powers - 1) + server),
                  least_energy + (air_energy(0) + server_joule),
                  cell.best_accuracy[e]) <= best.value)
            continue;
        double* const accuracy = cell.accuracy + e * powers;
        if (!cell.filled[e])
            for (int p = 0; p < powers; ++p) accuracy[p] = accuracy_of(cell, e, p);
        cell.filled[e] = 1;
        for (int p = 0; p < powers; ++p)
            bound[p] = score(least_time + (air_time(p) + server),
                             least_energy + (air_energy(p) + server_joule), accuracy[p]);
        for (int p = 0; p < powers; ++p) {
            if (bound[p] <= best.value) continue;
            const double time = air_time(p) + server, energy = air_energy(p) + server_joule;
            for (int f = 0; f < frequencies; ++f)
                value[f] = score(own_time[f] + time, own_energy[f] + energy, accuracy[p]);
            for (int f = 0; f < frequencies; ++f)
                if (value[f] > best.value) best = {value[f], p, f, e};
        }
    }
    return best;
}

}  // namespace
}  // namespace semopt
