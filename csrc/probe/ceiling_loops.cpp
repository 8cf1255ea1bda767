// What the machine can do at most, measured: the ceilings that benchmarks state their share of.
//
// Each kernel keeps enough independent chains in registers to hide the latency of its operations.
// Compiled with fast-math, once for each instruction set: nothing here is a result of the model.
#include "probe/ceiling.h"

#ifndef SEMOPT_ISA
#error "SEMOPT_ISA names the instruction set that this object is compiled for"
#endif
#define SEMOPT_JOINED(isa) ceilings_##isa
#define SEMOPT_TABLE(isa) SEMOPT_JOINED(isa)

namespace semopt {
namespace {

#if defined(__AVX512F__)
constexpr int kBytes = 64;
#elif defined(__AVX__)
constexpr int kBytes = 32;
#else
constexpr int kBytes = 16;
#endif

constexpr int kChains = 12;

template <class R>
struct Vector {
    typedef R type __attribute__((vector_size(kBytes)));
};

// Runs `step` on every chain, `rounds` times; the sum keeps the compiler from leaving it out.
template <class R, class Step>
double chains(long long rounds, Step step) {
    typename Vector<R>::type x[kChains];
    for (int c = 0; c < kChains; ++c)
        for (int i = 0; i < int(kBytes / sizeof(R)); ++i) x[c][i] = R(c + i);
    for (long long r = 0; r < rounds; ++r)
#pragma GCC unroll 12
        for (int c = 0; c < kChains; ++c) x[c] = step(x[c]);
    double sum = 0;
    for (int c = 0; c < kChains; ++c)
        for (int i = 0; i < int(kBytes / sizeof(R)); ++i) sum += x[c][i];
    return sum;
}

template <class R>
double multiply_add(long long rounds, double a, double b) {
    using V = typename Vector<R>::type;
    const V factor = V{} + R(a), term = V{} + R(b);
    return chains<R>(rounds, [=](V x) { return x * factor + term; });
}

double add_max(long long rounds, double a, double b) {
    using V = Vector<float>::type;
    const V term = V{} + float(a), floor = V{} + float(b);
    return chains<float>(rounds, [=](V x) {
        const V sum = x + term;
        return sum < floor ? floor : sum;
    });
}

}  // namespace

extern const Ceilings SEMOPT_TABLE(SEMOPT_ISA);
const Ceilings SEMOPT_TABLE(SEMOPT_ISA) = {multiply_add<double>, multiply_add<float>, add_max,
                                           kChains * kBytes};

}  // namespace semopt
