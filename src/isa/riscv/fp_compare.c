/*
 * Comparisons, minimum and maximum, classes.
 */
#include "isa/riscv/fp_parts.h"

/* Neither is a NaN. With the sign as a magnitude's, bit patterns are in the numbers' order. */
static int64_t ordered(enum riscv_fp_format fmt, uint64_t a)
{
    int64_t v = fmt == RISCV_F32 ? (int64_t)(int32_t)a : (int64_t)a;

    return v < 0 ? -(v & INT64_MAX & (fmt == RISCV_F32 ? INT32_MAX : INT64_MAX)) : v;
}

/* NV for a signalling NaN, and for a quiet one too where that is asked for. */
static bool unordered(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b,
                      bool quiet)
{
    struct fp_parts pa = fp_unpack(fmt, a), pb = fp_unpack(fmt, b);
    bool nan = fp_is_nan(&pa) || fp_is_nan(&pb);

    if (pa.class == FP_SNAN || pb.class == FP_SNAN || (nan && !quiet))
        env->flags |= RISCV_NV;
    return nan;
}

bool riscv_fp_eq(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b)
{
    return !unordered(fmt, env, a, b, true) && ordered(fmt, a) == ordered(fmt, b);
}

bool riscv_fp_lt(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b)
{
    return !unordered(fmt, env, a, b, false) && ordered(fmt, a) < ordered(fmt, b);
}

bool riscv_fp_le(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b)
{
    return !unordered(fmt, env, a, b, false) && ordered(fmt, a) <= ordered(fmt, b);
}

/* Of two operands with a NaN among them: the number, if there is one. */
static uint64_t number_of(enum riscv_fp_format fmt, uint64_t a, uint64_t b)
{
    struct fp_parts pa = fp_unpack(fmt, a), pb = fp_unpack(fmt, b);

    if (!fp_is_nan(&pa))
        return a;
    return fp_is_nan(&pb) ? fp_layouts[fmt].nan : b;
}

/* Is the pattern `a` below `b`, -0 below +0? */
static bool below(enum riscv_fp_format fmt, uint64_t a, uint64_t b)
{
    int64_t oa = ordered(fmt, a), ob = ordered(fmt, b);

    return oa != ob ? oa < ob : a > b; /* of equal ones, the negative zero's pattern is greater */
}

uint64_t riscv_fp_min(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b)
{
    if (unordered(fmt, env, a, b, true))
        return number_of(fmt, a, b);
    return below(fmt, b, a) ? b : a;
}

uint64_t riscv_fp_max(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b)
{
    if (unordered(fmt, env, a, b, true))
        return number_of(fmt, a, b);
    return below(fmt, a, b) ? b : a;
}

/* [RISC-V unpriv 20.9] On bits, not parts: the C library asks often. */
uint64_t riscv_fp_classify(enum riscv_fp_format fmt, uint64_t bits)
{
    const struct fp_layout *l = &fp_layouts[fmt];
    uint64_t max = 2 * (uint64_t)l->bias + 1, exp = bits >> l->frac_bits & max;
    uint64_t frac = bits & ((UINT64_C(1) << l->frac_bits) - 1);
    bool sign = bits >> (fmt == RISCV_F32 ? 31 : 63) & 1;

    if (exp == max) {
        if (frac)
            return frac >> (l->frac_bits - 1) ? 1 << 9 : 1 << 8;
        return sign ? 1 << 0 : 1 << 7;
    }
    if (exp)
        return sign ? 1 << 1 : 1 << 6;
    if (frac)
        return sign ? 1 << 2 : 1 << 5;
    return sign ? 1 << 3 : 1 << 4;
}
