/*
 * From a guest address to translated code: fetch through softmmu, look for the block, translate.
 */
#include <string.h>

#include "engine/dbt/x86/dbt.h"
#include "vm/exclusive.h"

enum { TRIES = 3, VERSIONS = 4 };

/* Where the code to translate lies. */
struct source {
    gva_t va;
    gpa_t gpa, gpa2;     /* second page, or CODE_NO_PAGE */
    const uint8_t *page; /* host bytes of the first page */
    const uint8_t *more; /* of the second; NULL: none */
    bool mixed;          /* nobody watches them: the block checks itself */
    _Atomic uint32_t *genp, *genp2;
    uint32_t gen, gen2;
};

/* May raise fetch faults. False: not RAM. */
static bool locate(struct dbt_vcpu *d, struct x86_cpu *c, struct source *s)
{
    *s = (struct source){.va = c->rip, .gpa2 = CODE_NO_PAGE};
    const uint8_t *p = softmmu_fetch(&d->it.mmu, c->rip, &s->gpa);
    if (!p)
        return false;
    unsigned off = s->gpa & (GUEST_PAGE_SIZE - 1);
    s->page = p - off;
    if (!xlat_straddles(s->page, off))
        return true;
    gpa_t gpa2;
    s->more = softmmu_fetch(&d->it.mmu, (c->rip & GUEST_PAGE_MASK) + GUEST_PAGE_SIZE, &gpa2);
    s->gpa2 = gpa2 & GUEST_PAGE_MASK;
    return s->more != NULL;
}

static struct code_place place_of(const struct source *s, uint32_t ctx)
{
    const uint8_t *bytes = s->page + (s->gpa & (GUEST_PAGE_SIZE - 1));
    return (struct code_place){s->gpa, s->gpa2, ctx, bytes, s->more};
}

static const struct code_block *find(struct code_cache *cc, const struct source *s, uint32_t ctx)
{
    struct code_place at = place_of(s, ctx);
    pthread_mutex_lock(&cc->lock);
    const struct code_block *b = code_find(cc, &at);
    pthread_mutex_unlock(&cc->lock);
    return b;
}

static bool is_mixed(const struct guest_mem *m, gpa_t gpa)
{
    return guest_mem_code_mixed(guest_mem_slot(m, gpa), gpa);
}

/* So many versions are there already that it may be immediates that change. */
static bool is_loose(struct code_cache *cc, const struct source *s, uint32_t ctx)
{
    struct code_place at = place_of(s, ctx);
    if (!s->mixed || s->more)
        return false;
    pthread_mutex_lock(&cc->lock);
    unsigned versions = code_versions(cc, &at);
    pthread_mutex_unlock(&cc->lock);
    return versions >= VERSIONS;
}

/* The translator's copy of a page serves many blocks: watch_lines() has the last word on it. */
static void load_page(struct dbt_vcpu *d, struct source *s)
{
    const struct guest_mem *m = d->it.mmu.mem;
    const unsigned off = s->gpa & (GUEST_PAGE_SIZE - 1);
    s->mixed = is_mixed(m, s->gpa) || (s->more && is_mixed(m, s->gpa2));
    d->xlat.now = s->mixed ? s->page + off : NULL;
    if (s->mixed) {
        xlat_load_part(&d->xlat, s->page, off);
        d->copied = NULL;
        return;
    }
    if (d->copied == s->page)
        return;
    xlat_load_page(&d->xlat, s->page);
    d->copied = s->page;
}

/* Did the translation see what memory holds now? */
static bool is_current(struct dbt_vcpu *d, const struct source *s)
{
    const struct xlat *x = &d->xlat;
    for (uint64_t left = x->lines; left; left &= left - 1) {
        unsigned at = 64 * (unsigned)__builtin_ctzll(left);
        if (memcmp(x->page + at, s->page + at, 64) != 0)
            return false;
    }
    unsigned have = (unsigned)GUEST_PAGE_SIZE - (s->gpa & (GUEST_PAGE_SIZE - 1));
    return !s->more || memcmp(x->straddler + have, s->more, XLAT_LONGEST - have) == 0;
}

/*
 * From now on nobody writes unnoticed to the lines that the translation depends on; none has
 * changed them since they were read.
 */
static bool watch_lines(struct dbt_vcpu *d, struct source *s)
{
    if (s->mixed)
        return true; /* the block looks by itself */
    s->gen = softmmu_watch_code(&d->it.mmu, s->gpa, d->xlat.lines, &s->genp);
    s->genp2 = s->genp;
    s->gen2 = s->gen;
    if (s->more)
        s->gen2 = softmmu_watch_code(&d->it.mmu, s->gpa2, 1, &s->genp2);
    if (is_current(d, s))
        return true;
    d->copied = NULL;
    return false;
}

static bool fresh(const struct source *s)
{
    return s->mixed || (atomic_load(s->genp) == s->gen && atomic_load(s->genp2) == s->gen2);
}

/* Numbers of sites stand for other instructions from now on. */
static void forget_ops(struct dbt_vcpu *d)
{
    for (unsigned i = 0; i < DBT_OPS; i++)
        d->ops[i].valid = false;
}

/* The cache is full: everybody starts anew. Devices may drop pages meanwhile, hence the lock. */
static void flush(struct dbt_vcpu *d)
{
    struct vm *vm = d->v->vm;
    struct code_cache *cc = &d->vm->code;
    vm_exclusive_begin(d->v);
    pthread_mutex_lock(&cc->lock);
    code_flush(cc);
    pthread_mutex_unlock(&cc->lock);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        forget_ops(vm->vcpus[i].engine_priv);
        dbt_forget_jumps(vm->vcpus[i].engine_priv);
    }
    vm_exclusive_end(d->v);
}

static const struct code_block *translate(struct dbt_vcpu *d, struct x86_cpu *c, struct source *s,
                                          uint32_t ctx)
{
    struct code_cache *cc = &d->vm->code;
    struct code_draft draft;
    const uint64_t start = mono_ns();
    load_page(d, s);
    d->xlat.loose = is_loose(cc, s, ctx);
    d->xlat.c = c;
    d->xlat.ctx = ctx;
    xlat_block(&d->xlat, &draft, s->gpa & (GUEST_PAGE_SIZE - 1), s->more);
    draft.gpa = s->gpa;
    draft.va = s->va;
    draft.gpa2 = s->gpa2;
    draft.lines = d->xlat.lines;
    draft.ctx = d->xlat.ctx;
    bool same = watch_lines(d, s);
    struct code_place at = place_of(s, draft.ctx);
    pthread_mutex_lock(&cc->lock);
    const struct code_block *b = code_find(cc, &at);
    bool full = false;
    if (!b && same && fresh(s)) {
        b = code_add(cc, &draft);
        full = !b;
    }
    cc->stats.ns += mono_ns() - start;
    pthread_mutex_unlock(&cc->lock);
    d->v->stats.blocks++;
    if (full)
        flush(d);
    return b;
}

const struct code_block *dbt_find(struct dbt_vcpu *d, struct x86_cpu *c, uint32_t extra)
{
    uint32_t ctx = ctx_of(c) | extra;
    struct source s;
    c->op = NULL;
    d->v->stats.block_lookups++;
    for (unsigned i = 0; i < TRIES; i++) {
        if (!locate(d, c, &s))
            return NULL;
        const struct code_block *b = find(&d->vm->code, &s, ctx);
        if (!b)
            b = translate(d, c, &s, ctx);
        if (b)
            return b;
    }
    return NULL;
}

const void *dbt_stale(struct dbt_vcpu *d, struct x86_cpu *c, const struct code_site *site)
{
    struct code_cache *cc = &d->vm->code;
    uint32_t extra = cc->blocks[site->block].ctx & CTX_PLAIN;
    c->rip = c->code_base + site->off;
    code_went_stale(cc, site->block);
    const struct code_block *b = dbt_find(d, c, extra);
    if (!b || d->lockstep || atomic_load_explicit(&c->attention, memory_order_relaxed))
        return NULL;
    return dbt_enter_block(d, c, b);
}
