/*
 * System instructions: environment calls, returns from traps, CSR access, WFI, fences of the MMU
 * and of instruction fetches. All of them end a block. [RISC-V priv 3.3, 4.2]
 */
#include "isa/riscv/csr.h"
#include "isa/riscv/exec.h"
#include "isa/riscv/mmu.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"

static void go_on(struct riscv_cpu *c, const struct riscv_op *op)
{
    c->pc = riscv_op_next_pc(c, op);
}

/* S-mode's call is the built-in SBI's where there is one. It finds pc at the ECALL. */
void riscv_exec_ecall(struct riscv_cpu *c, const struct riscv_op *op)
{
    static const uint8_t causes[4] = {RISCV_EXC_ECALL_U, RISCV_EXC_ECALL_S, 0, RISCV_EXC_ECALL_M};
    c->op = op;
    c->pc = riscv_op_pc(c, op);
    if (c->priv == RISCV_S && c->env.ecall && c->env.ecall(c->env.platform, c)) {
        c->pc += op->len;
        riscv_want_attention(c, RISCV_ATTN_STATE);
        return;
    }
    riscv_raise(c, causes[c->priv], 0);
}

void riscv_exec_ebreak(struct riscv_cpu *c, const struct riscv_op *op)
{
    c->op = op;
    riscv_raise(c, RISCV_EXC_BREAKPOINT, riscv_op_pc(c, op));
}

void riscv_exec_mret(struct riscv_cpu *c, const struct riscv_op *op)
{
    if (c->priv != RISCV_M)
        riscv_illegal(c, op);
    riscv_mret(c);
}

void riscv_exec_sret(struct riscv_cpu *c, const struct riscv_op *op)
{
    if (c->priv < RISCV_S || (c->priv == RISCV_S && (c->mstatus & MSTATUS_TSR)))
        riscv_illegal(c, op);
    riscv_sret(c);
}

/* May be refused at once where it may be refused after a time. [RISC-V priv 3.1.6.5] */
void riscv_exec_wfi(struct riscv_cpu *c, const struct riscv_op *op)
{
    if (c->priv == RISCV_U || (c->priv == RISCV_S && (c->mstatus & MSTATUS_TW)))
        riscv_illegal(c, op);
    go_on(c, op);
    c->run_state = RISCV_WAITING;
    riscv_want_attention(c, RISCV_ATTN_STATE);
}

void riscv_exec_sfence_vma(struct riscv_cpu *c, const struct riscv_op *op)
{
    bool all_addresses = op->rs1 == offsetof(struct riscv_cpu, x);
    bool all_spaces = op->rs2 == offsetof(struct riscv_cpu, x);
    if (c->priv < RISCV_S || (c->priv == RISCV_S && (c->mstatus & MSTATUS_TVM)))
        riscv_illegal(c, op);
    go_on(c, op);
    c->slow->sfence(c, all_addresses, RISCV_REG(c, op->rs1), all_spaces,
                    (uint16_t)RISCV_REG(c, op->rs2));
}

void riscv_exec_fence_i(struct riscv_cpu *c, const struct riscv_op *op)
{
    go_on(c, op);
    c->slow->fence_i(c);
}

static uint64_t csr_read(struct riscv_cpu *c, const struct riscv_op *op, unsigned csr)
{
    uint64_t old = 0;
    if (!riscv_csr_read(c, csr, &old))
        riscv_illegal(c, op);
    return old;
}

static void csr_write(struct riscv_cpu *c, const struct riscv_op *op, unsigned csr, uint64_t val)
{
    if (!riscv_csr_write(c, csr, val))
        riscv_illegal(c, op);
}

/* CSRRW and CSRRWI: without a destination nothing is read. [RISC-V unpriv 6.1] */
static void swap(struct riscv_cpu *c, const struct riscv_op *op, uint64_t val)
{
    unsigned csr = op->raw >> 20;
    uint64_t old = 0;
    go_on(c, op);
    c->mip_read = UINT64_MAX;
    if (op->rd != offsetof(struct riscv_cpu, sink))
        old = csr_read(c, op, csr);
    csr_write(c, op, csr, val);
    RISCV_REG(c, op->rd) = old;
}

/* The others: with x0 or 0 as the operand nothing is written. */
static void change(struct riscv_cpu *c, const struct riscv_op *op, uint64_t set, uint64_t clear)
{
    unsigned csr = op->raw >> 20;
    bool writes = op->raw >> 15 & 31;
    go_on(c, op);
    c->mip_read = UINT64_MAX;
    uint64_t old = csr_read(c, op, csr);
    if (writes)
        csr_write(c, op, csr, (old & ~clear) | set);
    RISCV_REG(c, op->rd) = old;
}

void riscv_exec_csrrw(struct riscv_cpu *c, const struct riscv_op *op)
{
    swap(c, op, RISCV_REG(c, op->rs1));
}

void riscv_exec_csrrwi(struct riscv_cpu *c, const struct riscv_op *op)
{
    swap(c, op, (uint64_t)op->imm);
}

void riscv_exec_csrrs(struct riscv_cpu *c, const struct riscv_op *op)
{
    change(c, op, RISCV_REG(c, op->rs1), 0);
}

void riscv_exec_csrrsi(struct riscv_cpu *c, const struct riscv_op *op)
{
    change(c, op, (uint64_t)op->imm, 0);
}

void riscv_exec_csrrc(struct riscv_cpu *c, const struct riscv_op *op)
{
    change(c, op, 0, RISCV_REG(c, op->rs1));
}

void riscv_exec_csrrci(struct riscv_cpu *c, const struct riscv_op *op)
{
    change(c, op, 0, (uint64_t)op->imm);
}
