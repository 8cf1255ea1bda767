// The CPU backend's `search`: a range of joint actions split over threads.
#pragma once

#include <vector>

#include "isa/kernels.h"

namespace semopt {

// Counts of a space, and the memory behind its view.
class CountedSpace {
  public:
    CountedSpace(std::vector<long long> local, std::vector<long long> offload, int channels);
    Space space() const {
        return {int(local_.size()), channels_, local_.data(), offload_.data(), rest_.data()};
    }
    long long size() const { return rest_[channels_]; }

  private:
    std::vector<long long> local_, offload_, rest_;
    int channels_;
};

struct Answer {
    std::vector<Scored> best;  // from best to worst
    long long above = 0;
    std::vector<long long> histogram;
};

// The least score of each of `bins` equal bins over [low, high], and the least score above them
// all. Comparisons with these edges give the same bin as floor((score - low) bins / (high - low)),
// computed with rounding.
std::vector<double> bin_edges(int bins, double low, double high);

Answer search(const Search& search, long long first, long long last, int threads);

}  // namespace semopt
