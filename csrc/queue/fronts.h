// The efficient actions of all cells of a queue, and what prices of energy make of them.
//
// At prices y of the users' energy (QoE/J) a slot's best joint action is, for each number m of
// offloaders, an assignment (exact/matching.h) of cells worth max QoE - y E over their actions.
// Only actions count that no other one of the cell equals in both with less energy or more QoE.
// They do not depend on the prices and are few, so they are found once. A skipped task, without
// QoE, energy and sub-channel, stands in the list of the local ones.
#pragma once

#include <functional>
#include <vector>

#include "exact/matching.h"
#include "host/layout.h"

namespace semopt {

constexpr int kSkip = -1;  // in place of an action's number

struct Efficient {
    double qoe, energy;
    int action;  // its number among those of its list (model/space.h)
};
using Front = std::vector<Efficient>;  // both figures rise

// The action of a list that a user takes, and its worth to it; none where it may take none.
struct Judged {
    const Efficient* action = nullptr;
    double value = -kInfinity;
};
using Judge = std::function<Judged(const Front&, int user)>;

// A joint action of a slot.
struct Column {
    double value = -kInfinity;  // its worth to all users, such as the sum of QoE - y E
    std::vector<int> channel;   // (users), -1 local or skipped
    std::vector<Efficient> choice;
};

class Fronts {
  public:
    // Slots gain (T, N, K), task (T, N). Of energy, that of a task counts (9), or its device's (7).
    // Where `stop` ends it early it is of no use.
    Fronts(const Scenario& scenario, const ScenarioView<double>& view, const double* gain,
           const long long* task, int slots, int channels, bool device, int threads,
           const Stop& stop);

    int slots() const { return slots_; }
    int users() const { return users_; }
    int channels() const { return channels_; }
    int most_offloaders() const { return most_; }
    // Of a user's local tasks, where `channel` is -1, or of those offloaded beside m - 1 others.
    const Front& front(int slot, int user, int channel, int offloaders) const;

    // The best joint action of a slot at prices y (users), or by what actions are worth to users.
    Column best(int slot, const double* price) const;
    Column best(int slot, const Judge& judge) const;

  private:
    size_t place(int slot, int user, int channel, int offloaders) const;

    int slots_, users_, channels_, most_;
    std::vector<Front> fronts_;  // (slots, users, lists of model/space.h)
};

}  // namespace semopt
