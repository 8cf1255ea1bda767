// Micro-benchmarks of the machine's arithmetic (ceiling.cpp), one table an instruction set.
#pragma once

#include <string>

namespace semopt {

struct Ceilings {
    // Each does two operations on every lane of `bytes` bytes, `rounds` times.
    double (*multiply_add)(long long rounds, double a, double b);
    double (*multiply_add_single)(long long rounds, double a, double b);
    double (*add_max)(long long rounds, double a, double b);  // single precision
    int bytes;
};

// What all threads reach together: "fma", "fma_single" and "add_max" in operations a second (a
// fused multiply-add is two), "copy" in bytes read and written a second, beyond the caches.
double ceiling(const std::string& name, int threads);

}  // namespace semopt
