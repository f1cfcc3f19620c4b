/*
 * From a guest address to translated code, with page tables: fetch through softmmu, look for the
 * block, translate.
 */
#include <string.h>

#include "engine/dbt/riscv/dbt.h"
#include "vm/exclusive.h"

enum { TRIES = 3 };

/* Where the code to translate lies. */
struct source {
    gva_t va;
    gpa_t gpa, gpa2;     /* second page, or CODE_NO_PAGE */
    const uint8_t *page; /* host bytes of the first page */
    const uint8_t *more; /* of the second; NULL: none */
    _Atomic uint32_t *genp, *genp2;
    uint32_t gen, gen2;
};

static unsigned offset_of(const struct source *s)
{
    return s->gpa & (GUEST_PAGE_SIZE - 1);
}

/* May raise fetch faults. */
static void locate(struct rvdbt_vcpu *d, struct riscv_cpu *c, struct source *s)
{
    *s = (struct source){.va = c->pc, .gpa2 = CODE_NO_PAGE};
    s->page = riscv_softmmu_fetch(&d->it.mmu, c->pc, &s->gpa) - (c->pc & (GUEST_PAGE_SIZE - 1));
    if (!rvx_straddles(s->page, offset_of(s)))
        return;
    gpa_t gpa2;
    s->more = riscv_softmmu_fetch(&d->it.mmu, (c->pc & GUEST_PAGE_MASK) + GUEST_PAGE_SIZE, &gpa2);
    s->gpa2 = gpa2 & GUEST_PAGE_MASK;
}

static struct code_place place_of(const struct source *s, uint32_t ctx)
{
    return (struct code_place){s->gpa, s->gpa2, ctx, s->page + offset_of(s), s->more};
}

static const struct code_block *find(struct code_cache *cc, const struct source *s, uint32_t ctx)
{
    struct code_place at = place_of(s, ctx);
    pthread_mutex_lock(&cc->lock);
    const struct code_block *b = code_find(cc, &at);
    pthread_mutex_unlock(&cc->lock);
    return b;
}

/* Written again and again: decoding it costs the interpreter less. */
static bool is_mixed(const struct guest_mem *m, gpa_t gpa)
{
    return guest_mem_code_mixed(guest_mem_slot(m, gpa), gpa);
}

static void load_part(struct rvx *x, const struct source *s)
{
    unsigned off = offset_of(s), want = RVX_INSNS * RVX_LONGEST + RVX_PADDING;
    memcpy(x->page + off, s->page + off, MIN(want, (unsigned)GUEST_PAGE_SIZE - off));
}

/* Did the translation see what memory holds now? */
static bool is_current(const struct rvx *x, const struct source *s, unsigned bytes)
{
    unsigned off = offset_of(s), first = MIN(bytes, (unsigned)GUEST_PAGE_SIZE - off);
    return memcmp(x->page + off, s->page + off, first) == 0 &&
           (!s->more || memcmp(x->straddler + first, s->more, bytes - first) == 0);
}

/* From now on nobody writes unnoticed to what the translation depends on; nothing of it has changed
 * since it was read. */
static bool watch_lines(struct rvdbt_vcpu *d, struct source *s, unsigned bytes)
{
    s->gen = softmmu_watch_code(&d->it.mmu, s->gpa, d->xlat.lines, &s->genp);
    s->genp2 = s->genp;
    s->gen2 = s->gen;
    if (s->more)
        s->gen2 = softmmu_watch_code(&d->it.mmu, s->gpa2, 1, &s->genp2);
    return is_current(&d->xlat, s, bytes);
}

static bool fresh(const struct source *s)
{
    return atomic_load(s->genp) == s->gen && atomic_load(s->genp2) == s->gen2;
}

/* The cache is full: everybody starts anew. Devices may drop pages meanwhile, hence the lock. */
static void flush(struct rvdbt_vcpu *d)
{
    struct vm *vm = d->v->vm;
    struct code_cache *cc = &d->vm->code;
    vm_exclusive_begin(d->v);
    pthread_mutex_lock(&cc->lock);
    code_flush(cc);
    pthread_mutex_unlock(&cc->lock);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct rvdbt_vcpu *other = vm->vcpus[i].engine_priv;
        for (unsigned k = 0; k < RVDBT_OPS; k++)
            other->ops[k].valid = false;
        rvdbt_forget_jumps(other);
    }
    vm_exclusive_end(d->v);
}

static const struct code_block *translate(struct rvdbt_vcpu *d, struct source *s, uint32_t ctx)
{
    struct code_cache *cc = &d->vm->code;
    struct code_draft draft;
    const uint64_t start = mono_ns();
    load_part(&d->xlat, s);
    d->xlat.ctx = ctx;
    rvx_block(&d->xlat, &draft, offset_of(s), s->more);
    draft.gpa = s->gpa;
    draft.va = s->va;
    draft.gpa2 = s->gpa2;
    bool same = watch_lines(d, s, draft.guest_bytes);
    struct code_place at = place_of(s, ctx);
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

const struct code_block *rvdbt_find(struct rvdbt_vcpu *d, struct riscv_cpu *c, uint32_t extra)
{
    uint32_t ctx = rvx_ctx_of(c) | extra;
    struct source s;
    c->op = NULL;
    d->v->stats.block_lookups++;
    for (unsigned i = 0; i < TRIES; i++) {
        locate(d, c, &s);
        const struct code_block *b = find(&d->vm->code, &s, ctx);
        if (b)
            return b;
        if (is_mixed(d->it.mmu.mem, s.gpa) || (s.more && is_mixed(d->it.mmu.mem, s.gpa2)))
            return NULL;
        b = translate(d, &s, ctx);
        if (b)
            return b;
    }
    return NULL;
}
