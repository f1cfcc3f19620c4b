/*
 * Traps into M- and S-mode and back. Second station of a page fault's journey: what the MMU refused
 * becomes the guest's exception here.
 */
#include "isa/riscv/trap.h"

#include "isa/riscv/csr.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/mmu.h"
#include "isa/riscv/regs.h"

/* Cache-block management is checked by a load but counts as a store. [CMO 2.5.2] */
static uint64_t cause_of(const struct riscv_cpu *c, uint64_t cause)
{
    enum { OPCODE = 0x7f, MISC_MEM = 0x0f };
    if (!c->op || (c->op->raw & OPCODE) != MISC_MEM)
        return cause;
    return cause == RISCV_EXC_LOAD_ACCESS || cause == RISCV_EXC_LOAD_PAGE ? cause + 2 : cause;
}

void riscv_raise(struct riscv_cpu *c, uint64_t cause, uint64_t tval)
{
    c->exc_cause = cause_of(c, cause);
    c->exc_tval = tval;
    if (c->op)
        c->pc = riscv_op_pc(c, c->op);
    longjmp(c->unwind, 1);
}

void riscv_illegal(struct riscv_cpu *c, const struct riscv_op *op)
{
    c->op = op;
    riscv_raise(c, RISCV_EXC_ILLEGAL, op->raw);
}

/* Direct, or vectored for interrupts. */
static uint64_t handler(uint64_t tvec, uint64_t cause)
{
    uint64_t base = tvec & ~UINT64_C(3);
    bool vectored = (tvec & 1) && (cause & RISCV_CAUSE_INTERRUPT);
    return vectored ? base + 4 * (cause & ~RISCV_CAUSE_INTERRUPT) : base;
}

static void enter_s(struct riscv_cpu *c, uint64_t cause, uint64_t tval)
{
    uint64_t st = c->mstatus & ~(MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE);
    st |= c->priv == RISCV_S ? MSTATUS_SPP : 0;
    st |= c->mstatus & MSTATUS_SIE ? MSTATUS_SPIE : 0;
    c->mstatus = st;
    c->scause = cause;
    c->sepc = c->pc;
    c->stval = tval;
    c->priv = RISCV_S;
    c->pc = handler(c->stvec, cause);
}

static void enter_m(struct riscv_cpu *c, uint64_t cause, uint64_t tval)
{
    uint64_t st = c->mstatus & ~(MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE);
    st |= (uint64_t)c->priv << MSTATUS_MPP_SHIFT;
    st |= c->mstatus & MSTATUS_MIE ? MSTATUS_MPIE : 0;
    c->mstatus = st;
    c->mcause = cause;
    c->mepc = c->pc;
    c->mtval = tval;
    c->priv = RISCV_M;
    c->pc = handler(c->mtvec, cause);
}

static void enter(struct riscv_cpu *c, uint64_t cause, uint64_t tval)
{
    uint64_t deleg = cause & RISCV_CAUSE_INTERRUPT ? c->mideleg : c->medeleg;
    c->op = NULL;
    if (c->priv != RISCV_M && (deleg >> (cause & 63) & 1))
        enter_s(c, cause, tval);
    else
        enter_m(c, cause, tval);
    riscv_mmu_context_changed(c);
    riscv_want_attention(c, RISCV_ATTN_STATE);
}

void riscv_deliver_pending(struct riscv_cpu *c)
{
    enter(c, c->exc_cause, c->exc_tval);
}

uint64_t riscv_pending(const struct riscv_cpu *c)
{
    return c->mip | atomic_load_explicit(&c->lines, memory_order_acquire);
}

/* Interrupts that may be taken now; those for M-mode come first. [RISC-V priv 3.1.9, 4.1.3] */
static uint64_t deliverable(const struct riscv_cpu *c)
{
    uint64_t pending = riscv_pending(c) & c->mie;
    bool m_on = c->priv < RISCV_M || (c->mstatus & MSTATUS_MIE);
    bool s_on = c->priv < RISCV_S || (c->priv == RISCV_S && (c->mstatus & MSTATUS_SIE));
    uint64_t for_m = m_on ? pending & ~c->mideleg : 0;
    return for_m ? for_m : s_on ? pending & c->mideleg : 0;
}

bool riscv_deliver_interrupt(struct riscv_cpu *c)
{
    static const uint8_t priority[] = {RISCV_LINE_MEIP, RISCV_LINE_MSIP, RISCV_LINE_MTIP,
                                       RISCV_LINE_SEIP, RISCV_LINE_SSIP, RISCV_LINE_STIP};
    uint64_t ready = deliverable(c);
    for (unsigned i = 0; i < ARRAY_SIZE(priority); i++) {
        if (ready >> priority[i] & 1) {
            enter(c, RISCV_CAUSE_INTERRUPT | priority[i], 0);
            return true;
        }
    }
    return false;
}

/* Other code runs behind a return: a reservation of this one's must not serve it. */
static void drop_reservation(struct riscv_cpu *c)
{
    c->reserved_addr = RISCV_NO_RESERVATION;
}

void riscv_mret(struct riscv_cpu *c)
{
    uint64_t st = c->mstatus;
    drop_reservation(c);
    c->priv = (st & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT;
    st &= ~(MSTATUS_MIE | MSTATUS_MPP);
    st |= st & MSTATUS_MPIE ? MSTATUS_MIE : 0;
    st |= MSTATUS_MPIE;
    if (c->priv != RISCV_M)
        st &= ~MSTATUS_MPRV;
    c->mstatus = st;
    c->pc = c->mepc;
    riscv_mmu_context_changed(c);
    riscv_want_attention(c, RISCV_ATTN_STATE);
}

void riscv_sret(struct riscv_cpu *c)
{
    uint64_t st = c->mstatus;
    drop_reservation(c);
    c->priv = st & MSTATUS_SPP ? RISCV_S : RISCV_U;
    st &= ~(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV);
    st |= st & MSTATUS_SPIE ? MSTATUS_SIE : 0;
    st |= MSTATUS_SPIE;
    c->mstatus = st;
    c->pc = c->sepc;
    riscv_mmu_context_changed(c);
    riscv_want_attention(c, RISCV_ATTN_STATE);
}
