// A channel pattern laid out for scanning. Lists of scores are as in model/space.h; the last users'
// are merged into a tail, and the joint scores of the others are its heads. Included by kernels.cpp
// alone.
#pragma once

#include "isa/kernels.h"

namespace semopt {
namespace {

template <bool kFairest, class R>
R join(R a, R b) {
    return kFairest ? math::min(a, b) : a + b;
}

double join(bool fairest, double a, double b) { return fairest ? math::min(a, b) : a + b; }

// A channel pattern laid out for scanning: heads of users 0..split-1, a tail of the others.
class Pattern {
  public:
    Pattern(const Search& search, Scan& scan) : search_(search), scan_(scan) {}

    // Lays out the pattern that holds `index`.
    void find(long long index) {
        const Space& space = search_.space;
        start = pattern_at(space, index, scan_.channel);
        int offloaders = 0;
        for (int n = 0; n < space.users; ++n) offloaders += scan_.channel[n] != kLocal;
        size = 1;
        for (int n = 0; n < space.users; ++n) {
            const long long at = list_start(space, n, scan_.channel[n], offloaders);
            scan_.value[n] = search_.value[n] + at;
            if (search_.server_energy) scan_.energy[n] = search_.server_energy[n] + at;
            scan_.size[n] = actions(space, n, scan_.channel[n]);
            size *= scan_.size[n];
        }
        split = space.users - 1;
        tail_size = scan_.size[split];
        while (split > 0 && tail_size * scan_.size[split - 1] <= kMerged)
            tail_size *= scan_.size[--split];
    }

    // Leaves the last user alone in the tail.
    void split_last() {
        split = search_.space.users - 1;
        tail_size = scan_.size[split];
    }

    // The tail in single precision.
    void merge() {
        for (long long at = 0; at < tail_size; at += kTile) {
            const int count = int(math::min<long long>(kTile, tail_size - at));
            double nothing = search_.fairest ? kInfinity : 0;
            score_run(split, nothing, 0, at, count);
            for (int i = 0; i < count; ++i) scan_.tail[at + i] = float(scan_.row[i]);
            if (search_.server_energy)
                for (int i = 0; i < count; ++i)
                    scan_.energy_tail[at + i] = float(scan_.energy_row[i]);
        }
    }

    // Goes to a head: its digits, and the joint score of its users in double precision.
    void go_to(long long head) {
        for (int n = split; n-- > 0;) {
            scan_.digit[n] = int(head % scan_.size[n]);
            head /= scan_.size[n];
        }
        sum_from(0);
    }

    void next_head() {
        int n = split - 1;
        while (n > 0 && scan_.digit[n] + 1 == scan_.size[n]) scan_.digit[n--] = 0;
        if (n < 0) return;
        ++scan_.digit[n];
        if (scan_.digit[n] < scan_.size[n]) sum_from(n);
    }

    double head() const { return scan_.prefix[split]; }
    double head_energy() const { return scan_.energy_prefix[split]; }

    // Scores actions at..at+count-1 of users `user`.. on top of the users before, into the row.
    void score_run(int user, double before, double energy_before, long long at, int count) {
        const Space& space = search_.space;
        const int last = space.users - 1;
        const long long radix = scan_.size[last];
        for (int done = 0; done < count;) {
            long long rest = (at + done) / radix, digit = (at + done) % radix, weight = 1;
            for (int n = user; n < last; ++n) weight *= scan_.size[n];
            double value = before, energy = energy_before;
            for (int n = user; n < last; ++n) {
                weight /= scan_.size[n];
                value = join(search_.fairest, value, scan_.value[n][rest / weight]);
                if (search_.server_energy) energy += scan_.energy[n][rest / weight];
                rest %= weight;
            }
            const int run = int(math::min<long long>(count - done, radix - digit));
            const double* const last_scores = scan_.value[last] + digit;
            double* const row = scan_.row + done;
            if (search_.fairest)
                for (int i = 0; i < run; ++i) row[i] = math::min(value, last_scores[i]);
            else
                for (int i = 0; i < run; ++i) row[i] = value + last_scores[i];
            if (search_.server_energy)
                for (int i = 0; i < run; ++i)
                    scan_.energy_row[done + i] = energy + scan_.energy[last][digit + i];
            done += run;
        }
    }

    long long start = 0, size = 0, tail_size = 1;
    int split = 0;

  private:
    void sum_from(int n) {
        scan_.prefix[0] = search_.fairest ? kInfinity : 0;
        scan_.energy_prefix[0] = 0;
        for (; n < split; ++n) {
            const int digit = scan_.digit[n];
            scan_.prefix[n + 1] = join(search_.fairest, scan_.prefix[n], scan_.value[n][digit]);
            scan_.energy_prefix[n + 1] =
                search_.server_energy ? scan_.energy_prefix[n] + scan_.energy[n][digit] : 0;
        }
    }

    const Search& search_;
    Scan& scan_;
};

}  // namespace
}  // namespace semopt
