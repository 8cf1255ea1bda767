// exp and the logarithms in registers of numbers: arguments are reduced to within a 32nd of 1 by
// tables that are registers themselves, from which a lane takes its entry by a permutation. What is
// left is so small that short polynomials do, and no logarithm divides.
#pragma once

#include "isa/lanes.h"

#if SEMOPT_REGISTER == 64
namespace semopt::math {

// At j: 2^(j / 16); about 1 / c for c = 11/16, 23/32, 24/32 ... 1, 17/16 ... 21/16, of so few bits
// that m times it, less 1, is exact for every m that is next to c; and the logarithms of that
// number's reciprocal. Their high parts have trailing zeros as have those of ln 2 and log10 2:
// multiples of these are added to them without rounding.
template <class R>
struct Tables;

// clang-format off
template <>
struct Tables<double> {
    static constexpr double exp2[16] = {
        1.0, 1.0442737824274138, 1.0905077326652577, 1.1387886347566916, 1.189207115002721,
        1.241857812073484, 1.2968395546510096, 1.3542555469368927, 1.4142135623730951,
        1.4768261459394993, 1.5422108254079407, 1.6104903319492543, 1.681792830507429,
        1.7562521603732995, 1.8340080864093424, 1.9152065613971474};
    static constexpr double inverse[16] = {
        1.4375, 1.375, 1.34375, 1.28125, 1.21875, 1.1875, 1.15625, 1.09375, 1.0625, 1.03125,
        1.0, 0.9375, 0.890625, 0.84375, 0.796875, 0.765625};
    static constexpr double log_high[16] = {
        -0.3629054936900502, -0.318453731119007, -0.29546421289342106, -0.24783616390413954,
        -0.1978257433293038, -0.17185025692742784, -0.14518200984457508,
        -0.08961215869021544, -0.06062462181580486, -0.03077165866670839, 0.0,
        0.06453852113736502, 0.11583181552487076, 0.1698990367949591, 0.22705745063467475,
        0.2670627852494363};
    static constexpr double log_low[16] = {
        6.817539406325327e-13, 4.723727821986367e-13, -4.148131870425857e-13,
        -4.4171755371315547e-13, -6.160755775588723e-13, 7.686134224018169e-13,
        7.718001336828099e-14, 5.283050530808144e-13, -6.299848199383311e-13,
        -4.529814257790929e-14, 0.0, 2.0614806739842207e-13, 2.509424976252708e-13,
        4.383710744723666e-13, 6.713336588309792e-13, -3.910278781883075e-13};
    static constexpr double log10_high[16] = {
        -0.15760785336169647, -0.13830269816628515, -0.12831847725965417,
        -0.10763387839983807, -0.08591462870663236, -0.07463361829695714,
        -0.06305174574708872, -0.03891806603041914, -0.026328938722372186,
        -0.013363961557956827, 0.0, 0.028028723600186822, 0.05030511831137119,
        0.07378621416091846, 0.09860979788595614, 0.11598389395533104};
    static constexpr double log10_low[16] = {
        2.8372516019485323e-14, 3.698893269679096e-15, -2.6376941728557574e-14,
        8.549266888283615e-15, 3.912619221171875e-14, 5.295754592095892e-14,
        -3.0414152859579186e-16, 4.948115870926483e-14, 2.303833573367737e-14,
        -2.4674812371450526e-14, 0.0, 5.671647801200527e-14, 2.45838402798293e-14,
        2.023262471821997e-16, -5.3353699074522504e-15, 4.24687878338759e-14};
    static constexpr uint64_t least = 0x3fe5800000000000;  // 43/64, where the first c begins
};

template <>
struct Tables<float> {
    static constexpr float exp2[16] = {
        1.0f, 1.0442737f, 1.0905077f, 1.1387886f, 1.1892071f, 1.2418578f, 1.2968396f, 1.3542556f,
        1.4142135f, 1.4768262f, 1.5422108f, 1.6104903f, 1.6817929f, 1.7562522f, 1.8340081f,
        1.9152066f};
    static constexpr float inverse[16] = {
        1.4375f, 1.375f, 1.34375f, 1.28125f, 1.21875f, 1.1875f, 1.15625f, 1.09375f, 1.0625f,
        1.03125f, 1.0f, 0.9375f, 0.890625f, 0.84375f, 0.796875f, 0.765625f};
    static constexpr float log_high[16] = {
        -0.36291504f, -0.31845093f, -0.2954712f, -0.24783325f, -0.19781494f, -0.17184448f,
        -0.14517212f, -0.08959961f, -0.060638428f, -0.030761719f, 0.0f, 0.06454468f,
        0.11584473f, 0.16989136f, 0.22705078f, 0.26705933f};
    static constexpr float log_low[16] = {
        9.545373e-06f, -2.8033842e-06f, 6.9785124e-06f, -2.9119515e-06f, -1.0801924e-05f,
        -5.7745046e-06f, -9.890704e-06f, -1.2549314e-05f, 1.3805918e-05f, -9.939917e-06f,
        0.0f, -6.156597e-06f, -1.2911038e-05f, 7.679373e-06f, 6.669385e-06f, 3.459077e-06f};
    static constexpr float log10_high[16] = {
        -0.15771484f, -0.1381836f, -0.12841797f, -0.107666016f, -0.0859375f, -0.07470703f,
        -0.06298828f, -0.03881836f, -0.026367188f, -0.013427734f, 0.0f, 0.028076172f,
        0.05029297f, 0.07373047f, 0.09863281f, 0.1159668f};
    static constexpr float log10_low[16] = {
        0.00010699039f, -0.000119104414f, 9.949149e-05f, 3.2137224e-05f, 2.2871294e-05f,
        7.341295e-05f, -6.34645e-05f, -9.970665e-05f, 3.8248778e-05f, 6.3772815e-05f, 0.0f,
        -4.7448273e-05f, 1.2149561e-05f, 5.574541e-05f, -2.3014614e-05f, 1.709708e-05f};
    static constexpr uint32_t least = 0x3f2c0000;
};
// clang-format on

template <class R>
struct TableReduction {
    using N = Number<R>;
    using T = Real<R>;
    using Bits = typename T::Bits;
    using Index = typename T::Index;
    using Word = typename T::Word;
    static constexpr int table_shift = T::mantissa - 4;  // of bits: what is left is the entry

    static constexpr N exp_round = T::round / 16;

    // e^r - 1 on |r| <= ln(2) / 32.
    SEMOPT_HD R exp_rest(R r) {
        R p;  // (e^r - 1 - r) / r^2
        if constexpr (is_double<R>)
            p = polynomial(r, 0.5, 0.16666666665296223, 0.04166666666495362, 0.008333449934107185,
                           0.0013889034639665864);
        else
            p = polynomial(r, 0.5000098f, 0.16666862f);
        return multiply_add(r * r, p, r);
    }

    SEMOPT_HD R scale(R rest, R shifted) {
        const R part = entry(Tables<N>::exp2, bit_cast<Bits>(shifted));
        return Operations<R>::scale(multiply_add(part, rest, part), shifted - exp_round);
    }

    SEMOPT_HD R normal_power(R shifted) {
        // 16 n, of which j is a part, moves to where an exponent is.
        const Bits bits = bit_cast<Bits>(shifted);
        const Bits part = bit_cast<Bits>(entry(without_entry.exp2, bits));
        return bit_cast<R>(part + (bits << table_shift));
    }

    // x = 2^k c (1 + f) for normal x > 0, with f from -0.0342 to 0.0313, exact.
    struct Parts {
        R k, f;
        Bits entry;  // of c
    };

    SEMOPT_HD Parts parts_of_any(R x) {
        const R mantissa = Operations<R>::mantissa(x);
        const Bits moved = bit_cast<Bits>(mantissa) - Tables<N>::least, at = moved >> table_shift;
        const R m = bit_cast<R>((moved & ((Word(1) << T::mantissa) - 1)) + Tables<N>::least);
        const R inverse = entry(Tables<N>::inverse, at);
        return {exponent(moved) + Operations<R>::exponent(x), multiply_add(m, inverse, all<R>(-1)),
                at};
    }

    // The same of 1 + x for x >= 0; f as exact as x.
    SEMOPT_HD Parts parts_of_next(R x) {
        const Bits moved = bit_cast<Bits>(N(1) + x) - Tables<N>::least, at = moved >> table_shift;
        const R k = exponent(moved);
        const R inverse = Operations<R>::scale(entry(Tables<N>::inverse, at), -k);
        return {k, multiply_add(x, inverse, inverse - N(1)), at};
    }

    SEMOPT_HD Sum<R> log_base(const Parts& parts) {
        return {multiply_add(parts.k, all<R>(T::ln2_high), entry(Tables<N>::log_high, parts.entry)),
                multiply_add(parts.k, all<R>(T::ln2_low), entry(Tables<N>::log_low, parts.entry))};
    }
    SEMOPT_HD Sum<R> log10_base(const Parts& parts) {
        return {multiply_add(parts.k, all<R>(T::log10_2_high),
                             entry(Tables<N>::log10_high, parts.entry)),
                multiply_add(parts.k, all<R>(T::log10_2_low),
                             entry(Tables<N>::log10_low, parts.entry))};
    }

    // f - ln(1 + f).
    SEMOPT_HD R log_rest(R f) {
        R p;
        if constexpr (is_double<R>)
            p = polynomial(f, 0.499999999999999, -0.3333333333332433, 0.2500000000291166,
                           -0.2000000008627745, 0.1666665293629779, -0.14285513039269163,
                           0.1252088622854338, -0.11248767054409316);
        else
            p = polynomial(f, 0.49999997f, -0.33333278f, 0.25017682f, -0.20113395f);
        return f * f * p;
    }

    SEMOPT_HD Sum<R> log_sum(const Parts& parts) {
        const R f = parts.f;
        R p;  // (ln(1 + f) - f + f^2 / 2) / f^3
        if constexpr (is_double<R>)
            p = polynomial(f, 0.3333333333333333, -0.24999999999999642, 0.19999999999978818,
                           -0.1666666667116005, 0.1428571440736078, -0.12499984679280221,
                           0.11110890415562275, -0.10019502569682075, 0.09220363255652224);
        else
            p = polynomial(f, 0.3333333f, -0.24999954f, 0.20015158f, -0.16764146f);
        const Sum<R> base = log_base(parts);
        // base + f - f^2 / 2, each with what its rounding loses.
        const R half = all<R>(-0.5), square = f * f, square_low = product_error(f, f, square);
        const R sum = base.high + f, sum_low = (base.high - sum) + f;
        const R high = multiply_add(half, square, sum),
                high_low = multiply_add(half, square, sum - high);
        const R low = multiply_add(square, f * p, multiply_add(half, square_low, base.low)) +
                      (sum_low + high_low);
        const R whole = high + low;
        return {whole, (high - whole) + low};
    }

  private:
    // 2^(j / 16), less the bits that j leaves behind an exponent.
    struct WithoutEntry {
        N exp2[16];
        constexpr WithoutEntry() : exp2() {
            for (int j = 0; j < 16; ++j)
                exp2[j] = __builtin_bit_cast(
                    N, __builtin_bit_cast(Word, Tables<N>::exp2[j]) - (Word(j) << table_shift));
        }
    };
    static constexpr WithoutEntry without_entry{};

    SEMOPT_HD R entry(const N (&table)[16], Bits at) { return Entries<N>(table)[(Index)at]; }

    SEMOPT_HD R exponent(Bits moved) {
        return __builtin_convertvector((Index)moved >> T::mantissa, R);
    }
};

template <>
struct Reduction<Doubles> : TableReduction<Doubles> {};
template <>
struct Reduction<Floats> : TableReduction<Floats> {};

}  // namespace semopt::math
#endif
