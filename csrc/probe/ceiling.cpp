#include "probe/ceiling.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "host/instruction_set.h"
#include "host/pool.h"
#include "model/check.h"

namespace semopt {

double ceiling(const std::string& name, int threads) {
    using Clock = std::chrono::steady_clock;
    constexpr long long kRounds = 1 << 22, kCopied = 1 << 26;
    constexpr int kTries = 25;  // others on a host disturb some
    const Ceilings& all = *kernels().ceilings;
    const bool copy = name == "copy";
    const auto spin = name == "fma"          ? all.multiply_add
                      : name == "fma_single" ? all.multiply_add_single
                      : name == "add_max"    ? all.add_max
                                             : nullptr;
    require(copy || spin, "name", "fma, fma_single, add_max or copy is expected");
    const int lanes = threads > 0 ? threads : lanes_available();
    const double lane_bytes = name == "fma" ? sizeof(double) : sizeof(float);
    const double amount = copy ? 2.0 * kCopied : 2.0 * kRounds * all.bytes / lane_bytes;
    std::vector<std::vector<char>> memory(lanes);
    for (auto& lane_memory : memory) lane_memory.resize(copy ? 2 * kCopied : 0);
    std::vector<double> kept(lanes);
    double best = 0;
    for (int i = 0; i < kTries; ++i) {
        const auto start = Clock::now();
        parallel(lanes, lanes, [&](long long task, int) {
            if (copy)
                std::memcpy(memory[task].data() + kCopied, memory[task].data(), kCopied);
            else
                kept[task] = spin(kRounds, 0.5, 0.25);
        });
        const std::chrono::duration<double> seconds = Clock::now() - start;
        best = std::max(best, lanes * amount / seconds.count());
    }
    return best;
}

}  // namespace semopt
