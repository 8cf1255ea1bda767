// How many joint actions score at least this much: ranks and histograms.
//
// Order within a tail changes no count, so the last user's list is sorted once. Rounded addition is
// monotone, and so is the minimum: the scores on one head rise along that list, and bisection finds
// those that reach an edge without scoring the others. All scores are those of the definition to
// the last bit. Where energy is limited, the joint actions between two edges are checked one by
// one. Included by kernels.cpp alone.
#pragma once

#include "isa/pattern_loops.h"

namespace semopt {
namespace {

// The scores of one head with the sorted list of the last user.
class Row {
  public:
    Row(const Search& search, const Scan& scan, const Pattern& pattern)
        : search_(search), scan_(scan), head_(pattern.head()), energy_(pattern.head_energy()) {}

    double score(long long at) const { return join(search_.fairest, head_, scan_.sorted[at]); }

    // The first score that reaches an edge, from `from` on.
    long long reaches(double edge, long long from) const {
        return search_.fairest ? bisect<true>(edge, from) : bisect<false>(edge, from);
    }

    // How many of the scores from..to-1 the limit on energy allows.
    long long allowed(long long from, long long to) const {
        if (!search_.server_energy) return to - from;
        long long count = 0;
        const double limit = search_.server_energy_max;
#pragma omp simd reduction(+ : count)
        for (long long j = from; j < to; ++j)
            count += energy_ + scan_.sorted_energy[j] <= limit ? 1 : 0;
        return count;
    }

  private:
    template <bool kFairest>
    long long bisect(double edge, long long from) const {
        const double* const sorted = scan_.sorted;
        long long left = scan_.sorted_count - from;
        while (left > 0) {  // the answer is within from..from+left
            const long long half = (left + 1) / 2;
            const bool below = join<kFairest>(head_, sorted[from + half - 1]) < edge;
            from += below ? half : 0;
            left = below ? left - half : half - 1;
        }
        return from;
    }

    const Search& search_;
    const Scan& scan_;
    const double head_, energy_;
};

// The bin of a score, -1 below the first and `bins` above the last.
int bin_of(const Search& search, double score) {
    int low = 0, high = search.bins + 1;  // edges [0, low) are at most the score, [high, ..) above
    while (low < high) {
        const int middle = (low + high) / 2;
        if (score >= search.edges[middle])
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1;
}

void count_row(const Search& search, Scan& scan, const Row& row) {
    const long long size = scan.sorted_count;
    if (search.count) scan.above += row.allowed(row.reaches(search.above, 0), size);
    if (!search.bins) return;
    int bin = bin_of(search, row.score(0));
    for (long long from = 0; bin < search.bins && from < size; ++bin) {
        const long long next = row.reaches(search.edges[bin + 1], from);
        if (bin >= 0) scan.histogram[bin] += row.allowed(from, next);
        from = next;
    }
}

// Scores actions at..end-1 of the last user on one head, one by one.
void count_part(const Search& search, Scan& scan, const Pattern& pattern, long long at,
                long long end) {
    const int user = search.space.users - 1;
    for (long long i = at; i < end; ++i) {
        const double score = join(search.fairest, pattern.head(), scan.value[user][i]);
        if (score == -kInfinity) continue;
        if (search.server_energy &&
            pattern.head_energy() + scan.energy[user][i] > search.server_energy_max)
            continue;
        if (search.count) scan.above += score >= search.above;
        const int bin = search.bins ? bin_of(search, score) : -1;
        if (bin >= 0 && bin < search.bins) ++scan.histogram[bin];
    }
}

// Sorts the feasible scores of the last user.
void sort_tail(const Search& search, Scan& scan) {
    const int user = search.space.users - 1;
    const double* const list = scan.value[user];
    const bool limited = search.server_energy != nullptr;
    if (scan.sorted_list == list) return;
    scan.sorted_count = 0;
    for (long long i = 0; i < scan.size[user]; ++i) {
        if (list[i] == -kInfinity) continue;
        scan.sorted[scan.sorted_count] = list[i];
        if (limited) scan.sorted_energy[scan.sorted_count] = scan.energy[user][i];
        ++scan.sorted_count;
    }
    sort_scores(scan.sorted, limited ? scan.sorted_energy : nullptr, scan.sorted_count);
    scan.sorted_list = list;
}

// Counts heads first..last-1 of a pattern whose tail is the last user's list, with at..end-1 of it.
void count_heads(const Search& search, Scan& scan, Pattern& pattern, long long first,
                 long long last, long long at, long long end) {
    if (first >= last || at >= end) return;
    const bool whole = at == 0 && end == pattern.tail_size;
    if (whole) sort_tail(search, scan);
    pattern.go_to(first);
    for (long long head = first; head < last; ++head, pattern.next_head()) {
        if (pattern.head() == -kInfinity) continue;
        if (!whole)
            count_part(search, scan, pattern, at, end);
        else if (scan.sorted_count)
            count_row(search, scan, Row(search, scan, pattern));
    }
}

}  // namespace
}  // namespace semopt
