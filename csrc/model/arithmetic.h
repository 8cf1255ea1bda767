// What results and proofs rely on of compiler and processor, beyond what math.h asks of the flags:
// checked by known roundings when the module is loaded, once for each set of flags that an object
// is compiled with, and kept in a thread that another library has set up otherwise.
#pragma once

#include <initializer_list>
#include <limits>

#include "model/math.h"

#ifdef __SSE2__
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace semopt {

// Rounding to nearest, with denormal numbers, while it lives. A library that was linked with
// -ffast-math makes the thread that loads it flush them to zero; some let their users do so.
class UsualRounding {
  public:
#ifdef __SSE2__
    UsualRounding() : before_(_mm_getcsr()) {
        if ((before_ & kControl) != kUsual) _mm_setcsr(kUsual | (before_ & kFlags));
    }
    ~UsualRounding() {
        if ((before_ & kControl) != kUsual) _mm_setcsr(before_);
    }

  private:
    static constexpr unsigned kFlags = 0x3f, kControl = 0xffc0, kUsual = 0x1f80;
    unsigned before_;
#else
    UsualRounding() {
        std::fegetenv(&before_);
        std::fesetenv(FE_DFL_ENV);
    }
    ~UsualRounding() { std::fesetenv(&before_); }

  private:
    std::fenv_t before_;
#endif

  public:
    UsualRounding(const UsualRounding&) = delete;
    UsualRounding& operator=(const UsualRounding&) = delete;
};

// Internal linkage: each object is compiled with its flags.
namespace {

// What the arithmetic of this object breaks, or null. The numbers are read from volatile memory, so
// that the compiler cannot compute the result; sixteen at a time, so that it makes vectors where it
// can.
template <class R>
const char* arithmetic_fault() {
    using Limits = std::numeric_limits<R>;
    constexpr int kLanes = 16;
    volatile R hidden = 0;
    R left[kLanes], right[kLanes], other[kLanes], result[kLanes];
    const auto set = [&](R(&to)[kLanes], R value) {
        for (R& number : to) {
            hidden = value;
            number = hidden;
        }
    };
    const auto set_operands = [&](R a, R b, R c) {
        set(left, a);
        set(right, b);
        set(other, c);
    };
    const auto all = [&](R value) {
        hidden = value;
        const R expected = hidden;
        volatile bool equal = true;
        for (const R& number : result)
            equal = equal && __builtin_memcmp(&number, &expected, sizeof(R)) == 0;
        return bool(equal);
    };
    const auto apply = [&](auto operation) {
        for (int i = 0; i < kLanes; ++i) result[i] = operation(left[i], right[i], other[i]);
        const R a = hidden = left[0], b = hidden = right[0], c = hidden = other[0];
        result[0] = operation(a, b, c);  // a number by itself may take another way
    };
    const R ulp = Limits::epsilon(), whole = 2 / ulp, small = Limits::min();

    for (const R sign : {R(1), R(-1)}) {  // no direction but the nearest
        for (const R tiny : {ulp / 64, -ulp / 64}) {
            set_operands(sign, tiny, 0);
            apply([](R a, R b, R) { return a + b; });
            if (!all(sign)) return "sums are not rounded to the nearest number";
        }
    }
    set_operands(whole, 1, 0);  // half-way: to the even one
    apply([](R a, R b, R) { return (a + b) - a; });
    if (!all(0)) return "sums are reordered, or kept in more digits than the numbers have";
    const R root = ulp * R(1 << (Limits::digits / 2 - 1));  // whose square is lost beside 1
    set_operands(1 + root, 1 + root, 1 + 2 * root);
    apply([](R a, R b, R c) { return a * b - c; });
    if (!all(0)) return "products are fused with sums";
    set_operands(49, 49, 0);
    const R divisor = hidden = 49;
    for (int i = 0; i < kLanes; ++i) result[i] = left[i] / divisor;
    for (int i = 0; i < kLanes; i += 4) {
        const R a = hidden = left[i], b = hidden = left[i + 1], c = hidden = left[i + 2];
        result[i] = a / divisor;
        result[i + 1] = b / divisor;
        result[i + 2] = c / divisor;
    }
    if (!all(1)) return "quotients are products with a reciprocal";
    set_operands(small, R(0.5), 2);
    apply([](R a, R b, R c) { return (a * b) * c; });
    if (!all(small)) return "small results are flushed to zero";
    set_operands(Limits::denorm_min(), 1 / small, 1);
    apply([](R a, R b, R c) { return a * b * c; });
    if (!all(ulp)) return "denormal numbers are read as zero";
    set_operands(Limits::infinity(), Limits::infinity(), 1);
    apply([](R a, R b, R c) { return a - b == a - b ? c : R(0); });
    if (!all(0)) return "numbers are taken to be finite";
    set_operands(R(-0.0), 0, 1);
    apply([](R a, R, R c) { return c / (a + R(0)); });
    if (!all(Limits::infinity())) return "the sign of zero is lost";
    return nullptr;
}

inline const char* arithmetic_fault() {
    const UsualRounding usual;
    const char* const fault = arithmetic_fault<double>();
    return fault ? fault : arithmetic_fault<float>();
}

}  // namespace
}  // namespace semopt
