// The CPU kernels, compiled once for each instruction set: everything that is included here has
// internal linkage, so that no object runs another's code.
#include "isa/kernels.h"

#include "isa/cell_loops.h"
#include "isa/evaluate_loops.h"
#include "isa/scan_loops.h"
#include "isa/tabulate_loops.h"
#include "model/arithmetic.h"

#ifndef SEMOPT_ISA
#error "SEMOPT_ISA names the instruction set that this object is compiled for"
#endif
#define SEMOPT_NAME(isa) #isa
#define SEMOPT_QUOTED(isa) SEMOPT_NAME(isa)
#define SEMOPT_JOINED(table, isa) table##_##isa
#define SEMOPT_TABLE(table, isa) SEMOPT_JOINED(table, isa)

namespace semopt {
namespace {

// Functions of model/math.h in lanes, as the loops over tasks call them.
template <class R, class Function>
void in_each_lane(Function function, const R* x, const R* y, R* out, long long count) {
    constexpr long long kMost = 1 << 20;
    for (long long first = 0; first < count; first += kMost)
        in_vectors<R>(int(math::min(count - first, kMost)), [&](int i, auto lanes) {
            const Lanes<R> none{};
            store(lanes,
                  function(load(lanes, x + first + i, none), load(lanes, y + first + i, none)),
                  out + first + i);
        });
}

template <class R>
void elementary(int function, const R* x, const R* y, R* out, long long count) {
    const auto apply = [&](auto called) { in_each_lane(called, x, y, out, count); };
    switch (function) {
        case 0:
            return apply([](auto a, auto) { return math::exp(a); });
        case 1:
            return apply([](auto a, auto) { return math::log(a); });
        case 2:
            return apply([](auto a, auto) { return math::log10(a); });
        case 3:
            return apply([](auto a, auto) { return math::log1p(a); });
        default:
            return apply([](auto a, auto b) { return math::pow(a, b); });
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
                                                   open_frame,
                                                   open_cell,
                                                   best_of_cell,
                                                   arithmetic_fault,
                                                   &SEMOPT_TABLE(ceilings, SEMOPT_ISA)};

}  // namespace semopt
