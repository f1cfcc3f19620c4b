/*
 * Integer computation of RV64I. [RISC-V unpriv 2.4, 4.2]
 */
#include "isa/riscv/exec.h"

RISCV_EXEC_RR(add, a + b)
RISCV_EXEC_RR(sub, a - b)
RISCV_EXEC_RR(sll, a << (b & 63))
RISCV_EXEC_RR(srl, a >> (b & 63))
RISCV_EXEC_RR(sra, (int64_t)a >> (b & 63))
RISCV_EXEC_RR(slt, (int64_t)a < (int64_t)b)
RISCV_EXEC_RR(sltu, a < b)
RISCV_EXEC_RR(xor, a ^ b)
RISCV_EXEC_RR(or, a | b)
RISCV_EXEC_RR(and, a &b)

RISCV_EXEC_RI(addi, a + b)
RISCV_EXEC_RI(slti, (int64_t)a < (int64_t)b)
RISCV_EXEC_RI(sltiu, a < b)
RISCV_EXEC_RI(xori, a ^ b)
RISCV_EXEC_RI(ori, a | b)
RISCV_EXEC_RI(andi, a &b)
RISCV_EXEC_RI(slli, a << (b & 63))
RISCV_EXEC_RI(srli, a >> (b & 63))
RISCV_EXEC_RI(srai, (int64_t)a >> (b & 63))

RISCV_EXEC_RR(addw, riscv_sext32(a + b))
RISCV_EXEC_RR(subw, riscv_sext32(a - b))
RISCV_EXEC_RR(sllw, riscv_sext32(a << (b & 31)))
RISCV_EXEC_RR(srlw, riscv_sext32((uint32_t)a >> (b & 31)))
RISCV_EXEC_RR(sraw, (int64_t)((int32_t)a >> (b & 31)))
RISCV_EXEC_RI(addiw, riscv_sext32(a + b))
RISCV_EXEC_RI(slliw, riscv_sext32(a << (b & 31)))
RISCV_EXEC_RI(srliw, riscv_sext32((uint32_t)a >> (b & 31)))
RISCV_EXEC_RI(sraiw, (int64_t)((int32_t)a >> (b & 31)))

void riscv_exec_lui(struct riscv_cpu *c, const struct riscv_op *op)
{
    RISCV_REG(c, op->rd) = (uint64_t)op->imm;
    riscv_next(c, op);
}

void riscv_exec_auipc(struct riscv_cpu *c, const struct riscv_op *op)
{
    RISCV_REG(c, op->rd) = c->code_base + (uint64_t)op->imm;
    riscv_next(c, op);
}
