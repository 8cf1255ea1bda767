// The best grid action of each cell: (user, sub-channel, number of offloaders).
//
// Beside the number of offloaders m, latency and energy of an offloaded task are sums of a part of
// (extraction, power), a part of (extraction, frequency) and the server's part; accuracy is a
// function of (extraction, power). The parts are tabulated once a user and task, or once a user and
// channel and only where they are needed, so that a cell costs additions and two sigmoids an
// action; the loops are in isa/cell_loops.h.
#pragma once

#include <vector>

#include "exact/matching.h"
#include "isa/cell.h"
#include "model/scenario.h"

namespace semopt {

struct Kernels;

class Cells {
  public:
    explicit Cells(const Scenario& scenario);

    void load(const Slot& slot);
    Choice local(int user) const;
    // Best action of `user` on `channel` with `offloaders` in all; -inf when none meets its limits.
    Choice offload(int user, int channel, int offloaders, Modes modes = kAnyMode);
    int channels() const { return slot_.channels; }
    double gain(int user, int channel) const {
        return slot_.gain[size_t(user) * slot_.channels + channel];
    }
    const Scenario& scenario() const { return scenario_; }
    long long evaluated() const { return evaluated_; }  // cells, since load

  private:
    // What a user and its task imply, whatever the channel; (extraction, frequency) tables.
    struct Frame {
        Reference<double> reference;
        Choice local;
        std::vector<double> extraction;  // 1 for raw mode, then the levels of semantic mode
        std::vector<double> bits;        // on the air, by extraction
        std::vector<double> least_time, least_energy;    // on the device, by extraction
        std::vector<double> device_time, device_energy;  // by extraction and frequency
    };
    // What the channel's gain adds.
    struct Link {
        bool ready = false;
        std::vector<double> rate, snr_db;   // by power
        double extremes[2];                 // of the powers (isa/cell.h)
        std::vector<double> best_accuracy;  // by extraction: the highest term of the QoE
        std::vector<double> accuracy;       // by extraction and power, in the rows that are filled
        std::vector<char> filled;           // by extraction
    };

    const Frame& frame(int user) const {
        return frames_[user * scenario_.tasks.size() + slot_.task[user]];
    }
    void make_frames();
    Frame make_frame(int user, int task) const;
    CellView view(int user, int channel, Link& link) const;

    const Scenario& scenario_;
    Slot slot_{};
    std::vector<Frame> frames_;  // (users, tasks)
    const Kernels* made_by_;     // the kernels that computed them
    std::vector<Link> links_;    // (users, channels)
    std::vector<double> scratch_;
    long long evaluated_ = 0;
};

}  // namespace semopt
