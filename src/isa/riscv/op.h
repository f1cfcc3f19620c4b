/*
 * An instruction in executable form: what lower.c makes of a decoded riscv_insn, once a block, and
 * what the riscv_exec_* functions run.
 *
 * Contract of an exec function
 * 1. It runs on the vCPU's thread. It commits nothing before its last access that may fault: a
 *    fault does not return (riscv_raise), and the guest sees the registers as they were. Whoever
 *    may raise sets c->op = op first: the precise pc is made from it.
 * 2. It ends by `riscv_next(c, op)`, a jump to the next op's function: so the ops of a block run
 *    one after another without coming back. A block's last op (RISCV_F_END, or the op that
 *    riscv_lower_end makes) sets c->pc and returns.
 *
 * Registers are named by their byte offset in struct riscv_cpu, so that x and f registers need no
 * case distinction, and writes to x0 go to a sink.
 */
#ifndef DOPPEL_ISA_RISCV_OP_H
#define DOPPEL_ISA_RISCV_OP_H

#include "isa/riscv/cpu.h"
#include "isa/riscv/insn.h"

typedef void riscv_exec_fn(struct riscv_cpu *c, const struct riscv_op *op);

struct riscv_op {
    riscv_exec_fn *fn;
    int64_t imm;                /* immediate; of JAL, branches and AUIPC relative to code_base */
    uint16_t rd, rs1, rs2, rs3; /* byte offsets */
    uint16_t next;              /* offset of the next instruction from code_base */
    uint8_t len;                /* 0: no instruction (a block's end) */
    uint8_t rm;                 /* as in riscv_insn */
    uint32_t raw;               /* its bits; the CSR number is raw >> 20 */
};

_Static_assert(sizeof(struct riscv_op) == 32, "two a cache line");

#define RISCV_REG(c, off) (*(uint64_t *)((char *)(c) + (off)))

static inline void riscv_next(struct riscv_cpu *c, const struct riscv_op *op)
{
    op[1].fn(c, op + 1);
}

/* Make `op` from `in`, which starts `page_off` bytes into its page. An instruction that does not
 * exist becomes an op that raises; whether the hart may execute it now is seen when it does. */
void riscv_lower(struct riscv_op *op, const struct riscv_insn *in, unsigned page_off);
/* The op behind a block's last, if that is not one of RISCV_F_END: goes on at `page_off`. */
void riscv_lower_end(struct riscv_op *op, unsigned page_off);

/* The functions, riscv_exec_addi and so on: one for each line of insn32.pat. */
#define RISCV_DECLARE_EXEC_(OP, name, ext) riscv_exec_fn riscv_exec_##name;
#include "isa/riscv/op_names.h"
RISCV_OP_LIST(RISCV_DECLARE_EXEC_)
#undef RISCV_DECLARE_EXEC_

/* pc of the executing instruction, and of the one behind it. */
static inline uint64_t riscv_op_pc(const struct riscv_cpu *c, const struct riscv_op *op)
{
    return c->code_base + op->next - op->len;
}

static inline uint64_t riscv_op_next_pc(const struct riscv_cpu *c, const struct riscv_op *op)
{
    return c->code_base + op->next;
}

#endif
