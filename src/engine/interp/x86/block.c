/*
 * Making blocks of x86 instructions.
 */
#include "engine/interp/x86/block.h"

#include <string.h>

#include "isa/x86/access.h"
#include "isa/x86/decode.h"
#include "isa/x86/native.h"
#include "isa/x86/trap.h"

/* Linear address of the instruction at c->rip, with the code segment's limit checked. */
static gva_t fetch_linear(struct x86_cpu *c)
{
    if (c->code_mode == 64)
        return c->rip;
    const struct x86_segment *cs = &c->seg[SEG_CS];
    if (c->rip > cs->limit)
        x86_raise_gp(c, 0);
    return (uint32_t)(cs->base + c->rip);
}

/* Decoding in progress. */
struct builder {
    struct x86_blocks *xb;
    struct x86_cpu *c;
    struct block *b;
    const uint8_t *page; /* host bytes of the first page */
    gva_t page_va;
    unsigned off; /* of the next instruction in its page; may pass the end */
    unsigned max_ops;
};

/* A lone instruction is executed at once and forgotten: nobody needs to be told of writes. */
static void watch_page(struct builder *bu, gpa_t gpa, _Atomic uint32_t **genp, uint32_t *gen)
{
    if (bu->b != bu->xb->cache.scratch)
        *gen = softmmu_watch_code(bu->xb->mmu, gpa, MEM_ALL_LINES, genp);
}

/* An instruction that straddles the page's end: gather its bytes from both. */
static int decode_across(struct builder *bu, struct x86_insn *in)
{
    uint8_t bytes[16] = {0};
    unsigned have = (unsigned)GUEST_PAGE_SIZE - bu->off;
    gpa_t gpa2;
    memcpy(bytes, bu->page + bu->off, have);
    bu->c->rip = bu->c->code_base + bu->off; /* a fault in the fetch is this instruction's */
    const uint8_t *more =
        softmmu_fetch(bu->xb->mmu, va_add(bu->c, bu->page_va, GUEST_PAGE_SIZE), &gpa2);
    if (!more)
        return -X86_D_UD;
    bu->b->gpa2 = gpa2 & GUEST_PAGE_MASK;
    watch_page(bu, gpa2, &bu->b->genp2, &bu->b->gen2);
    memcpy(bytes + have, more, 15 - have);
    return x86_decode(in, bytes, 15, (enum x86_mode)bu->c->code_mode);
}

/* Instructions after which the context may differ: no use in decoding on. */
static bool ends_block(const struct x86_insn *in)
{
    return (in->desc->flags & (X86_F_BRANCH | X86_F_PRIV)) || in->iclass == X86_I_STI ||
           in->iclass == X86_I_POPF || in->iclass == X86_I_PAUSE;
}

/* Decode one instruction into the block; false when the block is over. */
static bool add_insn(struct builder *bu)
{
    struct x86_insn in;
    struct x86_op *op = &x86_block_ops(bu->b)[bu->b->nops];
    unsigned left = (unsigned)GUEST_PAGE_SIZE - bu->off;
    int r =
        x86_decode(&in, bu->page + bu->off, left < 15 ? left : 15, (enum x86_mode)bu->c->code_mode);
    if (r == -X86_D_SHORT) {
        if (bu->b->nops)
            return false; /* let it start a block of its own */
        r = decode_across(bu, &in);
    }
    bu->b->nops++;
    if (r < 0) {
        x86_lower_fault(bu->c, op, bu->off, r == -X86_D_GP ? VEC_GP : VEC_UD);
        return false;
    }
    x86_lower(bu->c, op, &in, bu->off);
    bu->off += in.len;
    return !ends_block(&in) && bu->b->nops < bu->max_ops && bu->off < GUEST_PAGE_SIZE;
}

/* Decode at c->rip, whose byte is at host `p` and guest-physical `gpa`, into `b`. */
static void build(struct x86_blocks *xb, struct block *b, const uint8_t *p, gpa_t gpa,
                  unsigned max_ops)
{
    struct x86_cpu *c = xb->mmu->cpu;
    struct builder bu = {.xb = xb, .c = c, .b = b, .max_ops = max_ops};
    uint64_t rip = c->rip;
    bu.off = gpa & (GUEST_PAGE_SIZE - 1);
    bu.page = p - bu.off;
    bu.page_va = fetch_linear(c) - bu.off;
    *b = (struct block){.gpa = gpa, .gpa2 = UINT64_MAX, .ctx = c->exec_ctx};
    watch_page(&bu, gpa, &b->genp, &b->gen);
    b->genp2 = b->genp;
    b->gen2 = b->gen;
    c->code_base = rip - bu.off;
    while (add_insn(&bu))
        ;
    x86_lower_end(c, &x86_block_ops(b)[b->nops], bu.off);
    c->rip = rip;
    xb->mmu->vcpu->stats.blocks++;
}

/* A native thunk cache that was emptied takes all blocks with it. */
static bool thunks_dropped(struct x86_blocks *xb)
{
    const struct x86_cpu *c = xb->mmu->cpu;
    uint64_t now = x86_native_generation(c->native);
    if (now == xb->native_generation)
        return false;
    xb->native_generation = now;
    return true;
}

static struct block *decode_new(struct x86_blocks *xb, const uint8_t *p, gpa_t gpa)
{
    struct block *b = block_alloc(&xb->cache);
    build(xb, b, p, gpa, BLOCK_MAX_OPS);
    if (thunks_dropped(xb)) {
        block_cache_flush(&xb->cache);
        b = block_alloc(&xb->cache);
        build(xb, b, p, gpa, BLOCK_MAX_OPS);
    }
    block_keep(&xb->cache, b);
    return b;
}

/* The second page must still be the one that the block was decoded from. */
static bool second_page_same(struct x86_blocks *xb, const struct block *b, gva_t va)
{
    gpa_t gpa2;
    if (b->gpa2 == UINT64_MAX)
        return true;
    gva_t next = va_add(xb->mmu->cpu, va & GUEST_PAGE_MASK, GUEST_PAGE_SIZE);
    return softmmu_fetch(xb->mmu, next, &gpa2) && (gpa2 & GUEST_PAGE_MASK) == b->gpa2;
}

static struct block *lookup(struct x86_blocks *xb, gpa_t gpa, uint32_t ctx, gva_t va)
{
    struct block *b = block_lookup(&xb->cache, gpa, ctx, NULL);
    while (b && !second_page_same(xb, b, va))
        b = block_lookup(&xb->cache, gpa, ctx, b);
    return b;
}

struct block *x86_block_find(struct x86_blocks *xb)
{
    struct x86_cpu *c = xb->mmu->cpu;
    gpa_t gpa;
    c->op = NULL;
    xb->mmu->vcpu->stats.block_lookups++;
    gva_t va = fetch_linear(c);
    const uint8_t *p = softmmu_fetch(xb->mmu, va, &gpa);
    if (!p)
        return NULL;
    bool enter = !(c->rip >> 63) || softmmu_is_global(xb->mmu, va);
    struct block *b = lookup(xb, gpa, c->exec_ctx, va);
    if (!b)
        b = decode_new(xb, p, gpa);
    if (enter)
        block_enter(&xb->cache, c->rip, x86_block_key(xb, c), va, b);
    return b;
}

struct block *x86_block_single(struct x86_blocks *xb)
{
    struct x86_cpu *c = xb->mmu->cpu;
    gpa_t gpa;
    c->op = NULL;
    const uint8_t *p = softmmu_fetch(xb->mmu, fetch_linear(c), &gpa);
    if (!p)
        return NULL;
    build(xb, xb->cache.scratch, p, gpa, 1);
    if (thunks_dropped(xb)) {
        block_cache_flush(&xb->cache);
        build(xb, xb->cache.scratch, p, gpa, 1);
    }
    return xb->cache.scratch;
}
