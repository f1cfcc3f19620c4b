/*
 * Sums, products, quotients, roots and the fused ones.
 */
#include "isa/riscv/exec_fp.h"

#include <math.h>

#include "isa/riscv/regs.h"

static void mark_dirty(struct riscv_cpu *c)
{
    c->mstatus |= MSTATUS_FS;
}

struct riscv_fp_env riscv_fp_begin(struct riscv_cpu *c, const struct riscv_op *op)
{
    struct riscv_fp_env env = {.rm = op->rm == RISCV_RM_DYN ? c->frm : op->rm};

    if (!(c->mstatus & MSTATUS_FS) || env.rm > RISCV_RMM)
        riscv_illegal(c, op);
    if (!fp_on_host(c)) {
        mark_dirty(c);
        riscv_fp_enter(c);
    }
    return env;
}

void riscv_fp_touch(struct riscv_cpu *c, const struct riscv_op *op, bool writes)
{
    if (!(c->mstatus & MSTATUS_FS))
        riscv_illegal(c, op);
    if (!writes)
        return;
    mark_dirty(c);
    riscv_fp_changed(c);
}

#define EXEC_ARITHMETIC(what)                                                                      \
    EXEC_FP(f##what##_d, fp_rounds_on_host(c, op), AS_D, host_f64_##what(RS1, RS2),                \
            riscv_fp_##what(RISCV_F64, &env, RS1, RS2))                                            \
    EXEC_FP(f##what##_s, fp_rounds_on_host(c, op), AS_S, host_f32_##what(RS1_S, RS2_S),            \
            riscv_fp_##what(RISCV_F32, &env, RS1_S, RS2_S))

EXEC_ARITHMETIC(add)
EXEC_ARITHMETIC(sub)
EXEC_ARITHMETIC(mul)
EXEC_ARITHMETIC(div)

EXEC_FP(fsqrt_d, fp_rounds_on_host(c, op), AS_D, host_f64_sqrt(RS1),
        riscv_fp_sqrt(RISCV_F64, &env, RS1))
EXEC_FP(fsqrt_s, fp_rounds_on_host(c, op), AS_S, host_f32_sqrt(RS1_S),
        riscv_fp_sqrt(RISCV_F32, &env, RS1_S))

/* The fused ones, by which of product and addend are negated. A host without FMA leaves them all to
 * the slow path; so is a NaN, which may have been invalid in ways the host does not see. */
#define NEGATE_D(bits) riscv_fp_negate(RISCV_F64, bits)
#define NEGATE_S(bits) riscv_fp_negate(RISCV_F32, bits)

#define EXEC_FUSED_AS(name, T, to_bits, as, fused, slow)                                           \
    EXEC_FP_SLOW(name, as, slow)                                                                   \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        T r = NAN;                                                                                 \
        if (fp_rounds_on_host(c, op) && likely(__builtin_cpu_supports("fma")))                     \
            r = fused;                                                                             \
        if (unlikely(r != r)) {                                                                    \
            slow_##name(c, op);                                                                    \
            return;                                                                                \
        }                                                                                          \
        RD = as(to_bits(r));                                                                       \
        riscv_next(c, op);                                                                         \
    }

/* `host` names the x86 instruction, the signs are the operands' of a fused multiply-add. */
#define EXEC_FUSED(name, host, product, addend)                                                    \
    EXEC_FUSED_AS(name##_d, double, host_f64_bits, AS_D, host_f64_##host(RS1, RS2, RS3),           \
                  riscv_fp_fma(RISCV_F64, &env, product##_D(RS1), RS2, addend##_D(RS3)))           \
    EXEC_FUSED_AS(name##_s, float, host_f32_bits, AS_S, host_f32_##host(RS1_S, RS2_S, RS3_S),      \
                  riscv_fp_fma(RISCV_F32, &env, product##_S(RS1_S), RS2_S, addend##_S(RS3_S)))

#define KEEP_D(bits) (bits)
#define KEEP_S(bits) (bits)

EXEC_FUSED(fmadd, fmadd, KEEP, KEEP)
EXEC_FUSED(fmsub, fmsub, KEEP, NEGATE)
/* The host's names tell of the product only, RISC-V's of the whole. */
EXEC_FUSED(fnmsub, fnmadd, NEGATE, KEEP)
EXEC_FUSED(fnmadd, fnmsub, NEGATE, NEGATE)
