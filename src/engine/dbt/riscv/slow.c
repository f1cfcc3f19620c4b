/*
 * What translated code cannot do itself. Each guest instruction has sites where its host code may
 * come here; the interpreter's function then runs the whole instruction.
 */
#include <string.h>

#include "engine/dbt/riscv/dbt.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/op_info.h"
#include "isa/riscv/regs.h"

static bool wants_attention(const struct riscv_cpu *c)
{
    return atomic_load_explicit(&c->attention, memory_order_relaxed) != 0;
}

/* See dbt.h, invariant 4. */
static void settle_fp(struct riscv_cpu *c)
{
    if (c->priv == RISCV_S)
        return;
    const uint64_t fs = c->mstatus & MSTATUS_FS, clean = 2 * (MSTATUS_FS & -MSTATUS_FS);
    if (fs == clean) {
        c->mstatus |= MSTATUS_FS;
        riscv_fp_changed(c);
    }
    if ((c->fp_modes & RISCV_FP_DIRTY) && !c->fp_live)
        riscv_fp_enter(c);
}

static const void *body_of(struct riscv_cpu *c, uint64_t entry, uint64_t base)
{
    c->code_base = base;
    c->engine_hot[RVX_FP_IN_HOST] = rvx_ctx_fp(rvx_ctx_of(c));
    return (const void *)(uintptr_t)(entry + RVX_PROLOGUE);
}

/* Ready to run `b`, which is at c->pc. */
static const void *enter_block(struct rvdbt_vcpu *d, struct riscv_cpu *c,
                               const struct code_block *b)
{
    uint64_t entry = code_entry(&d->vm->code, b);
    rvdbt_enter_space(d, c);
    if (!d->xlat.single && !(b->ctx & RVX_CTX_PLAIN)) {
        space_jump_set(d->space, c->pc, entry);
        d->space->jumps_local |= !riscv_softmmu_code_is_global(&d->it.mmu, c->pc);
    }
    return body_of(c, entry, c->pc - (b->gpa & (GUEST_PAGE_SIZE - 1)));
}

/* The block that the jump table names for c->pc; NULL: none, or one that is dead. */
static const void *known_block(struct rvdbt_vcpu *d, struct riscv_cpu *c)
{
    rvdbt_enter_space(d, c);
    uint64_t entry = space_jump_get(d->space, c->pc);
    if (!entry || code_entry_closed(entry))
        return NULL;
    return body_of(c, entry, c->pc & GUEST_PAGE_MASK);
}

const void *rvdbt_dispatch(struct rvdbt_vcpu *d, struct riscv_cpu *c)
{
    if (wants_attention(c))
        return NULL;
    settle_fp(c);
    const void *known = known_block(d, c);
    if (known)
        return known;
    const struct code_block *b = rvdbt_find(d, c, 0);
    if (!b || wants_attention(c))
        return NULL;
    return enter_block(d, c, b);
}

/* The site's instruction in executable form, from the bytes that are there now; c->pc names it. */
static const struct rvdbt_op *site_op(struct rvdbt_vcpu *d, struct riscv_cpu *c, uint32_t n,
                                      const struct code_site *site)
{
    struct rvdbt_op *e = &d->ops[n % RVDBT_OPS];
    struct riscv_insn in;
    gpa_t gpa;
    if (e->valid && e->site == n)
        return e;
    const uint8_t *p = riscv_softmmu_fetch(&d->it.mmu, c->pc, &gpa);
    uint16_t halves[2] = {0};
    memcpy(&halves[0], p, 2);
    if (riscv_insn_len(halves[0]) == 4) {
        p = site->off == GUEST_PAGE_SIZE - 2 ? riscv_softmmu_fetch(&d->it.mmu, c->pc + 2, &gpa)
                                             : p + 2;
        memcpy(&halves[1], p, 2);
    }
    (void)riscv_decode(&in, halves[0] | (uint32_t)halves[1] << 16);
    riscv_lower(&e->ops[0], &in, site->off);
    riscv_lower_end(&e->ops[1], site->off + in.len);
    e->op = in.op;
    e->base = in.rs1;
    e->accesses = riscv_op_info[in.op].flags & (RISCV_F_LOAD | RISCV_F_STORE);
    e->site = n;
    e->valid = true;
    return e;
}

static void count_site(struct rvdbt_vcpu *d, const struct code_site *site, uint16_t op, gva_t va)
{
    struct vcpu_stats *s = &d->v->stats;
    const struct space_entry *e = space_entry(d->space, va);
    bool strayed = d->strayed;
    d->strayed = false;
    if (site->flags & CODE_SITE_WHOLE) {
        s->slow_untranslated++;
        d->untranslated[op]++;
    } else if (!site->access) {
        s->slow_values++;
    } else if (!(site->flags & CODE_SITE_WRITE ? e->write : e->read)) {
        s->slow_unmapped++;
    } else if (!strayed) {
        s->slow_unaligned++;
    }
}

static const void *run_site(struct rvdbt_vcpu *d, struct riscv_cpu *c, uint32_t n)
{
    struct code_cache *cc = &d->vm->code;
    const struct code_site site = cc->sites[n];
    const struct code_block *b = &cc->blocks[site.block];
    const uint64_t resume = code_entry(cc, b) + site.resume;
    const uint32_t epoch = atomic_load(&cc->epoch);
    c->op = NULL;
    c->pc = c->code_base + site.off;
    const struct rvdbt_op *e = site_op(d, c, n, &site);
    const gva_t va = c->x[e->base] + (uint64_t)e->ops[0].imm, next = c->pc + site.len;
    count_site(d, &site, e->op, va);
    c->op = e->ops;
    e->ops[0].fn(c, e->ops);
    c->op = NULL;
    if (!rvdbt_space_is_current(d, c))
        return rvdbt_dispatch(d, c);
    if (e->accesses)
        rvdbt_fill(d, c, va);
    if (!site.resume || c->pc != next || wants_attention(c) || b->dead ||
        epoch != atomic_load(&cc->epoch))
        return rvdbt_dispatch(d, c);
    return (const void *)(uintptr_t)resume;
}

/* A jump inside the page whose target was not translated yet when it was emitted. */
static const void *run_link(struct rvdbt_vcpu *d, struct riscv_cpu *c, uint32_t n)
{
    struct code_cache *cc = &d->vm->code;
    const struct code_link link = cc->links[n];
    const uint32_t epoch = atomic_load(&cc->epoch);
    const gpa_t page = cc->blocks[link.block].gpa & GUEST_PAGE_MASK;
    c->pc = c->code_base + (uint64_t)(int64_t)link.off;
    if (wants_attention(c))
        return NULL;
    const struct code_block *to = rvdbt_find(d, c, link.ctx & RVX_CTX_PLAIN);
    if (!to)
        return NULL;
    pthread_mutex_lock(&cc->lock);
    if (epoch == atomic_load(&cc->epoch) && !cc->blocks[link.block].dead && !to->dead &&
        to->gpa2 == CODE_NO_PAGE && (to->gpa & GUEST_PAGE_MASK) == page && to->ctx == link.ctx)
        code_link_to(cc, n, &cc->blocks[to - cc->blocks]);
    pthread_mutex_unlock(&cc->lock);
    return wants_attention(c) ? NULL : enter_block(d, c, to);
}

const void *rvdbt_handle(struct riscv_cpu *c, enum rvx_reason why, uint64_t arg)
{
    struct vcpu *v = c->vcpu;
    struct rvdbt_vcpu *d = v->engine_priv;
    v->stats.block_links += why == RVX_WHY_LINK;
    v->stats.jump_misses += why == RVX_WHY_MISS;
    v->stats.attends += why == RVX_WHY_ATTEND;
    switch (why) {
    case RVX_WHY_SLOW:
        return run_site(d, c, (uint32_t)arg);
    case RVX_WHY_LINK:
        return run_link(d, c, (uint32_t)arg);
    case RVX_WHY_MISS:
    case RVX_WHY_ATTEND:
        c->pc = arg;
        return rvdbt_dispatch(d, c);
    default:
        return NULL;
    }
}
