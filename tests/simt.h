// Runs CUDA kernels on the host: a block's threads are fibers that yield at barriers and shuffles.
//
// Blocks run one after another, so a static variable is a block's shared memory. Their order, and
// that of the threads between two barriers, is drawn from a seed: a result that depends on it is a
// race. A barrier that some threads of the block never reach is an error, as is a shuffle.
#pragma once

#include <ucontext.h>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#define __global__
#define __device__
#define __noinline__
#define __launch_bounds__(...)
#define __shared__ static

namespace simt {

struct Index {
    unsigned x;
};

constexpr int kWarpSize = 32;
constexpr size_t kStack = 1 << 16;

struct Barrier {
    int arrived = 0;
    long long generation = 0;
};

struct Thread {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[kStack]};
    bool done = false;
};

// The block that is running.
struct Block {
    void (*kernel)(const void*);
    const void* job;
    std::vector<Thread> threads;
    std::vector<Barrier> warps;
    Barrier whole;
    ucontext_t scheduler;
    unsigned current = 0;
    bool progress = false;
    uint64_t exchanged[1024];
};

inline Block* block;

}  // namespace simt

inline simt::Index threadIdx, blockIdx, blockDim, gridDim;

namespace simt {

inline void yield() { swapcontext(&block->threads[block->current].context, &block->scheduler); }

inline void wait(Barrier& barrier, int count) {
    block->progress = true;
    const long long generation = barrier.generation;
    if (++barrier.arrived == count) {
        barrier.arrived = 0;
        ++barrier.generation;
    }
    while (barrier.generation == generation) yield();
}

inline void start() {
    block->kernel(block->job);
    block->threads[block->current].done = true;
    block->progress = true;
    yield();
}

inline void shuffle(std::vector<unsigned>& order, std::mt19937_64& random) {
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
}

// Runs one block; false if its threads wait for each other for ever.
inline bool run_block(std::mt19937_64& random) {
    const unsigned count = blockDim.x;
    std::vector<unsigned> order(count);
    for (unsigned i = 0; i < count; ++i) {
        order[i] = i;
        Thread& thread = block->threads[i];
        thread.done = false;
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.get();
        thread.context.uc_stack.ss_size = kStack;
        thread.context.uc_link = nullptr;
        makecontext(&thread.context, start, 0);
    }
    block->warps.assign((count + kWarpSize - 1) / kWarpSize, {});
    block->whole = {};
    for (unsigned left = count; left > 0;) {
        block->progress = false;
        shuffle(order, random);
        for (const unsigned i : order) {
            if (block->threads[i].done) continue;
            block->current = i;
            threadIdx.x = i;
            swapcontext(&block->scheduler, &block->threads[i].context);
            left -= block->threads[i].done;
        }
        if (!block->progress) return false;
    }
    return true;
}

inline bool run(void (*kernel)(const void*), const void* job, unsigned blocks, unsigned threads,
                uint64_t seed) {
    std::mt19937_64 random(seed);
    Block running;
    running.kernel = kernel;
    running.job = job;
    running.threads.resize(threads);
    block = &running;
    gridDim.x = blocks;
    blockDim.x = threads;
    std::vector<unsigned> order(blocks);
    for (unsigned b = 0; b < blocks; ++b) order[b] = b;
    shuffle(order, random);
    for (const unsigned b : order) {
        blockIdx.x = b;
        if (!run_block(random)) return false;
    }
    return true;
}

}  // namespace simt

inline void __syncthreads() { simt::wait(simt::block->whole, int(blockDim.x)); }

template <class T>
T __shfl_down_sync(unsigned, T value, int step) {
    static_assert(sizeof(T) <= sizeof(uint64_t));
    const unsigned self = simt::block->current, lane = self % simt::kWarpSize;
    simt::Barrier& warp = simt::block->warps[self / simt::kWarpSize];
    std::memcpy(&simt::block->exchanged[self], &value, sizeof value);
    simt::wait(warp, simt::kWarpSize);
    if (lane + step < simt::kWarpSize)
        std::memcpy(&value, &simt::block->exchanged[self + step], sizeof value);
    simt::wait(warp, simt::kWarpSize);
    return value;
}

template <class T>
T atomicAdd(T* target, T value) {
    const T before = *target;
    *target += value;
    return before;
}

template <class T>
T atomicOr(T* target, T value) {
    const T before = *target;
    *target |= value;
    return before;
}
