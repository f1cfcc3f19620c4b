/*
 * What the exec functions of floating point share: may the host do it straight away, and the long
 * way for when it may not.
 *
 * Each function has one quick path, taken when the instruction's bit of c->fp_modes is set (see
 * fp_state.h), and a slow one that is right always: it checks mstatus.FS and the rounding mode,
 * makes FS Dirty, borrows the host's FPU for those that follow, and computes without it.
 */
#ifndef DOPPEL_ISA_RISCV_EXEC_FP_H
#define DOPPEL_ISA_RISCV_EXEC_FP_H

#include "base/compiler.h"
#include "isa/riscv/access.h"
#include "isa/riscv/fp_host.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/op.h"

/* Before the slow path of what rounds or raises flags: illegal instruction if FS is Off or the
 * rounding mode is reserved, then does not return. */
struct riscv_fp_env riscv_fp_begin(struct riscv_cpu *c, const struct riscv_op *op);
/* Before that of what moves values: FS becomes Dirty if the instruction `writes` an f register. */
void riscv_fp_touch(struct riscv_cpu *c, const struct riscv_op *op, bool writes);

/* May the host run what rounds as the instruction says? */
static inline bool fp_rounds_on_host(const struct riscv_cpu *c, const struct riscv_op *op)
{
    return likely(c->fp_modes >> op->rm & 1);
}

static inline bool fp_on_host(const struct riscv_cpu *c)
{
    return likely(c->fp_modes & RISCV_FP_HOST);
}

static inline bool fp_is_dirty(const struct riscv_cpu *c)
{
    return likely(c->fp_modes & RISCV_FP_DIRTY);
}

#define RD  RISCV_REG(c, op->rd)
#define RS1 RISCV_REG(c, op->rs1)
#define RS2 RISCV_REG(c, op->rs2)
#define RS3 RISCV_REG(c, op->rs3)

/* The operands as singles. */
#define RS1_S riscv_fp_unbox(RS1)
#define RS2_S riscv_fp_unbox(RS2)
#define RS3_S riscv_fp_unbox(RS3)

#define AS_X(bits) (bits) /* results: an integer or a double, a single */
#define AS_D(bits) (bits)
#define AS_S(bits) riscv_fp_box(bits)

/*
 * The slow path of an instruction, as one more exec function: RD becomes `value`, an expression
 * with &env as the environment, of which the flags are added. The environment lives in a function
 * apart: a local whose address is taken would spoil the tail call.
 */
#define EXEC_FP_SLOW(name, as, value)                                                              \
    static uint64_t __attribute__((noinline, cold))                                                \
    soft_##name(struct riscv_cpu *c, const struct riscv_op *op)                                    \
    {                                                                                              \
        struct riscv_fp_env env = riscv_fp_begin(c, op);                                           \
        uint64_t bits = value;                                                                     \
        c->fflags |= env.flags;                                                                    \
        return as(bits);                                                                           \
    }                                                                                              \
    static void __attribute__((noinline, cold))                                                    \
    slow_##name(struct riscv_cpu *c, const struct riscv_op *op)                                    \
    {                                                                                              \
        RD = soft_##name(c, op);                                                                   \
        riscv_next(c, op);                                                                         \
    }

/* An exec function: when `ready`, RD becomes `quick`. */
#define EXEC_FP(name, ready, as, quick, slow)                                                      \
    EXEC_FP_SLOW(name, as, slow)                                                                   \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        if (unlikely(!(ready))) {                                                                  \
            slow_##name(c, op);                                                                    \
            return;                                                                                \
        }                                                                                          \
        RD = as((uint64_t)(quick));                                                                \
        riscv_next(c, op);                                                                         \
    }

/* One that only moves bits. */
#define EXEC_FP_MOVE(name, writes, value)                                                          \
    static void __attribute__((noinline, cold))                                                    \
    slow_##name(struct riscv_cpu *c, const struct riscv_op *op)                                    \
    {                                                                                              \
        riscv_fp_touch(c, op, writes);                                                             \
        RD = value;                                                                                \
        riscv_next(c, op);                                                                         \
    }                                                                                              \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        if (unlikely(!fp_is_dirty(c))) {                                                           \
            slow_##name(c, op);                                                                    \
            return;                                                                                \
        }                                                                                          \
        RD = value;                                                                                \
        riscv_next(c, op);                                                                         \
    }

#endif
