#include "host/search.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "host/instruction_set.h"
#include "host/pool.h"
#include "model/check.h"

namespace semopt {

CountedSpace::CountedSpace(std::vector<long long> local, std::vector<long long> offload,
                           int channels)
    : local_(std::move(local)), offload_(std::move(offload)), channels_(channels) {
    const int users = int(local_.size());
    require(users >= 1 && offload_.size() == local_.size(), "offload",
            "one count a user is expected");
    require(channels >= 0, "channels", "at least 0 is expected");
    for (int n = 0; n < users; ++n)
        require(local_[n] >= 1 && offload_[n] >= 1, "local, offload",
                "counts of at least 1 are expected");
    rest_.assign(size_t(users + 1) * (channels + 1), 1);
    for (int n = users; n-- > 0;)
        for (int free = 0; free <= channels; ++free) {
            const long long* const next = &rest_[size_t(n + 1) * (channels + 1)];
            long long stay = 0, go = 0, total = 0;
            const bool fits =
                !__builtin_mul_overflow(local_[n], next[free], &stay) &&
                (free == 0 || (!__builtin_mul_overflow(offload_[n], next[free - 1], &go) &&
                               !__builtin_mul_overflow(go, (long long)free, &go))) &&
                !__builtin_add_overflow(stay, go, &total);
            require(fits, "joint actions", "fewer than 2^63 are expected");
            rest_[size_t(n) * (channels + 1) + free] = total;
        }
}

void sort_scores(double* score, double* beside, long long count) {
    if (!beside) return std::sort(score, score + count);
    std::vector<std::pair<double, double>> both(count);
    for (long long i = 0; i < count; ++i) both[i] = {score[i], beside[i]};
    std::sort(both.begin(), both.end());
    for (long long i = 0; i < count; ++i) std::tie(score[i], beside[i]) = both[i];
}

std::vector<double> bin_edges(int bins, double low, double high) {
    const double per_unit = bins / (high - low);
    // Doubles in rising order are integers in rising order, but for the sign.
    constexpr uint64_t sign = uint64_t(1) << 63;
    const auto number = [](uint64_t rank) {
        return math::bit_cast<double>(rank & sign ? rank ^ sign : ~rank);
    };
    const auto rank = [](double x) {
        const uint64_t bits = math::bit_cast<uint64_t>(x);
        return bits & sign ? ~bits : bits ^ sign;
    };
    std::vector<double> edges;
    for (int bin = 0; bins && bin <= bins; ++bin) {
        uint64_t below = rank(-kInfinity), reached = rank(kInfinity);
        while (reached - below > 1) {  // rounding is monotone
            const uint64_t middle = below + (reached - below) / 2;
            const double exact = (number(middle) - low) * per_unit;
            (bin < bins ? exact >= bin : exact > bin) ? reached = middle : below = middle;
        }
        edges.push_back(number(reached));  // the last bin holds its upper end
    }
    return edges;
}

namespace {

// One thread's scan and its memory.
struct ScanMemory {
    ScanMemory(const Search& search, long long tail) {
        const int users = search.space.users;
        const bool limited = search.server_energy;
        const long long sorted = search.count || search.bins ? tail : 0;
        scan.best = zeros<Scored>(search.keep);
        scan.histogram = zeros<long long>(search.bins);
        scan.sorted = zeros<double>(sorted);
        scan.sorted_energy = zeros<double>(limited ? sorted : 0);
        scan.channel = zeros<int>(users);
        scan.digit = zeros<int>(users);
        scan.value = zeros<const double*>(users);
        scan.energy = zeros<const double*>(users);
        scan.size = zeros<long long>(users);
        scan.prefix = zeros<double>(users + 1);
        scan.energy_prefix = zeros<double>(users + 1);
        scan.tail = zeros<float>(tail);
        scan.energy_tail = limited ? zeros<float>(tail) : scan.tail;
        scan.row = zeros<double>(kTile);
        scan.energy_row = zeros<double>(kTile);
    }

    Scan scan{};

  private:
    template <class T>
    T* zeros(size_t count) {
        const auto numbers = std::make_shared<std::vector<T>>(count);
        memory_.push_back(numbers);
        return numbers->data();
    }

    std::vector<std::shared_ptr<void>> memory_;
};

}  // namespace

Answer search(const Search& search, long long first, long long last, int threads) {
    const Space& space = search.space;
    long long tail = kMerged;
    for (int n = 0; n < space.users; ++n) tail = std::max({tail, space.local[n], space.offload[n]});
    const int lanes = threads > 0 ? threads : lanes_available();
    const long long share =
        std::clamp<long long>((last - first) / (16LL * lanes), 1 << 16, 1 << 28);
    const long long tasks = (last - first) / share + ((last - first) % share != 0);
    std::vector<std::unique_ptr<ScanMemory>> memory(
        std::min<long long>(lanes, std::max(tasks, 1LL)));
    for (auto& one : memory) one = std::make_unique<ScanMemory>(search, tail);
    parallel(tasks, int(memory.size()), [&](long long task, int lane) {
        const long long from = first + task * share;
        kernels().search(search, from, last - from < share ? last : from + share,
                         memory[lane]->scan);
    });
    Answer answer;
    answer.histogram.resize(search.bins);
    for (const auto& one : memory) {
        const Scan& scan = one->scan;
        answer.best.insert(answer.best.end(), scan.best, scan.best + scan.kept);
        answer.above += scan.above;
        for (int i = 0; i < search.bins; ++i) answer.histogram[i] += scan.histogram[i];
    }
    std::sort(answer.best.begin(), answer.best.end(), better);
    if (answer.best.size() > size_t(search.keep)) answer.best.resize(search.keep);
    return answer;
}

}  // namespace semopt
