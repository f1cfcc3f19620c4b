/*
 * Alignment checking of user code: CR0.AM, EFLAGS.AC and CPL 3 together. [SDM 3A 6.15, #AC]
 *
 * It costs nothing while it is off. While it is on, c->tlb is a table in which nothing is ever
 * found, so every user access takes a slow path, and c->slow looks at the address before it passes
 * the access on to the engine. An engine that does not go by c->tlb finds X86_CTX_ALIGN in
 * c->exec_ctx.
 *
 * load, store and rmw_ptr of c->slow are checked by their size. read and write are not: their
 * callers say what must be aligned. The rules beyond the manual's table are those of the CPU that
 * our model names: 16 bytes and more need no alignment (what does raises #GP), and #AC comes after
 * a non-canonical address and before the page walk.
 */
#ifndef DOPPEL_ISA_X86_ALIGN_H
#define DOPPEL_ISA_X86_ALIGN_H

#include "base/compiler.h"
#include "isa/x86/cpu.h"

/* Switch checking on or off by the CPU's state, after c->tlb and c->mmu_ctx were set by it. */
void x86_align_update(struct x86_cpu *c);

/* While checking is on: raise #AC if `va & mask` is not zero and the access is a user's. */
void x86_align_judge(struct x86_cpu *c, gva_t va, unsigned mask);

/* For accesses by slow->read and slow->write: `n`, a power of two, is the alignment they need. */
static inline void x86_align_check(struct x86_cpu *c, gva_t va, unsigned n)
{
    if (unlikely(c->align.on))
        x86_align_judge(c, va, n - 1);
}

#endif
