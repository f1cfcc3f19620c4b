/*
 * What translated code cannot do itself, in flat memory: the interpreter's function for the
 * instruction, links, misses of the jump table, attention, and the host's faults.
 */
#include <string.h>

#include "engine/dbt/bmi.h"
#include "engine/dbt/riscv/flat.h"

static bool wants_attention(const struct riscv_cpu *c)
{
    return atomic_load_explicit(&c->attention, memory_order_relaxed) != 0;
}

static gva_t page_of(const struct code_block *b)
{
    return b->gpa & GUEST_PAGE_MASK;
}

static unsigned slot_of(gva_t pc)
{
    return (unsigned)(bmi_pdep(bmi_crc32(pc), FLAT_JUMP_MASK) / sizeof(struct space_jump));
}

static void name_in_table(struct flat_dbt *f, gva_t pc, uint64_t entry)
{
    unsigned slot = slot_of(pc);
    if (slot != SPACE_SLOT_ATTEND)
        __atomic_store_n(&f->jumps[slot].code, entry, __ATOMIC_RELAXED);
}

/* Ready to run the block, which is at c->pc. */
static const void *enter_block(struct flat_hart *h, const struct code_block *b)
{
    struct flat_dbt *f = h->f;
    name_in_table(f, h->c->pc, code_entry(&f->code, b));
    h->c->engine_hot[RVX_FP_IN_HOST] = h->c->fp_live;
    h->computes |= h->c->fp_live;
    return (const void *)(uintptr_t)(code_entry(&f->code, b) + RVX_PROLOGUE);
}

const void *flat_dispatch(struct flat_hart *h)
{
    if (wants_attention(h->c)) {
        h->exit = FLAT_ATTENTION;
        return NULL;
    }
    const struct code_block *b = flat_find(h);
    return b ? enter_block(h, b) : NULL;
}

/* The site's instruction in executable form, from the bytes that are there now. */
static const struct riscv_op *site_op(struct flat_hart *h, uint32_t n, const struct code_site *site)
{
    struct flat_op *e = &h->ops[n % FLAT_OPS];
    const uint32_t epoch = atomic_load(&h->f->code.epoch);
    struct riscv_cpu *c = h->c;
    struct riscv_insn in = {0};
    uint32_t bits = 0;
    if (epoch != h->epoch) {
        for (unsigned i = 0; i < FLAT_OPS; i++)
            h->ops[i].valid = false;
        h->epoch = epoch;
    }
    if (e->valid && e->site == n)
        return e->op;
    memcpy(&bits, (const void *)(c->flat_base + c->pc), 2);
    if (riscv_insn_len((uint16_t)bits) == 4)
        memcpy(&bits, (const void *)(c->flat_base + c->pc), 4);
    (void)riscv_decode(&in, bits); /* an illegal one is lowered to what raises that */
    riscv_lower(&e->op[0], &in, site->off);
    riscv_lower_end(&e->op[1], site->off + in.len);
    e->site = n;
    e->valid = true;
    return e->op;
}

static const void *run_site(struct flat_hart *h, uint32_t n)
{
    struct code_cache *cc = &h->f->code;
    struct riscv_cpu *c = h->c;
    const struct code_site site = cc->sites[n];
    const struct code_block *b = &cc->blocks[site.block];
    const uint32_t ctx = b->ctx;
    const uint64_t resume = code_entry(cc, b) + site.resume;
    c->op = NULL;
    c->code_base = page_of(b);
    c->pc = c->code_base + site.off;
    const struct riscv_op *op = site_op(h, n, &site);
    const gva_t next = c->pc + op->len;
    c->op = op;
    op->fn(c, op);
    c->op = NULL;
    if (!site.resume || op->len != site.len || c->pc != next || wants_attention(c) ||
        rvx_ctx_of(c) != ctx || b->dead)
        return flat_dispatch(h);
    return (const void *)(uintptr_t)resume;
}

/* A jump whose target was not translated yet when it was emitted. */
static const void *run_link(struct flat_hart *h, uint32_t n)
{
    struct code_cache *cc = &h->f->code;
    const struct code_link link = cc->links[n];
    h->c->pc = page_of(&cc->blocks[link.block]) + (uint64_t)(int64_t)link.off;
    if (wants_attention(h->c)) {
        h->exit = FLAT_ATTENTION;
        return NULL;
    }
    const struct code_block *to = flat_find(h);
    if (!to)
        return NULL;
    pthread_mutex_lock(&cc->lock);
    if (!cc->blocks[link.block].dead && !to->dead && to->ctx == link.ctx)
        code_link_to(cc, n, &cc->blocks[to - cc->blocks]);
    pthread_mutex_unlock(&cc->lock);
    return enter_block(h, to);
}

/* host_fault() has left cause and address; what faults is the site's instruction. */
static const void *end_in_fault(struct flat_hart *h, uint32_t n)
{
    const struct code_cache *cc = &h->f->code;
    const struct code_site *site = &cc->sites[n];
    h->c->pc = page_of(&cc->blocks[site->block]) + site->off;
    h->exit = FLAT_EXCEPTION;
    return NULL;
}

const void *flat_handle(struct riscv_cpu *c, enum rvx_reason why, uint64_t arg)
{
    struct flat_hart *h = flat_hart_of(c);
    switch (why) {
    case RVX_WHY_SLOW:
        return run_site(h, (uint32_t)arg);
    case RVX_WHY_LINK:
        return run_link(h, (uint32_t)arg);
    case RVX_WHY_MISS:
    case RVX_WHY_ATTEND:
        c->pc = arg;
        return flat_dispatch(h);
    case RVX_WHY_FAULT:
        return end_in_fault(h, (uint32_t)arg);
    default:
        return NULL;
    }
}
