/*
 * Control registers and model-specific registers, as instructions and as the outside (state load,
 * KVM hand-over) change them.
 */
#ifndef DOPPEL_ISA_X86_SYSTEM_H
#define DOPPEL_ISA_X86_SYSTEM_H

#include <stdbool.h>
#include <stdint.h>

#include "isa/x86/cpu.h"

/* Guest writes: check as the CPU does, raise #GP(0), flush what must be flushed. */
void x86_write_cr0(struct x86_cpu *c, uint64_t v);
void x86_write_cr3(struct x86_cpu *c, uint64_t v);
void x86_write_cr4(struct x86_cpu *c, uint64_t v);
/* CR4 bits the CPU model offers. */
uint64_t x86_cr4_mask(const struct x86_cpu *c);

/* false: no such MSR, or a value it refuses: the instruction raises #GP(0). */
bool x86_msr_read(struct x86_cpu *c, uint32_t msr, uint64_t *v);
bool x86_msr_write(struct x86_cpu *c, uint32_t msr, uint64_t v);

/* The guest's time stamp counter now. */
uint64_t x86_tsc(const struct x86_cpu *c);

/* CS and SS, flat, and CPL as SYSCALL (0) and SYSRET (3) take them from STAR; `to64`: 64-bit code.
 * x86_update_mode() is to follow. */
void x86_star_segments(struct x86_cpu *c, unsigned cpl, bool to64);

/* Why c->attention is not zero; the engine's loop looks at everything whatever the bits. */
enum x86_attention {
    X86_ATTN_REQUEST = 1 << 0, /* vCPU request bits are set */
    X86_ATTN_STATE = 1 << 1,   /* halted, interrupt shadow, IF just set */
};
void x86_want_attention(struct x86_cpu *c, uint32_t bits);
/* STI and MOV SS: no interrupt before the instruction after the next one. */
void x86_hold_interrupts(struct x86_cpu *c, enum x86_shadow shadow);

#endif
