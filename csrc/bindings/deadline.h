// Whether a search is to stop: time is up, or Python has a signal to handle. Any thread of a search
// may call it; only the thread that made it checks for signals.
#pragma once

#include <pybind11/pybind11.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace semopt {

class Deadline {
  public:
    // After Ctrl-C the exception is cleared; `reason` tells the caller.
    explicit Deadline(double seconds) : end_(now() + seconds) {}

    bool operator()() {
        if (stopped_) return true;
        const double time = now();
        if (time >= end_) stopped_ = true;
        if (std::this_thread::get_id() == caller_ && time >= next_look_) {
            next_look_ = time + 0.05;
            pybind11::gil_scoped_acquire acquire;
            if (PyErr_CheckSignals() != 0) {
                PyErr_Clear();
                interrupted_ = stopped_ = true;
            }
        }
        return stopped_;
    }
    bool stopped() const { return stopped_; }
    bool interrupted() const { return interrupted_; }
    const char* reason() const {
        return interrupted_ ? "interrupted" : stopped_ ? "time limit" : "rounding errors";
    }

  private:
    static double now() {
        return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
            .count();
    }

    const double end_;
    double next_look_ = now() + 0.05;
    const std::thread::id caller_ = std::this_thread::get_id();
    std::atomic<bool> stopped_ = false, interrupted_ = false;
};

}  // namespace semopt
