#include "host/instruction_set.h"

#include <atomic>
#include <cstdlib>

#include "model/arithmetic.h"
#include "model/check.h"

namespace semopt {

extern const Kernels kernels_portable;
#ifdef SEMOPT_X86_64
extern const Kernels kernels_v2, kernels_v3, kernels_v4;
#endif

namespace {

std::vector<const Kernels*> runnable() {
    std::vector<const Kernels*> sets = {&kernels_portable};
#ifdef SEMOPT_X86_64
    const auto add = [](bool all, const Kernels& next, std::vector<const Kernels*>& list) {
        if (all) list.push_back(&next);
        return all;
    };
    __builtin_cpu_init();
    add(__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("ssse3") &&
            __builtin_cpu_supports("popcnt"),
        kernels_v2, sets) &&
        add(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi2"),
            kernels_v3, sets) &&
        add(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                __builtin_cpu_supports("avx512vl"),
            kernels_v4, sets);
#endif
    return sets;
}

const Kernels* named(const std::string& name) {
    std::string names;
    for (const Kernels* kernels : runnable()) {
        if (name == kernels->name) return kernels;
        names += std::string(names.empty() ? "" : ", ") + kernels->name;
    }
    throw ArgumentError("SEMOPT_ISA",
                        "\"" + name + "\" does not run here; one of " + names + " is expected");
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const Kernels* kernels : runnable()) names.push_back(kernels->name);
    return names;
}

std::string arithmetic_faults() {
    std::string faults;
    const auto add = [&](const std::string& where, const char* fault) {
        if (fault) faults += (faults.empty() ? "" : "; ") + where + ": " + fault;
    };
    add("solvers", arithmetic_fault());
    for (const Kernels* kernels : runnable())
        add(std::string("kernels of ") + kernels->name, kernels->arithmetic_fault());
    return faults;
}

const Kernels& kernels() {
    if (!chosen) {
        const char* const name = std::getenv("SEMOPT_ISA");
        chosen = name && *name ? named(name) : runnable().back();
    }
    return *chosen;
}

void use_instruction_set(const std::string& name) { chosen = named(name); }

}  // namespace semopt
