// The best joint actions: a filter in single precision, the answer in double.
//
// With u = 2^-24, rounding the head h and the tail t and adding them errs by at most
// 2 u (|h| + |t|) (1 + u), which `slack` bounds: a stretch whose largest scanned score plus slack
// is below the worst kept score holds nothing to be kept. Every other stretch is scored again in
// double precision, in the order of the definition: users from first to last. So the answer is the
// exact double-precision one, on any number of threads. Included by kernels.cpp alone.
#pragma once

#include <float.h>

#include "isa/count_loops.h"
#include "isa/pattern_loops.h"

namespace semopt {
namespace {

// The largest scores of four heads in a stretch of the tail. Four heads share each load of a score
// of the tail.
struct StretchBest {
    float best[4];
};

// Scores four heads joined with each of `count` tails: the inner loop of `exhaustive`, one addition
// and one comparison a joint action.
template <bool kFairest, bool kLimited>
void score_stretch(const float* head, const float* head_energy, const float* tail,
                   const float* tail_energy, int count, float energy_max, StretchBest& best) {
    const float none = -math::Real<float>::infinity;
    const float h0 = head[0], h1 = head[1], h2 = head[2], h3 = head[3];
    const float e0 = head_energy[0], e1 = head_energy[1], e2 = head_energy[2], e3 = head_energy[3];
    float b0 = none, b1 = none, b2 = none, b3 = none;
#pragma omp simd reduction(max : b0, b1, b2, b3)
    for (int j = 0; j < count; ++j) {
        float x0 = join<kFairest>(h0, tail[j]), x1 = join<kFairest>(h1, tail[j]),
              x2 = join<kFairest>(h2, tail[j]), x3 = join<kFairest>(h3, tail[j]);
        if (kLimited) {
            x0 = e0 + tail_energy[j] <= energy_max ? x0 : none;
            x1 = e1 + tail_energy[j] <= energy_max ? x1 : none;
            x2 = e2 + tail_energy[j] <= energy_max ? x2 : none;
            x3 = e3 + tail_energy[j] <= energy_max ? x3 : none;
        }
        b0 = math::max(b0, x0);
        b1 = math::max(b1, x1);
        b2 = math::max(b2, x2);
        b3 = math::max(b3, x3);
    }
    best = {{b0, b1, b2, b3}};
}

using StretchScorer = void (*)(const float*, const float*, const float*, const float*, int, float,
                               StretchBest&);

StretchScorer stretch_scorer(const Search& search) {
    if (search.server_energy)
        return search.fairest ? score_stretch<true, true> : score_stretch<false, true>;
    return search.fairest ? score_stretch<true, false> : score_stretch<false, false>;
}

// A single-precision number that is not below x, and next to it.
float rounded_up(double x) {
    const float y = float(x);
    return double(y) < x ? y + math::max(math::max(y, -y) * FLT_EPSILON, FLT_MIN) : y;
}

bool worse_on_top(const Scored& a, const Scored& b) { return better(a, b); }

void sift_down(Scored* heap, int count, int at) {
    for (int child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && worse_on_top(heap[child], heap[child + 1])) ++child;
        if (!worse_on_top(heap[at], heap[child])) return;
        const Scored moved = heap[at];
        heap[at] = heap[child];
        heap[child] = moved;
    }
}

double worst_kept(const Search& search, const Scan& scan) {
    return scan.kept == search.keep ? scan.best[0].value : -kInfinity;
}

void keep(const Search& search, Scan& scan, const Scored& candidate) {
    if (scan.kept == search.keep) {
        if (!better(candidate, scan.best[0])) return;
        scan.best[0] = candidate;
        sift_down(scan.best, scan.kept, 0);
        return;
    }
    scan.best[scan.kept++] = candidate;
    if (scan.kept == search.keep)
        for (int i = scan.kept / 2; i-- > 0;) sift_down(scan.best, scan.kept, i);
}

// Scores a stretch in double precision and keeps the best.
void rescore(const Search& search, Scan& scan, Pattern& pattern, long long head, double before,
             double energy_before, long long at, long long end) {
    for (; at < end; at += kTile) {
        const int count = int(math::min<long long>(kTile, end - at));
        pattern.score_run(pattern.split, before, energy_before, at, count);
        double* const row = scan.row;
        if (search.server_energy)
            for (int i = 0; i < count; ++i)
                row[i] = scan.energy_row[i] <= search.server_energy_max ? row[i] : -kInfinity;
        const long long index = pattern.start + head * pattern.tail_size + at;
        double top = -kInfinity;
#pragma omp simd reduction(max : top)
        for (int i = 0; i < count; ++i) top = math::max(top, row[i]);
        if (top == -kInfinity || top < worst_kept(search, scan)) continue;
        for (int i = 0; i < count; ++i)
            if (row[i] > -kInfinity && row[i] >= worst_kept(search, scan))
                keep(search, scan, {row[i], index + i});
    }
}

constexpr int kHeads = 64;  // that are joined with a tile of the tail while it is in the L1 cache

// Scans whole heads first..last-1 of a pattern.
void scan_heads(const Search& search, Scan& scan, Pattern& pattern, long long first,
                long long last) {
    const StretchScorer score_four = stretch_scorer(search);
    const float energy_max = rounded_up(search.server_energy_max + search.energy_slack);
    double value[kHeads], energy[kHeads];
    float head[kHeads], head_energy[kHeads];
    StretchBest best[kHeads / 4];
    pattern.go_to(first);
    for (long long from = first; from < last; from += kHeads) {
        const int heads = int(math::min<long long>(kHeads, last - from));
        for (int h = 0; h < heads; ++h) {
            value[h] = pattern.head();
            energy[h] = pattern.head_energy();
            pattern.next_head();
        }
        const int padded = (heads + 3) / 4 * 4;
        for (int h = 0; h < padded; ++h) {
            head[h] = float(h < heads ? value[h] : -kInfinity);
            head_energy[h] = float(h < heads ? energy[h] : 0);
        }
        for (long long at = 0; at < pattern.tail_size; at += kTile) {
            const long long end = math::min(at + kTile, pattern.tail_size);
            float top = -math::Real<float>::infinity;
            for (int h = 0; h < padded; h += 4) {
                StretchBest& four = best[h / 4];
                score_four(head + h, head_energy + h, scan.tail + at, scan.energy_tail + at,
                           int(end - at), energy_max, four);
                for (int i = 0; i < 4; ++i) top = math::max(top, four.best[i]);
            }
            // Where one joint action is kept and no energy is limited, the best of this round
            // scores at least top - slack. So a rising sequence of heads settles one stretch a
            // round, not all.
            const bool sure = search.keep == 1 && !search.server_energy;
            const double floor = sure ? top - search.slack : -kInfinity;
            for (int h = 0; h < heads; ++h) {
                const StretchBest& four = best[h / 4];
                const double upper = four.best[h % 4] + search.slack;
                const bool open =
                    upper > -kInfinity && upper >= floor && upper >= worst_kept(search, scan);
                if (open) rescore(search, scan, pattern, from + h, value[h], energy[h], at, end);
            }
        }
    }
}

// Everything in double precision, heads first..last-1 with the actions at..end-1 of the tail.
void rescore_heads(const Search& search, Scan& scan, Pattern& pattern, long long first,
                   long long last, long long at, long long end) {
    if (first >= last || at >= end) return;
    pattern.go_to(first);
    for (long long head = first; head < last; ++head, pattern.next_head())
        rescore(search, scan, pattern, head, pattern.head(), pattern.head_energy(), at, end);
}

// Calls work(first head, last head, first of the tail, end of the tail) on the parts of a range of
// a pattern: the end of a head, whole heads, the start of a head.
template <class Work>
void split_range(long long from, long long to, long long tail, Work work) {
    const long long head = from / tail, end = to / tail;
    if (head == end) return work(head, head + 1, from % tail, to % tail);
    const long long whole = head + (from % tail != 0);
    work(head, whole, from % tail, tail);
    work(whole, end, 0, tail);
    work(end, end + 1, 0, to % tail);
}

void search_range(const Search& search, long long first, long long last, Scan& scan) {
    Pattern pattern(search, scan);
    while (first < last) {
        pattern.find(first);
        const long long from = first - pattern.start;
        const long long to = math::min(last - pattern.start, pattern.size);
        if (search.keep)
            split_range(from, to, pattern.tail_size,
                        [&](long long head, long long end, long long at, long long stop) {
                            if (at > 0 || stop < pattern.tail_size || end - head < 4)
                                return rescore_heads(search, scan, pattern, head, end, at, stop);
                            pattern.merge();
                            scan_heads(search, scan, pattern, head, end);
                        });
        if (search.bins || search.count) {
            pattern.split_last();
            split_range(from, to, pattern.tail_size,
                        [&](long long head, long long end, long long at, long long stop) {
                            count_heads(search, scan, pattern, head, end, at, stop);
                        });
        }
        first = pattern.start + to;
    }
}

}  // namespace
}  // namespace semopt
