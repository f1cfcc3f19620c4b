/*
 * Floating-point arithmetic on bit patterns: every rounding mode, every flag, exact.
 *
 * Pure functions: no hart, no host FPU. A value is the bits of its format in the low end of a
 * uint64_t; NaN boxing is the caller's (riscv_fp_unbox). Instructions take this path only where the
 * host's FPU would give something else (fp_host.h); unit tests judge both.
 * [RISC-V unpriv 20, 21; IEEE 754-2008]
 */
#ifndef DOPPEL_ISA_RISCV_FP_H
#define DOPPEL_ISA_RISCV_FP_H

#include <stdbool.h>
#include <stdint.h>

/* Bits of fflags. */
enum riscv_fflag {
    RISCV_NX = 1 << 0, /* inexact */
    RISCV_UF = 1 << 1, /* underflow: tiny after rounding, and inexact */
    RISCV_OF = 1 << 2,
    RISCV_DZ = 1 << 3,
    RISCV_NV = 1 << 4, /* invalid operation */
};

enum riscv_rm {
    RISCV_RNE, /* to nearest, ties to even */
    RISCV_RTZ, /* towards zero */
    RISCV_RDN, /* down */
    RISCV_RUP, /* up */
    RISCV_RMM, /* to nearest, ties away from zero */
    RISCV_RM_DYN = 7,
};

enum riscv_fp_format { RISCV_F32, RISCV_F64 };

struct riscv_fp_env {
    uint8_t rm;    /* RISCV_RNE to RISCV_RMM */
    uint8_t flags; /* enum riscv_fflag; operations add to it */
};

#define RISCV_F32_NAN UINT64_C(0x7fc00000) /* the canonical ones */
#define RISCV_F64_NAN UINT64_C(0x7ff8000000000000)
#define RISCV_F32_BOX UINT64_C(0xffffffff00000000)

/* A single in a 64-bit register; what is not boxed right counts as the canonical NaN. */
static inline uint64_t riscv_fp_unbox(uint64_t reg)
{
    return reg >= RISCV_F32_BOX ? (uint32_t)reg : RISCV_F32_NAN;
}

static inline uint64_t riscv_fp_box(uint64_t single)
{
    return single | RISCV_F32_BOX;
}

uint64_t riscv_fp_add(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
uint64_t riscv_fp_sub(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
uint64_t riscv_fp_mul(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
uint64_t riscv_fp_div(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
uint64_t riscv_fp_sqrt(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a);
/* a * b + c, rounded once. The other three of the family negate operands: riscv_fp_negate(). */
uint64_t riscv_fp_fma(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b,
                      uint64_t c);

static inline uint64_t riscv_fp_negate(enum riscv_fp_format fmt, uint64_t a)
{
    return a ^ (fmt == RISCV_F32 ? UINT64_C(1) << 31 : UINT64_C(1) << 63);
}

/* The lesser or the greater number; -0 is less than +0, a NaN loses to a number. */
uint64_t riscv_fp_min(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
uint64_t riscv_fp_max(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
/* Equality is quiet, the order relations are invalid for any NaN. */
bool riscv_fp_eq(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
bool riscv_fp_lt(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
bool riscv_fp_le(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a, uint64_t b);
/* FCLASS: one bit of 0 to 9. */
uint64_t riscv_fp_classify(enum riscv_fp_format fmt, uint64_t a);

/* `to` from the other format. */
uint64_t riscv_fp_convert(enum riscv_fp_format to, struct riscv_fp_env *env, uint64_t a);

enum riscv_fp_int { RISCV_INT_W, RISCV_INT_WU, RISCV_INT_L, RISCV_INT_LU }; /* as in rs2 */

/* As an integer register gets it (W and WU sign-extended); out of range: the nearest, NaN: the
 * greatest, and NV alone. */
uint64_t riscv_fp_to_int(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t a,
                         enum riscv_fp_int kind);
uint64_t riscv_fp_from_int(enum riscv_fp_format fmt, struct riscv_fp_env *env, uint64_t val,
                           enum riscv_fp_int kind);

#endif
