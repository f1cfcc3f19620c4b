/*
 * Pushing and popping. The stack pointer's width is 64 in 64-bit code, else SS.B's choice. Values
 * are stored before rSP moves, so that a fault leaves the guest as it was.
 */
#ifndef DOPPEL_ISA_X86_STACK_H
#define DOPPEL_ISA_X86_STACK_H

#include "isa/x86/exec.h"

static inline u64 stack_mask(const struct x86_cpu *c)
{
    if (c->code_mode == 64)
        return UINT64_MAX;
    return c->seg[SEG_SS].attr & ATTR_DB ? UINT32_MAX : UINT16_MAX;
}

static inline void set_rsp(struct x86_cpu *c, u64 rsp)
{
    u64 mask = stack_mask(c);
    if (mask == UINT16_MAX)
        REG(c, X86_REG_OFF(RSP), u16) = rsp;
    else
        c->gpr[RSP] = rsp & mask;
}

static inline gva_t stack_linear(struct x86_cpu *c, u64 rsp, unsigned size,
                                 enum x86_access_kind kind)
{
    if (likely(c->code_mode == 64))
        return rsp;
    return x86_seg_linear(c, SEG_SS, rsp & stack_mask(c), size, kind);
}

/* Store below rSP - `depth` without moving rSP; used by instructions that push several things. */
static inline void push_at(struct x86_cpu *c, unsigned depth, unsigned size, u64 v)
{
    store_n(c, stack_linear(c, c->gpr[RSP] - depth - size, size, ACCESS_WRITE), size, v);
}

static inline void push(struct x86_cpu *c, unsigned size, u64 v)
{
    push_at(c, 0, size, v);
    set_rsp(c, c->gpr[RSP] - size);
}

/* Read at rSP + `depth` without moving rSP. */
static inline u64 pop_at(struct x86_cpu *c, unsigned depth, unsigned size)
{
    return load_n(c, stack_linear(c, c->gpr[RSP] + depth, size, ACCESS_READ), size);
}

static inline u64 pop(struct x86_cpu *c, unsigned size)
{
    u64 v = pop_at(c, 0, size);
    set_rsp(c, c->gpr[RSP] + size);
    return v;
}

#endif
