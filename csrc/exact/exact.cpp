#include "exact/exact.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace semopt {

Choice Exact::offload(int user, int channel, int offloaders) {
    if (user != forced_.user) return cells_.offload(user, channel, offloaders);
    return forced_.modes ? cells_.offload(user, channel, offloaders, Modes(forced_.modes))
                         : Choice{};
}

// No assignment of this size is worth more: every user on its strongest channel.
double Exact::bound(int offloaders) {
    if (offloaders > std::min(users_, channels_)) return -kInfinity;
    double total = 0, least = kInfinity;
    int optional = offloaders;
    gains_over_local_.clear();
    for (int n = 0; n < users_; ++n) {
        const bool obliged = local_[n] == -kInfinity;
        const double best =
            offloaders ? offload(n, by_gain_[size_t(n) * channels_], offloaders).value : -kInfinity;
        total += obliged ? best : local_[n];
        least = std::min(least, std::max(best, local_[n]));
        optional -= obliged;
        if (!obliged) gains_over_local_.push_back(best - local_[n]);
    }
    if (optional < 0 || optional > int(gains_over_local_.size())) return -kInfinity;
    std::partial_sort(gains_over_local_.begin(), gains_over_local_.begin() + optional,
                      gains_over_local_.end(), std::greater<>());
    total = std::accumulate(gains_over_local_.begin(), gains_over_local_.begin() + optional, total);
    if (total == -kInfinity) return total;
    return fairest_ ? least + kQoeSlack : total + slack_;
}

// Scores the user's channel of that rank, and so all of the same gain, and lowers the bounds of its
// weaker ones.
double Exact::score(int user, int rank, int offloaders) {
    const int* order = by_gain_.data() + size_t(user) * channels_;
    const size_t row = size_t(user) * channels_;
    const double gain = cells_.gain(user, order[rank]);
    const Choice choice = offload(user, order[rank], offloaders);
    while (rank > 0 && cells_.gain(user, order[rank - 1]) == gain) --rank;
    for (; rank < channels_; ++rank) {
        const size_t cell = row + order[rank];
        if (cells_.gain(user, order[rank]) == gain) {
            choice_[cell] = choice;
            scored_[cell] = 1;
            upper_[cell] = choice.value;
        } else if (scored_[cell]) {
            break;  // it has lowered the rest already
        } else {
            upper_[cell] = std::min(upper_[cell], choice.value + kQoeSlack);
        }
    }
    return choice.value;
}

bool Exact::assign(int offloaders) {
    ++effort_.assignments;
    const auto by = [&](auto& solver, const auto&... stop) {
        const bool feasible =
            solver.solve(upper_.data(), local_.data(), users_, channels_, offloaders, stop...);
        value_ = solver.value();
        if (feasible) channel_ = solver.channel();
        return feasible;
    };
    return Enumeration::suits(users_, channels_, offloaders)
               ? by(enumeration_)
               : by(matching_, stop_ ? &stop_ : nullptr);
}

void Exact::keep(double value, const std::vector<int>& channel) {
    best_.value = value;
    best_.channel = channel;
    best_.choice.resize(users_);
    for (int n = 0; n < users_; ++n)
        best_.choice[n] = best_.channel[n] < 0 ? cells_.local(n)
                                               : choice_[size_t(n) * channels_ + best_.channel[n]];
}

void Exact::solve_sum(int offloaders) {
    std::fill(upper_.begin(), upper_.end(), kInfinity);
    std::fill(scored_.begin(), scored_.end(), 0);
    // A staircase over ranks 0, 1, 2, 4, 8, ...; the loop scores further cells where it matters.
    if (offloaders > 0)
        for (int n = 0; n < users_ && !stopped(); ++n)
            for (int rank = 0; rank < channels_; rank += std::max(rank, 1))
                score(n, rank, offloaders);
    for (;;) {
        if ((offloaders > 0 && stopped()) || !assign(offloaders) || value_ + slack_ < best_.value)
            return;
        bool exact = true;
        for (int n = 0; n < users_; ++n) {
            const int k = channel_[n];
            if (k < 0 || scored_[size_t(n) * channels_ + k]) continue;
            const int* order = by_gain_.data() + size_t(n) * channels_;
            score(n, int(std::find(order, order + channels_, k) - order), offloaders);
            exact = false;
        }
        if (exact) break;
    }
    // Of equal decisions the one whose sub-channels come first (model/space.h).
    if (value_ > best_.value || (value_ == best_.value && channel_ < best_.channel))
        keep(value_, channel_);
}

// The largest threshold for which an assignment of this size uses only values that reach it.
void Exact::solve_min(int offloaders) {
    thresholds_.assign(local_.begin(), local_.end());
    for (int n = 0; n < users_ && offloaders > 0; ++n) {
        if (stopped()) return;
        for (int k = 0; k < channels_; ++k) {
            const size_t cell = size_t(n) * channels_ + k;
            choice_[cell] = offload(n, k, offloaders);
            thresholds_.push_back(choice_[cell].value);
        }
    }
    std::sort(thresholds_.begin(), thresholds_.end());
    const auto reachable = [&](double threshold) {
        obliging_ = local_;
        for (double& value : obliging_)
            if (value < threshold) value = -kInfinity;
        for (size_t cell = 0; cell < upper_.size(); ++cell)
            upper_[cell] = offloaders > 0 && choice_[cell].value >= threshold ? choice_[cell].value
                                                                              : -kInfinity;
        ++effort_.assignments;
        return matching_.solve(upper_.data(), obliging_.data(), users_, channels_, offloaders);
    };
    auto low = std::upper_bound(thresholds_.begin(), thresholds_.end(), best_.value);
    auto high = thresholds_.end();
    if (low == high || !reachable(*low)) return;
    while (high - low > 1 && !(offloaders > 0 && stopped())) {
        const auto middle = low + (high - low) / 2;
        (reachable(*middle) ? low : high) = middle;
    }
    reachable(*low);
    keep(*low, matching_.channel());
}

const Decision& Exact::solve(const Slot& slot, const Stop& stop, const Forced& forced) {
    stop_ = stop;
    forced_ = forced;
    cells_.load(slot);
    users_ = int(cells_.scenario().users.size());
    channels_ = slot.channels;
    const size_t cells = size_t(users_) * channels_;
    best_.value = -kInfinity;
    effort_ = {};
    // Twice the rounding errors of three sums of N numbers of at most 1, and what each may fall.
    slack_ = users_ * (users_ * 0x1p-50 + kQoeSlack);
    local_.resize(users_);
    upper_.resize(cells);
    choice_.resize(cells);
    scored_.resize(cells);
    by_gain_.resize(cells);
    for (int n = 0; n < users_; ++n) {
        local_[n] = n == forced.user && forced.modes ? -kInfinity : cells_.local(n).value;
        int* order = by_gain_.data() + size_t(n) * channels_;
        std::iota(order, order + channels_, 0);
        std::stable_sort(order, order + channels_,
                         [&](int a, int b) { return cells_.gain(n, a) > cells_.gain(n, b); });
    }
    std::vector<std::pair<double, int>> sizes;
    open_ = -kInfinity;
    for (int m = 0; m <= std::min(users_, channels_); ++m) {
        if (m > 0 && stopped()) {
            open_ = kTopScore * (fairest_ ? 1 : users_);
            break;
        }
        sizes.emplace_back(-bound(m), m);
    }
    std::sort(sizes.begin(), sizes.end());
    for (const auto& [negative_bound, m] : sizes) {
        if (-negative_bound <= best_.value) break;
        if (m == 0 || !stopped()) {
            ++effort_.sizes;
            fairest_ ? solve_min(m) : solve_sum(m);
        }
        if (m > 0 && stopped()) open_ = std::max(open_, -negative_bound);
    }
    effort_.cells = cells_.evaluated();
    return best_;
}

}  // namespace semopt
