/*
 * Decoded blocks: runs of executable instructions of one vCPU. What an ISA adds - its ops, and how
 * they are made - is in x86/ and riscv/; here are storage, look-up and invalidation.
 *
 * Invariants
 * 1. A block starts anywhere in a page and ends with that page at the latest; only its last
 *    instruction may reach into the next page.
 * 2. Blocks are keyed by guest-physical address and execution context, never by virtual address:
 *    the same code mapped twice is decoded once. (In a process VM the two are the same.)
 * 3. A block is valid while the code generations of its pages are what they were when its bytes
 * were read; checked at every entry, so no other thread ever frees a block.
 * 4. The jump cache maps (pc, address space, context) to a block. Entries of a mapping go when the
 *    guest flushes it: by a new address-space number, or by a new epoch.
 * 5. All blocks of a vCPU die together when its arena is full or its ISA says so.
 */
#ifndef DOPPEL_ENGINE_INTERP_BLOCK_H
#define DOPPEL_ENGINE_INTERP_BLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"

enum {
    BLOCK_MAX_OPS = 64,
    JUMP_BITS = 14,
    JUMP_ENTRIES = 1 << JUMP_BITS,
    JUMP_PAGE_SET = 1 << 15,
    HASH_BITS = 16,
    HASH_ENTRIES = 1 << HASH_BITS,
};

struct jump {
    uint64_t pc;
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
    uint64_t ops[]; /* nops of the ISA's, and the end op */
};

struct block_cache {
    size_t op_size;
    uint8_t *arena;
    size_t used;
    struct jump *jumps;    /* JUMP_ENTRIES */
    struct block **hash;   /* HASH_ENTRIES */
    struct block *scratch; /* a lone instruction, not cached */
    /* For the lower and the upper half of the address space: */
    uint64_t epoch[2];                     /* part of every key; moves on to drop all entries */
    uint64_t pages[2][JUMP_PAGE_SET / 64]; /* hashed set of the pages that have entries */
};

int block_cache_init(struct block_cache *bc, size_t op_size, struct error *err) must_check;
void block_cache_destroy(struct block_cache *bc);
void block_cache_flush(struct block_cache *bc);
/* The TLB dropped a page, or everything. */
void block_cache_unmapped(struct block_cache *bc, gva_t va, bool all);

/* Room for a block of at most BLOCK_MAX_OPS; may flush. Filled by the caller, then kept. */
struct block *block_alloc(struct block_cache *bc);
void block_keep(struct block_cache *bc, struct block *b);
/* The first valid block there, or after `prev` in the same chain; unlinks stale ones. */
struct block *block_lookup(struct block_cache *bc, gpa_t gpa, uint32_t ctx, struct block *prev);
/* From now on block_jump() finds `b` at `pc`, an address on the page of `va`. */
void block_enter(struct block_cache *bc, uint64_t pc, uint64_t key, gva_t va, struct block *b);

static inline unsigned jump_index(uint64_t pc)
{
    return (pc ^ pc >> JUMP_BITS) & (JUMP_ENTRIES - 1);
}

/*
 * Under which key `pc` is looked up: address space (bits 52-63), epoch (16-51), context. Kernels
 * map their own half globally, so that half's entries outlive changes of the address space; pages
 * there that are not global are never entered.
 */
static inline uint64_t block_key(const struct block_cache *bc, uint64_t pc, uint64_t asid,
                                 uint64_t ctx)
{
    unsigned half = pc >> 63;
    return (half ? 0 : asid) | bc->epoch[half] << 16 | ctx;
}

static inline bool block_valid(const struct block *b)
{
    return atomic_load_explicit(b->genp, memory_order_relaxed) == b->gen &&
           atomic_load_explicit(b->genp2, memory_order_relaxed) == b->gen2;
}

/* The valid block that was entered at `pc` under `key`, or NULL. */
static inline struct block *block_jump(const struct block_cache *bc, uint64_t pc, uint64_t key)
{
    const struct jump *j = &bc->jumps[jump_index(pc)];
    struct block *b = j->block;
    if (unlikely(!b || j->pc != pc || j->key != key || !block_valid(b)))
        return NULL;
    return b;
}

#endif
