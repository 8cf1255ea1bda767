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

template <class R>
void elementary(int function, const R* x, const R* y, R* out, long long count) {
    switch (function) {
        case 0:
            for (long long i = 0; i < count; ++i) out[i] = math::exp(x[i]);
            break;
        case 1:
            for (long long i = 0; i < count; ++i) out[i] = math::log(x[i]);
            break;
        case 2:
            for (long long i = 0; i < count; ++i) out[i] = math::log10(x[i]);
            break;
        case 3:
            for (long long i = 0; i < count; ++i) out[i] = math::log1p(x[i]);
            break;
        default:
            for (long long i = 0; i < count; ++i) out[i] = math::pow(x[i], y[i]);
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
