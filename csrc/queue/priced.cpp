#include "queue/priced.h"

#include <algorithm>
#include <cmath>

#include "host/pool.h"

namespace semopt {

namespace {

constexpr double kDigits = 1e12;  // of duals, absolute, and of prices, relative

double rounded(double x) { return std::round(x * kDigits) / kDigits; }

const Efficient* best_of(const ActionLists& lists, size_t list, double price, double& value) {
    const Efficient* best = nullptr;
    value = -kInfinity;
    for (size_t i = lists.first[list]; i < lists.first[list + 1]; ++i) {
        const double worth = lists.actions[i].qoe - price * lists.actions[i].energy;
        if (worth > value) {
            value = worth;
            best = &lists.actions[i];
        }
    }
    return best;
}

}  // namespace

double in_few_digits(double price) {
    if (!(price > 0) || !std::isfinite(price)) return 0;
    const double scale = kDigits / std::pow(10.0, std::ceil(std::log10(price)));
    return std::isfinite(scale) ? std::round(price * scale) / scale : 0;
}

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

Priced priced_at(const std::vector<double>& price, const ActionLists& lists,
                 const QueueShape& shape, const std::vector<double>& battery, int lanes) {
    const auto [slots, users, channels, most] = shape;
    const size_t cells = shape.cells();
    Priced priced;
    for (double one : price) priced.price.push_back(in_few_digits(one));
    priced.worth.resize(slots);
    priced.home.resize(size_t(slots) * users);
    priced.cell.resize(size_t(slots) * most * cells);
    priced.duals.resize(size_t(slots) * most * (1 + channels));
    priced.decision.resize(slots);
    parallel(slots, lanes, [&](long long t, int) {
        const auto list = [&](int n) { return shape.list(int(t), n); };
        double* const home = priced.home.data() + t * users;
        double* const cell = priced.cell.data() + t * most * cells;
        double largest = 1;
        const auto best = [&](size_t which, int n, double& value) {
            const Efficient* const one = best_of(lists, which, priced.price[n], value);
            if (one) largest = std::max(largest, std::abs(value));
        };
        for (int n = 0; n < users; ++n) {
            best(list(n), n, home[n]);
            for (size_t i = 1; i < shape.lists(); ++i) {
                const size_t m = (i - 1) / channels, k = (i - 1) % channels;
                best(list(n) + i, n, cell[m * cells + size_t(n) * channels + k]);
            }
        }
        // What is impossible costs more than all else brings: its duals then prove that, too.
        const double impossible = -2 * largest * (users + 1);
        std::vector<double> local(home, home + users), weight(cells, impossible);
        for (double& one : local) one = std::max(one, impossible);
        Matching matching;
        Column& chosen = priced.decision[t];
        int offloaders = -1;
        double worth = -kInfinity;
        for (int m = 0; m <= most; ++m) {
            const double* const row = m ? cell + (m - 1) * cells : nullptr;
            for (size_t i = 0; m && i < cells; ++i) weight[i] = std::max(row[i], impossible);
            matching.solve(weight.data(), local.data(), users, channels, m);
            double* const duals =
                m ? priced.duals.data() + (t * most + m - 1) * (1 + channels) : nullptr;
            if (m) {
                duals[0] = rounded(-matching.offloader_price());
                for (int k = 0; k < channels; ++k)
                    duals[1 + k] = std::max(rounded(-matching.channel_price()[k]), 0.0);
            }
            worth = std::max(worth, assigned(home, row, duals, m, users, channels).bound);
            if (matching.value() <= std::max(chosen.value, impossible / 2)) continue;
            chosen.value = matching.value();
            chosen.channel = matching.channel();
            offloaders = m;
        }
        priced.worth[t] = worth;
        for (int n = 0; n < users && offloaders >= 0; ++n) {
            const int k = chosen.channel[n];
            double value;
            const Efficient* const one =
                best_of(lists, shape.list(int(t), n, k, offloaders), priced.price[n], value);
            if (!one) {  // impossible, and chosen: nothing is allowed here
                chosen.choice.clear();
                break;
            }
            chosen.choice.push_back(*one);
        }
    });
    const int tasks = slots * users;
    double sum = 0;
    for (double worth : priced.worth) sum += worth;
    priced.spent.assign(users, 0);
    for (int n = 0; n < users; ++n) {
        if (battery[n] < kInfinity) sum += priced.price[n] * battery[n];
        for (const Column& column : priced.decision)
            if (!column.choice.empty()) priced.spent[n] += column.choice[n].energy;
    }
    if (sum > -kInfinity) sum += (std::abs(sum) + tasks) * (tasks + 16) * 0x1p-52;
    priced.bound = sum;
    return priced;
}

}  // namespace semopt
