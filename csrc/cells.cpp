#include "cells.h"

#include "dispatch.h"

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
    frame.extraction = {1.0};
    frame.extraction.insert(frame.extraction.end(), extraction.begin(), extraction.end());
    const size_t levels = frame.extraction.size();
    frame.bits.assign(levels, task.bits);
    frame.frequencies.assign(levels, int(frequency.size()));
    frame.frequencies[0] = 1;
    frame.own_time.assign(levels * frequency.size(), 0);
    frame.own_energy.assign(levels * frequency.size(), 0);
    for (size_t e = 1; e < levels; ++e) {
        const double mu = frame.extraction[e];
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

CellView Cells::view(int n, int channel, Link& link) const {
    const Frame& own = frame(n);
    const Levels& levels = setting_.levels[n];
    const size_t powers = levels.power.size(), extractions = own.extraction.size();
    if (!link.ready) {
        link.rate.resize(powers);
        link.snr_db.resize(powers);
        link.best_accuracy.resize(extractions);
        link.accuracy.resize(extractions * powers);
        link.filled.resize(extractions);
    }
    return {&setting_.system,
            &setting_.users[n],
            &setting_.tasks[slot_.task[n]],
            setting_.tables[slot_.task[n]],
            own.reference,
            gain(n, channel),
            int(powers),
            int(levels.frequency.size()),
            int(extractions),
            levels.power.data(),
            own.extraction.data(),
            own.bits.data(),
            own.own_time.data(),
            own.own_energy.data(),
            own.frequencies.data(),
            link.rate.data(),
            link.snr_db.data(),
            link.best_accuracy.data(),
            link.accuracy.data(),
            link.filled.data()};
}

Choice Cells::local(int user) const { return frame(user).local; }

Choice Cells::offload(int n, int channel, int offloaders, Modes modes) {
    ++evaluated_;
    Link& link = links_[size_t(n) * slot_.channels + channel];
    const CellView cell = view(n, channel, link);
    if (!link.ready) kernels().open_cell(cell);
    link.ready = true;
    scratch_.resize(size_t(cell.powers) + cell.frequencies);
    return kernels().best_of_cell(cell, modes, double(offloaders), scratch_.data());
}

}  // namespace semopt
