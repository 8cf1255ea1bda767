#include "exact/cells.h"

#include "host/instruction_set.h"

namespace semopt {

Cells::Cells(const Scenario& scenario) : scenario_(scenario) { make_frames(); }

void Cells::make_frames() {
    made_by_ = &kernels();
    frames_.clear();
    for (size_t n = 0; n < scenario_.users.size(); ++n)
        for (size_t t = 0; t < scenario_.tasks.size(); ++t) frames_.push_back(make_frame(n, t));
}

void Cells::load(const Slot& slot) {
    slot_ = slot;
    if (made_by_ != &kernels()) make_frames();
    links_.resize(scenario_.users.size() * slot.channels);
    for (Link& link : links_) link.ready = false;
    evaluated_ = 0;
}

Cells::Frame Cells::make_frame(int n, int t) const {
    const std::vector<double>& frequency = scenario_.levels[n].frequency;
    const std::vector<double>& extraction = scenario_.extraction[n][t];
    Frame frame;
    frame.reference = reference(scenario_.users[n], scenario_.tasks[t]);
    frame.extraction = {1.0};
    frame.extraction.insert(frame.extraction.end(), extraction.begin(), extraction.end());
    const size_t levels = frame.extraction.size(), frequencies = frequency.size();
    for (auto* list : {&frame.bits, &frame.least_time, &frame.least_energy}) list->resize(levels);
    for (auto* list : {&frame.device_time, &frame.device_energy})
        list->resize(levels * frequencies);
    std::vector<double> flop(levels), local(frequencies);
    made_by_->open_frame({&scenario_.system, &scenario_.users[n], &scenario_.tasks[t],
                          frame.reference, int(frequencies), int(levels), frequency.data(),
                          frame.extraction.data(), frame.bits.data(), flop.data(),
                          frame.least_time.data(), frame.least_energy.data(),
                          frame.device_time.data(), frame.device_energy.data(), local.data()});
    for (size_t f = 0; f < frequencies; ++f)
        if (local[f] > frame.local.value) frame.local = {local[f], -1, int(f), -1};
    return frame;
}

CellView Cells::view(int n, int channel, Link& link) const {
    const Frame& user_frame = frame(n);
    const Levels& levels = scenario_.levels[n];
    const size_t powers = levels.power.size(), extractions = user_frame.extraction.size();
    if (!link.ready) {
        link.rate.resize(powers);
        link.snr_db.resize(powers);
        link.best_accuracy.resize(extractions);
        link.accuracy.resize(extractions * powers);
        link.filled.resize(extractions);
    }
    return {&scenario_.system,
            &scenario_.users[n],
            &scenario_.tasks[slot_.task[n]],
            scenario_.tables[slot_.task[n]],
            user_frame.reference,
            gain(n, channel),
            int(powers),
            int(levels.frequency.size()),
            int(extractions),
            levels.power.data(),
            user_frame.extraction.data(),
            user_frame.bits.data(),
            user_frame.least_time.data(),
            user_frame.least_energy.data(),
            user_frame.device_time.data(),
            user_frame.device_energy.data(),
            link.rate.data(),
            link.snr_db.data(),
            link.best_accuracy.data(),
            link.accuracy.data(),
            link.filled.data(),
            link.extremes};
}

Choice Cells::local(int user) const { return frame(user).local; }

Choice Cells::offload(int n, int channel, int offloaders, Modes modes) {
    ++evaluated_;
    Link& link = links_[size_t(n) * slot_.channels + channel];
    const CellView cell = view(n, channel, link);
    if (!link.ready) made_by_->open_cell(cell);
    link.ready = true;
    scratch_.resize(size_t(cell.powers) + cell.frequencies + cell.extractions);
    return made_by_->best_of_cell(cell, modes, double(offloaders), scratch_.data());
}

}  // namespace semopt
