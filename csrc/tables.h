// exp and the logarithms in registers of numbers: arguments are reduced to within a 32nd of 1 by
// tables that are registers themselves, from which a lane takes its entry by a permutation. What is
// left is so small that short polynomials do, and no logarithm divides.
#pragma once

#include "lanes.h"

#if SEMOPT_AVX512
namespace semopt::math {

// At j: 2^(j / 16); the reciprocal of about c = 11/16, 23/32, 24/32 ... 1, 17/16 ... 21/16, and the
// logarithms of that number's reciprocal. Their high parts have trailing zeros as have those of ln
// 2 and log10 2: multiples of these are added to them without rounding.
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
        1.4545454545454546, 1.391304347826087, 1.3333333333333333, 1.28, 1.2307692307692308,
        1.1851851851851851, 1.1428571428571428, 1.103448275862069, 1.0666666666666667,
        1.032258064516129, 1.0, 0.9411764705882353, 0.8888888888888888, 0.8421052631578947, 0.8,
        0.7619047619047619};
    static constexpr double log_high[16] = {
        -0.3746934494411107, -0.3302416868700675, -0.2876820724522986, -0.24686007793206954,
        -0.2076393647785153, -0.1698990367949591, -0.13353139262471814, -0.09844007281390077,
        -0.06453852113736502, -0.03174869831491378, 0.0, 0.06062462181580486, 0.11778303565552051,
        0.17185025692742784, 0.22314355131493357, 0.27193371548310097};
    static constexpr double log_low[16] = {
        -3.0000609251810407e-13, -5.093317398007687e-13, 5.177264359277774e-13,
        5.437250477703568e-13, 2.7074358688724336e-13, -4.3831556332113535e-13,
        1.95569450245385e-13, 6.482636630882625e-13, -2.0613418961061426e-13,
        3.3350795837108854e-13, 0.0, 6.29998697726139e-13, 8.63002915448175e-13,
        -7.685579112505856e-13, -7.238745033261994e-13, 5.408459297657828e-13};
    static constexpr double log10_high[16] = {
        -0.16272729749766768, -0.14342214230225636, -0.12493873660832833, -0.1072099696478972,
        -0.09017663034910584, -0.07378621416091846, -0.057991946977722364, -0.04275198042091688,
        -0.028028723600186822, -0.013788284485599434, 0.0, 0.026328938722372186,
        0.051152522447409865, 0.07463361829695714, 0.09691001300802782, 0.11809931207801583};
    static constexpr double log10_low[16] = {
        -3.2074341914055974e-14, -5.6723856477198373e-14, 2.8397813827793453e-14,
        2.882087301591837e-14, 1.7799437131058865e-14, -1.7821806051836752e-16,
        3.56331331305339e-14, -3.300304276318716e-14, -5.6710450965339313e-14,
        -3.385081032441929e-14, 0.0, -2.3032308687011413e-14, -2.855192370164799e-14,
        -5.293343773429509e-14, 2.85725458818173e-14, -2.1316604398907548e-14};
    static constexpr uint64_t least = 0x3fe5800000000000;  // 43/64, where the first c begins
};

template <>
struct Tables<float> {
    static constexpr float exp2[16] = {
        1.0f, 1.0442737f, 1.0905077f, 1.1387886f, 1.1892071f, 1.2418578f, 1.2968396f, 1.3542556f,
        1.4142135f, 1.4768262f, 1.5422108f, 1.6104903f, 1.6817929f, 1.7562522f, 1.8340081f,
        1.9152066f};
    static constexpr float inverse[16] = {
        1.4545455f, 1.3913044f, 1.3333334f, 1.28f, 1.2307693f, 1.1851852f, 1.1428572f, 1.1034483f,
        1.0666667f, 1.032258f, 1.0f, 0.9411765f, 0.8888889f, 0.84210527f, 0.8f, 0.7619048f};
    static constexpr float log_high[16] = {
        -0.37469482f, -0.3302307f, -0.2876892f, -0.24685669f, -0.2076416f, -0.16989136f,
        -0.13354492f, -0.09844971f, -0.06454468f, -0.03173828f, 0.0f, 0.060638428f, 0.11779785f,
        0.17184448f, 0.22314453f, 0.27194214f};
    static constexpr float log_low[16] = {
        1.344975e-06f, -1.0992607e-05f, 7.10673e-06f, -3.3661267e-06f, 2.1995313e-06f,
        -7.686824e-06f, 1.3484547e-05f, 9.637944e-06f, 6.104443e-06f, -1.0387263e-05f, 0.0f,
        -1.3809643e-05f, -1.4823357e-05f, 5.767054e-06f, -9.948369e-07f, -8.441814e-06f};
    static constexpr float log10_high[16] = {
        -0.1628418f, -0.14331055f, -0.125f, -0.107177734f, -0.09008789f, -0.07373047f,
        -0.05810547f, -0.04272461f, -0.028076172f, -0.013671875f, 0.0f, 0.026367188f, 0.05126953f,
        0.07470703f, 0.09692383f, 0.11816406f};
    static constexpr float log10_low[16] = {
        0.000114486436f, -0.00011160352f, 6.125045e-05f, -3.2225566e-05f, -8.87559e-05f,
        -5.5748646e-05f, 0.000113502356f, -2.7369428e-05f, 4.7425623e-05f, -0.00011639654f, 0.0f,
        -3.8250397e-05f, -0.00011701204f, -7.341619e-05f, -1.3821588e-05f, -6.475851e-05f};
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

    SEMOPT_HD R scale_normal(R rest, R shifted) {
        // 16 n, of which j is a part, moves to where an exponent is.
        const Bits bits = bit_cast<Bits>(shifted);
        const Bits part = bit_cast<Bits>(entry(without_entry.exp2, bits));
        const R power = bit_cast<R>(part + (bits << table_shift));
        return multiply_add(power, rest, power);
    }

    // x = 2^k m = 2^k c (1 + f) for normal x > 0.
    struct Parts {
        R k, m, f, inverse;    // 1 / c
        Bits exponent, entry;  // k + bias; of c
    };

    SEMOPT_HD Parts parts(R x) {
        const Bits moved = bit_cast<Bits>(x) - Tables<N>::least, at = moved >> table_shift;
        const auto k = (Index)moved >> T::mantissa;
        const R m = bit_cast<R>((moved & ((Word(1) << T::mantissa) - 1)) + Tables<N>::least);
        const R inverse = entry(Tables<N>::inverse, at), f = multiply_add(m, inverse, all<R>(-1));
        return {__builtin_convertvector(k, R), m, f, inverse, (Bits)k + Word(T::bias), at};
    }

    SEMOPT_HD Parts parts_of_any(R x) {
        Parts found = parts(Operations<R>::mantissa(x));
        found.k = found.k + Operations<R>::exponent(x);
        return found;
    }

    SEMOPT_HD R refined(const Parts& parts, R low) {
        return multiply_add(low, parts.inverse, parts.f);
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

    // f - ln(1 + f) on |f| <= 1/32.
    SEMOPT_HD R log_rest(R f) {
        R p;
        if constexpr (is_double<R>)
            p = polynomial(f, 0.4999999999999994, -0.3333333333333528, 0.2500000000210727,
                           -0.1999999998075544, 0.16666655518930182, -0.14285757809555508,
                           0.1251888541433374, -0.11090471624365683);
        else
            p = polynomial(f, 0.49999997f, -0.33333346f, 0.25015762f, -0.19981973f);
        return f * f * p;
    }

    SEMOPT_HD Sum<R> log_sum(const Parts& parts) {
        // f again, with what its rounding loses.
        const R product = parts.m * parts.inverse, f = product - N(1),
                f_low = product_error(parts.m, parts.inverse, product);
        R p;  // (ln(1 + f) - f + f^2 / 2) / f^3
        if constexpr (is_double<R>)
            p = polynomial(f, 0.3333333333333333, -0.24999999999999767, 0.20000000000004478,
                           -0.16666666669955146, 0.142857142590098, -0.1249998746876459,
                           0.1111115820894383, -0.10017698800683188, 0.09071809962314487);
        else
            p = polynomial(f, 0.3333333f, -0.25000012f, 0.2001351f, -0.16651456f);
        const Sum<R> base = log_base(parts);
        // base + f - f^2 / 2, each with what its rounding loses.
        const R half = N(-0.5) * f, square = f * half, square_low = product_error(f, half, square);
        const R sum = base.high + f, sum_low = (base.high - sum) + f;
        const R high = sum + square, high_low = (sum - high) + square;
        const R inner = multiply_add(-f, multiply_add(-f, f_low, f_low), f_low);  // f_low / (1 + f)
        const R rest = multiply_add(f * f, f * p, inner);
        const R low = (((base.low + sum_low) + high_low) + square_low) + rest;
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
};

template <>
struct Reduction<Doubles> : TableReduction<Doubles> {};
template <>
struct Reduction<Floats> : TableReduction<Floats> {};

}  // namespace semopt::math
#endif
