/*
 * Guest memory as exec functions see it: a hit in the TLB is a host access; all else goes to the
 * engine's slow path, which raises the guest's faults and then does not return.
 *
 * Addresses here are linear. `op_ea` makes them from an instruction's memory operand.
 */
#ifndef DOPPEL_ISA_X86_ACCESS_H
#define DOPPEL_ISA_X86_ACCESS_H

#include <string.h>

#include "base/compiler.h"
#include "isa/x86/op.h"

#define REG(c, off, T) (*(T *)((char *)(c) + (off)))

static inline const struct tlb_entry *tlb_slot(const struct x86_cpu *c, gva_t va)
{
    return &c->tlb->e[TLB_INDEX(va)];
}

static inline bool in_page(gva_t va, unsigned size)
{
    return (va & (GUEST_PAGE_SIZE - 1)) <= GUEST_PAGE_SIZE - size;
}

/* Host address for a read or write that needs no further thought, or NULL. */
static inline void *tlb_read_ptr(const struct x86_cpu *c, gva_t va, unsigned size)
{
    const struct tlb_entry *e = tlb_slot(c, va);
    if (likely(e->read == (TLB_VPN(va) | c->asid)) && likely(in_page(va, size)))
        return (void *)(uintptr_t)(va + e->addend);
    return NULL;
}

static inline void *tlb_write_ptr(const struct x86_cpu *c, gva_t va, unsigned size)
{
    const struct tlb_entry *e = tlb_slot(c, va);
    if (likely(e->write == (TLB_VPN(va) | c->asid)) && likely(in_page(va, size)))
        return (void *)(uintptr_t)(va + e->addend);
    return NULL;
}

#define DEFINE_ACCESS(T, name)                                                                     \
    static inline T load_##name(struct x86_cpu *c, gva_t va)                                       \
    {                                                                                              \
        const T *p = tlb_read_ptr(c, va, sizeof(T));                                               \
        return likely(p != NULL) ? *(const volatile T *)p : (T)c->slow->load(c, va, sizeof(T));    \
    }                                                                                              \
    static inline void store_##name(struct x86_cpu *c, gva_t va, T v)                              \
    {                                                                                              \
        T *p = tlb_write_ptr(c, va, sizeof(T));                                                    \
        if (likely(p != NULL))                                                                     \
            *(volatile T *)p = v;                                                                  \
        else                                                                                       \
            c->slow->store(c, va, sizeof(T), v);                                                   \
    }                                                                                              \
    /* For a read-modify-write: NULL when the caller must load and store. */                       \
    static inline T *rmw_##name(struct x86_cpu *c, gva_t va)                                       \
    {                                                                                              \
        T *p = tlb_write_ptr(c, va, sizeof(T));                                                    \
        return likely(p != NULL) ? p : c->slow->rmw_ptr(c, va, sizeof(T));                         \
    }

DEFINE_ACCESS(uint8_t, u8)
DEFINE_ACCESS(uint16_t, u16)
DEFINE_ACCESS(uint32_t, u32)
DEFINE_ACCESS(uint64_t, u64)

static inline uint64_t load_n(struct x86_cpu *c, gva_t va, unsigned size)
{
    switch (size) {
    case 1:
        return load_u8(c, va);
    case 2:
        return load_u16(c, va);
    case 4:
        return load_u32(c, va);
    default:
        return load_u64(c, va);
    }
}

static inline void store_n(struct x86_cpu *c, gva_t va, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        store_u8(c, va, v);
        break;
    case 2:
        store_u16(c, va, v);
        break;
    case 4:
        store_u32(c, va, v);
        break;
    default:
        store_u64(c, va, v);
        break;
    }
}

/* The offset part of the memory operand, before the segment base. */
static inline uint64_t op_offset(const struct x86_cpu *c, const struct x86_op *op)
{
    return (REG(c, op->base, const uint64_t) + (REG(c, op->index, const uint64_t) << op->scale) +
            (uint64_t)op->disp) &
           op->ea_mask;
}

enum x86_access_kind { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC };

/* Segment limit and type checks of legacy and compatibility mode; returns the linear address.
 * Raises #GP or #SS. [SDM 3A 5.3-5.5] */
gva_t x86_seg_linear(struct x86_cpu *c, unsigned seg, uint64_t offset, unsigned size,
                     enum x86_access_kind kind);

static inline gva_t seg_addr(struct x86_cpu *c, const struct x86_op *op, uint64_t offset,
                             unsigned size, enum x86_access_kind kind)
{
    if (unlikely(op->flags & OP_LEGACY))
        return x86_seg_linear(c, op->seg, offset, size, kind);
    return offset + REG(c, op->seg_base, const uint64_t);
}

/* Where an access to `va` goes on: outside 64-bit code linear addresses have 32 bits and wrap. */
static inline gva_t va_add(const struct x86_cpu *c, gva_t va, uint64_t n)
{
    return c->code_mode == 64 ? va + n : (uint32_t)(va + n);
}

/* Bytes `at` and on of the memory operand. One access goes on in linear addresses, but an operand
 * that is read in parts wraps at the address size: so does the CPU that our model names. */
static inline gva_t op_ea_at(struct x86_cpu *c, const struct x86_op *op, unsigned at, unsigned size,
                             enum x86_access_kind kind)
{
    return seg_addr(c, op, (op_offset(c, op) + at) & op->ea_mask, size, kind);
}

static inline gva_t op_ea(struct x86_cpu *c, const struct x86_op *op, unsigned size,
                          enum x86_access_kind kind)
{
    return seg_addr(c, op, op_offset(c, op), size, kind);
}

/* rip of the executing instruction and of the one behind it. */
static inline uint64_t op_rip(const struct x86_cpu *c, const struct x86_op *op)
{
    uint64_t rip = c->code_base + op->next - op->len;
    return op->flags & OP_LEGACY ? (uint32_t)rip : rip;
}

static inline uint64_t op_next_rip(const struct x86_cpu *c, const struct x86_op *op)
{
    uint64_t rip = c->code_base + op->next;
    return op->flags & OP_LEGACY ? (uint32_t)rip : rip;
}

/* Write a register operand the way the instruction set does: 32-bit writes clear the upper half. */
static inline void put_reg(struct x86_cpu *c, uint16_t off, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        REG(c, off, uint8_t) = v;
        break;
    case 2:
        REG(c, off, uint16_t) = v;
        break;
    case 4:
        REG(c, off, uint64_t) = (uint32_t)v;
        break;
    default:
        REG(c, off, uint64_t) = v;
        break;
    }
}

static inline uint64_t get_reg(const struct x86_cpu *c, uint16_t off, unsigned size)
{
    switch (size) {
    case 1:
        return REG(c, off, const uint8_t);
    case 2:
        return REG(c, off, const uint16_t);
    case 4:
        return REG(c, off, const uint32_t);
    default:
        return REG(c, off, const uint64_t);
    }
}

#endif
