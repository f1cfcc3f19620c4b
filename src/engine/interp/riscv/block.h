/*
 * Blocks of RISC-V instructions: found, or decoded and lowered. Used with page tables (interp.c)
 * and without (flat.c).
 */
#ifndef DOPPEL_ENGINE_INTERP_RISCV_BLOCK_H
#define DOPPEL_ENGINE_INTERP_RISCV_BLOCK_H

#include "engine/interp/block.h"
#include "isa/riscv/op.h"

struct riscv_blocks;

/* Where code comes from. On the hart's thread. */
struct riscv_code_source {
    /* Host address of the bytes at `va` up to their page's end, and their physical address. Raises
     * the guest's fetch faults; c->op is NULL. */
    const uint8_t *(*fetch)(struct riscv_blocks *rb, gva_t va, gpa_t *gpa);
    /* The page at `gpa` is about to be decoded: its code generation, and where it stands. */
    uint32_t (*watch)(struct riscv_blocks *rb, gpa_t gpa, _Atomic uint32_t **genp);
    /* After fetch: may the address be remembered in block_key()'s terms? */
    bool (*may_enter)(struct riscv_blocks *rb, gva_t va);
};

struct riscv_blocks {
    struct block_cache cache;
    struct riscv_cpu *cpu;
    const struct riscv_code_source *source;
    void *opaque;                /* the source's */
    uint64_t *decoded, *lookups; /* counters */
    const struct block *running;
};

static inline const struct riscv_op *riscv_block_ops(const struct block *b)
{
    return (const struct riscv_op *)(uintptr_t)b->ops;
}

static inline uint64_t riscv_block_key(const struct riscv_blocks *rb)
{
    const struct riscv_cpu *c = rb->cpu;
    return block_key(&rb->cache, c->pc, c->asid, c->priv);
}

/* The block at c->pc. */
struct block *riscv_block_find(struct riscv_blocks *rb);

/* Run `b`, which is at c->pc. */
static inline void riscv_block_run(struct riscv_blocks *rb, const struct block *b)
{
    struct riscv_cpu *c = rb->cpu;
    const struct riscv_op *ops = riscv_block_ops(b);
    c->code_base = c->pc - (b->gpa & (GUEST_PAGE_SIZE - 1));
    c->icount += b->nops;
    rb->running = b;
    ops->fn(c, ops);
}

/* Blocks until something wants attention. */
static inline void riscv_blocks_run(struct riscv_blocks *rb)
{
    struct riscv_cpu *c = rb->cpu;
    while (likely(!atomic_load_explicit(&c->attention, memory_order_relaxed))) {
        const struct block *b = block_jump(&rb->cache, c->pc, riscv_block_key(rb));
        riscv_block_run(rb, likely(b != NULL) ? b : riscv_block_find(rb));
    }
}

/* After an instruction unwound: take back the count of those of its block that did not run. */
void riscv_block_unwound(struct riscv_blocks *rb);

#endif
