/*
 * Decoded blocks: runs of executable instructions (struct x86_op) of one vCPU.
 *
 * Invariants
 * 1. A block starts anywhere in a page and ends with that page at the latest; only its last
 *    instruction may reach into the next page.
 * 2. Blocks are keyed by guest-physical address and execution context, never by virtual address:
 *    the same code mapped twice is decoded once.
 * 3. A block is valid while the code generations of its pages are what they were when its bytes
 * were read; checked at every entry, so no other thread ever frees a block.
 * 4. The jump cache maps (rip, address space, context) to a block. Entries of a mapping go when the
 *    guest flushes it: by a new address-space number, or by a new epoch.
 * 5. All blocks of a vCPU die together when its arena is full or a native thunk was dropped.
 */
#ifndef DOPPEL_ENGINE_INTERP_BLOCK_H
#define DOPPEL_ENGINE_INTERP_BLOCK_H

#include <stdatomic.h>
#include <stdint.h>

#include "engine/softmmu/softmmu.h"
#include "isa/x86/op.h"

enum {
    BLOCK_MAX_OPS = 64,
    JUMP_BITS = 14,
    JUMP_ENTRIES = 1 << JUMP_BITS,
    JUMP_PAGE_SET = 1 << 15,
    HASH_BITS = 16,
    HASH_ENTRIES = 1 << HASH_BITS,
};

struct jump {
    uint64_t rip;
    uint64_t key; /* block_key() */
    struct block *block;
};

struct block {
    gpa_t gpa;  /* of the first instruction */
    gpa_t gpa2; /* page of the second half of the last instruction, or UINT64_MAX */
    uint32_t ctx;
    uint32_t gen, gen2;
    _Atomic uint32_t *genp, *genp2; /* genp2 = genp when there is no second page */
    struct block *next;             /* in its hash chain */
    uint32_t nops;
    struct x86_op ops[]; /* nops, and the end op */
};

struct block_cache {
    struct softmmu *mmu;
    uint8_t *arena;
    size_t used;
    struct jump *jumps;    /* JUMP_ENTRIES */
    struct block **hash;   /* HASH_ENTRIES */
    struct block *scratch; /* a lone instruction, not cached */
    uint64_t native_generation;
    /* For the lower and the upper half of the address space: */
    uint64_t epoch[2];                     /* part of every key; moves on to drop all entries */
    uint64_t pages[2][JUMP_PAGE_SET / 64]; /* hashed set of the pages that have entries */
};

int block_cache_init(struct block_cache *bc, struct softmmu *mmu, struct error *err) must_check;
void block_cache_destroy(struct block_cache *bc);
void block_cache_flush(struct block_cache *bc);
/* The TLB dropped a page, or everything. */
void block_cache_unmapped(struct block_cache *bc, gva_t va, bool all);

/* The block at c->rip; raises the guest's fetch faults. NULL: code outside RAM. */
struct block *block_find(struct block_cache *bc);
/* One instruction at c->rip, decoded afresh. NULL as above. */
struct block *block_single(struct block_cache *bc);

static inline unsigned jump_index(uint64_t rip)
{
    return (rip ^ rip >> JUMP_BITS) & (JUMP_ENTRIES - 1);
}

/*
 * Under which key `rip` is looked up: address space (bits 52-63), epoch (16-51), context. Kernels
 * map their own half globally, so that half's entries outlive changes of the address space; pages
 * there that are not global are never entered.
 */
static inline uint64_t block_key(const struct block_cache *bc, const struct x86_cpu *c)
{
    unsigned half = c->rip >> 63;
    return (half ? 0 : c->asid) | bc->epoch[half] << 16 | c->exec_ctx;
}

static inline bool block_valid(const struct block *b)
{
    return atomic_load_explicit(b->genp, memory_order_relaxed) == b->gen &&
           atomic_load_explicit(b->genp2, memory_order_relaxed) == b->gen2;
}

#endif
