#include "queue/online.h"

namespace semopt {

Column best_within(const Fronts& fronts, int slot, const Purse* purse) {
    return fronts.best(slot,
                       [purse](const Front& front, int user) { return purse[user].judge(front); });
}

namespace {

// A list of a user's actions, and what the others are worth at most beside it.
struct Beside {
    const Front* front;
    double others;
};

// All lists of user n that others can stand beside, from what every list is worth to its user at
// its purse: `alone` (users), `weight` (offloaders, users, channels).
std::vector<Beside> beside(const Fronts& fronts, int t, int n, const std::vector<double>& alone,
                           const std::vector<double>& weight) {
    const int users = fronts.users(), channels = fronts.channels();
    std::vector<double> local(alone), rest(size_t(users - 1) * channels);
    local.erase(local.begin() + n);
    std::vector<Beside> lists;
    Matching matching;
    for (int m = 0; m <= fronts.most_offloaders(); ++m)
        for (int k = kLocal; k < (m ? channels : 0); ++k) {
            const Front& front = fronts.front(t, n, k, m);
            if (front.empty()) continue;
            for (int other = 0, row = 0; other < users; ++other) {
                if (other == n) continue;
                for (int c = 0; c < channels; ++c)
                    rest[size_t(row) * channels + c] =
                        m && c != k ? weight[(size_t(m - 1) * users + other) * channels + c]
                                    : -kInfinity;
                ++row;
            }
            if (matching.solve(rest.data(), local.data(), users - 1, channels, m - (k >= 0)))
                lists.push_back({&front, matching.value()});
        }
    return lists;
}

}  // namespace

void worth_by_energy(const Fronts& fronts, int t, const Purse* purse, double* out) {
    const int users = fronts.users(), channels = fronts.channels();
    std::vector<double> alone(users), weight;
    for (int n = 0; n < users; ++n) alone[n] = purse[n].judge(fronts.front(t, n, kLocal, 0)).value;
    for (int m = 1; m <= fronts.most_offloaders(); ++m)
        for (int n = 0; n < users; ++n)
            for (int k = 0; k < channels; ++k)
                weight.push_back(purse[n].judge(fronts.front(t, n, k, m)).value);
    for (int n = 0; n < users; ++n) {
        const int knots = purse[n].knots;
        double* const row = out + size_t(n) * knots;
        std::fill(row, row + knots, 0);
        if (!(purse[n].battery < kInfinity)) continue;
        const std::vector<Beside> lists = beside(fronts, t, n, alone, weight);
        for (int i = 0; i < knots; ++i) {
            Purse at = purse[n];
            at.left = at.battery * i / (knots - 1);
            row[i] = -kInfinity;
            for (const Beside& list : lists)
                row[i] = std::max(row[i], at.judge(*list.front).value + list.others);
        }
    }
}

}  // namespace semopt
