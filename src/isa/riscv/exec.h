/*
 * Shapes that execute functions share. Each macro makes one function from an expression over
 * operands a and b; it holds no control flow of its own.
 */
#ifndef DOPPEL_ISA_RISCV_EXEC_H
#define DOPPEL_ISA_RISCV_EXEC_H

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

/* A 32-bit result, sign-extended as all W instructions do. */
static inline uint64_t riscv_sext32(uint64_t v)
{
    return (uint64_t)(int64_t)(int32_t)(uint32_t)v;
}

#endif
