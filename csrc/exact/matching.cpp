#include "exact/matching.h"

#include <algorithm>

namespace semopt {

void Matching::open_paths() {
    std::fill(distance_.begin(), distance_.end(), kInfinity);
    std::fill(in_tree_.begin(), in_tree_.end(), 0);
    reached_.clear();
}

// Offers every channel outside the tree the way through `user`, itself `length` away.
void Matching::extend_paths(int user, double length) {
    const double* c = cost(user);
    const double offset = length - u_[user];
    for (int k = 0; k < channels_; ++k) {
        const double d = c[k] - v_[k] + offset;
        if (!in_tree_[k] && d < distance_[k]) {
            distance_[k] = d;
            from_[k] = user;
        }
    }
}

// Dijkstra's method over channels; the reduced costs are non-negative.
bool Matching::grow_to_free_channel() {
    for (;;) {
        int nearest = -1;
        double d = kInfinity;
        for (int k = 0; k < channels_; ++k)
            if (!in_tree_[k] && distance_[k] < d) {
                d = distance_[k];
                nearest = k;
            }
        if (nearest < 0) return false;
        if (matched_user_[nearest] < 0) {
            end_ = nearest;
            length_ = d;
            return true;
        }
        in_tree_[nearest] = 1;
        reached_.push_back(nearest);
        extend_paths(matched_user_[nearest], d);
    }
}

// Raises the prices so that the path becomes tight, then flips it. Returns the start of the path.
int Matching::augment() {
    for (int k : reached_) {
        const double raise = length_ - distance_[k];
        u_[matched_user_[k]] += raise;
        v_[k] -= raise;
    }
    for (int k = end_;;) {
        const int user = from_[k];
        matched_user_[k] = user;
        std::swap(channel_[user], k);
        if (k < 0) return user;
    }
}

void Matching::find_champion(int channel) {
    int best = -1;
    double least = kInfinity;
    for (int n = 0; n < users_; ++n) {
        const double c = cost(n)[channel];
        if (waiting_[n] && c < least) {
            least = c;
            best = n;
        }
    }
    champion_[channel] = best;
}

bool Matching::solve(const double* weight, const double* local, int users, int channels,
                     int offloaders, const Stop* stop) {
    users_ = users;
    channels_ = channels;
    value_ = -kInfinity;
    theta_ = 0;
    cost_.resize(size_t(users) * channels);
    u_.assign(users, 0);
    v_.assign(channels, 0);
    distance_.resize(channels);
    in_tree_.resize(channels);
    from_.resize(channels);
    champion_.resize(channels);
    channel_.assign(users, -1);
    matched_user_.assign(channels, -1);
    waiting_.assign(users, 0);

    int obliged = 0;
    for (int n = 0; n < users; ++n) {
        const bool optional = local[n] > -kInfinity;
        const double base = optional ? local[n] : 0;
        waiting_[n] = optional;
        obliged += !optional;
        for (int k = 0; k < channels; ++k)
            cost_[size_t(n) * channels + k] = base - weight[size_t(n) * channels + k];
    }
    if (offloaders < obliged || offloaders > std::min(users, channels)) return false;

    for (int n = 0; n < users; ++n) {
        if (waiting_[n]) continue;
        if (stop && (*stop)()) return false;
        open_paths();
        extend_paths(n, 0);
        if (!grow_to_free_channel()) return false;
        u_[n] += length_;
        augment();
    }
    if (offloaders > obliged) {
        theta_ = kInfinity;
        for (int k = 0; k < channels; ++k) {
            find_champion(k);
            if (champion_[k] >= 0) theta_ = std::min(theta_, cost(champion_[k])[k] - v_[k]);
        }
        if (theta_ == kInfinity) return false;
    }
    for (int m = obliged; m < offloaders; ++m) {
        if (stop && (*stop)()) return false;
        open_paths();
        for (int k = 0; k < channels; ++k)
            if (champion_[k] >= 0) {
                distance_[k] = cost(champion_[k])[k] - theta_ - v_[k];
                from_[k] = champion_[k];
            }
        if (!grow_to_free_channel()) return false;
        theta_ += length_;
        const int user = augment();
        u_[user] = theta_;
        waiting_[user] = 0;
        for (int k = 0; k < channels; ++k)
            if (champion_[k] == user) find_champion(k);
    }
    value_ = 0;
    for (int n = 0; n < users; ++n) {
        const int k = channel_[n];
        value_ += k < 0 ? local[n] : weight[size_t(n) * channels + k];
    }
    return true;
}

bool Enumeration::suits(int users, int channels, int offloaders) {
    constexpr long long kMostTried = 100;
    long long count = 1;  // channels (channels - 1) ... times users over offloaders
    for (int i = 0; i < offloaders && count <= kMostTried; ++i)
        count = count * (channels - i) * (users - i) / (i + 1);
    return count <= kMostTried;
}

void Enumeration::place(int user, int offloaders, double value) {
    if (user == users_) {
        if (value <= value_) return;
        value_ = value;
        channel_ = tried_;
        return;
    }
    if (users_ - user > offloaders && local_[user] > -kInfinity) {
        tried_[user] = -1;
        place(user + 1, offloaders, value + local_[user]);
    }
    if (offloaders == 0) return;
    for (int k = 0; k < channels_; ++k) {
        const double weight = weight_[size_t(user) * channels_ + k];
        if (channel_used_[k] || weight == -kInfinity) continue;
        channel_used_[k] = 1;
        tried_[user] = k;
        place(user + 1, offloaders - 1, value + weight);
        channel_used_[k] = 0;
    }
}

bool Enumeration::solve(const double* weight, const double* local, int users, int channels,
                        int offloaders) {
    weight_ = weight;
    local_ = local;
    users_ = users;
    channels_ = channels;
    value_ = -kInfinity;
    tried_.resize(users);
    channel_used_.assign(channels, 0);
    if (offloaders <= std::min(users, channels)) place(0, offloaders, 0);
    return value_ > -kInfinity;
}

}  // namespace semopt
