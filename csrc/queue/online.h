// Decisions that see no future: a slot's best joint action where energy that is left has a worth.
//
// To a user with energy b left an action is worth QoE - y E + v(b - E), where E is at most b and at
// most another limit. v is linear between its values at equally spaced energies, from 0 to the
// battery. For each number of offloaders that is an assignment, as in fronts.h.
#pragma once

#include <algorithm>

#include "queue/fronts.h"

namespace semopt {

// What a user may take in a slot, and what energy is worth to it.
struct Purse {
    double left, most, price;
    double battery;       // infinite: v is 0
    const double* value;  // (knots) of v
    int knots;

    double worth(double energy) const {
        if (!(battery < kInfinity)) return 0;
        const double x = energy / battery * (knots - 1);
        const int i = std::min(int(x), knots - 2);
        return value[i] + (x - i) * (value[i + 1] - value[i]);
    }
    // The best action of a list, the one that takes least of equal ones.
    Judged judge(const Front& front) const {
        Judged best;
        for (const Efficient& one : front) {
            if (one.energy > left || one.energy > most) break;
            const double value = one.qoe - price * one.energy + worth(left - one.energy);
            if (value > best.value) best = {&one, value};
        }
        return best;
    }
};

// The best joint action of a slot, purses (users).
Column best_within(const Fronts& fronts, int slot, const Purse* purse);

// What the slot is worth to all users if one of them has energy left at the knots of its v, and the
// others what their purses say: (users, knots); 0 where a user has no battery.
void worth_by_energy(const Fronts& fronts, int slot, const Purse* purse, double* out);

}  // namespace semopt
