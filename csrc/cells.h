// The best grid action of each cell: (user, sub-channel, number of offloaders).
//
// Beside the number of offloaders m, latency and energy of an offloaded task are sums of a part of
// (extraction, power), a part of (extraction, frequency) and the server's part; accuracy is a
// function of (extraction, power). The parts are tabulated once a user and task, or once a user and
// channel, so that a cell costs additions and two sigmoids an action. Each part is monotone in power
// and frequency, which bounds a whole extraction level, then a whole power, before its actions are
// scored; what a bound rules out is dominated for this m.
#pragma once

#include <vector>

#include "matching.h"
#include "setting.h"

namespace semopt {

// extraction: 0 is raw mode, e > 0 the level e - 1 of semantic mode. Local: extraction and power -1.
struct Choice {
    double value = -kInfinity;
    int power = -1, frequency = -1, extraction = -1;
};

enum Modes : int { kRaw = 1, kSemantic = 2, kAnyMode = 3 };

class Cells {
  public:
    explicit Cells(const Setting& setting);

    void load(const Slot& slot);
    Choice local(int user) const;
    // Best action of `user` on `channel` with `offloaders` in all; -inf when none meets its limits.
    Choice offload(int user, int channel, int offloaders, Modes modes = kAnyMode);
    int channels() const { return slot_.channels; }
    double gain(int user, int channel) const {
        return slot_.gain[size_t(user) * slot_.channels + channel];
    }
    const Setting& setting() const { return setting_; }
    long long evaluated() const { return evaluated_; }  // cells, since load

  private:
    // What a user and its task imply, whatever the channel; (extraction, frequency) tables row by row.
    struct Frame {
        Reference<double> reference;
        Choice local;
        std::vector<double> bits;                   // on the air, by extraction
        std::vector<double> own_time, own_energy;   // by extraction and frequency
        std::vector<int> frequencies;               // how many of them matter: 1 in raw mode
    };
    // What the channel's gain adds; (extraction, power) tables.
    struct Link {
        bool ready = false;
        std::vector<double> time, energy, accuracy;  // accuracy: its weighted sigmoid, or -inf
    };

    const Frame& frame(int user) const {
        return frames_[user * setting_.tasks.size() + slot_.task[user]];
    }
    Frame make_frame(int user, int task) const;
    void make_link(Link& link, int user, int channel) const;

    const Setting& setting_;
    Slot slot_{};
    std::vector<Frame> frames_;  // (users, tasks)
    std::vector<Link> links_;    // (users, channels)
    std::vector<double> bounds_;
    long long evaluated_ = 0;
};

}  // namespace semopt
