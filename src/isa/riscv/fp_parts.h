/*
 * A floating-point number in parts, between the operations of fp_*.c: taken out of its format, and
 * put back with one rounding.
 */
#ifndef DOPPEL_ISA_RISCV_FP_PARTS_H
#define DOPPEL_ISA_RISCV_FP_PARTS_H

#include "isa/riscv/fp.h"

typedef unsigned __int128 fp_wide;

enum fp_class { FP_ZERO, FP_NUMBER, FP_INF, FP_QNAN, FP_SNAN };

/* A number's value is sig / 2^63 * 2^exp, with bit 63 of sig set: subnormals are normalised. */
struct fp_parts {
    enum fp_class class;
    bool sign;
    int exp;
    uint64_t sig;
};

struct fp_layout {
    unsigned frac_bits;
    int bias; /* the greatest exponent, too */
    uint64_t nan;
};

extern const struct fp_layout fp_layouts[2]; /* by enum riscv_fp_format */

struct fp_parts fp_unpack(enum riscv_fp_format fmt, uint64_t bits);
/* `p` is a number; the lowest bit of its sig may stand for all that was shifted out below. */
uint64_t fp_round(enum riscv_fp_format fmt, struct riscv_fp_env *env, const struct fp_parts *p);
/* Zeros, infinities and the canonical NaN. */
uint64_t fp_special(enum riscv_fp_format fmt, enum fp_class class, bool sign);
/* The canonical NaN, with NV. */
uint64_t fp_invalid(enum riscv_fp_format fmt, struct riscv_fp_env *env);

static inline bool fp_is_nan(const struct fp_parts *p)
{
    return p->class >= FP_QNAN;
}

/* Does dropping `rest` - in units of which `half` is half of the last place kept - round the
 * magnitude up? */
static inline bool fp_rounds_up(unsigned rm, bool sign, bool odd, uint64_t rest, uint64_t half)
{
    switch (rm) {
    case RISCV_RNE:
        return rest > half || (rest == half && odd);
    case RISCV_RMM:
        return rest >= half;
    case RISCV_RDN:
        return sign && rest;
    case RISCV_RUP:
        return !sign && rest;
    default:
        return false;
    }
}

/* Shift right; what falls out leaves its trace in bit 0. */
static inline uint64_t fp_shift_jam(uint64_t v, unsigned n)
{
    if (n == 0)
        return v;
    if (n > 63)
        return v != 0;
    return v >> n | ((v << (64 - n)) != 0);
}

static inline fp_wide fp_wide_shift_jam(fp_wide v, unsigned n)
{
    if (n == 0)
        return v;
    if (n > 127)
        return v != 0;
    return v >> n | ((v << (128 - n)) != 0);
}

/* The upper half, jammed. */
static inline uint64_t fp_wide_top(fp_wide v)
{
    return (uint64_t)(v >> 64) | ((uint64_t)v != 0);
}

#endif
