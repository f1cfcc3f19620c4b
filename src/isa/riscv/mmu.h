/*
 * Address translation: Sv39, Sv48 and bare, with physical memory protection behind it.
 * [RISC-V priv 4.3-4.5, Svnapot, Svpbmt, Svadu]
 */
#ifndef DOPPEL_ISA_RISCV_MMU_H
#define DOPPEL_ISA_RISCV_MMU_H

#include "base/compiler.h"
#include "isa/riscv/cpu.h"

enum riscv_access { RISCV_READ, RISCV_WRITE, RISCV_FETCH };

/* What a walk found; permissions are for the context it was made in. */
struct riscv_walk {
    gpa_t gpa;      /* of the byte asked for */
    uint64_t size;  /* bytes of the page */
    bool write;     /* may be written without another walk (dirty already set) */
    bool global;    /* the same in all address spaces */
    bool partial;   /* protection differs within the page: the answer is for this access only */
    uint64_t cause; /* of the fault, when the walk failed */
};

/* Translate `va` for an access of at most 8 bytes within a page; sets accessed and dirty bits in
 * the guest's tables. false: a fault, w->cause. */
bool riscv_mmu_walk(struct riscv_cpu *c, gva_t va, enum riscv_access kind, enum riscv_mmu_ctx ctx,
                    struct riscv_walk *w) must_check;

/* The context of instruction fetches; of data accesses it is c->mmu_ctx. */
static inline enum riscv_mmu_ctx riscv_fetch_ctx(const struct riscv_cpu *c)
{
    return c->priv == RISCV_U ? RISCV_MMU_U : c->priv == RISCV_S ? RISCV_MMU_S : RISCV_MMU_M;
}

/* priv, or one of MPRV, MPP, SUM, may have changed: c->mmu_ctx and c->tlb follow. */
void riscv_mmu_context_changed(struct riscv_cpu *c);

/*
 * Physical memory protection [RISC-V priv 3.7]: may privilege mode `priv` access these bytes, which
 * lie in one page? *whole: the answer holds for all of that page.
 */
bool riscv_pmp_allows(const struct riscv_cpu *c, gpa_t gpa, unsigned size, enum riscv_access kind,
                      enum riscv_priv priv, bool *whole) must_check;
/* The CSRs; `n` counts entries (pmpaddr), or eight of them (pmpcfg0 and pmpcfg2). A write that
 * changed something: true, cached translations must go. */
uint64_t riscv_pmpcfg_read(const struct riscv_cpu *c, unsigned n);
bool riscv_pmpcfg_write(struct riscv_cpu *c, unsigned n, uint64_t val);
bool riscv_pmpaddr_write(struct riscv_cpu *c, unsigned n, uint64_t val);

#endif
