// What prices of energy make of a queue's slots, of whose efficient actions some are allowed.
#pragma once

#include <stddef.h>

#include <vector>

#include "queue/fronts.h"

namespace semopt {

// Of a queue: for each slot and user a list of actions at home, then one for each number m of
// offloaders from 1 to `most` and each sub-channel.
struct QueueShape {
    int slots, users, channels, most;

    size_t lists() const { return 1 + size_t(most) * channels; }
    size_t cells() const { return size_t(users) * channels; }
    size_t list(int t, int n) const { return (size_t(t) * users + n) * lists(); }
    size_t list(int t, int n, int k, int m) const {
        return list(t, n) + (k < 0 ? 0 : 1 + size_t(m - 1) * channels + k);
    }
};

struct ActionLists {
    std::vector<size_t> first;  // action of each list, and the end
    std::vector<size_t> index;  // what a caller numbers them by
    std::vector<Efficient> actions;
};

// What duals prove of a slot's assignments with m offloaders; see queue/cases.h.
struct Assigned {
    double bound = -kInfinity;
    std::vector<double> user;  // the most that each user is worth, at home or less the prices
};
Assigned assigned(const double* home, const double* cell, const double* duals, int m, int users,
                  int channels);

struct Priced {
    double bound = kInfinity;                 // D, rounded up
    std::vector<double> price, worth, spent;  // (users), (slots), (users)
    std::vector<double> home, cell;           // (slots, N), (slots, M, N, K): what each is worth
    std::vector<double> duals;                // (slots, M, 1 + K): of an offloader, of sub-channels
    std::vector<Column> decision;             // without a choice where a slot allows none

    const double* home_of(const QueueShape& shape, int t) const {
        return home.data() + size_t(t) * shape.users;
    }
    const double* cell_of(const QueueShape& shape, int t, int m) const {
        return m ? cell.data() + (size_t(t) * shape.most + m - 1) * shape.cells() : nullptr;
    }
    const double* duals_of(const QueueShape& shape, int t, int m) const {
        return m ? duals.data() + (size_t(t) * shape.most + m - 1) * (1 + shape.channels) : nullptr;
    }
};

// At prices in few digits, so that a file holds them in few characters.
Priced priced_at(const std::vector<double>& price, const ActionLists& lists,
                 const QueueShape& shape, const std::vector<double>& battery, int lanes);

double in_few_digits(double price);

}  // namespace semopt
