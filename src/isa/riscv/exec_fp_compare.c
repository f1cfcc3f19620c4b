/*
 * Comparisons, minimum and maximum, classes.
 */
#include "isa/riscv/exec_fp.h"

#define EXEC_COMPARE(rel)                                                                          \
    EXEC_FP(f##rel##_d, fp_on_host(c), AS_X, host_f64_##rel(RS1, RS2),                             \
            riscv_fp_##rel(RISCV_F64, &env, RS1, RS2))                                             \
    EXEC_FP(f##rel##_s, fp_on_host(c), AS_X, host_f32_##rel(RS1_S, RS2_S),                         \
            riscv_fp_##rel(RISCV_F32, &env, RS1_S, RS2_S))

EXEC_COMPARE(eq)
EXEC_COMPARE(lt)
EXEC_COMPARE(le)

/* Quick for numbers, unless they are zeros of different sign; those and NaNs are for the slow path.
 */
#define EXEC_EXTREME(name, extreme, fmt, f, as, a, b)                                              \
    EXEC_FP_SLOW(name, as, riscv_fp_##extreme(fmt, &env, a, b))                                    \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        uint64_t x = a, y = b;                                                                     \
        bool first = fp_on_host(c) && host_##f##_##extreme##_is(x, y);                             \
        if (!first && unlikely(!fp_on_host(c) || (!host_##f##_##extreme##_is(y, x) &&              \
                                                  (x != y || !host_##f##_eq(x, y))))) {            \
            slow_##name(c, op);                                                                    \
            return;                                                                                \
        }                                                                                          \
        RD = as(first ? x : y);                                                                    \
        riscv_next(c, op);                                                                         \
    }

#define host_f64_min_is(a, b) host_f64_below(a, b)
#define host_f64_max_is(a, b) host_f64_below(b, a)
#define host_f32_min_is(a, b) host_f32_below(a, b)
#define host_f32_max_is(a, b) host_f32_below(b, a)

EXEC_EXTREME(fmin_d, min, RISCV_F64, f64, AS_D, RS1, RS2)
EXEC_EXTREME(fmax_d, max, RISCV_F64, f64, AS_D, RS1, RS2)
EXEC_EXTREME(fmin_s, min, RISCV_F32, f32, AS_S, RS1_S, RS2_S)
EXEC_EXTREME(fmax_s, max, RISCV_F32, f32, AS_S, RS1_S, RS2_S)

EXEC_FP_MOVE(fclass_d, false, riscv_fp_classify(RISCV_F64, RS1))
EXEC_FP_MOVE(fclass_s, false, riscv_fp_classify(RISCV_F32, RS1_S))
