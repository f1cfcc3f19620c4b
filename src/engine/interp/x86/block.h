/*
 * Blocks of x86 instructions: found, or decoded and lowered.
 */
#ifndef DOPPEL_ENGINE_INTERP_X86_BLOCK_H
#define DOPPEL_ENGINE_INTERP_X86_BLOCK_H

#include "engine/interp/block.h"
#include "engine/softmmu/x86/softmmu.h"
#include "isa/x86/op.h"

struct x86_blocks {
    struct block_cache cache;
    struct softmmu *mmu;
    uint64_t native_generation; /* of the native thunks that blocks point to */
};

static inline struct x86_op *x86_block_ops(const struct block *b)
{
    return (struct x86_op *)(uintptr_t)b->ops;
}

static inline uint64_t x86_block_key(const struct x86_blocks *xb, const struct x86_cpu *c)
{
    return block_key(&xb->cache, c->rip, c->asid, c->exec_ctx);
}

/* The block at c->rip; raises the guest's fetch faults. NULL: code outside RAM. */
struct block *x86_block_find(struct x86_blocks *xb);
/* One instruction at c->rip, decoded afresh. NULL as above. */
struct block *x86_block_single(struct x86_blocks *xb);

#endif
