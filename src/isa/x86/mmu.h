/*
 * The x86 page walk. [SDM 3A 4]
 */
#ifndef DOPPEL_ISA_X86_MMU_H
#define DOPPEL_ISA_X86_MMU_H

#include "base/compiler.h"
#include "isa/x86/access.h"

/* What a walk found; permissions are for the context it was made in. */
struct x86_walk {
    gpa_t gpa;     /* of the byte asked for */
    uint64_t size; /* bytes of the page: 4 KiB, 2 MiB, 4 MiB, 1 GiB */
    bool write;    /* may be written without another walk (dirty already set) */
    bool exec;     /* may be executed */
    bool global;
    uint32_t error;    /* PFERR_*: the page-fault error code, when the walk failed */
    bool noncanonical; /* #GP or #SS rather than #PF */
};

/*
 * Translate linear address `va` for an access in context `ctx`; sets accessed and dirty bits in the
 * guest's tables. false: a fault, described in *w.
 */
bool x86_mmu_walk(struct x86_cpu *c, gva_t va, enum x86_access_kind kind, enum x86_mmu_ctx ctx,
                  struct x86_walk *w) must_check;

/* Recompute c->mmu_ctx and c->tlb from CPL, AC and CR4. */
void x86_mmu_update_ctx(struct x86_cpu *c);

/* Supervisor accesses the CPU makes by itself: descriptor tables, TSS, inner stacks. */
uint64_t x86_sys_load(struct x86_cpu *c, gva_t va, unsigned size);
void x86_sys_store(struct x86_cpu *c, gva_t va, unsigned size, uint64_t v);

#endif
