/*
 * Exceptions and interrupts of the x86: raising, delivering, returning. [SDM 3A 6]
 */
#ifndef DOPPEL_ISA_X86_TRAP_H
#define DOPPEL_ISA_X86_TRAP_H

#include <stdbool.h>
#include <stdint.h>

struct x86_cpu;
struct x86_op;

/*
 * Raise a fault of the executing instruction: unwinds to the engine's loop, which calls
 * x86_deliver_pending(). c->rip becomes the instruction's own address.
 */
_Noreturn void x86_raise(struct x86_cpu *c, uint8_t vector);
_Noreturn void x86_raise_error(struct x86_cpu *c, uint8_t vector, uint32_t error);
_Noreturn void x86_raise_gp(struct x86_cpu *c, uint32_t error);
_Noreturn void x86_raise_pf(struct x86_cpu *c, uint64_t va, uint32_t error);
/* Access to a non-canonical address: #SS(0) through the stack segment, else #GP(0). [SDM 3A 6.15]
 */
_Noreturn void x86_raise_noncanonical(struct x86_cpu *c, uint64_t va);

enum x86_event_kind {
    EVENT_EXCEPTION,
    EVENT_SOFT_INT, /* INT n, INT3, INTO: gate DPL is checked; rip is the next instruction's */
    EVENT_TRAP,     /* #DB after the instruction */
    EVENT_EXTERNAL,
    EVENT_NMI,
    EVENT_ICEBP,
};

/* After an unwind: deliver what was raised, and the double fault that may come of it. false: triple
 * fault, the machine shuts down. Uses c->unwind itself. */
bool x86_deliver_pending(struct x86_cpu *c);
/* Deliver an event at c->rip (interrupt, NMI, software interrupt, trap). Same result. */
bool x86_deliver(struct x86_cpu *c, enum x86_event_kind kind, uint8_t vector);

/* From inside an exec function: commit rip behind `op` and deliver. Faults on the way (gate DPL,
 * not present ...) are faults of `op` itself. */
void x86_soft_event(struct x86_cpu *c, const struct x86_op *op, enum x86_event_kind kind,
                    uint8_t vector);

/* CS:RIP or SS changed mode: recompute cpl, code_mode, seg_check, mmu_ctx. */
void x86_update_mode(struct x86_cpu *c);

/* RFLAGS as the guest sees it, and back (all bits, no privilege check). */
uint64_t x86_rflags(const struct x86_cpu *c);
void x86_set_rflags(struct x86_cpu *c, uint64_t v);

#endif
