#include "cells.h"

#include <algorithm>

namespace semopt {

Cells::Cells(const Setting& setting) : setting_(setting) {
    for (size_t n = 0; n < setting.users.size(); ++n)
        for (size_t t = 0; t < setting.tasks.size(); ++t) frames_.push_back(make_frame(n, t));
}

void Cells::load(const Slot& slot) {
    slot_ = slot;
    links_.resize(setting_.users.size() * slot.channels);
    for (Link& link : links_) link.ready = false;
    evaluated_ = 0;
}

Cells::Frame Cells::make_frame(int n, int t) const {
    const System<double>& system = setting_.system;
    const User<double>& user = setting_.users[n];
    const Task<double>& task = setting_.tasks[t];
    const std::vector<double>& frequency = setting_.levels[n].frequency;
    const std::vector<double>& extraction = setting_.extraction[n][t];
    Frame frame;
    frame.reference = reference(user, task);
    for (size_t f = 0; f < frequency.size(); ++f) {
        const Outcome<double> outcome = execute_locally(system, user, task, frequency[f]);
        if (!violations(system, user, task, outcome) && outcome.qoe > frame.local.value)
            frame.local = {outcome.qoe, -1, int(f), -1};
    }
    const size_t levels = 1 + extraction.size();
    frame.bits.resize(levels);
    frame.frequencies.assign(levels, int(frequency.size()));
    frame.own_time.assign(levels * frequency.size(), 0);
    frame.own_energy.assign(levels * frequency.size(), 0);
    frame.bits[0] = task.bits;
    frame.frequencies[0] = 1;
    for (size_t e = 1; e < levels; ++e) {
        const double mu = extraction[e - 1];
        frame.bits[e] = sent_bits(task.semantic_bits, mu, system.compress_exponent);
        const double flop = extraction_flop(task.extract_flop, mu, system.extract_exponent);
        for (size_t f = 0; f < frequency.size(); ++f) {
            const double time = execution_time(flop, user.flop_per_cycle, frequency[f]);
            frame.own_time[e * frequency.size() + f] = time;
            frame.own_energy[e * frequency.size() + f] =
                execution_energy(user.energy_coefficient, time, frequency[f]);
        }
    }
    return frame;
}

void Cells::make_link(Link& link, int n, int channel) const {
    const System<double>& system = setting_.system;
    const User<double>& user = setting_.users[n];
    const int kind = int(slot_.task[n]);
    const Task<double>& task = setting_.tasks[kind];
    const Frame& own = frame(n);
    const std::vector<double>& power = setting_.levels[n].power;
    const size_t points = own.bits.size() * power.size();
    link.time.resize(points);
    link.energy.resize(points);
    link.accuracy.resize(points);
    for (size_t p = 0; p < power.size(); ++p) {
        const double ratio = snr(gain(n, channel), power[p], system.noise);
        const double bits_per_second = rate(system.bandwidth, ratio);
        const double snr_db = decibel(ratio);
        for (size_t e = 0; e < own.bits.size(); ++e) {
            const size_t i = e * power.size() + p;
            const double mu = e ? setting_.extraction[n][kind][e - 1] : 1.0;
            const double reached = accuracy(setting_.tables[kind], mu, snr_db);
            link.time[i] = transmission_time(own.bits[e], bits_per_second);
            link.energy[i] = transmission_energy(power[p], link.time[i]);
            link.accuracy[i] = reached < task.accuracy_min
                                   ? -kInfinity
                                   : accuracy_term(system, user, own.reference, reached);
        }
    }
    link.ready = true;
}

Choice Cells::local(int user) const { return frame(user).local; }

Choice Cells::offload(int n, int channel, int offloaders, Modes modes) {
    ++evaluated_;
    Link& link = links_[size_t(n) * slot_.channels + channel];
    if (!link.ready) make_link(link, n, channel);
    const System<double>& system = setting_.system;
    const User<double>& user = setting_.users[n];
    const Task<double>& task = setting_.tasks[slot_.task[n]];
    const Frame& own = frame(n);
    const int powers = int(setting_.levels[n].power.size());
    const int stride = int(setting_.levels[n].frequency.size());
    const double most_time = system.latency_max, most_energy = user.energy_max;
    const auto score = [&](double time, double energy, double accuracy) {
        return latency_term(system, user, own.reference, time) +
               energy_term(system, user, own.reference, energy) + accuracy;
    };
    bounds_.resize(powers);
    Choice best;
    const int first = modes & kRaw ? 0 : 1, last = modes & kSemantic ? int(own.bits.size()) : 1;
    for (int e = first; e < last; ++e) {
        const double server = server_time(e ? task.server_flop : task.server_raw_flop,
                                          double(offloaders), system);
        const double server_joule = server_energy(server, double(offloaders), system);
        const double *own_time = own.own_time.data() + e * stride,
                     *own_energy = own.own_energy.data() + e * stride,
                     *time = link.time.data() + e * powers,
                     *energy = link.energy.data() + e * powers,
                     *accuracy = link.accuracy.data() + e * powers;
        const int top = own.frequencies[e] - 1;  // own_time falls, own_energy rises up to it
        const double least_time = own_time[top], least_energy = own_energy[0];
        const auto total_time = [&](double own, int p) { return own + (time[p] + server); };
        const auto total_energy = [&](double own, int p) {
            return own + (energy[p] + server_joule);
        };
        // In power, time falls while energy and accuracy rise.
        const double shortest = total_time(least_time, powers - 1);
        const double cheapest = total_energy(least_energy, 0);
        if (shortest > most_time || cheapest > most_energy ||
            score(shortest, cheapest, accuracy[powers - 1]) <= best.value)
            continue;
        for (int p = 0; p < powers; ++p)
            bounds_[p] = score(total_time(least_time, p), total_energy(least_energy, p), accuracy[p]);
        for (int p = 0; p < powers; ++p) {
            if (bounds_[p] <= best.value) continue;
            for (int f = 0; f <= top; ++f) {
                const double t = total_time(own_time[f], p), j = total_energy(own_energy[f], p);
                if (t > most_time || j > most_energy) continue;
                const double value = score(t, j, accuracy[p]);
                if (value > best.value) best = {value, p, f, e};
            }
        }
    }
    return best;
}

}  // namespace semopt
