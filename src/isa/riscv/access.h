/*
 * Guest memory as exec functions see it: flat memory is a host access, a hit in the TLB is one too;
 * all else goes to the engine's slow path, which raises the guest's faults and then does not
 * return.
 *
 * Misaligned accesses just work. [RISC-V unpriv 2.6: the environment may support them]
 */
#ifndef DOPPEL_ISA_RISCV_ACCESS_H
#define DOPPEL_ISA_RISCV_ACCESS_H

#include "base/compiler.h"
#include "isa/riscv/op.h"
#include "isa/riscv/trap.h"

static inline bool riscv_in_page(gva_t va, unsigned size)
{
    return (va & (GUEST_PAGE_SIZE - 1)) <= GUEST_PAGE_SIZE - size;
}

/* Is that a read or write that needs no further thought? Then *p is its host address. */
static inline bool riscv_tlb_read(const struct riscv_cpu *c, gva_t va, unsigned size, void **p)
{
    const struct tlb_entry *e = &c->tlb->e[TLB_INDEX(va)];
    *p = (void *)(uintptr_t)(va + e->addend);
    return likely(e->read == (TLB_VPN(va) | c->asid)) && likely(riscv_in_page(va, size));
}

static inline bool riscv_tlb_write(const struct riscv_cpu *c, gva_t va, unsigned size, void **p)
{
    const struct tlb_entry *e = &c->tlb->e[TLB_INDEX(va)];
    *p = (void *)(uintptr_t)(va + e->addend);
    return likely(e->write == (TLB_VPN(va) | c->asid)) && likely(riscv_in_page(va, size));
}

/*
 * Flat memory: the host may refuse the access by a signal, whose handler needs c->op; the empty asm
 * keeps the store of c->op before the access.
 */
static inline void *riscv_flat(struct riscv_cpu *c, const struct riscv_op *op, gva_t va)
{
    c->op = op;
    __asm__ volatile("" ::: "memory");
    return (void *)(uintptr_t)(c->flat_base + va);
}

/* The same of flat memory or the TLB. Of flat memory the host may still refuse it. */
static inline bool riscv_read_at(struct riscv_cpu *c, const struct riscv_op *op, gva_t va,
                                 unsigned size, void **p)
{
    if (va >= c->flat_size)
        return riscv_tlb_read(c, va, size, p);
    *p = riscv_flat(c, op, va);
    return true;
}

static inline bool riscv_write_at(struct riscv_cpu *c, const struct riscv_op *op, gva_t va,
                                  unsigned size, void **p)
{
    if (va >= c->flat_size)
        return riscv_tlb_write(c, va, size, p);
    *p = riscv_flat(c, op, va);
    return true;
}

#define RISCV_DEFINE_ACCESS(T, name)                                                               \
    static inline T riscv_load_##name(struct riscv_cpu *c, const struct riscv_op *op, gva_t va)    \
    {                                                                                              \
        void *p;                                                                                   \
        if (likely(riscv_read_at(c, op, va, sizeof(T), &p)))                                       \
            return *(const volatile T *)p;                                                         \
        c->op = op;                                                                                \
        return (T)c->slow->load(c, va, sizeof(T));                                                 \
    }                                                                                              \
    static inline void riscv_store_##name(struct riscv_cpu *c, const struct riscv_op *op,          \
                                          gva_t va, T v)                                           \
    {                                                                                              \
        void *p;                                                                                   \
        if (likely(riscv_write_at(c, op, va, sizeof(T), &p))) {                                    \
            *(volatile T *)p = v;                                                                  \
            return;                                                                                \
        }                                                                                          \
        c->op = op;                                                                                \
        c->slow->store(c, va, sizeof(T), v);                                                       \
    }

RISCV_DEFINE_ACCESS(uint8_t, u8)
RISCV_DEFINE_ACCESS(uint16_t, u16)
RISCV_DEFINE_ACCESS(uint32_t, u32)
RISCV_DEFINE_ACCESS(uint64_t, u64)

#endif
