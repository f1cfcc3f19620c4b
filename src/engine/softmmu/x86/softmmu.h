/*
 * softmmu for an x86 CPU.
 */
#ifndef DOPPEL_ENGINE_SOFTMMU_X86_SOFTMMU_H
#define DOPPEL_ENGINE_SOFTMMU_X86_SOFTMMU_H

#include "engine/softmmu/softmmu.h"
#include "isa/x86/cpu.h"

_Static_assert((int)X86_MMU_CTXS <= (int)SOFTMMU_CTXS, "a TLB for each context");

/* Zeroed by the caller. Fills c->slow, c->phys, c->tlbs. */
void softmmu_init(struct softmmu *s, struct vcpu *v, struct guest_mem *mem);

/*
 * Where instruction bytes at linear address `va` come from. Returns the host address of the byte
 * and its guest-physical address; NULL when it is not RAM. Raises the guest's fault.
 */
const uint8_t *softmmu_fetch(struct softmmu *s, gva_t va, gpa_t *gpa);

/* After softmmu_fetch(va), or with an entry for va in c->tlb: is the page mapped globally?
 * Is it one of 2 MiB or more? */
static inline bool softmmu_is_global(const struct softmmu *s, gva_t va)
{
    const struct x86_cpu *c = s->cpu;
    return s->global[c->mmu_ctx][TLB_INDEX(va)];
}

static inline bool softmmu_is_big(const struct softmmu *s, gva_t va)
{
    const struct x86_cpu *c = s->cpu;
    return s->big[c->mmu_ctx][TLB_INDEX(va)];
}

#endif
