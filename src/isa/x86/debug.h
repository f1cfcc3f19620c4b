/*
 * Debug registers: what hits, and when #DB follows. [SDM 3B 18.2]
 *
 * Invariants
 * 1. c->watching says which kinds of breakpoint are enabled; it is derived from DR7, so that CPUs
 *    without breakpoints pay nothing.
 * 2. Pages with an enabled data breakpoint have no read or write tags in the TLB: every access to
 *    them takes the slow path, which asks x86_debug_data().
 * 3. Hits of data and I/O breakpoints collect in c->pending_debug while the instruction executes;
 *    the engine delivers them as a trap behind it, and drops them when it faults.
 */
#ifndef DOPPEL_ISA_X86_DEBUG_H
#define DOPPEL_ISA_X86_DEBUG_H

#include "isa/x86/cpu.h"

enum x86_watching {
    X86_WATCH_INSN = 1 << 0,
    X86_WATCH_DATA = 1 << 1,
    X86_WATCH_IO = 1 << 2,
};

#define DR6_BD (1u << 13) /* debug register access, with DR7.GD */
#define DR6_BS (1u << 14) /* single step */
#define DR7_GD (1u << 13)

/* MOV to a debug register: reserved bits, the TLB, c->watching. */
void x86_debug_write(struct x86_cpu *c, unsigned n, uint64_t v);
/* Recompute c->watching after the registers came from elsewhere. */
void x86_debug_update(struct x86_cpu *c);

/* Does the page of linear address `va` hold an enabled data breakpoint? */
bool x86_debug_page(const struct x86_cpu *c, gva_t va);
/* The executing instruction accesses memory or ports: note what is hit. */
void x86_debug_data(struct x86_cpu *c, gva_t va, unsigned size, bool write);
void x86_debug_io(struct x86_cpu *c, uint16_t port, unsigned size);
/* DR6 bits of the instruction breakpoints at linear address `va`. */
uint32_t x86_debug_insn(const struct x86_cpu *c, gva_t va);
/* Put the causes of a #DB about to be delivered into DR6. */
void x86_debug_report(struct x86_cpu *c, uint32_t causes);

#endif
