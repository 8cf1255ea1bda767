#include "host/pool.h"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>

#include "model/arithmetic.h"

namespace semopt {
namespace {

struct Job {
    void (*work)(void*, long long, int);
    void* context;
    long long tasks;
    std::atomic<long long> next{0};
    std::atomic<bool> failed{false};
    std::exception_ptr fault{};

    void run(int lane) {
        const UsualRounding usual;
        for (long long task; !failed && (task = next++) < tasks;) {
            try {
                work(context, task, lane);
            } catch (...) {
                if (!failed.exchange(true)) fault = std::current_exception();
            }
        }
    }
};

// Polls while `holds`, for as long as going to sleep and waking up would take.
template <class Condition>
void spin_while(Condition holds) {
    using Clock = std::chrono::steady_clock;
    constexpr auto kMoment = std::chrono::microseconds(30);
    constexpr int kLooks = 64;  // polls between two readings of the clock
    const auto start = Clock::now();
    while (Clock::now() - start < kMoment)
        for (int i = 0; i < kLooks; ++i) {
            if (!holds()) return;
#ifdef __x86_64__
            __builtin_ia32_pause();
#elif defined(__aarch64__)
            asm volatile("yield");
#endif
        }
}

// Workers are detached and the pool is never destroyed: nothing is joined at exit. A forked child
// inherits no thread, and perhaps a held lock: it starts a new pool.
class Pool {
  public:
    bool run(Job& job, int helpers) {
        const std::unique_lock<std::mutex> one_at_a_time(callers_, std::try_to_lock);
        if (!one_at_a_time) return false;
        {
            const std::lock_guard<std::mutex> lock(state_);
            while (workers_ < helpers && add_worker()) continue;
            if (helpers > workers_) helpers = workers_;  // the system grants no more threads
            job_ = &job;
            helpers_ = helpers;
            running_ = helpers;
            ++round_;
        }
        wake_.notify_all();
        job.run(0);
        spin_while([&] { return running_ > 0; });
        std::unique_lock<std::mutex> lock(state_);
        done_.wait(lock, [&] { return running_ == 0; });
        return true;
    }

  private:
    // Kernels keep blocks of tasks on the stack, so a worker's is as large as a main thread's
    // usually is; some systems give threads less by default.
    bool add_worker() {
        constexpr size_t kStack = 8 << 20;
        using Place = std::pair<Pool*, int>;
        auto place = std::make_unique<Place>(this, workers_);
        const auto work = [](void* argument) -> void* {
            const std::unique_ptr<Place> identity(static_cast<Place*>(argument));
            identity->first->serve(identity->second);
        };
        pthread_t thread;
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        pthread_attr_setstacksize(&attributes, kStack);
        pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
        const bool granted = pthread_create(&thread, &attributes, work, place.get()) == 0;
        pthread_attr_destroy(&attributes);
        if (granted) {
            place.release();
            ++workers_;
        }
        return granted;
    }

    [[noreturn]] void serve(int worker) {
        std::unique_lock<std::mutex> lock(state_);
        for (unsigned long long last_round = round_ - 1;
             ;) {  // a worker starts in the round that needs it
            wake_.wait(lock, [&] { return round_ != last_round; });
            last_round = round_;
            if (worker >= helpers_) continue;
            Job& job = *job_;
            lock.unlock();
            job.run(worker + 1);
            lock.lock();
            if (--running_ == 0) done_.notify_one();
            lock.unlock();
            spin_while([&] { return round_ == last_round; });
            lock.lock();
        }
    }

    std::mutex callers_, state_;
    std::condition_variable wake_, done_;
    Job* job_ = nullptr;
    int workers_ = 0, helpers_ = 0;
    std::atomic<int> running_{0};  // written with the lock held, as is round_
    std::atomic<unsigned long long> round_{0};
};

std::atomic<Pool*> current{nullptr};

Pool& pool() {
    static const int once = pthread_atfork(nullptr, nullptr, [] { current = nullptr; });
    (void)once;
    Pool* existing = current;
    if (!existing) {
        Pool* const fresh = new Pool;
        if (current.compare_exchange_strong(existing, fresh)) return *fresh;
        delete fresh;
    }
    return *existing;
}

}  // namespace

int lanes_available() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    const int cores = int(std::thread::hardware_concurrency());
    return cores > 0 ? cores : 1;
}

void parallel(long long tasks, int lanes, void (*work)(void*, long long, int), void* context) {
    if (lanes <= 0) lanes = lanes_available();
    if (lanes > tasks) lanes = int(tasks);
    Job job{work, context, tasks};
    if (lanes <= 1 || !pool().run(job, lanes - 1)) job.run(0);
    if (job.fault) std::rethrow_exception(job.fault);
}

}  // namespace semopt
