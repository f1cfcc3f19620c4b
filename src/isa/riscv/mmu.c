/*
 * Page walks. Second stop of a page fault's journey: the engine's slow path comes here with a
 * virtual address and leaves with a guest-physical one or a fault to raise.
 */
#include "isa/riscv/mmu.h"

#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"

#define PTE_V        (UINT64_C(1) << 0)
#define PTE_R        (UINT64_C(1) << 1)
#define PTE_W        (UINT64_C(1) << 2)
#define PTE_X        (UINT64_C(1) << 3)
#define PTE_U        (UINT64_C(1) << 4)
#define PTE_G        (UINT64_C(1) << 5)
#define PTE_A        (UINT64_C(1) << 6)
#define PTE_D        (UINT64_C(1) << 7)
#define PTE_LEAF     (PTE_R | PTE_W | PTE_X)
#define PTE_RESERVED (UINT64_C(0x7f) << 54)
#define PTE_PBMT     (UINT64_C(3) << 61)
#define PTE_N        (UINT64_C(1) << 63)
#define PTE_PPN(e)   ((e) >> 10 & ((UINT64_C(1) << 44) - 1))

enum { PTE_SIZE = 8, LEVEL_BITS = 9, NAPOT_PPN_BITS = 4, NAPOT_64K = 8 };

struct walker {
    struct riscv_cpu *c;
    gva_t va;
    enum riscv_access kind;
    enum riscv_mmu_ctx ctx;
    bool global;
};

static bool fail(struct riscv_walk *w, enum riscv_access kind, bool page_fault)
{
    static const uint8_t causes[][2] = {
        [RISCV_READ] = {RISCV_EXC_LOAD_ACCESS, RISCV_EXC_LOAD_PAGE},
        [RISCV_WRITE] = {RISCV_EXC_STORE_ACCESS, RISCV_EXC_STORE_PAGE},
        [RISCV_FETCH] = {RISCV_EXC_FETCH_ACCESS, RISCV_EXC_FETCH_PAGE},
    };
    w->cause = causes[kind][page_fault];
    return false;
}

/* An entry that no version of the architecture defines, or that needs what is not enabled. */
static bool malformed(const struct walker *wk, uint64_t e)
{
    if (!(e & PTE_V) || (e & (PTE_R | PTE_W)) == PTE_W || (e & PTE_RESERVED))
        return true;
    if (!(e & PTE_LEAF))
        return e & (PTE_D | PTE_A | PTE_U | PTE_PBMT | PTE_N);
    if ((e & PTE_PBMT) && (!(wk->c->menvcfg & ENVCFG_PBMTE) || (e & PTE_PBMT) == PTE_PBMT))
        return true;
    return false;
}

static bool permitted(const struct walker *wk, uint64_t e)
{
    bool user_page = e & PTE_U;
    if (wk->ctx == RISCV_MMU_U && !user_page)
        return false;
    /* Supervisors execute no user pages, and touch them only with SUM. */
    if (wk->ctx != RISCV_MMU_U && user_page &&
        (wk->kind == RISCV_FETCH || wk->ctx != RISCV_MMU_S_SUM))
        return false;
    switch (wk->kind) {
    case RISCV_FETCH:
        return e & PTE_X;
    case RISCV_WRITE:
        return e & PTE_W;
    default:
        return (e & PTE_R) || ((wk->c->mstatus & MSTATUS_MXR) && (e & PTE_X));
    }
}

/* Bytes that the leaf at `level` (0: 4 KiB) maps; 0: misaligned or reserved. */
static uint64_t leaf_size(uint64_t e, unsigned level)
{
    uint64_t pages = UINT64_C(1) << (LEVEL_BITS * level);
    if (e & PTE_N) { /* Svnapot: 64 KiB is all there is */
        bool ok = level == 0 && (PTE_PPN(e) & ((1 << NAPOT_PPN_BITS) - 1)) == NAPOT_64K;
        return ok ? GUEST_PAGE_SIZE << NAPOT_PPN_BITS : 0;
    }
    return PTE_PPN(e) & (pages - 1) ? 0 : pages << GUEST_PAGE_SHIFT;
}

/* Is the entry in memory one that a walk by S-mode may read? */
static bool load_entry(const struct walker *wk, gpa_t at, uint64_t *e)
{
    bool whole;
    return riscv_pmp_allows(wk->c, at, PTE_SIZE, RISCV_READ, RISCV_S, &whole) &&
           wk->c->phys->load(wk->c->slow_opaque, at, e);
}

enum step { STEP_DONE, STEP_PAGE_FAULT, STEP_ACCESS_FAULT, STEP_AGAIN };

/* Set A, and D for writes, if need be: 1 atomically changed entry or the walk again. */
static enum step set_accessed(const struct walker *wk, gpa_t at, uint64_t *e)
{
    uint64_t want = *e | PTE_A | (wk->kind == RISCV_WRITE ? PTE_D : 0);
    bool whole;
    if (want == *e)
        return STEP_DONE;
    if (!(wk->c->menvcfg & ENVCFG_ADUE))
        return STEP_PAGE_FAULT;
    if (!riscv_pmp_allows(wk->c, at, PTE_SIZE, RISCV_WRITE, RISCV_S, &whole))
        return STEP_ACCESS_FAULT;
    int r = wk->c->phys->cas(wk->c->slow_opaque, at, *e, want);
    if (r < 0)
        return STEP_ACCESS_FAULT;
    *e = want;
    return r ? STEP_DONE : STEP_AGAIN;
}

static enum step take_leaf(struct walker *wk, gpa_t at, uint64_t e, unsigned level,
                           struct riscv_walk *w)
{
    uint64_t size = leaf_size(e, level);
    if (!permitted(wk, e) || !size)
        return STEP_PAGE_FAULT;
    enum step s = set_accessed(wk, at, &e);
    if (s != STEP_DONE)
        return s;
    w->gpa = (PTE_PPN(e) << GUEST_PAGE_SHIFT & ~(size - 1)) | (wk->va & (size - 1));
    w->size = size;
    w->write = (e & PTE_W) && (e & PTE_D);
    w->global = wk->global || (e & PTE_G);
    return STEP_DONE;
}

static enum step walk_once(struct walker *wk, unsigned levels, struct riscv_walk *w)
{
    gpa_t table = SATP_PPN(wk->c->satp) << GUEST_PAGE_SHIFT;
    wk->global = false;
    for (unsigned level = levels; level-- > 0;) {
        unsigned shift = GUEST_PAGE_SHIFT + LEVEL_BITS * level;
        gpa_t at = table + (wk->va >> shift & ((1 << LEVEL_BITS) - 1)) * PTE_SIZE;
        uint64_t e;
        if (!load_entry(wk, at, &e))
            return STEP_ACCESS_FAULT;
        if (malformed(wk, e))
            return STEP_PAGE_FAULT;
        if (e & PTE_LEAF)
            return take_leaf(wk, at, e, level, w);
        wk->global |= e & PTE_G;
        table = PTE_PPN(e) << GUEST_PAGE_SHIFT;
    }
    return STEP_PAGE_FAULT;
}

/* Bits above the translated ones must copy the highest of these. */
static bool canonical(gva_t va, unsigned levels)
{
    unsigned unused = 64 - (GUEST_PAGE_SHIFT + LEVEL_BITS * levels);
    return (uint64_t)((int64_t)(va << unused) >> unused) == va;
}

static bool translate(struct walker *wk, struct riscv_walk *w)
{
    unsigned levels = SATP_MODE(wk->c->satp) == SATP_SV48 ? 4 : 3;
    enum step s = STEP_AGAIN;
    if (!canonical(wk->va, levels))
        return fail(w, wk->kind, true);
    while (s == STEP_AGAIN)
        s = walk_once(wk, levels, w);
    return s == STEP_DONE || fail(w, wk->kind, s == STEP_PAGE_FAULT);
}

static enum riscv_priv priv_of(enum riscv_mmu_ctx ctx)
{
    return ctx == RISCV_MMU_U ? RISCV_U : ctx == RISCV_MMU_M ? RISCV_M : RISCV_S;
}

bool riscv_mmu_walk(struct riscv_cpu *c, gva_t va, enum riscv_access kind, enum riscv_mmu_ctx ctx,
                    struct riscv_walk *w)
{
    struct walker wk = {.c = c, .va = va, .kind = kind, .ctx = ctx};
    bool whole;
    *w = (struct riscv_walk){.gpa = va, .size = GUEST_PAGE_SIZE, .write = true, .global = true};
    if (ctx != RISCV_MMU_M && SATP_MODE(c->satp) != SATP_BARE && !translate(&wk, w))
        return false;
    /* A byte stands for the access: where its page is not all the same, the engine asks again for
     * each access, of whose bytes aligned ones lie in the same 4, PMP's grain. */
    if (!riscv_pmp_allows(c, w->gpa, 1, kind, priv_of(ctx), &whole))
        return fail(w, kind, false);
    w->partial = !whole;
    if (whole && kind != RISCV_WRITE && w->write)
        w->write = riscv_pmp_allows(c, w->gpa, 1, RISCV_WRITE, priv_of(ctx), &whole);
    return true;
}

void riscv_mmu_context_changed(struct riscv_cpu *c)
{
    unsigned priv = c->priv;
    if (priv == RISCV_M && (c->mstatus & MSTATUS_MPRV))
        priv = (c->mstatus & MSTATUS_MPP) >> MSTATUS_MPP_SHIFT;
    if (priv == RISCV_M)
        c->mmu_ctx = RISCV_MMU_M;
    else if (priv == RISCV_S)
        c->mmu_ctx = c->mstatus & MSTATUS_SUM ? RISCV_MMU_S_SUM : RISCV_MMU_S;
    else
        c->mmu_ctx = RISCV_MMU_U;
    c->tlb = c->tlbs[c->mmu_ctx];
}
