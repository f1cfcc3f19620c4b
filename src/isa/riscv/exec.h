/*
 * Shapes that execute functions share. Each macro makes one function from an expression over
 * operands a and b; it holds no control flow of its own.
 */
#ifndef DOPPEL_ISA_RISCV_EXEC_H
#define DOPPEL_ISA_RISCV_EXEC_H

#include "isa/riscv/access.h"
#include "isa/riscv/op.h"

/* Register-register: `a` and `b` are rs1 and rs2. */
#define RISCV_EXEC_RR(name, expr)                                                                  \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        const uint64_t a = RISCV_REG(c, op->rs1), b = RISCV_REG(c, op->rs2);                       \
        RISCV_REG(c, op->rd) = (uint64_t)(expr);                                                   \
        riscv_next(c, op);                                                                         \
    }

/* Register-immediate: `a` is rs1, `b` the immediate. */
#define RISCV_EXEC_RI(name, expr)                                                                  \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        const uint64_t a = RISCV_REG(c, op->rs1), b = (uint64_t)op->imm;                           \
        RISCV_REG(c, op->rd) = (uint64_t)(expr);                                                   \
        riscv_next(c, op);                                                                         \
    }

/* One operand. */
#define RISCV_EXEC_R(name, expr)                                                                   \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        const uint64_t a = RISCV_REG(c, op->rs1);                                                  \
        RISCV_REG(c, op->rd) = (uint64_t)(expr);                                                   \
        riscv_next(c, op);                                                                         \
    }

static inline gva_t riscv_ea(const struct riscv_cpu *c, const struct riscv_op *op)
{
    return RISCV_REG(c, op->rs1) + (uint64_t)op->imm;
}

/*
 * A load of a T, of which `as` makes the register. Its slow path, for when not `ready` or memory is
 * not at hand, begins with `prepare`; it is a function apart, jumped to, so that the quick one
 * saves no registers.
 */
#define RISCV_EXEC_LOAD_AS(name, access, T, as, ready, prepare)                                    \
    static void __attribute__((noinline, cold))                                                    \
    slow_##name(struct riscv_cpu *c, const struct riscv_op *op)                                    \
    {                                                                                              \
        prepare;                                                                                   \
        RISCV_REG(c, op->rd) = as((T)riscv_load_##access(c, op, riscv_ea(c, op)));                 \
        riscv_next(c, op);                                                                         \
    }                                                                                              \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        void *p;                                                                                   \
        if (unlikely(!(ready)) ||                                                                  \
            unlikely(!riscv_read_at(c, op, riscv_ea(c, op), sizeof(T), &p))) {                     \
            slow_##name(c, op);                                                                    \
            return;                                                                                \
        }                                                                                          \
        RISCV_REG(c, op->rd) = as(*(const volatile T *)p);                                         \
        riscv_next(c, op);                                                                         \
    }

#define RISCV_EXEC_STORE_AS(name, access, T, ready, prepare)                                       \
    static void __attribute__((noinline, cold))                                                    \
    slow_##name(struct riscv_cpu *c, const struct riscv_op *op)                                    \
    {                                                                                              \
        prepare;                                                                                   \
        riscv_store_##access(c, op, riscv_ea(c, op), (T)RISCV_REG(c, op->rs2));                    \
        riscv_next(c, op);                                                                         \
    }                                                                                              \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        void *p;                                                                                   \
        if (unlikely(!(ready)) ||                                                                  \
            unlikely(!riscv_write_at(c, op, riscv_ea(c, op), sizeof(T), &p))) {                    \
            slow_##name(c, op);                                                                    \
            return;                                                                                \
        }                                                                                          \
        *(volatile T *)p = (T)RISCV_REG(c, op->rs2);                                               \
        riscv_next(c, op);                                                                         \
    }

/* A 32-bit result, sign-extended as all W instructions do. */
static inline uint64_t riscv_sext32(uint64_t v)
{
    return (uint64_t)(int64_t)(int32_t)(uint32_t)v;
}

#endif
