/*
 * Conversions between the formats, and to and from integers.
 */
#include "isa/riscv/fp_parts.h"

uint64_t riscv_fp_convert(enum riscv_fp_format to, struct riscv_fp_env *env, uint64_t bits)
{
    struct fp_parts a = fp_unpack(to == RISCV_F32 ? RISCV_F64 : RISCV_F32, bits);

    if (a.class == FP_SNAN)
        return fp_invalid(to, env);
    if (a.class != FP_NUMBER)
        return fp_special(to, a.class, a.sign);
    return fp_round(to, env, &a);
}

/* The greatest magnitude of either sign that an integer type has. */
static uint64_t limit_of(enum riscv_fp_int kind, bool sign)
{
    switch (kind) {
    case RISCV_INT_W:
        return (UINT64_C(1) << 31) - !sign;
    case RISCV_INT_WU:
        return sign ? 0 : UINT32_MAX;
    case RISCV_INT_L:
        return (UINT64_C(1) << 63) - !sign;
    default:
        return sign ? 0 : UINT64_MAX;
    }
}

/* A magnitude with a sign as the integer register holds it. */
static uint64_t int_result(uint64_t magnitude, bool sign, enum riscv_fp_int kind)
{
    uint64_t v = sign ? -magnitude : magnitude;

    return kind <= RISCV_INT_WU ? (uint64_t)(int64_t)(int32_t)v : v;
}

/* An infinity, a NaN or something out of range. [RISC-V unpriv table 29] */
static uint64_t saturated(struct riscv_fp_env *env, bool sign, enum riscv_fp_int kind)
{
    env->flags |= RISCV_NV;
    return int_result(limit_of(kind, sign), sign, kind);
}

uint64_t riscv_fp_to_int(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t bits,
                         enum riscv_fp_int kind)
{
    struct fp_parts a = fp_unpack(fmt, bits);
    fp_wide fixed;
    uint64_t whole, rest;

    if (a.class == FP_ZERO)
        return 0;
    if (a.class != FP_NUMBER || a.exp > 63)
        return saturated(env, a.sign && !fp_is_nan(&a), kind);
    fixed = fp_wide_shift_jam((fp_wide)a.sig << 64, (unsigned)(63 - a.exp));
    whole = (uint64_t)(fixed >> 64);
    rest = (uint64_t)fixed;
    /* No carry out: with a fraction there are at most 53 bits of whole. */
    whole += fp_rounds_up(env->rm, a.sign, whole & 1, rest, UINT64_C(1) << 63);
    if (whole > limit_of(kind, a.sign))
        return saturated(env, a.sign, kind);
    if (rest)
        env->flags |= RISCV_NX;
    return int_result(whole, a.sign, kind);
}

uint64_t riscv_fp_from_int(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t val,
                           enum riscv_fp_int kind)
{
    struct fp_parts r = {.class = FP_NUMBER};
    int zeros;

    if (kind == RISCV_INT_W)
        val = (uint64_t)(int64_t)(int32_t)val;
    else if (kind == RISCV_INT_WU)
        val = (uint32_t)val;
    if (!val)
        return fp_special(fmt, FP_ZERO, false);
    r.sign = (kind == RISCV_INT_W || kind == RISCV_INT_L) && val >> 63;
    r.sig = r.sign ? -val : val;
    zeros = __builtin_clzll(r.sig);
    r.sig <<= zeros;
    r.exp = 63 - zeros;
    return fp_round(fmt, env, &r);
}
