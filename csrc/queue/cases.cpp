#include "queue/cases.h"

#include <algorithm>
#include <cmath>

namespace semopt {

namespace {

// By which bounds are kept apart from what they are to prove: in all, and for each task, of which
// who checks takes actions of alike QoE for one.
constexpr double kMargin = 1e-10, kMarginOfTask = 2e-13;
constexpr double kShare = 0.9;          // of the gap that cases may leave
constexpr int kSteps = 40;              // evaluations in a search for the prices of a case
constexpr int kPatience = 4;            // without a better bound
constexpr size_t kRecent = 8;           // evaluations that say where a case is undecided
constexpr double kRounded = 1 + 1e-12;  // energies are added in several orders
constexpr double kApart = 1e-9;  // of a battery: energies nearer than that are not told apart

}  // namespace

Cases::Cases(const Fronts& fronts, std::vector<double> battery, int threads)
    : battery_(std::move(battery)),
      lanes_(threads),
      shape_{fronts.slots(), fronts.users(), fronts.channels(), fronts.most_offloaders()} {
    for (int t = 0; t < shape_.slots; ++t)
        for (int n = 0; n < shape_.users; ++n)
            for (int list = 0; list < int(shape_.lists()); ++list) {
                const int channel = list ? (list - 1) % shape_.channels : kLocal,
                          m = list ? 1 + (list - 1) / shape_.channels : 0;
                first_.push_back(actions_.size());
                for (const Efficient& one : fronts.front(t, n, channel, m))
                    if (one.energy <= battery_[n] * kRounded) actions_.push_back(one);
            }
    first_.push_back(actions_.size());
}

void Cases::keep(const std::vector<Column>& decision) {
    double value = 0;
    std::vector<double> spent(shape_.users, 0);
    for (const Column& column : decision) {
        if (column.choice.empty()) return;
        for (int n = 0; n < shape_.users; ++n) {
            value += column.choice[n].qoe;
            spent[n] += column.choice[n].energy;
        }
    }
    if (!(value > value_)) return;
    for (int n = 0; n < shape_.users; ++n)
        if (spent[n] > battery_[n] * kRounded) return;
    value_ = value;
    decision_ = decision;
}

// On the sub-channels of a decision each user's actions are changed one by one: while it spends too
// much, for the least loss a joule, then for the most gain a joule that can be had.
void Cases::polish(std::vector<Column> decision) {
    for (const Column& column : decision)
        if (column.choice.empty()) return;
    std::vector<int> offloaders;
    for (const Column& column : decision)
        offloaders.push_back(shape_.users -
                             int(std::count(column.channel.begin(), column.channel.end(), kLocal)));
    for (int n = 0; n < shape_.users; ++n) {
        double left = battery_[n];
        for (const Column& column : decision) left -= column.choice[n].energy;
        for (;;) {
            const bool over = left < 0;
            double most = over ? kInfinity : 0;
            const Efficient* change = nullptr;
            int at = -1;
            for (int t = 0; t < shape_.slots; ++t) {
                const int k = decision[t].channel[n];
                const size_t list = shape_.list(t, n, k, offloaders[t]);
                const Efficient& now = decision[t].choice[n];
                for (size_t i = first_[list]; i < first_[list + 1]; ++i) {
                    const Efficient& other = actions_[i];
                    const double joules = other.energy - now.energy, gain = other.qoe - now.qoe;
                    if (over ? joules >= 0 : joules > left || gain <= 0) continue;
                    const double rate = over ? -gain / std::min(-joules, -left)
                                             : gain / std::max(joules, 1e-12 * battery_[n]);
                    if (over ? rate >= most : rate <= most) continue;
                    most = rate;
                    change = &other;
                    at = t;
                }
            }
            if (!change) {
                if (over) return;
                break;
            }
            left -= change->energy - decision[at].choice[n].energy;
            decision[at].choice[n] = *change;
        }
    }
    keep(decision);
}

// Steps along subgradients, deflected, to a level that is aimed at; lower where steps fail.
void Cases::find_prices(const ActionLists& lists, Case& one, Priced& best,
                        std::vector<Priced>& recent, const Stop& stop) {
    std::vector<double> price = one.price, before(shape_.users, 0);
    double ambition = kInfinity;
    int failures = 0;
    for (int step = 0; step < kSteps; ++step) {
        const double aim = value_ + gap_ / 2;  // beyond what is enough: a step may fall short of it
        Priced point = priced_at(price, lists, shape_, battery_, lanes_);
        if (point.bound < best.bound) polish(point.decision);
        keep(point.decision);
        if (ambition == kInfinity) ambition = point.bound - aim;
        failures = point.bound < best.bound - 0.05 * ambition ? 0 : failures + 1;
        if (point.bound < best.bound) best = point;
        if (best.bound <= enough() || stop()) return;
        const double level = std::max(aim, best.bound - ambition);
        double norm = 0, along = 0, old = 0;
        std::vector<double> direction(shape_.users, 0);
        for (int n = 0; n < shape_.users; ++n) {
            if (!(battery_[n] < kInfinity)) continue;
            direction[n] = 1 - point.spent[n] / battery_[n];
            if (direction[n] > 0 && !(point.price[n] > 0)) direction[n] = 0;
            along += direction[n] * before[n];
            old += before[n] * before[n];
        }
        const double turn = along < 0 ? -1.5 * along / old : 0;
        for (int n = 0; n < shape_.users; ++n) {
            direction[n] += turn * before[n];
            norm += direction[n] * direction[n];
        }
        recent.push_back(std::move(point));
        if (recent.size() > kRecent) recent.erase(recent.begin());
        if (!(norm > 0)) return;
        if (failures >= kPatience) {
            failures = 0;
            ambition *= 0.4;
            if (ambition < 0.01 * (best.bound - enough())) return;
            price = best.price;
            before.assign(shape_.users, 0);
            continue;
        }
        const double length = (recent.back().bound - level) / norm;
        for (int n = 0; n < shape_.users; ++n)
            if (battery_[n] < kInfinity)
                price[n] =
                    std::max(recent.back().price[n] - length * direction[n] / battery_[n], 0.0);
        before = std::move(direction);
    }
}

// Where energies differ between prices near the best, by what they are worth.
bool Cases::choose_split(const ActionLists& lists, const Priced& best,
                         const std::vector<Priced>& recent, Case& one) const {
    double most = 0, wanted = 0;
    for (int t = 0; t < shape_.slots; ++t)
        for (int n = 0; n < shape_.users; ++n) {
            double low = kInfinity, high = -kInfinity, sum = 0;
            int count = 0;
            for (const Priced& point : recent) {
                if (point.decision[t].choice.empty()) continue;
                const double energy = point.decision[t].choice[n].energy;
                low = std::min(low, energy);
                high = std::max(high, energy);
                sum += energy;
                ++count;
            }
            const double spread = best.price[n] * (high - low);
            if (!(spread > most && high - low > kApart * battery_[n])) continue;
            most = spread;
            one.slot = t;
            one.user = n;
            wanted = std::max(std::min(sum / count, std::nextafter(high, low)), low);
        }
    if (one.slot < 0) {  // nothing moves: the widest range of energies that is left
        for (int t = 0; t < shape_.slots; ++t)
            for (int n = 0; n < shape_.users; ++n) {
                if (!(battery_[n] < kInfinity)) continue;
                const size_t list = shape_.list(t, n);
                double low = kInfinity, high = -kInfinity;
                for (size_t i = lists.first[list]; i < lists.first[list + shape_.lists()]; ++i) {
                    low = std::min(low, lists.actions[i].energy);
                    high = std::max(high, lists.actions[i].energy);
                }
                const double spread = (high - low) / battery_[n];
                if (!(spread > std::max(most, kApart))) continue;
                most = spread;
                one.slot = t;
                one.user = n;
                wanted = std::min((low + high) / 2, std::nextafter(high, low));
            }
        if (one.slot < 0) return false;
    }
    // Between two actions, far from both.
    const size_t list = shape_.list(one.slot, one.user);
    double below = -kInfinity, above = kInfinity;
    for (size_t i = lists.first[list]; i < lists.first[list + shape_.lists()]; ++i) {
        const double energy = lists.actions[i].energy;
        if (energy <= wanted)
            below = std::max(below, energy);
        else
            above = std::min(above, energy);
    }
    if (!(above - below > kApart * battery_[one.user] && above < kInfinity)) return false;
    one.energy = in_few_digits((below + above) / 2);
    if (!(below <= one.energy && one.energy < above)) one.energy = below;
    return true;
}

void Cases::drop(const ActionLists& lists, const Priced& best, Live& live) {
    const double enough = this->enough() - margin();
    dropped_ = std::max(dropped_, enough);
    for (int t = 0; t < shape_.slots; ++t) {
        const double others = best.bound - best.worth[t];
        const double* const home = best.home_of(shape_, t);
        std::vector<double> at_home(shape_.users, -kInfinity);  // as `rest`, of the best m
        for (int m = 0; m <= shape_.most; ++m) {
            const double* const cell = best.cell_of(shape_, t, m);
            const double* const duals = best.duals_of(shape_, t, m);
            const Assigned all = assigned(home, cell, duals, m, shape_.users, shape_.channels);
            for (int n = 0; n < shape_.users; ++n) {
                const double rest =
                    all.bound > -kInfinity ? others + all.bound - all.user[n] : -kInfinity;
                at_home[n] = std::max(at_home[n], rest);
                for (int k = 0; m && k < shape_.channels; ++k) {
                    const size_t list = shape_.list(t, n, k, m);
                    for (size_t i = lists.first[list]; i < lists.first[list + 1]; ++i) {
                        const Efficient& one = lists.actions[i];
                        const double worth = one.qoe - best.price[n] * one.energy;
                        if (rest + (worth - duals[1 + k] - duals[0]) <= enough)
                            live[lists.index[i] / 64] &= ~(uint64_t(1) << lists.index[i] % 64);
                    }
                }
            }
        }
        for (int n = 0; n < shape_.users; ++n) {
            const size_t list = shape_.list(t, n);
            for (size_t i = lists.first[list]; i < lists.first[list + 1]; ++i) {
                const Efficient& one = lists.actions[i];
                if (at_home[n] + (one.qoe - best.price[n] * one.energy) <= enough)
                    live[lists.index[i] / 64] &= ~(uint64_t(1) << lists.index[i] % 64);
            }
        }
    }
}

double Cases::margin() const { return kMargin + kMarginOfTask * shape_.slots * shape_.users; }

bool Cases::later(int one, int other) const {
    const double bound = cases_[one].bound, than = cases_[other].bound;
    return bound != than ? bound < than : one > other;
}

int Cases::open(Live live, const std::vector<double>& price, const Stop& stop) {
    ActionLists lists;
    for (size_t list = 0; list + 1 < first_.size(); ++list) {
        lists.first.push_back(lists.actions.size());
        for (size_t i = first_[list]; i < first_[list + 1]; ++i)
            if (live[i / 64] >> i % 64 & 1) {
                lists.index.push_back(i);
                lists.actions.push_back(actions_[i]);
            }
    }
    lists.first.push_back(lists.actions.size());
    Case one;
    one.price = price;
    Priced best;
    std::vector<Priced> recent;
    find_prices(lists, one, best, recent, stop);
    one.price = best.price;
    one.duals = best.duals;
    one.bound = best.bound;
    const int number = int(cases_.size());
    if (one.bound > enough() && choose_split(lists, best, recent, one)) {
        drop(lists, best, live);
        live_.push_back(std::move(live));
        waiting_.push_back(number);
    } else {
        live_.emplace_back();
    }
    cases_.push_back(std::move(one));
    const auto order = [&](int one, int other) { return later(one, other); };
    if (!waiting_.empty() && waiting_.back() == number)
        std::push_heap(waiting_.begin(), waiting_.end(), order);
    return number;
}

void Cases::solve(double value, double gap, const std::vector<double>& price, size_t most,
                  const Stop& stop) {
    value_ = value;
    gap_ = kShare * gap;
    dropped_ = -kInfinity;
    cases_.clear();
    live_.clear();
    waiting_.clear();
    decision_.clear();
    open(Live(actions_.size() / 64 + 1, ~uint64_t(0)), price, stop);
    const auto order = [&](int one, int other) { return later(one, other); };
    while (!waiting_.empty() && cases_.size() + 2 <= most && !stop()) {
        const int number = waiting_.front();
        if (cases_[number].bound <= enough()) break;
        std::pop_heap(waiting_.begin(), waiting_.end(), order);
        waiting_.pop_back();
        const Live live = std::move(live_[number]);
        const Case split = cases_[number];
        for (int side = 0; side < 2; ++side) {
            Live part = live;
            const size_t list = shape_.list(split.slot, split.user);
            for (size_t i = first_[list]; i < first_[list + shape_.lists()]; ++i)
                if ((actions_[i].energy > split.energy) != (side == 1))
                    part[i / 64] &= ~(uint64_t(1) << i % 64);
            const int child = open(std::move(part), split.price, stop);
            cases_[number].children[side] = child;
        }
    }
    upper_ = std::max(value_, dropped_);
    for (const Case& one : cases_)
        if (one.children[0] < 0) upper_ = std::max(upper_, one.bound);
    upper_ += margin();
}

}  // namespace semopt
