// csrc/gpu/kernels.cuh on the host, by way of simt.h, for ctypes.
#include "simt.h"

#include "gpu/kernels.cuh"

namespace {

struct Named {
    const char* name;
    void (*kernel)(const void*);
};

#define NAMED(name, job) \
    {#name, [](const void* p) { name(static_cast<const semopt::device::job*>(p)); }}
#define SCAN(name, ...) NAMED(semopt_scan_##name, SearchJob),
const Named kernels[] = {
    NAMED(semopt_evaluate, EvaluateJob<double>),
    NAMED(semopt_evaluate_single, EvaluateJob<float>),
    NAMED(semopt_heads, SearchJob),
    NAMED(semopt_tail, SearchJob),
    SEMOPT_SCANS(SCAN) NAMED(semopt_collect, SearchJob),
    NAMED(semopt_histogram, SearchJob),
};

// Two kernels that are wrong, to show that the emulator notices.
void racing(const void* job) {
    int* const out = static_cast<int*>(const_cast<void*>(job));
    __shared__ int last;
    last = int(threadIdx.x);
    out[blockIdx.x] = last;
}

void diverging(const void*) {
    if (threadIdx.x < 16) __syncthreads();
}

}  // namespace

// 0: done, 1: the threads of a block wait for each other for ever, 2: no such kernel.
extern "C" int launch(const char* name, const void* job, unsigned blocks, unsigned threads,
                      unsigned long long seed) {
    const Named wrong[] = {{"racing", racing}, {"diverging", diverging}};
    for (const Named& known : kernels)
        if (!std::strcmp(name, known.name))
            return simt::run(known.kernel, job, blocks, threads, seed) ? 0 : 1;
    for (const Named& known : wrong)
        if (!std::strcmp(name, known.name))
            return simt::run(known.kernel, job, blocks, threads, seed) ? 0 : 1;
    return 2;
}
