/*
 * Making blocks of RISC-V instructions.
 */
#include "engine/interp/riscv/block.h"

#include <string.h>

#include "isa/riscv/op_info.h"

/* Decoding in progress. */
struct builder {
    struct riscv_blocks *rb;
    struct block *b;
    const uint8_t *page; /* host bytes of the first page */
    gva_t page_va;
    unsigned off; /* of the next instruction in its page; may pass the end */
};

static uint16_t halfword(const uint8_t *p)
{
    return *(const volatile uint16_t *)p;
}

/* The second half of an instruction that straddles the page's end. A fault there is the
 * instruction's, which is the first of its block: c->pc names it. */
static uint16_t next_page(struct builder *bu)
{
    struct riscv_blocks *rb = bu->rb;
    gpa_t gpa2;
    const uint8_t *p = rb->source->fetch(rb, bu->page_va + GUEST_PAGE_SIZE, &gpa2);
    bu->b->gpa2 = gpa2 & GUEST_PAGE_MASK;
    bu->b->gen2 = rb->source->watch(rb, gpa2, &bu->b->genp2);
    return halfword(p);
}

/* Decode one instruction into the block; false when the block is over. */
static bool add_insn(struct builder *bu)
{
    struct riscv_op *op = (struct riscv_op *)(uintptr_t)bu->b->ops + bu->b->nops;
    struct riscv_insn in;
    uint32_t bits = halfword(bu->page + bu->off);
    if (riscv_insn_len((uint16_t)bits) == 4) {
        bool straddles = bu->off + 4 > GUEST_PAGE_SIZE;
        if (straddles && bu->b->nops)
            return false; /* let it start a block of its own */
        bits |= (uint32_t)(straddles ? next_page(bu) : halfword(bu->page + bu->off + 2)) << 16;
    }
    riscv_decode(&in, bits); /* what is illegal lowers to an op that raises */
    riscv_lower(op, &in, bu->off);
    bu->b->nops++;
    bu->off += in.len;
    return !(riscv_op_info[in.op].flags & RISCV_F_END) && bu->b->nops < BLOCK_MAX_OPS &&
           bu->off < GUEST_PAGE_SIZE;
}

static struct block *decode_new(struct riscv_blocks *rb, const uint8_t *p, gpa_t gpa)
{
    struct block *b = block_alloc(&rb->cache);
    struct builder bu = {.rb = rb, .b = b, .off = gpa & (GUEST_PAGE_SIZE - 1)};
    bu.page = p - bu.off;
    bu.page_va = rb->cpu->pc - bu.off;
    *b = (struct block){.gpa = gpa, .gpa2 = UINT64_MAX};
    b->gen = b->gen2 = rb->source->watch(rb, gpa, &b->genp);
    b->genp2 = b->genp;
    while (add_insn(&bu))
        ;
    riscv_lower_end((struct riscv_op *)(uintptr_t)b->ops + b->nops, bu.off);
    block_keep(&rb->cache, b);
    ++*rb->decoded;
    return b;
}

/* The second page must still be the one that the block was decoded from. */
static bool second_page_same(struct riscv_blocks *rb, const struct block *b)
{
    gpa_t gpa2;
    if (b->gpa2 == UINT64_MAX)
        return true;
    rb->source->fetch(rb, (rb->cpu->pc & GUEST_PAGE_MASK) + GUEST_PAGE_SIZE, &gpa2);
    return (gpa2 & GUEST_PAGE_MASK) == b->gpa2;
}

static struct block *lookup(struct riscv_blocks *rb, gpa_t gpa)
{
    struct block *b = block_lookup(&rb->cache, gpa, 0, NULL);
    while (b && !second_page_same(rb, b))
        b = block_lookup(&rb->cache, gpa, 0, b);
    return b;
}

struct block *riscv_block_find(struct riscv_blocks *rb)
{
    struct riscv_cpu *c = rb->cpu;
    gpa_t gpa;
    c->op = NULL;
    rb->running = NULL;
    ++*rb->lookups;
    const uint8_t *p = rb->source->fetch(rb, c->pc, &gpa);
    bool enter = rb->source->may_enter(rb, c->pc);
    struct block *b = lookup(rb, gpa);
    if (!b)
        b = decode_new(rb, p, gpa);
    if (enter)
        block_enter(&rb->cache, c->pc, riscv_block_key(rb), c->pc, b);
    return b;
}

void riscv_block_unwound(struct riscv_blocks *rb)
{
    struct riscv_cpu *c = rb->cpu;
    if (rb->running && c->op)
        c->icount -= rb->running->nops - (uint64_t)(c->op - riscv_block_ops(rb->running));
    rb->running = NULL;
    c->op = NULL;
}
