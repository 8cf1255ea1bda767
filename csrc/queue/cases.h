// A queue's decisions in cases, each with prices of its own: branch and price, best bound first.
//
// A case allows some of the efficient actions of each slot's cells (queue/fronts.h). With L the
// value of a decision in hand and a gap g, at any prices y >= 0 of energy
//   - a case with D(y) <= L + g over its actions holds nothing that is better by more than g;
//   - so an action is dropped from the case where the bound of the joint actions that use it, by
//     the duals of its slot's assignment, is no more than L + g;
//   - else a user's energy in one slot splits it: at most e, or more. Only energy couples slots, so
//     in the end each slot is worth what its best joint action of some energies is.
// A bound rests on what a checker adds up again: the prices y, and of each slot and each number m
// of offloaders the prices c >= 0 of sub-channels and o of an offloader, for which
//     sum_n max(home_n, max_k (cell_nk - c_k - o)) + sum_k c_k + m o,   cells worth QoE - y E,
// bounds all assignments.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <vector>

#include "queue/priced.h"

namespace semopt {

struct Case {
    int children[2] = {-1, -1};  // of energy at most `energy`, and more; -1: not split
    int slot = -1, user = -1;
    double energy = 0;
    double bound = kInfinity;
    std::vector<double> price;  // (users)
    std::vector<double> duals;  // (slots, M, 1 + K): o and c for each number m of offloaders from 1
};

class Cases {
  public:
    // Batteries (users), infinite where there is none.
    Cases(const Fronts& fronts, std::vector<double> battery, int threads);

    // Splits until no case has a bound above `value` + `gap`, there are `most` cases or `stop` asks
    // for an end. `value` is that of a decision in hand, `price` where the first bound is looked
    // for.
    void solve(double value, double gap, const std::vector<double>& price, size_t most,
               const Stop& stop);

    double value() const { return value_; }  // of the best decision, or of the one in hand
    double upper() const { return upper_; }  // no decision is worth more
    const std::vector<Column>& decision() const { return decision_; }  // a column a slot, or none
    const std::vector<Case>& cases() const { return cases_; }          // the first holds all

  private:
    using Live = std::vector<uint64_t>;  // a bit for each efficient action

    int open(Live live, const std::vector<double>& price, const Stop& stop);
    void find_prices(const ActionLists& lists, Case& one, Priced& best, std::vector<Priced>& recent,
                     const Stop& stop);
    bool choose_split(const ActionLists& lists, const Priced& best,
                      const std::vector<Priced>& recent, Case& one) const;
    void drop(const ActionLists& lists, const Priced& best, Live& live);
    void keep(const std::vector<Column>& decision);
    void polish(std::vector<Column> decision);
    bool later(int one, int other) const;  // of open cases, that of the higher bound comes first
    double margin() const;
    double enough() const { return value_ + gap_; }

    std::vector<double> battery_;
    int lanes_;
    QueueShape shape_;
    std::vector<size_t> first_;       // action of each list, and the end
    std::vector<Efficient> actions_;  // of all lists
    double value_ = 0, gap_ = 0, upper_ = kInfinity, dropped_ = -kInfinity;
    std::vector<Column> decision_;
    std::vector<Case> cases_;
    std::vector<Live> live_;
    std::vector<int> waiting_;  // a heap of open cases
};

}  // namespace semopt
