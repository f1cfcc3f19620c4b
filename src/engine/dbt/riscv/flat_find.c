/*
 * From a guest address to translated code, in flat memory.
 */
#include <string.h>
#include <time.h>

#include "engine/dbt/riscv/flat.h"
#include "isa/riscv/trap.h"

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static bool executable(const struct flat_hart *h, gva_t va)
{
    const struct flat_space *s = h->f->space;
    return va < s->size && s->executable(s->opaque, va);
}

static const uint8_t *host_at(const struct flat_hart *h, gva_t va)
{
    return (const uint8_t *)(h->f->space->base + va);
}

/* Code in a page that is not there faults. */
static const struct code_block *fault(struct flat_hart *h, gva_t va)
{
    h->c->exc_cause = RISCV_EXC_FETCH_PAGE;
    h->c->exc_tval = va;
    h->exit = FLAT_EXCEPTION;
    return NULL;
}

static void note_region(struct flat_dbt *f, gva_t va)
{
    uint64_t region = va >> FLAT_REGION_SHIFT;
    pthread_mutex_lock(&f->lock);
    f->regions[region / 64] |= UINT64_C(1) << (region % 64);
    pthread_mutex_unlock(&f->lock);
}

/* What a block at `off` may look at. */
static void load_part(struct rvx *x, const uint8_t *page, unsigned off)
{
    unsigned want = RVX_INSNS * RVX_LONGEST, left = (unsigned)GUEST_PAGE_SIZE - off;
    memcpy(x->page + off, page + off, want < left ? want : left);
}

/* The page's bytes are read before they are known to be code: drop_code() is told afterwards, and
 * the caller sees to it that no hart runs what is stale. */
static void make(struct flat_hart *h, struct code_draft *d, const uint8_t *more)
{
    const gva_t pc = h->c->pc;
    struct rvx *x = &h->xlat;
    x->page_va = pc & GUEST_PAGE_MASK;
    x->ctx = rvx_ctx_of(h->c);
    load_part(x, host_at(h, x->page_va), pc & ~GUEST_PAGE_MASK);
    rvx_block(x, d, pc & ~GUEST_PAGE_MASK, more);
    d->gpa = pc;
    d->va = pc;
    d->gpa2 = more ? x->page_va + GUEST_PAGE_SIZE : CODE_NO_PAGE;
    note_region(h->f, pc);
    if (more)
        note_region(h->f, d->gpa2);
}

static const struct code_block *translate(struct flat_hart *h, const struct code_place *at)
{
    struct code_cache *cc = &h->f->code;
    struct code_draft d;
    const uint64_t start = now_ns();
    make(h, &d, at->more);
    pthread_mutex_lock(&cc->lock);
    const struct code_block *b = code_find(cc, at);
    if (!b)
        b = code_add(cc, &d);
    cc->stats.ns += now_ns() - start;
    pthread_mutex_unlock(&cc->lock);
    h->full = !b;
    return b;
}

static const struct code_block *find(struct code_cache *cc, const struct code_place *at)
{
    pthread_mutex_lock(&cc->lock);
    const struct code_block *b = code_find(cc, at);
    pthread_mutex_unlock(&cc->lock);
    return b;
}

const struct code_block *flat_find(struct flat_hart *h)
{
    struct code_cache *cc = &h->f->code;
    const gva_t pc = h->c->pc, page2 = (pc & GUEST_PAGE_MASK) + GUEST_PAGE_SIZE;
    struct code_place at = {pc, CODE_NO_PAGE, rvx_ctx_of(h->c), NULL, NULL};
    const struct code_block *b = find(cc, &at);
    if (b)
        return b;
    if (pc & 1 || !executable(h, pc))
        return fault(h, pc);
    at.bytes = host_at(h, pc);
    if ((pc & ~GUEST_PAGE_MASK) == GUEST_PAGE_SIZE - 2 && (at.bytes[0] & 3) == 3) {
        if (!executable(h, page2))
            return fault(h, page2);
        at.more = host_at(h, page2);
        at.gpa2 = page2;
        b = find(cc, &at);
    }
    return b ? b : translate(h, &at);
}
