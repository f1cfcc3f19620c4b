/*
 * Jumps and branches: they end a block. Targets are relative to the block's code_base. With
 * compressed instructions no target can be misaligned. [RISC-V unpriv 2.5]
 */
#include "isa/riscv/exec.h"

void riscv_exec_jal(struct riscv_cpu *c, const struct riscv_op *op)
{
    RISCV_REG(c, op->rd) = riscv_op_next_pc(c, op);
    c->pc = c->code_base + (uint64_t)op->imm;
}

void riscv_exec_jalr(struct riscv_cpu *c, const struct riscv_op *op)
{
    uint64_t target = (RISCV_REG(c, op->rs1) + (uint64_t)op->imm) & ~UINT64_C(1);
    RISCV_REG(c, op->rd) = riscv_op_next_pc(c, op);
    c->pc = target;
}

#define RISCV_EXEC_BRANCH(name, T, relation)                                                       \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        const T a = (T)RISCV_REG(c, op->rs1), b = (T)RISCV_REG(c, op->rs2);                        \
        c->pc = c->code_base + (a relation b ? (uint64_t)op->imm : op->next);                      \
    }

RISCV_EXEC_BRANCH(beq, uint64_t, ==)
RISCV_EXEC_BRANCH(bne, uint64_t, !=)
RISCV_EXEC_BRANCH(blt, int64_t, <)
RISCV_EXEC_BRANCH(bge, int64_t, >=)
RISCV_EXEC_BRANCH(bltu, uint64_t, <)
RISCV_EXEC_BRANCH(bgeu, uint64_t, >=)
