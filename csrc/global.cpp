#include "global.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace semopt {

namespace {

constexpr int kSplitsAtATime = 8;  // of a cell without a known action

constexpr double kMargin = 1e-13;    // of what is claimed over what is computed
constexpr double kMost = 1 + 1e-12;  // QoE is at most the sum of weights

double round_up(double x) { return std::nextafter(x, kInfinity); }

// Few digits, for certificates; far below any gap.
constexpr double kPriceDigits = 1e11;
double round_price(double x) { return std::round(x * kPriceDigits) / kPriceDigits; }

// A bound of few digits, between what is proven and what is needed.
double round_down(double needed, double proven) {
    const double rounded = std::floor(needed * 1e9) / 1e9;
    return rounded >= proven ? rounded : needed;
}

}  // namespace

Global::Global(const Setting& setting, const Slot& slot, double gap)
    : setting_(setting),
      slot_(slot),
      users_(int(setting.users.size())),
      channels_(slot.channels),
      gap_(gap),
      tolerance_(gap / (2 * std::max(users_, 1))),
      impossible_(-4.0 * users_) {
    const size_t cells = size_t(users_) * channels_;
    by_gain_.resize(cells);
    rank_.resize(cells);
    for (int n = 0; n < users_; ++n) {
        local_.emplace_back(setting, n, int(slot.task[n]), precision());
        const double* gain = slot.gain + size_t(n) * channels_;
        int* order = by_gain_.data() + size_t(n) * channels_;
        std::iota(order, order + channels_, 0);
        std::stable_sort(order, order + channels_, [&](int a, int b) { return gain[a] > gain[b]; });
        for (int r = 0; r < channels_; ++r) rank_[size_t(n) * channels_ + order[r]] = r;
    }
    sizes_.resize(std::min(users_, channels_) + 1);
}

double Global::upper() const {
    double most = -kInfinity;
    for (const Size& size : sizes_) most = std::max(most, size.prices.bound);
    return most >= 0 ? most : -kInfinity;  // QoE is positive
}

long long Global::boxes() const {
    long long count = 0;
    const auto add = [&](const Cell& cell) {
        for (const Tree& tree : cell.trees()) count += tree.nodes().size();
    };
    for (const Cell& cell : local_) add(cell);
    for (const Size& size : sizes_)
        for (const auto& cell : size.cell)
            if (cell) add(*cell);
    return count;
}

Cell& Global::cell(int m, int n, int k) {
    auto& cells = sizes_[m].cell;
    cells.resize(size_t(users_) * channels_);
    auto& cell = cells[size_t(n) * channels_ + k];
    if (!cell)
        cell = std::make_unique<Cell>(
            Owner{&setting_, n, int(slot_.task[n]), slot_.gain[size_t(n) * channels_ + k], m},
            precision());
    return *cell;
}

// Lowers the bounds of this channel and of the user's weaker ones.
void Global::note(int m, int n, int k) {
    const size_t row = size_t(n) * channels_;
    const double upper = cell(m, n, k).upper();
    for (int r = rank_[row + k]; r < channels_; ++r) {
        double& bound = sizes_[m].upper[row + by_gain_[row + r]];
        bound = std::min(bound, upper > -kInfinity ? upper : impossible_);
    }
}

// The least user prices that go with these, and the bound of all.
void Global::set_prices(int m, const std::vector<double>& channel, double offloader) {
    const Size& size = sizes_[m];
    Prices prices;
    for (double price : channel) prices.channel.push_back(std::max(round_price(price), 0.0));
    prices.offloader = offloader = round_price(offloader);
    prices.user = local_weight_;
    for (int n = 0; n < users_ && m > 0; ++n)
        for (int k = 0; k < channels_; ++k)
            prices.user[n] = std::max(
                prices.user[n],
                round_up(round_up(size.upper[size_t(n) * channels_ + k] - prices.channel[k]) -
                         offloader));
    double bound = m * offloader;
    for (double price : prices.user) bound = round_up(bound + price);
    for (double price : prices.channel) bound = round_up(bound + price);
    prices.bound = bound + (users_ + 1) * 10 * kMargin;
    if (prices.bound < sizes_[m].prices.bound) sizes_[m].prices = std::move(prices);
}

// Without any assignment: each user on its strongest channel, at the price of the m-th best.
void Global::set_first_prices(int m) {
    Size& size = sizes_[m];
    std::vector<double> worth;
    size.upper.assign(size_t(users_) * channels_, m > 0 ? kMost : impossible_);
    if (m > 0) {
        for (int n = 0; n < users_; ++n) {
            const int strongest = by_gain_[size_t(n) * channels_];
            note(m, n, strongest);
            worth.push_back(size.upper[size_t(n) * channels_ + strongest] - local_weight_[n]);
        }
        std::nth_element(worth.begin(), worth.begin() + m - 1, worth.end(), std::greater<>());
    }
    set_prices(m, std::vector<double>(channels_, 0), m > 0 ? worth[m - 1] : 0);
}

// A staircase of bounds over ranks 0, 1, 2, 4, 8, ...; `tighten` adds cells where it matters.
void Global::open(int m) {
    sizes_[m].opened = true;
    for (int n = 0; n < users_; ++n)
        for (int rank = 1; rank < channels_; rank *= 2)
            note(m, n, by_gain_[size_t(n) * channels_ + rank]);
}

// Tightens the cells of the best assignment of bounds; false where none of them could be.
bool Global::tighten(int m, const std::function<bool()>& stop) {
    if (!sizes_[m].opened && m > 0) open(m);
    matching_.solve(sizes_[m].upper.data(), local_weight_.data(), users_, channels_, m);
    std::vector<double> channel = matching_.channel_price();
    for (double& price : channel) price = -price;
    set_prices(m, channel, -matching_.offloader_price());
    keep(matching_.channel());
    if (sizes_[m].prices.bound <= lower_ + gap_) return true;
    bool progress = false;
    for (int n = 0; n < users_ && !stop(); ++n) {
        const int k = matching_.channel()[n];
        if (k < 0) continue;
        double& bound = sizes_[m].upper[size_t(n) * channels_ + k];
        Cell& own = cell(m, n, k);
        const double before = own.upper() - own.lower();
        if (own.upper() >= bound && before > tolerance_)
            own.refine(-kInfinity, std::max(tolerance_, 0.25 * before),
                       before < kInfinity ? kMostSplits : kSplitsAtATime);
        const double former = bound;
        note(m, n, k);
        progress |= bound < former || own.upper() - own.lower() < before;
    }
    return progress;
}

// Keeps the decision of these channels if its known actions are worth more than the best so far.
void Global::keep(const std::vector<int>& channel) {
    const int m = int(channel.size() - std::count(channel.begin(), channel.end(), -1));
    std::vector<Action> action;
    double value = 0;
    for (int n = 0; n < users_; ++n) {
        const Cell& own = channel[n] < 0 ? local_[n] : cell(m, n, channel[n]);
        action.push_back(own.best());
        value += own.lower();
    }
    if (value <= lower_) return;
    lower_ = value;
    channel_ = channel;
    action_ = std::move(action);
}

// Brings the decision's actions nearer to the optimum of their cells than the gap asks for: each
// further digit costs little.
void Global::polish(const std::function<bool()>& stop) {
    const int m = int(users_ - std::count(channel_.begin(), channel_.end(), -1));
    for (int n = 0; n < int(channel_.size()) && !stop(); ++n) {
        Cell& own = channel_[n] < 0 ? local_[n] : cell(m, n, channel_[n]);
        own.refine(-kInfinity, 50 * precision(), kMostSplits);
    }
    if (!channel_.empty()) keep(std::vector<int>(channel_));
}

bool Global::solve(const std::function<bool()>& stop) {
    for (Cell& cell : local_) {
        cell.refine(-kInfinity, tolerance_, kMostSplits);
        local_weight_.push_back(cell.upper() > -kInfinity ? cell.upper() : impossible_);
    }
    for (int m = 0; m < sizes(); ++m) set_first_prices(m);
    for (;;) {
        int best = -1;
        for (int m = 0; m < sizes(); ++m)
            if (!sizes_[m].stuck &&
                (best < 0 || sizes_[m].prices.bound > sizes_[best].prices.bound))
                best = m;
        if (upper() <= lower_ + gap_) {
            polish(stop);
            return true;
        }
        if (best < 0 || stop()) return false;
        sizes_[best].stuck = !tighten(best, stop) && !stop();
    }
}

std::vector<Cover> Global::local_covers() const {
    std::vector<Cover> covers;
    for (int n = 0; n < users_; ++n) covers.push_back({n, -1, local_[n].upper(), &local_[n]});
    return covers;
}

std::vector<Cover> Global::covers(int m, double allowed) {
    std::vector<Cover> covers;
    if (m == 0) return covers;
    Size& size = sizes_[m];
    // What is left to the bound goes to the offloaders, so that coarser covers do.
    const double spare = std::min(std::max(allowed - size.prices.bound, 0.0), 1.0 * m);
    size.prices.offloader += std::floor(0.999 * spare / m * kPriceDigits) / kPriceDigits;
    size.prices.bound = std::min(allowed, size.prices.bound + spare);
    for (int n = 0; n < users_; ++n) {
        const size_t row = size_t(n) * channels_;
        std::vector<double> needed(channels_, kInfinity);  // of the cell of that rank
        for (int r = 0; r < channels_; ++r) {
            const int k = by_gain_[row + r];
            const double price =
                size.prices.user[n] + size.prices.channel[k] + size.prices.offloader;
            if (price >= kMost) continue;  // nothing to prove
            const double room = price < 0 ? -kInfinity : price + kMargin;
            // The strongest cell whose bound is low enough.
            for (int s = 0; s <= r; ++s) {
                const auto& own = size.cell[row + by_gain_[row + s]];
                if (!own || own->upper() > room) continue;
                needed[s] = std::min(needed[s], room);
                break;
            }
        }
        for (int r = 0; r < channels_; ++r)
            if (needed[r] < kInfinity) {
                const int k = by_gain_[row + r];
                const Cell* own = size.cell[row + k].get();
                covers.push_back({n, k, round_down(needed[r], own->upper()), own});
            }
    }
    return covers;
}

}  // namespace semopt
