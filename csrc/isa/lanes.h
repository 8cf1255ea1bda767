// Tasks side by side: a register of numbers with AVX-512 (lanes_avx512.h) or AVX2 (lanes_avx2.h),
// elsewhere one number, of which the compiler makes vectors (lanes_scalar.h). Loops over tasks are
// written once, in steps of kWidth. The formulas of model/model.h take either.
#pragma once

#include "model/model.h"

// Bytes of a register; 0: the compiler makes the vectors. GCC before 12 has no
// __builtin_shufflevector, which those of AVX-512 take.
#if defined(__AVX512F__) && defined(__AVX512DQ__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define SEMOPT_REGISTER 64
#endif
#endif
#ifndef SEMOPT_REGISTER
#if defined(__AVX2__) && defined(__FMA__)
#define SEMOPT_REGISTER 32
#else
#define SEMOPT_REGISTER 0
#endif
#endif

namespace semopt {

#if SEMOPT_REGISTER
typedef double Doubles __attribute__((vector_size(SEMOPT_REGISTER)));
typedef float Floats __attribute__((vector_size(SEMOPT_REGISTER)));

namespace math {

template <>
struct Real<Doubles> : Real<double> {
    typedef Word Bits __attribute__((vector_size(SEMOPT_REGISTER)));
    typedef long long Index __attribute__((vector_size(SEMOPT_REGISTER)));
};

template <>
struct Real<Floats> : Real<float> {
    typedef Word Bits __attribute__((vector_size(SEMOPT_REGISTER)));
    typedef int Index __attribute__((vector_size(SEMOPT_REGISTER)));
};

}  // namespace math
#endif

// All lanes.
constexpr int kAll = -1;

// Internal linkage: each object has its width.
namespace {

// The numbers of type R side by side, and the lanes on which an operation acts.
template <class R>
struct LanesOf;
template <class R>
using Lanes = typename LanesOf<R>::Values;
template <class R>
using LaneMask = typename LanesOf<R>::Mask;

template <class R>
constexpr int kWidth = sizeof(Lanes<R>) / sizeof(R);

template <class R>
class SmallTable;  // kSmallTableSize numbers of which each lane may read any

template <class R>
constexpr Index<R> kCounting[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

template <class V, class T>
SEMOPT_HD V load(const T* from) {
    if constexpr (sizeof(V) == sizeof(T)) {
        return *from;
    } else {
        V values;
        __builtin_memcpy(&values, from, sizeof values);
        return values;
    }
}

template <class V, class T>
SEMOPT_HD void store(V values, T* to) {
    if constexpr (sizeof(V) == sizeof(T))
        *to = values;
    else
        __builtin_memcpy(to, &values, sizeof values);
}

}  // namespace
}  // namespace semopt

#if SEMOPT_REGISTER == 64
#include "isa/lanes_avx512.h"
#elif SEMOPT_REGISTER == 32
#include "isa/lanes_avx2.h"
#else
#include "isa/lanes_scalar.h"
#endif

namespace semopt {
namespace {

#if SEMOPT_REGISTER
// As many as a register has.
template <class R>
constexpr int kSmallTableSize = kWidth<R>;

template <class R>
class SmallTable {
    using V = Lanes<R>;

  public:
    explicit SmallTable(const R* from) : values_(load<V>(from)) {}

    V operator[](Index<V> at) const { return permute(values_, at); }

  private:
    V values_;
};
#endif

// Calls body(i, lanes) for vectors of `count` numbers. The last vector may have fewer lanes in use.
template <class R, class Body>
SEMOPT_HD void in_vectors(int count, Body body) {
    constexpr int kLanes = kWidth<R>;
    int i = 0;
    for (; i + kLanes <= count; i += kLanes) body(i, LaneMask<R>(kAll));
    if (i < count) body(i, LaneMask<R>((1u << (count - i)) - 1));
}

// Calls finish(i, lanes, begin(i, lanes)) for such vectors, software-pipelined: a vector's `begin`
// is issued beside the `finish` of the vector before it. A core's window of instructions is
// limited; this way it holds two independent chains of operations, which overlap.
template <class R, class Begin, class Finish>
SEMOPT_HD void software_pipelined(int count, Begin begin, Finish finish) {
    constexpr int kLanes = kWidth<R>;
    const LaneMask<R> all(kAll);
    if constexpr (kLanes == 1) {
#pragma GCC ivdep
        for (int i = 0; i < count; ++i) finish(i, all, begin(i, all));
    } else {
        int i = 0;
        if (count >= kLanes) {
            auto before = begin(0, all);
            for (i = kLanes; i + kLanes <= count; i += kLanes) {
                const auto now = begin(i, all);
                finish(i - kLanes, all, before);
                before = now;
            }
            finish(i - kLanes, all, before);
        }
        const LaneMask<R> rest((1u << (count - i)) - 1);
        if (i < count) finish(i, rest, begin(i, rest));
    }
}

// A record with the same numbers in every lane.
template <template <class> class Record, class R>
SEMOPT_HD Record<Lanes<R>> in_lanes(const Record<R>& record) {
    constexpr int kFields = sizeof record / sizeof(R);  // of one type (model/model.h)
    R from[kFields];
    Lanes<R> to[kFields];
    __builtin_memcpy(from, &record, sizeof record);
    for (int f = 0; f < kFields; ++f) to[f] = math::all<Lanes<R>>(from[f]);
    Record<Lanes<R>> out;
    __builtin_memcpy(&out, to, sizeof out);
    return out;
}

}  // namespace
}  // namespace semopt
