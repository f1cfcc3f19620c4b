/*
 * Hardware breakpoints: DR0-DR3 as DR7 arms them. [SDM 3B 18.2]
 *
 * While any is armed the engine runs one instruction at a time: before it asks
 * x86_debug_exec_hits(), behind it looks at c->debug_hits, which the memory slow path collects.
 * Pages with an armed data breakpoint never enter the TLB for data, so every access gets there.
 */
#ifndef DOPPEL_ISA_X86_DEBUG_H
#define DOPPEL_ISA_X86_DEBUG_H

#include "isa/x86/cpu.h"

static inline bool x86_debug_armed(const struct x86_cpu *c)
{
    return c->dr[7] & 0xff;
}

/* DR6 bits of the armed execution breakpoints at the current instruction; none under RFLAGS.RF. */
unsigned x86_debug_exec_hits(const struct x86_cpu *c);
/* A data access was done: note the breakpoints it met. */
void x86_debug_note_data(struct x86_cpu *c, gva_t va, unsigned size, bool write);
/* Does an armed data breakpoint lie on the page of `va`? */
bool x86_debug_watches_page(const struct x86_cpu *c, gva_t va);

#endif
