/*
 * Conversions between formats, and to and from integers.
 */
#include "isa/riscv/exec_fp.h"

EXEC_FP(fcvt_s_d, fp_rounds_on_host(c, op), AS_S, host_f32_from_f64(RS1),
        riscv_fp_convert(RISCV_F32, &env, RS1))
EXEC_FP(fcvt_d_s, fp_rounds_on_host(c, op), AS_D, host_f64_from_f32(RS1_S),
        riscv_fp_convert(RISCV_F64, &env, RS1_S))

/* From integers. The host has signed ones: of 64 unsigned bits only the lower half is quick. */
#define EXEC_FROM_INT(suffix, kind, in_range, value)                                               \
    EXEC_FP(fcvt_d_##suffix, fp_rounds_on_host(c, op) && (in_range), AS_D,                         \
            host_f64_from_int(value), riscv_fp_from_int(RISCV_F64, &env, RS1, kind))               \
    EXEC_FP(fcvt_s_##suffix, fp_rounds_on_host(c, op) && (in_range), AS_S,                         \
            host_f32_from_int(value), riscv_fp_from_int(RISCV_F32, &env, RS1, kind))

EXEC_FROM_INT(w, RISCV_INT_W, true, (int32_t)RS1)
EXEC_FROM_INT(wu, RISCV_INT_WU, true, (int64_t)(uint32_t)RS1)
EXEC_FROM_INT(l, RISCV_INT_L, true, (int64_t)RS1)
EXEC_FROM_INT(lu, RISCV_INT_LU, (int64_t)RS1 >= 0, (int64_t)RS1)

/*
 * To integers: quick for what the host converts to the same; RTZ, which compilers write for casts,
 * needs no matching mode. The host's answer for all it cannot convert is the least integer: that
 * goes the slow way, as does what is out of the range in which the host's signed result fits the
 * unsigned type (it might raise inexact where RISC-V has invalid).
 */
#define EXEC_TO_INT(name, f, fmt, operand, kind, in_range, host, failed)                           \
    EXEC_FP_SLOW(name, AS_X, riscv_fp_to_int(fmt, &env, operand, kind))                            \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        uint64_t a = operand, v = failed;                                                          \
        if (op->rm == RISCV_RTZ && fp_on_host(c) && likely(in_range(a)))                           \
            v = (uint64_t)(int64_t)host_##f##_chop_##host(a);                                      \
        else if (fp_rounds_on_host(c, op) && likely(in_range(a)))                                  \
            v = (uint64_t)(int64_t)host_##f##_to_##host(a);                                        \
        if (unlikely(v == (failed))) {                                                             \
            slow_##name(c, op);                                                                    \
            return;                                                                                \
        }                                                                                          \
        RD = kind == RISCV_INT_WU ? (uint64_t)(int32_t)v : v;                                      \
        riscv_next(c, op);                                                                         \
    }

/* Of bit patterns: those of numbers from 0 up are in the numbers' order, below all others. */
#define ANY(a)         true
#define U32_RANGE_D(a) ((a) <= 0x41efffffffe00000) /* 2^32 - 1 */
#define U32_RANGE_S(a) ((a) < 0x4f800000)          /* 2^32 */
#define S63_RANGE_D(a) ((a) < 0x43e0000000000000)  /* 2^63 */
#define S63_RANGE_S(a) ((a) < 0x5f000000)

#define FAILED32 ((uint64_t)INT32_MIN)
#define FAILED64 ((uint64_t)INT64_MIN)

EXEC_TO_INT(fcvt_w_d, f64, RISCV_F64, RS1, RISCV_INT_W, ANY, i32, FAILED32)
EXEC_TO_INT(fcvt_w_s, f32, RISCV_F32, RS1_S, RISCV_INT_W, ANY, i32, FAILED32)
EXEC_TO_INT(fcvt_l_d, f64, RISCV_F64, RS1, RISCV_INT_L, ANY, i64, FAILED64)
EXEC_TO_INT(fcvt_l_s, f32, RISCV_F32, RS1_S, RISCV_INT_L, ANY, i64, FAILED64)
EXEC_TO_INT(fcvt_wu_d, f64, RISCV_F64, RS1, RISCV_INT_WU, U32_RANGE_D, i64, FAILED64)
EXEC_TO_INT(fcvt_wu_s, f32, RISCV_F32, RS1_S, RISCV_INT_WU, U32_RANGE_S, i64, FAILED64)
EXEC_TO_INT(fcvt_lu_d, f64, RISCV_F64, RS1, RISCV_INT_LU, S63_RANGE_D, i64, FAILED64)
EXEC_TO_INT(fcvt_lu_s, f32, RISCV_F32, RS1_S, RISCV_INT_LU, S63_RANGE_S, i64, FAILED64)
