// Maximum-weight assignment of sub-channels to users with exactly m offloaders.
//
// With weight w[n][k] of user n on channel k, local[n] of user n alone (-inf: the user must
// offload):
//     max sum of w over the matched pairs + sum of local over the others, exactly m pairs.
// Costs are c = local - w (c = -w for a user that must offload). The primal-dual invariant is
//     u[n] + v[k] <= c[n][k], equality on matched pairs;  v <= 0, v = 0 on free channels;
//     u[n] = theta on unmatched optional users, u[n] <= theta on matched ones.
// First each obliged user enters by a shortest augmenting path (Hungarian method); then optional
// users enter one at a time by the shortest path from all of them at once, which keeps the matching
// optimal for every size on the way. theta is the price of one more offloader.
#pragma once

#include <stddef.h>

#include <functional>
#include <vector>

#include "isa/cell.h"

namespace semopt {

using Stop = std::function<bool()>;  // whether to end early

class Matching {
  public:
    // weight (users, channels) row by row, -inf where impossible; local (users). Returns false,
    // with value() = -inf, when no assignment has exactly `offloaders` pairs, or `stop` asks for an
    // end.
    bool solve(const double* weight, const double* local, int users, int channels, int offloaders,
               const Stop* stop = nullptr);

    double value() const { return value_; }
    const std::vector<int>& channel() const { return channel_; }  // (users), -1 where local
    // Duals of the last successful solve, in terms of costs: see above.
    const std::vector<double>& channel_price() const { return v_; }
    double offloader_price() const { return theta_; }

  private:
    const double* cost(int user) const { return cost_.data() + size_t(user) * channels_; }
    void open_paths();
    void extend_paths(int user, double length);
    bool grow_to_free_channel();
    int augment();
    void find_champion(int channel);

    int users_ = 0, channels_ = 0, end_ = -1;
    double theta_ = 0, length_ = 0, value_ = 0;
    std::vector<double> cost_, u_, v_, distance_;
    std::vector<int> channel_, matched_user_;  // of a user, of a channel; -1: none
    std::vector<int> from_;                    // the user from which a channel was reached
    std::vector<int> champion_;                // the cheapest unmatched optional user of a channel
    std::vector<int> reached_;                 // channels of the tree, in the order of distance
    std::vector<char> in_tree_, waiting_;      // waiting_: an optional user without channel
};

// The same by trying every assignment, where there are few: the best sum as rounded when it is
// added up from the first user to the last, which is how joint actions score (isa/scan_loops.h). Of
// equal ones the first, local before sub-channel 0.
class Enumeration {
  public:
    static bool suits(int users, int channels, int offloaders);
    bool solve(const double* weight, const double* local, int users, int channels, int offloaders);

    double value() const { return value_; }
    const std::vector<int>& channel() const { return channel_; }

  private:
    void place(int user, int offloaders, double value);

    const double *weight_ = nullptr, *local_ = nullptr;
    int users_ = 0, channels_ = 0;
    double value_ = 0;
    std::vector<int> channel_, tried_;
    std::vector<char> channel_used_;
};

}  // namespace semopt
