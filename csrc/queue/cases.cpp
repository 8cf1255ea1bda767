#include "queue/cases.h"

#include <algorithm>
#include <cmath>

#include "host/pool.h"

namespace semopt {

namespace {

constexpr double kDigits = 1e12;  // duals are rounded so that a file holds them in few characters
constexpr double kPriceDigits = 1e12;  // of a price of energy, relative
constexpr double kMargin = 1e-10;      // by which bounds are kept apart from what they are to prove
constexpr double kShare = 0.9;         // of the gap that cases may leave
constexpr int kSteps = 40;             // evaluations in a search for the prices of a case
constexpr int kPatience = 4;           // without a better bound
constexpr size_t kRecent = 8;          // evaluations that say where a case is undecided
constexpr double kRounded = 1 + 1e-12;  // energies are added in several orders

double rounded(double x) { return std::round(x * kDigits) / kDigits; }

double in_few_digits(double price) {
    if (!(price > 0) || !std::isfinite(price)) return 0;
    const double scale = kPriceDigits / std::pow(10.0, std::ceil(std::log10(price)));
    return std::isfinite(scale) ? std::round(price * scale) / scale : 0;
}

// What the duals of a slot's assignments with m offloaders prove.
struct Assigned {
    double bound = -kInfinity;
    std::vector<double> user;  // the most that each user is worth, at home or less the prices
};

Assigned assigned(const double* home, const double* cell, const double* duals, int m, int users,
                  int channels) {
    Assigned all{0, std::vector<double>(home, home + users)};
    for (int n = 0; n < users; ++n) {
        for (int k = 0; m && k < channels; ++k)
            all.user[n] =
                std::max(all.user[n], cell[size_t(n) * channels + k] - duals[1 + k] - duals[0]);
        all.bound += all.user[n];
    }
    if (m) all.bound += m * duals[0];
    for (int k = 0; m && k < channels; ++k) all.bound += duals[1 + k];
    return all;
}

}  // namespace

struct Cases::Lists {
    std::vector<size_t> first;  // of each list, and the end
    std::vector<size_t> index;  // among all actions
    std::vector<Efficient> actions;

    const Efficient* best(size_t list, double price, double& value) const {
        const Efficient* best = nullptr;
        value = -kInfinity;
        for (size_t i = first[list]; i < first[list + 1]; ++i) {
            const double worth = actions[i].qoe - price * actions[i].energy;
            if (worth > value) {
                value = worth;
                best = &actions[i];
            }
        }
        return best;
    }
};

struct Cases::Point {
    double bound = kInfinity;
    std::vector<double> price, worth, spent;  // (users), (slots), (users)
    std::vector<double> home, cell;           // (slots, N), (slots, M, N, K): what each is worth
    std::vector<double> duals;                // as a case has them
    std::vector<Column> decision;
};

Cases::Cases(const Fronts& fronts, std::vector<double> battery, int threads)
    : fronts_(fronts),
      battery_(std::move(battery)),
      lanes_(threads),
      slots_(fronts.slots()),
      users_(fronts.users()),
      channels_(fronts.channels()),
      most_(fronts.most_offloaders()),
      lists_(1 + size_t(most_) * channels_) {
    for (int t = 0; t < slots_; ++t)
        for (int n = 0; n < users_; ++n)
            for (size_t list = 0; list < lists_; ++list) {
                const int channel = list ? int((list - 1) % channels_) : kLocal,
                          m = list ? 1 + int((list - 1) / channels_) : 0;
                first_.push_back(actions_.size());
                for (const Efficient& one : fronts_.front(t, n, channel, m))
                    if (one.energy <= battery_[n] * kRounded) actions_.push_back(one);
            }
    first_.push_back(actions_.size());
}

Cases::Point Cases::evaluate(const Lists& lists, const std::vector<double>& price) const {
    Point point;
    const size_t cells = size_t(users_) * channels_;
    for (double one : price) point.price.push_back(in_few_digits(one));
    point.worth.resize(slots_);
    point.home.resize(size_t(slots_) * users_);
    point.cell.resize(size_t(slots_) * most_ * cells);
    point.duals.resize(size_t(slots_) * most_ * (1 + channels_));
    point.decision.resize(slots_);
    std::vector<double> sums(slots_);
    parallel(slots_, lanes_, [&](long long t, int) {
        const auto list = [&](int n) { return (size_t(t) * users_ + n) * lists_; };
        double* const home = point.home.data() + t * users_;
        double* const cell = point.cell.data() + t * most_ * cells;
        double largest = 1;
        const auto best = [&](size_t which, int n, double& value) {
            const Efficient* const one = lists.best(which, point.price[n], value);
            if (one) largest = std::max(largest, std::abs(value));
        };
        for (int n = 0; n < users_; ++n) {
            best(list(n), n, home[n]);
            for (size_t i = 1; i < lists_; ++i) {
                const size_t m = (i - 1) / channels_, k = (i - 1) % channels_;
                best(list(n) + i, n, cell[m * cells + size_t(n) * channels_ + k]);
            }
        }
        // What is impossible costs more than all else brings: its duals then prove that, too.
        const double impossible = -2 * largest * (users_ + 1);
        std::vector<double> local(home, home + users_), weight(cells, impossible);
        for (double& one : local) one = std::max(one, impossible);
        Matching matching;
        Column& chosen = point.decision[t];
        int offloaders = -1;
        double worth = -kInfinity;
        for (int m = 0; m <= most_; ++m) {
            const double* const row = cell + (m - 1) * cells;
            for (size_t i = 0; m && i < cells; ++i) weight[i] = std::max(row[i], impossible);
            matching.solve(weight.data(), local.data(), users_, channels_, m);
            double* const duals = point.duals.data() + (t * most_ + m - 1) * (1 + channels_);
            if (m) {
                duals[0] = rounded(-matching.offloader_price());
                for (int k = 0; k < channels_; ++k)
                    duals[1 + k] = std::max(rounded(-matching.channel_price()[k]), 0.0);
            }
            worth = std::max(worth, assigned(home, row, duals, m, users_, channels_).bound);
            if (matching.value() <= std::max(chosen.value, impossible / 2)) continue;
            chosen.value = matching.value();
            chosen.channel = matching.channel();
            offloaders = m;
        }
        point.worth[t] = worth;
        for (int n = 0; n < users_ && offloaders >= 0; ++n) {
            const int k = chosen.channel[n];
            double value;
            const Efficient* const one =
                lists.best(k < 0 ? list(n) : list(n) + 1 + size_t(offloaders - 1) * channels_ + k,
                           point.price[n], value);
            if (!one) {  // impossible, and chosen: nothing is allowed here
                chosen.choice.clear();
                break;
            }
            chosen.choice.push_back(*one);
        }
    });
    const int tasks = slots_ * users_;
    double sum = 0;
    for (double worth : point.worth) sum += worth;
    point.spent.assign(users_, 0);
    for (int n = 0; n < users_; ++n) {
        if (battery_[n] < kInfinity) sum += point.price[n] * battery_[n];
        for (const Column& column : point.decision)
            if (!column.choice.empty()) point.spent[n] += column.choice[n].energy;
    }
    if (sum > -kInfinity) sum += (std::abs(sum) + tasks) * (tasks + 16) * 0x1p-52;
    point.bound = sum;
    return point;
}

void Cases::keep(const std::vector<Column>& decision) {
    double value = 0;
    std::vector<double> spent(users_, 0);
    for (const Column& column : decision) {
        if (column.choice.empty()) return;
        for (int n = 0; n < users_; ++n) {
            value += column.choice[n].qoe;
            spent[n] += column.choice[n].energy;
        }
    }
    if (!(value > value_)) return;
    for (int n = 0; n < users_; ++n)
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
        offloaders.push_back(users_ -
                             int(std::count(column.channel.begin(), column.channel.end(), kLocal)));
    for (int n = 0; n < users_; ++n) {
        double left = battery_[n];
        for (const Column& column : decision) left -= column.choice[n].energy;
        for (;;) {
            const bool over = left < 0;
            double most = over ? kInfinity : 0;
            const Efficient* change = nullptr;
            int at = -1;
            for (int t = 0; t < slots_; ++t) {
                const int k = decision[t].channel[n];
                const size_t list = (size_t(t) * users_ + n) * lists_ +
                                    (k < 0 ? 0 : 1 + size_t(offloaders[t] - 1) * channels_ + k);
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
void Cases::find_prices(const Lists& lists, Case& one, Point& best, std::vector<Point>& recent,
                        const Stop& stop) {
    std::vector<double> price = one.price, before(users_, 0);
    double ambition = kInfinity;
    int failures = 0;
    for (int step = 0; step < kSteps; ++step) {
        const double aim = value_ + gap_ / 2;  // beyond what is enough: a step may fall short of it
        Point point = evaluate(lists, price);
        if (point.bound < best.bound) polish(point.decision);
        keep(point.decision);
        if (ambition == kInfinity) ambition = point.bound - aim;
        failures = point.bound < best.bound - 0.05 * ambition ? 0 : failures + 1;
        const Point& at = point;
        if (point.bound < best.bound) best = point;
        if (best.bound <= enough() || stop()) return;
        const double level = std::max(aim, best.bound - ambition);
        double norm = 0, along = 0, old = 0;
        std::vector<double> direction(users_, 0);
        for (int n = 0; n < users_; ++n) {
            if (!(battery_[n] < kInfinity)) continue;
            direction[n] = 1 - at.spent[n] / battery_[n];
            if (direction[n] > 0 && !(at.price[n] > 0)) direction[n] = 0;
            along += direction[n] * before[n];
            old += before[n] * before[n];
        }
        const double turn = along < 0 ? -1.5 * along / old : 0;
        for (int n = 0; n < users_; ++n) {
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
            before.assign(users_, 0);
            continue;
        }
        const double length = (recent.back().bound - level) / norm;
        for (int n = 0; n < users_; ++n)
            if (battery_[n] < kInfinity)
                price[n] =
                    std::max(recent.back().price[n] - length * direction[n] / battery_[n], 0.0);
        before = std::move(direction);
    }
}

// Where energies differ between prices near the best, by what they are worth.
bool Cases::choose_split(const Lists& lists, const Point& best, const std::vector<Point>& recent,
                         Case& one) const {
    double most = 0, wanted = 0;
    for (int t = 0; t < slots_; ++t)
        for (int n = 0; n < users_; ++n) {
            double low = kInfinity, high = -kInfinity, sum = 0;
            int count = 0;
            for (const Point& point : recent) {
                if (point.decision[t].choice.empty()) continue;
                const double energy = point.decision[t].choice[n].energy;
                low = std::min(low, energy);
                high = std::max(high, energy);
                sum += energy;
                ++count;
            }
            const double spread = best.price[n] * (high - low);
            if (count == 0 || !(spread > most)) continue;
            most = spread;
            one.slot = t;
            one.user = n;
            wanted = std::max(std::min(sum / count, std::nextafter(high, low)), low);
        }
    if (one.slot < 0) {  // nothing moves: the widest range of energies that is left
        for (int t = 0; t < slots_; ++t)
            for (int n = 0; n < users_; ++n) {
                if (!(battery_[n] < kInfinity)) continue;
                const size_t list = (size_t(t) * users_ + n) * lists_;
                double low = kInfinity, high = -kInfinity;
                for (size_t i = lists.first[list]; i < lists.first[list + lists_]; ++i) {
                    low = std::min(low, lists.actions[i].energy);
                    high = std::max(high, lists.actions[i].energy);
                }
                const double spread = (high - low) / battery_[n];
                if (!(spread > most)) continue;
                most = spread;
                one.slot = t;
                one.user = n;
                wanted = std::min((low + high) / 2, std::nextafter(high, low));
            }
        if (one.slot < 0) return false;
    }
    // Between two actions, far from both.
    const size_t list = (size_t(one.slot) * users_ + one.user) * lists_;
    double below = -kInfinity, above = kInfinity;
    for (size_t i = lists.first[list]; i < lists.first[list + lists_]; ++i) {
        const double energy = lists.actions[i].energy;
        if (energy <= wanted)
            below = std::max(below, energy);
        else
            above = std::min(above, energy);
    }
    if (!(below > -kInfinity && above < kInfinity)) return false;
    one.energy = in_few_digits((below + above) / 2);
    if (!(below <= one.energy && one.energy < above)) one.energy = below;
    return true;
}

void Cases::drop(const Lists& lists, const Point& best, Live& live) {
    const double enough = this->enough() - kMargin;
    dropped_ = std::max(dropped_, enough);
    const size_t cells = size_t(users_) * channels_;
    for (int t = 0; t < slots_; ++t) {
        const double others = best.bound - best.worth[t];
        const double* const home = best.home.data() + size_t(t) * users_;
        std::vector<double> at_home(users_, -kInfinity);  // of the best m: bound less the user's
        for (int m = 0; m <= most_; ++m) {
            const double* const cell = best.cell.data() + (size_t(t) * most_ + m - 1) * cells;
            const double* const duals =
                best.duals.data() + (size_t(t) * most_ + m - 1) * (1 + channels_);
            const Assigned all = assigned(home, cell, duals, m, users_, channels_);
            for (int n = 0; n < users_; ++n) {
                const double rest =
                    all.bound > -kInfinity ? others + all.bound - all.user[n] : -kInfinity;
                at_home[n] = std::max(at_home[n], rest);
                for (int k = 0; m && k < channels_; ++k) {
                    const size_t list =
                        (size_t(t) * users_ + n) * lists_ + 1 + size_t(m - 1) * channels_ + k;
                    for (size_t i = lists.first[list]; i < lists.first[list + 1]; ++i) {
                        const Efficient& one = lists.actions[i];
                        const double worth = one.qoe - best.price[n] * one.energy;
                        if (rest + (worth - duals[1 + k] - duals[0]) <= enough)
                            live[lists.index[i] / 64] &= ~(uint64_t(1) << lists.index[i] % 64);
                    }
                }
            }
        }
        for (int n = 0; n < users_; ++n) {
            const size_t list = (size_t(t) * users_ + n) * lists_;
            for (size_t i = lists.first[list]; i < lists.first[list + 1]; ++i) {
                const Efficient& one = lists.actions[i];
                if (at_home[n] + (one.qoe - best.price[n] * one.energy) <= enough)
                    live[lists.index[i] / 64] &= ~(uint64_t(1) << lists.index[i] % 64);
            }
        }
    }
}

int Cases::open(int parent, Live live, const std::vector<double>& price, const Stop& stop) {
    Lists lists;
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
    one.parent = parent;
    one.price = price;
    Point best;
    std::vector<Point> recent;
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
    const auto lower = [&](int a, int b) {
        return cases_[a].bound != cases_[b].bound ? cases_[a].bound < cases_[b].bound : a > b;
    };
    if (!waiting_.empty() && waiting_.back() == number)
        std::push_heap(waiting_.begin(), waiting_.end(), lower);
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
    open(-1, Live(actions_.size() / 64 + 1, ~uint64_t(0)), price, stop);
    const auto lower = [&](int a, int b) {
        return cases_[a].bound != cases_[b].bound ? cases_[a].bound < cases_[b].bound : a > b;
    };
    while (!waiting_.empty() && cases_.size() + 2 <= most && !stop()) {
        const int number = waiting_.front();
        if (cases_[number].bound <= enough()) break;
        std::pop_heap(waiting_.begin(), waiting_.end(), lower);
        waiting_.pop_back();
        const Live live = std::move(live_[number]);
        const Case split = cases_[number];
        for (int side = 0; side < 2; ++side) {
            Live part = live;
            const size_t list = (size_t(split.slot) * users_ + split.user) * lists_;
            for (size_t i = first_[list]; i < first_[list + lists_]; ++i)
                if ((actions_[i].energy > split.energy) != (side == 1))
                    part[i / 64] &= ~(uint64_t(1) << i % 64);
            const int child = open(number, std::move(part), split.price, stop);
            cases_[number].children[side] = child;
        }
    }
    upper_ = std::max(value_, dropped_);
    for (const Case& one : cases_)
        if (one.children[0] < 0) upper_ = std::max(upper_, one.bound);
    upper_ += kMargin;
}

}  // namespace semopt
