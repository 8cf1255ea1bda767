// One number, in the place of a register of them: what lanes_avx2.h and lanes_avx512.h have, for
// the compiler to make vectors of. Included by lanes.h alone.
#pragma once

#include <limits>
#include <type_traits>

#include "isa/lanes.h"

namespace semopt {
namespace {

template <class R>
struct LanesOf {
    using Values = R;
    using Mask = bool;
};

SEMOPT_HD int count(bool chosen) { return chosen; }

// Without a branch, which would be mispredicted.
template <class V>
SEMOPT_HD V choose(bool chosen, V x, V other) {
    using Word = std::conditional_t<sizeof(V) == sizeof(uint64_t), uint64_t, uint32_t>;
    const Word other_bits = math::bit_cast<Word>(other), mask = Word(0) - Word(chosen);
    return math::bit_cast<V>(other_bits ^ ((math::bit_cast<Word>(x) ^ other_bits) & mask));
}

template <class I>
SEMOPT_HD bool below(I x, I limit) {
    return std::make_unsigned_t<I>(x) < std::make_unsigned_t<I>(limit);
}
template <class R>
SEMOPT_HD R load(bool chosen, const R* from, R rest) {
    return choose(chosen, *from, rest);
}
template <class R>
SEMOPT_HD void store(bool, R x, R* to) {
    *to = x;
}
template <class I>
SEMOPT_HD I load_index(bool, const long long* from, I) {
    const I low = I(*from);
    return low == *from ? low : std::numeric_limits<I>::min();
}
template <class I>
SEMOPT_HD void store_bytes(bool, I x, unsigned char* to) {
    *to = (unsigned char)x;
}
template <class V, class I>
SEMOPT_HD V permute(V x, I) {
    return x;
}
template <class R, class I>
SEMOPT_HD R gather(bool chosen, const R* from, I at) {
    const R none{};
    return *choose(chosen, from + at, &none);
}
template <class R, class I>
SEMOPT_HD R gather(const R* from, I at) {
    return from[at];
}
// The same of an array: its length tells the compiler that all of it may be read.
template <class R, size_t length, class I>
SEMOPT_HD R pick(const R (&from)[length], I at) {
    return from[at];
}

// Numbers of which one may ask for any: three, as there is no permutation.
template <class R>
constexpr int kSmallTableSize = 3;

template <class R>
class SmallTable {
  public:
    explicit SmallTable(const R* from) : first_(from[0]), second_(from[1]), third_(from[2]) {}

    R operator[](Index<R> at) const {
        const R rest = at == 1 ? second_ : third_;
        return at == 0 ? first_ : rest;
    }

  private:
    R first_, second_, third_;
};

template <class R>
class Compress {
  public:
    explicit Compress(bool) {}

    template <class V>
    V operator()(V x) const {
        return x;
    }
};

template <class R>
class Expand {
  public:
    explicit Expand(bool chosen) : chosen_(chosen) {}

    R operator()(R x, R other) const { return choose(chosen_, x, other); }

  private:
    bool chosen_;
};

template <class R>
SEMOPT_HD R one_of_two(bool lanes, const R* from, Index<R> at) {
    return from[lanes && at == 1];
}

template <class R>
void load_fours(const R* from, const Index<R>* at, R (&out)[4]) {
    for (int c = 0; c < 4; ++c) out[c] = from[2 * *at + c];
}

}  // namespace
}  // namespace semopt
