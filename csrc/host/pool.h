// A thread pool that waits a moment, then sleeps, between calls; allocates nothing in them;
// survives fork.
#pragma once

namespace semopt {

// Calls work(context, task, lane) for tasks 0..tasks-1 from at most `lanes` threads, the caller's
// included; `lane` (below `lanes`) names scratch memory that no two running calls share. Returns
// when all are done; the first exception is thrown again. A second caller at the same time works
// alone, with the same results. `lanes` 0 stands for every core that this process may use.
void parallel(long long tasks, int lanes, void (*work)(void*, long long, int), void* context);

int lanes_available();

template <class Work>
void parallel(long long tasks, int lanes, Work&& work) {
    parallel(
        tasks, lanes,
        [](void* self, long long task, int lane) { (*static_cast<Work*>(self))(task, lane); },
        &work);
}

}  // namespace semopt
