/*
 * Exceptions and interrupts: raising, delivering, returning. [RISC-V priv 3.1.6-3.1.16, 3.3.2]
 */
#ifndef DOPPEL_ISA_RISCV_TRAP_H
#define DOPPEL_ISA_RISCV_TRAP_H

#include "isa/riscv/cpu.h"
#include "isa/riscv/op.h"

/* Exceptions as mcause numbers them. */
enum riscv_cause {
    RISCV_EXC_FETCH_MISALIGNED = 0,
    RISCV_EXC_FETCH_ACCESS = 1,
    RISCV_EXC_ILLEGAL = 2,
    RISCV_EXC_BREAKPOINT = 3,
    RISCV_EXC_LOAD_MISALIGNED = 4,
    RISCV_EXC_LOAD_ACCESS = 5,
    RISCV_EXC_STORE_MISALIGNED = 6,
    RISCV_EXC_STORE_ACCESS = 7,
    RISCV_EXC_ECALL_U = 8,
    RISCV_EXC_ECALL_S = 9,
    RISCV_EXC_ECALL_M = 11,
    RISCV_EXC_FETCH_PAGE = 12,
    RISCV_EXC_LOAD_PAGE = 13,
    RISCV_EXC_STORE_PAGE = 15,
};

#define RISCV_CAUSE_INTERRUPT (UINT64_C(1) << 63)

/*
 * The executing instruction (c->op; NULL: at c->pc) faults. Sets c->pc, exc_cause and exc_tval and
 * goes to c->unwind.
 */
_Noreturn void riscv_raise(struct riscv_cpu *c, uint64_t cause, uint64_t tval);
/* Illegal instruction: `op`, which need not be c->op yet. */
_Noreturn void riscv_illegal(struct riscv_cpu *c, const struct riscv_op *op);

/* Enter the handler for what riscv_raise() left. */
void riscv_deliver_pending(struct riscv_cpu *c);
/* Take the pending interrupt that is enabled and of the highest priority, if there is one. */
bool riscv_deliver_interrupt(struct riscv_cpu *c);

/* MRET and SRET, after their checks. */
void riscv_mret(struct riscv_cpu *c);
void riscv_sret(struct riscv_cpu *c);

/* mip as software sees it. */
uint64_t riscv_pending(const struct riscv_cpu *c);

#endif
