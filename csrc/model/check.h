// Faults of arguments, raised at the boundary as Python's ValueError with the argument's name.
#pragma once

#include <stdexcept>
#include <string>

namespace semopt {

struct ArgumentError : std::invalid_argument {
    ArgumentError(const std::string& argument, const std::string& expected)
        : std::invalid_argument(argument + ": " + expected) {}
};

inline void require(bool holds, const char* argument, const std::string& expected) {
    if (!holds) throw ArgumentError(argument, expected);
}

}  // namespace semopt
