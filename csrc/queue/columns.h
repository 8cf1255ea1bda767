// The best choice of one column a slot within budgets: states with completion bounds.
//
// A column has a value and takes a part of each of N budgets. A state is what a choice for the
// first slots has gained and has left. For any prices y >= 0 what the other slots s can add is at
// most
//     sum_s max_c (value_c - y . taken_c)  +  y . left,
// so a state is dropped where the least of these bounds, over some prices, does not beat the best
// choice known, and where another state has no less of everything. Where more states than `width`
// are left, those of the highest bounds go on: the answer may then miss the best choice, but no
// choice is worth more than the highest bound among the states that were dropped.
#pragma once

#include <stddef.h>

#include <vector>

#include "exact/matching.h"

namespace semopt {

struct SlotColumns {
    const double *value, *taken;  // (count), (count, N)
    int count;
};

class Choosing {
  public:
    // Budgets (N), prices (J, N) row by row.
    Choosing(std::vector<SlotColumns> slots, std::vector<double> budget,
             std::vector<double> prices);

    // Choices worth more than `lower` are looked for, and those of no use that can be worth
    // `margin` more at most. False where `stop` asked for an end: the bound then is that of all.
    bool solve(double lower, double margin, size_t width, const Stop& stop);

    double value() const { return value_; }  // of the choice; -inf: none is worth more than `lower`
    double upper() const { return upper_; }  // no choice is worth more than this or than `lower`
    const std::vector<int>& choice() const {
        return choice_;
    }  // (slots), while the value is finite
    size_t states() const { return states_; }  // looked at

  private:
    struct Stage {
        std::vector<double> value, left;  // (states), (states, N)
        std::vector<int> parent, column;
        size_t size() const { return value.size(); }
    };

    bool expand(const Stage& from, int slot, double lower, double margin, const Stop& stop,
                Stage& to, std::vector<double>& bound);
    void cut(Stage& stage, std::vector<double>& bound, size_t width);
    void drop_dominated(Stage& stage, std::vector<double>& bound) const;
    static void keep(Stage& stage, std::vector<double>& bound, const std::vector<int>& which,
                     int budgets);
    void drop(double bound) {
        if (bound > upper_) upper_ = bound;
    }

    std::vector<SlotColumns> slots_;
    std::vector<double> budget_, prices_;
    int budgets_;
    size_t rates_;                 // J
    std::vector<double> reduced_;  // of every column at all prices, slot after slot: (C, J)
    std::vector<size_t> first_;    // column of each slot
    std::vector<double> rest_;     // (slots + 1, J): what slots t.. add at most at each price
    double value_ = -kInfinity, upper_ = -kInfinity;
    size_t states_ = 0;
    std::vector<int> choice_;
};

}  // namespace semopt
