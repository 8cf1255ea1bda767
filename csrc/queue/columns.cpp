#include "queue/columns.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace semopt {

namespace {

constexpr size_t kMostStates = size_t(1) << 22;  // of one slot, before the dominated are dropped
constexpr size_t kBetweenLooks = 64;             // states between looks at the clock
constexpr size_t kCompared = 256;  // states that another is compared with where budgets are many

}  // namespace

Choosing::Choosing(std::vector<SlotColumns> slots, std::vector<double> budget,
                   std::vector<double> prices)
    : slots_(std::move(slots)),
      budget_(std::move(budget)),
      prices_(std::move(prices)),
      budgets_(int(budget_.size())),
      rates_(prices_.size() / budget_.size()) {
    for (const SlotColumns& slot : slots_) {
        first_.push_back(reduced_.size() / rates_);
        for (int c = 0; c < slot.count; ++c)
            for (size_t j = 0; j < rates_; ++j) {
                double reduced = slot.value[c];
                for (int n = 0; n < budgets_; ++n)
                    reduced -= prices_[j * budgets_ + n] * slot.taken[size_t(c) * budgets_ + n];
                reduced_.push_back(reduced);
            }
    }
    rest_.assign((slots_.size() + 1) * rates_, 0);
    for (size_t t = slots_.size(); t-- > 0;)
        for (size_t j = 0; j < rates_; ++j) {
            double most = -kInfinity;
            for (int c = 0; c < slots_[t].count; ++c)
                most = std::max(most, reduced_[(first_[t] + c) * rates_ + j]);
            rest_[t * rates_ + j] = rest_[(t + 1) * rates_ + j] + most;
        }
}

// States after a slot, from those before it.
bool Choosing::expand(const Stage& from, int t, double lower, double margin, const Stop& stop,
                      Stage& to, std::vector<double>& bound) {
    const SlotColumns& slot = slots_[t];
    const double* const rest = rest_.data() + (t + 1) * rates_;
    std::vector<double> base(rates_);  // value and worth of what is left, at each price
    for (size_t s = 0; s < from.size(); ++s) {
        const double* const left = from.left.data() + s * budgets_;
        for (size_t j = 0; j < rates_; ++j) {
            base[j] = from.value[s] + rest[j];
            for (int n = 0; n < budgets_; ++n) base[j] += prices_[j * budgets_ + n] * left[n];
        }
        for (int c = 0; c < slot.count; ++c) {
            const double* const taken = slot.taken + size_t(c) * budgets_;
            bool affordable = true;
            for (int n = 0; n < budgets_; ++n) affordable &= taken[n] <= left[n];
            if (!affordable) continue;
            const double* const reduced = reduced_.data() + (first_[t] + c) * rates_;
            double most = kInfinity;
            constexpr size_t kAtATime = 16;
            for (size_t j = 0; j < rates_ && most > lower + margin; j += kAtATime) {
                const size_t end = std::min(rates_, j + kAtATime);
                for (size_t i = j; i < end; ++i) most = std::min(most, base[i] + reduced[i]);
            }
            if (!(most > lower + margin)) {
                if (most > lower) drop(most);
                continue;
            }
            to.value.push_back(from.value[s] + slot.value[c]);
            for (int n = 0; n < budgets_; ++n) to.left.push_back(left[n] - taken[n]);
            to.parent.push_back(int(s));
            to.column.push_back(c);
            bound.push_back(most);
        }
        if (to.size() > kMostStates) cut(to, bound, kMostStates / 2);
        if (s % kBetweenLooks == 0 && stop()) return false;
    }
    states_ += to.size();
    return true;
}

void Choosing::keep(Stage& stage, std::vector<double>& bound, const std::vector<int>& which,
                    int budgets) {
    Stage kept;
    std::vector<double> bounds;
    for (int s : which) {
        kept.value.push_back(stage.value[s]);
        kept.left.insert(kept.left.end(), stage.left.begin() + size_t(s) * budgets,
                         stage.left.begin() + size_t(s + 1) * budgets);
        kept.parent.push_back(stage.parent[s]);
        kept.column.push_back(stage.column[s]);
        bounds.push_back(bound[s]);
    }
    stage = std::move(kept);
    bound = std::move(bounds);
}

// Leaves so many states, those of the highest bounds.
void Choosing::cut(Stage& stage, std::vector<double>& bound, size_t width) {
    if (stage.size() <= width) return;
    std::vector<int> order(stage.size());
    std::iota(order.begin(), order.end(), 0);
    std::nth_element(order.begin(), order.begin() + width, order.end(),
                     [&](int a, int b) { return bound[a] > bound[b]; });
    for (size_t i = width; i < order.size(); ++i) drop(bound[order[i]]);
    order.resize(width);
    keep(stage, bound, order, budgets_);
}

// A state is dominated where another has gained no less and has no less left of any budget.
void Choosing::drop_dominated(Stage& stage, std::vector<double>& bound) const {
    std::vector<int> order(stage.size()), kept;
    std::iota(order.begin(), order.end(), 0);
    const auto left = [&](int s, int n) { return stage.left[size_t(s) * budgets_ + n]; };
    std::sort(order.begin(), order.end(), [&](int a, int b) {
        if (stage.value[a] != stage.value[b]) return stage.value[a] > stage.value[b];
        for (int n = 0; n < budgets_; ++n)
            if (left(a, n) != left(b, n)) return left(a, n) > left(b, n);
        return a < b;
    });
    if (budgets_ <= 2) {
        std::map<double, double> stairs;  // of those kept: the more is left of one, the less of two
        for (int s : order) {
            const double one = left(s, 0), two = budgets_ == 2 ? left(s, 1) : 0;
            auto above = stairs.lower_bound(one);
            if (above != stairs.end() && above->second >= two) continue;
            kept.push_back(s);
            if (above != stairs.end() && above->first == one) above = stairs.erase(above);
            while (above != stairs.begin() && std::prev(above)->second <= two)
                above = stairs.erase(std::prev(above));
            stairs.emplace_hint(above, one, two);
        }
    } else {
        for (int s : order) {
            const size_t most = std::min(kept.size(), kCompared);
            const bool dominated = std::any_of(kept.begin(), kept.begin() + most, [&](int other) {
                for (int n = 0; n < budgets_; ++n)
                    if (left(other, n) < left(s, n)) return false;
                return true;
            });
            if (!dominated) kept.push_back(s);
        }
    }
    keep(stage, bound, kept, budgets_);
}

bool Choosing::solve(double lower, double margin, size_t width, const Stop& stop) {
    value_ = upper_ = -kInfinity;
    states_ = 0;
    std::vector<Stage> stages(slots_.size() + 1);
    stages[0] = {{0}, budget_, {0}, {0}};
    std::vector<double> bound;
    double all = kInfinity;
    for (size_t j = 0; j < rates_; ++j) {
        double sum = rest_[j];
        for (int n = 0; n < budgets_; ++n) sum += prices_[j * budgets_ + n] * budget_[n];
        all = std::min(all, sum);
    }
    for (size_t t = 0; t < slots_.size(); ++t) {
        bound.clear();
        Stage& next = stages[t + 1];
        if (!expand(stages[t], int(t), lower, margin, stop, next, bound)) {
            upper_ = all;
            return false;
        }
        drop_dominated(next, bound);
        cut(next, bound, width);
        stages[t].value = {};
        stages[t].left = {};
    }
    const Stage& last = stages.back();
    for (size_t s = 0; s < last.size(); ++s) {
        if (!(last.value[s] > std::max(value_, lower))) continue;
        value_ = last.value[s];
        choice_.assign(slots_.size(), 0);
        for (int t = int(slots_.size()), at = int(s); t > 0; at = stages[t].parent[at], --t)
            choice_[t - 1] = stages[t].column[at];
    }
    upper_ = std::max(upper_, value_);
    return true;
}

}  // namespace semopt
