#include "global/global.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace semopt {

namespace {

constexpr int kSplitsAtATime = 8;  // of a cell without a known action

constexpr double kMargin = 1e-13;  // added to computed bounds before they are claimed

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

Global::Global(const Scenario& scenario, const Slot& slot, double gap, const Toll* toll)
    : scenario_(scenario),
      slot_(slot),
      users_(int(scenario.users.size())),
      channels_(slot.channels),
      gap_(gap),
      tolerance_(gap / (2 * std::max(users_, 1))),
      impossible_(-4.0 * users_),
      toll_(toll) {
    const size_t cells = size_t(users_) * channels_;
    by_gain_.resize(cells);
    rank_.resize(cells);
    for (int n = 0; n < users_; ++n) {
        local_.emplace_back(scenario, n, int(slot.task[n]), precision(), toll ? toll[n] : Toll{});
        const User<double>& user = scenario.users[n];
        const double reference = user.reference_frequency;
        if (user.frequency_min <= reference && reference <= user.frequency_max)
            local_[n].offer({0, 0, reference, 1});
        const double weights =
            kTopScore * (user.weight_latency + user.weight_energy + user.weight_accuracy);
        weights_ = round_up(weights_ + weights * (1 + 0x1p-50));
        most_.push_back(weights * (1 + 10 * kMargin));
        const double* gain = slot.gain + size_t(n) * channels_;
        int* order = by_gain_.data() + size_t(n) * channels_;
        std::iota(order, order + channels_, 0);
        std::stable_sort(order, order + channels_, [&](int a, int b) { return gain[a] > gain[b]; });
        for (int r = 0; r < channels_; ++r) rank_[size_t(n) * channels_ + order[r]] = r;
    }
    if (toll)
        for (int n = 0; n < users_; ++n) skipped_ += skip(n);
    impossible_ += skipped_;
    sizes_.resize(std::min(users_, channels_) + 1);
}

double Global::proven() const {
    double most = -kInfinity;
    for (const Size& size : sizes_) most = std::max(most, size.prices.bound);
    return most >= skipped_ ? most : -kInfinity;  // QoE is positive
}

double Global::upper() const { return std::min(proven(), std::max(weights_, lower_)); }

std::vector<long long> Global::boxes() const {
    std::vector<long long> count(size_t(users_) * (1 + channels_));
    const auto add = [&](int n, int place, const Cell& cell) {
        for (const Tree& tree : cell.trees())
            count[size_t(n) * (1 + channels_) + place] += tree.nodes().size();
    };
    for (int n = 0; n < users_; ++n) add(n, 0, local_[n]);
    for (const Size& size : sizes_)
        for (int n = 0; n < int(size.cell.size()); ++n)
            for (const auto& [rank, cell] : size.cell[n])
                add(n, 1 + by_gain_[size_t(n) * channels_ + rank], cell);
    return count;
}

void Global::record() {
    const double most = upper();
    if (!progress_.empty() && progress_.back().lower == lower_ && progress_.back().upper == most)
        return;
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - began_;
    progress_.push_back({time.count(), lower_, most});
}

Cell& Global::cell(int m, int n, int rank) {
    auto& row = sizes_[m].cell[n];
    const auto known = row.find(rank);
    if (known != row.end()) return known->second;
    const size_t first = size_t(n) * channels_;
    const double gain = slot_.gain[first + by_gain_[first + rank]];
    const Placement placement{&scenario_, n, int(slot_.task[n]),
                              gain,       m, toll_ ? toll_[n] : Toll{}};
    return row.emplace(rank, Cell(placement, precision())).first->second;
}

double Global::upper(int m, int n, int rank) {
    const double upper = cell(m, n, rank).upper();
    return upper > -kInfinity ? upper : impossible_;
}

// Lowers the bounds of the channel of this rank and of the user's weaker ones.
void Global::note(int m, int n, int rank) {
    const size_t row = size_t(n) * channels_;
    const double most = upper(m, n, rank);
    for (int r = rank; r < channels_; ++r) {
        double& bound = sizes_[m].upper[row + by_gain_[row + r]];
        bound = std::min(bound, most);
    }
}

// Prices of users, given the most that each is worth less the price of its channel, if it offloads;
// and the bound of all.
void Global::set_prices(int m, std::vector<double> channel, double offloader,
                        std::vector<double> user) {
    double bound = m * offloader;
    for (int n = 0; n < users_; ++n) {
        user[n] = std::max(local_weight_[n], round_up(user[n] - offloader));
        bound = round_up(bound + user[n]);
    }
    for (double price : channel) bound = round_up(bound + price);
    bound += (users_ + 1) * 10 * kMargin;
    Prices& best = sizes_[m].prices;
    if (bound < best.bound) best = {std::move(user), std::move(channel), offloader, bound};
}

// Without any assignment: each user on its strongest channel, at the price of the m-th best.
void Global::set_first_prices(int m) {
    std::vector<double> most(users_, -kInfinity), worth;
    if (m > 0) {
        sizes_[m].cell.resize(users_);
        for (int n = 0; n < users_; ++n) {
            most[n] = upper(m, n, 0);
            worth.push_back(most[n] - local_weight_[n]);
        }
        std::nth_element(worth.begin(), worth.begin() + m - 1, worth.end(), std::greater<>());
    }
    set_prices(m, std::vector<double>(channels_, 0), m > 0 ? round_price(worth[m - 1]) : 0, most);
}

// A staircase of bounds over ranks 0, 1, 2, 4, 8, ...; `tighten` adds cells where it matters.
void Global::open(int m) {
    sizes_[m].opened = true;
    sizes_[m].upper.assign(size_t(users_) * channels_, m > 0 ? kInfinity : impossible_);
    if (m == 0) return;
    for (int n = 0; n < users_; ++n)
        for (int rank = 0; rank < channels_; rank += std::max(rank, 1)) note(m, n, rank);
}

// Tightens the cells of the best assignment of bounds; false where none of them could be.
bool Global::tighten(int m, const Stop& stop) {
    Size& size = sizes_[m];
    if (!size.opened) open(m);
    if (!matching_.solve(size.upper.data(), local_weight_.data(), users_, channels_, m, &stop))
        return false;
    std::vector<double> channel = matching_.channel_price(), most(users_, -kInfinity);
    for (double& price : channel) price = std::max(round_price(-price), 0.0);
    for (int n = 0; n < users_ && m > 0; ++n)
        for (int k = 0; k < channels_; ++k)
            most[n] =
                std::max(most[n], round_up(size.upper[size_t(n) * channels_ + k] - channel[k]));
    set_prices(m, channel, round_price(-matching_.offloader_price()), most);
    keep(matching_.channel());
    if (size.prices.bound <= lower_ + gap_) return true;
    bool progress = false;
    for (int n = 0; n < users_ && !stop(); ++n) {
        const int k = matching_.channel()[n];
        if (k < 0) continue;
        const size_t row = size_t(n) * channels_;
        const double previous = size.upper[row + k];
        Cell& user_cell = cell(m, n, rank_[row + k]);
        const double width = user_cell.width();
        if (user_cell.upper() >= previous && width > tolerance_ && !user_cell.exhausted()) {
            user_cell.refine(-kInfinity, std::max(tolerance_, 0.25 * width),
                             width < kInfinity ? kMostSplits : kSplitsAtATime, stop);
            progress = true;
        }
        note(m, n, rank_[row + k]);
        progress |= size.upper[row + k] < previous;
    }
    return progress;
}

void Global::offer(const std::vector<int>& channel, const std::vector<Action>& action,
                   double value) {
    if (value <= lower_) return;
    lower_ = value;
    channel_ = channel;
    action_ = action;
}

// Keeps the decision of these channels if its known actions are worth more than the best so far.
void Global::keep(const std::vector<int>& channel) {
    const int m = int(channel.size() - std::count(channel.begin(), channel.end(), -1));
    std::vector<Action> action;
    double value = 0;
    for (int n = 0; n < users_; ++n) {
        const int k = channel[n];
        const Cell& user_cell = k < 0 ? local_[n] : cell(m, n, rank_[size_t(n) * channels_ + k]);
        const bool skips = k < 0 && toll_ && user_cell.lower() < skip(n);
        action.push_back(skips ? Action{skip(n)} : user_cell.best());
        value += action.back().value;
    }
    offer(channel, action, value);
}

// Brings the decision's actions nearer to the optimum of their cells than the gap asks for: each
// further digit costs little.
void Global::polish(const Stop& stop) {
    if (channel_.empty()) return;
    for (int n = 0; n < users_; ++n) {
        if (stop()) return;
        Cell& user_cell = cell_of(n);
        if (action_[n].frequency > 0) user_cell.offer(action_[n]);
        user_cell.refine(-kInfinity, 50 * precision(), kMostSplits, stop);
    }
    keep(std::vector<int>(channel_));
}

// The cell that the decision has a user in.
Cell& Global::cell_of(int n) {
    const int k = channel_[n];
    if (k < 0) return local_[n];
    const int m = int(users_ - std::count(channel_.begin(), channel_.end(), -1));
    sizes_[m].cell.resize(users_);
    return cell(m, n, rank_[size_t(n) * channels_ + k]);
}

// Where rounding errors hide what an action is worth, takes the best of its cell that they do not,
// if that costs less than the gap: a checker can tell what such a decision is worth.
void Global::prefer_sure() {
    const int m = int(channel_.size() - std::count(channel_.begin(), channel_.end(), -1));
    std::vector<Action> action = action_;
    double value = 0;
    bool sure = true;
    for (int n = 0; n < int(channel_.size()); ++n) {
        const int k = channel_[n];
        const double gain = k < 0 ? 1 : slot_.gain[size_t(n) * channels_ + k];
        if (doubtful({&scenario_, n, int(slot_.task[n]), gain, k < 0 ? 0 : m}, action[n])) {
            action[n] = cell_of(n).surest();
            sure = false;
        }
        value += action[n].value;
    }
    if (sure || value < lower_ - gap_) return;
    action_ = std::move(action);
    lower_ = value;
}

bool Global::solve(const Stop& stop) {
    const bool done = search(stop);
    if (!toll_) prefer_sure();
    record();
    return done && upper() <= lower_ + gap_;
}

bool Global::search(const Stop& stop) {
    for (int n = 0; n < users_; ++n) {
        local_[n].refine(-kInfinity, tolerance_, kMostSplits, stop);
        const double upper = local_[n].upper();
        local_weight_.push_back(std::max(upper, toll_ ? skip(n) : impossible_));
    }
    keep(std::vector<int>(users_, -1));
    // Whenever the end comes, there are prices of all sizes.
    for (int m = 0; m < sizes(); ++m)
        set_prices(m, std::vector<double>(channels_, 0), 0, m > 0 ? most_ : local_weight_);
    for (int m = 0; m < sizes() && !stop(); ++m) set_first_prices(m);
    for (;;) {
        record();
        const double enough = lower_ + gap_;
        int best = -1;
        for (int m = 0; m < sizes(); ++m)
            if (!sizes_[m].stuck && sizes_[m].prices.bound > enough &&
                (best < 0 || sizes_[m].prices.bound > sizes_[best].prices.bound))
                best = m;
        if (upper() <= enough) {
            polish(stop);
            return true;
        }
        if (best < 0 || stop()) return false;
        sizes_[best].stuck = !tighten(best, stop) && !stop();
    }
}

std::vector<Cover> Global::local_covers() const {
    std::vector<Cover> covers;
    for (int n = 0; n < users_; ++n) {
        const double upper = local_[n].upper();
        covers.push_back({n, -1, toll_ ? std::max(upper, skip(n)) : upper, &local_[n]});
    }
    return covers;
}

std::vector<Cover> Global::covers(int m, double allowed) {
    std::vector<Cover> covers;
    Size& size = sizes_[m];
    if (size.cell.empty()) return covers;
    // What is left to the bound goes to the offloaders, so that coarser covers do.
    const double spare = std::min(std::max(allowed - size.prices.bound, 0.0), kTopScore * m);
    size.prices.offloader += std::floor(0.999 * spare / m * kPriceDigits) / kPriceDigits;
    size.prices.bound = std::max(size.prices.bound, std::min(size.prices.bound + spare, allowed));
    for (int n = 0; n < users_; ++n) {
        const size_t row = size_t(n) * channels_;
        std::map<int, double> needed;  // of the cell of that rank
        for (int r = 0; r < channels_; ++r) {
            const int k = by_gain_[row + r];
            const double price =
                size.prices.user[n] + size.prices.channel[k] + size.prices.offloader;
            if (price >= most_[n]) continue;  // nothing to prove
            const double room = price < 0 && !toll_ ? -kInfinity : price + kMargin;
            // The strongest cell whose bound is low enough.
            for (const auto& [rank, user_cell] : size.cell[n]) {
                if (rank > r) break;
                if (user_cell.upper() > room) continue;
                const auto entry = needed.emplace(rank, room).first;
                entry->second = std::min(entry->second, room);
                break;
            }
        }
        for (const auto& [rank, room] : needed) {
            const Cell& user_cell = size.cell[n].at(rank);
            covers.push_back(
                {n, by_gain_[row + rank], round_down(room, user_cell.upper()), &user_cell});
        }
    }
    return covers;
}

}  // namespace semopt
