// The CPU kernels, compiled once for each instruction set: everything that is included here has
// internal linkage, so that no object runs another's code.
#include "cpu.h"

#include "cell_loops.h"
#include "scan_loops.h"
#include "score_loops.h"

#ifndef SEMOPT_ISA
#error "SEMOPT_ISA names the instruction set that this object is compiled for"
#endif
#define SEMOPT_NAME(isa) #isa
#define SEMOPT_QUOTED(isa) SEMOPT_NAME(isa)
#define SEMOPT_JOINED(table, isa) table##_##isa
#define SEMOPT_TABLE(table, isa) SEMOPT_JOINED(table, isa)

namespace semopt {
namespace {

// Functions of math.h in lanes, as the loops over tasks call them.
template <class R, class Function>
void in_each_lane(Function function, const R* x, const R* y, R* out, long long count) {
    for (long long i = 0; i < count; i += kWidth<R>) {
        const int left = int(math::min<long long>(count - i, kWidth<R>));
        R first[kWidth<R>] = {}, second[kWidth<R>] = {};
        for (int lane = 0; lane < left; ++lane) {
            first[lane] = x[i + lane];
            second[lane] = y[i + lane];
        }
        store(function(load<Lanes<R>>(first), load<Lanes<R>>(second)), out + i, left);
    }
}

template <class R>
void elementary(int function, const R* x, const R* y, R* out, long long count) {
    const auto of = [&](auto called) { in_each_lane(called, x, y, out, count); };
    switch (function) {
        case 0:
            return of([](auto a, auto) { return math::exp(a); });
        case 1:
            return of([](auto a, auto) { return math::log(a); });
        case 2:
            return of([](auto a, auto) { return math::log10(a); });
        case 3:
            return of([](auto a, auto) { return math::log1p(a); });
        default:
            return of([](auto a, auto b) { return math::pow(a, b); });
    }
}

}  // namespace

extern const Ceilings SEMOPT_TABLE(ceilings, SEMOPT_ISA);
extern const Kernels SEMOPT_TABLE(kernels, SEMOPT_ISA);
const Kernels SEMOPT_TABLE(kernels, SEMOPT_ISA) = {SEMOPT_QUOTED(SEMOPT_ISA),
                                                   evaluate<double>,
                                                   evaluate<float>,
                                                   tabulate,
                                                   search_range,
                                                   elementary<double>,
                                                   elementary<float>,
                                                   open_cell,
                                                   best_of_cell,
                                                   &SEMOPT_TABLE(ceilings, SEMOPT_ISA)};

}  // namespace semopt
