/*
 * Floating-point arithmetic on the host's FPU, for a hart whose MXCSR is in force (fp_state.h): the
 * guest's rounding, and flags that gather there.
 *
 * The host does as RISC-V does - tininess is found after rounding by both - but for NaNs: it hands
 * on payloads, and its own NaN is negative. A result that is a NaN is made canonical, and quiet
 * comparisons find them without a flag. All is assembly, volatile: the compiler knows neither
 * rounding modes nor flags, and must not move operations across changes of MXCSR.
 */
#ifndef DOPPEL_ISA_RISCV_FP_HOST_H
#define DOPPEL_ISA_RISCV_FP_HOST_H

#include <stdint.h>
#include <string.h>

#include "base/compiler.h"
#include "isa/riscv/fp.h"

static inline double host_f64(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof(d));
    return d;
}

static inline float host_f32(uint64_t bits)
{
    uint32_t low = (uint32_t)bits;
    float f;
    memcpy(&f, &low, sizeof(f));
    return f;
}

/* Back to bits. A NaN here is a result's, hence quiet: to compare it raises nothing. */
static inline uint64_t host_f64_bits(double d)
{
    uint64_t bits;

    if (unlikely(d != d))
        return RISCV_F64_NAN;
    memcpy(&bits, &d, sizeof(bits));
    return bits;
}

static inline uint64_t host_f32_bits(float f)
{
    uint32_t bits;

    if (unlikely(f != f))
        return RISCV_F32_NAN;
    memcpy(&bits, &f, sizeof(bits));
    return bits;
}

#define DEFINE_HOST_ARITHMETIC(op, insn)                                                           \
    static inline uint64_t host_f64_##op(uint64_t a, uint64_t b)                                   \
    {                                                                                              \
        double d = host_f64(a);                                                                    \
        __asm__ volatile(insn "sd %1, %0" : "+x"(d) : "x"(host_f64(b)));                           \
        return host_f64_bits(d);                                                                   \
    }                                                                                              \
    static inline uint64_t host_f32_##op(uint64_t a, uint64_t b)                                   \
    {                                                                                              \
        float f = host_f32(a);                                                                     \
        __asm__ volatile(insn "ss %1, %0" : "+x"(f) : "x"(host_f32(b)));                           \
        return host_f32_bits(f);                                                                   \
    }

DEFINE_HOST_ARITHMETIC(add, "add")
DEFINE_HOST_ARITHMETIC(sub, "sub")
DEFINE_HOST_ARITHMETIC(mul, "mul")
DEFINE_HOST_ARITHMETIC(div, "div")

static inline uint64_t host_f64_sqrt(uint64_t a)
{
    double d = 0;
    __asm__ volatile("sqrtsd %1, %0" : "+x"(d) : "x"(host_f64(a)));
    return host_f64_bits(d);
}

static inline uint64_t host_f32_sqrt(uint64_t a)
{
    float f = 0;
    __asm__ volatile("sqrtss %1, %0" : "+x"(f) : "x"(host_f32(a)));
    return host_f32_bits(f);
}

/*
 * a * b + c and its relatives by the sign of product and addend: fmadd + +, fmsub + -, fnmadd
 * (x86's)
 * - +, fnmsub - -. Only where the host has FMA. The result may be a NaN in the host's manner: with
 * an infinity times zero plus a quiet NaN the host sees nothing invalid, so the caller computes
 * NaNs anew (host_is_nan*).
 */
#define DEFINE_HOST_FMA(op, insn)                                                                  \
    static inline double host_f64_##op(uint64_t a, uint64_t b, uint64_t c)                         \
    {                                                                                              \
        double d = host_f64(a);                                                                    \
        __asm__ volatile(insn "sd %2, %1, %0" : "+x"(d) : "x"(host_f64(b)), "x"(host_f64(c)));     \
        return d;                                                                                  \
    }                                                                                              \
    static inline float host_f32_##op(uint64_t a, uint64_t b, uint64_t c)                          \
    {                                                                                              \
        float f = host_f32(a);                                                                     \
        __asm__ volatile(insn "ss %2, %1, %0" : "+x"(f) : "x"(host_f32(b)), "x"(host_f32(c)));     \
        return f;                                                                                  \
    }

DEFINE_HOST_FMA(fmadd, "vfmadd213")
DEFINE_HOST_FMA(fmsub, "vfmsub213")
DEFINE_HOST_FMA(fnmadd, "vfnmadd213")
DEFINE_HOST_FMA(fnmsub, "vfnmsub213")

static inline uint64_t host_f64_from_f32(uint64_t a)
{
    double d = 0;
    __asm__ volatile("cvtss2sd %1, %0" : "+x"(d) : "x"(host_f32(a)));
    return host_f64_bits(d);
}

static inline uint64_t host_f32_from_f64(uint64_t a)
{
    float f = 0;
    __asm__ volatile("cvtsd2ss %1, %0" : "+x"(f) : "x"(host_f64(a)));
    return host_f32_bits(f);
}

static inline uint64_t host_f64_from_int(int64_t v)
{
    double d = 0;
    __asm__ volatile("cvtsi2sdq %1, %0" : "+x"(d) : "r"(v));
    return host_f64_bits(d);
}

static inline uint64_t host_f32_from_int(int64_t v)
{
    float f = 0;
    __asm__ volatile("cvtsi2ssq %1, %0" : "+x"(f) : "r"(v));
    return host_f32_bits(f);
}

/* To integers: by MXCSR's rounding (cvt), or towards zero (cvtt). Out of range and NaN: the least
 * integer. */
#define DEFINE_HOST_TO_INT(name, T, insn, width)                                                   \
    static inline T host_f64_##name(uint64_t a)                                                    \
    {                                                                                              \
        T v;                                                                                       \
        __asm__ volatile(insn "sd2si" width " %1, %0" : "=r"(v) : "x"(host_f64(a)));               \
        return v;                                                                                  \
    }                                                                                              \
    static inline T host_f32_##name(uint64_t a)                                                    \
    {                                                                                              \
        T v;                                                                                       \
        __asm__ volatile(insn "ss2si" width " %1, %0" : "=r"(v) : "x"(host_f32(a)));               \
        return v;                                                                                  \
    }

DEFINE_HOST_TO_INT(to_i32, int32_t, "cvt", "l")
DEFINE_HOST_TO_INT(to_i64, int64_t, "cvt", "q")
DEFINE_HOST_TO_INT(chop_i32, int32_t, "cvtt", "l")
DEFINE_HOST_TO_INT(chop_i64, int64_t, "cvtt", "q")

/* UCOMI is quiet but for signalling NaNs, COMI is not: FEQ, and FLT and FLE. Operands are swapped
 * for those, so that the unordered outcome, which sets every flag, is false. */
#define DEFINE_HOST_COMPARE(f, size)                                                               \
    static inline bool host_##f##_eq(uint64_t a, uint64_t b)                                       \
    {                                                                                              \
        bool ordered, equal;                                                                       \
        __asm__ volatile("ucomis" size " %3, %2"                                                   \
                         : "=@ccnp"(ordered), "=@cce"(equal)                                       \
                         : "x"(host_##f(a)), "x"(host_##f(b)));                                    \
        return ordered & equal;                                                                    \
    }                                                                                              \
    static inline bool host_##f##_lt(uint64_t a, uint64_t b)                                       \
    {                                                                                              \
        bool above;                                                                                \
        __asm__ volatile("comis" size " %1, %2"                                                    \
                         : "=@cca"(above)                                                          \
                         : "x"(host_##f(a)), "x"(host_##f(b)));                                    \
        return above;                                                                              \
    }                                                                                              \
    static inline bool host_##f##_le(uint64_t a, uint64_t b)                                       \
    {                                                                                              \
        bool above_or_equal;                                                                       \
        __asm__ volatile("comis" size " %1, %2"                                                    \
                         : "=@ccae"(above_or_equal)                                                \
                         : "x"(host_##f(a)), "x"(host_##f(b)));                                    \
        return above_or_equal;                                                                     \
    }                                                                                              \
    /* As lt, but quiet. */                                                                        \
    static inline bool host_##f##_below(uint64_t a, uint64_t b)                                    \
    {                                                                                              \
        bool above;                                                                                \
        __asm__ volatile("ucomis" size " %1, %2"                                                   \
                         : "=@cca"(above)                                                          \
                         : "x"(host_##f(a)), "x"(host_##f(b)));                                    \
        return above;                                                                              \
    }

DEFINE_HOST_COMPARE(f64, "d")
DEFINE_HOST_COMPARE(f32, "s")

#endif
