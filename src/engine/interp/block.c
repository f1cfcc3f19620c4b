/*
 * Storage, look-up and invalidation of decoded blocks.
 */
#include "engine/interp/block.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define ARENA_SIZE ((size_t)5 << 20)

static size_t block_bytes(const struct block_cache *bc, unsigned nops)
{
    return sizeof(struct block) + (nops + 1) * bc->op_size;
}

static void *map(size_t n)
{
    void *p =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

int block_cache_init(struct block_cache *bc, size_t op_size, struct error *err)
{
    memset(bc, 0, sizeof(*bc));
    bc->op_size = op_size;
    bc->arena = map(ARENA_SIZE);
    bc->jumps = map(JUMP_ENTRIES * sizeof(bc->jumps[0]));
    bc->hash = map(HASH_ENTRIES * sizeof(bc->hash[0]));
    bc->scratch = map(block_bytes(bc, BLOCK_MAX_OPS));
    if (!bc->arena || !bc->jumps || !bc->hash || !bc->scratch) {
        block_cache_destroy(bc);
        return error_set(err, ENOMEM, "there is no memory for the interpreter's block cache");
    }
    return 0;
}

static void unmap(void *p, size_t n)
{
    if (p)
        munmap(p, n);
}

void block_cache_destroy(struct block_cache *bc)
{
    unmap(bc->arena, ARENA_SIZE);
    unmap(bc->jumps, JUMP_ENTRIES * sizeof(bc->jumps[0]));
    unmap(bc->hash, HASH_ENTRIES * sizeof(bc->hash[0]));
    unmap(bc->scratch, block_bytes(bc, BLOCK_MAX_OPS));
}

void block_cache_flush(struct block_cache *bc)
{
    bc->used = 0;
    memset(bc->jumps, 0, JUMP_ENTRIES * sizeof(bc->jumps[0]));
    memset(bc->hash, 0, HASH_ENTRIES * sizeof(bc->hash[0]));
}

/* 36 bits of epoch; when they wrap, entries with old keys must be gone. */
static void new_epoch(struct block_cache *bc, unsigned half)
{
    bc->epoch[half] = (bc->epoch[half] + 1) & ((UINT64_C(1) << 36) - 1);
    if (bc->epoch[half] == 0)
        memset(bc->jumps, 0, JUMP_ENTRIES * sizeof(bc->jumps[0]));
    memset(bc->pages[half], 0, sizeof(bc->pages[half]));
}

static unsigned page_bit(gva_t va)
{
    uint64_t page = va >> GUEST_PAGE_SHIFT;
    return (page ^ page >> 15) & (JUMP_PAGE_SET - 1);
}

static bool page_entered(const struct block_cache *bc, gva_t va)
{
    unsigned bit = page_bit(va);
    return bc->pages[va >> 63][bit / 64] >> (bit % 64) & 1;
}

static void enter_page(struct block_cache *bc, gva_t va)
{
    unsigned bit = page_bit(va);
    bc->pages[va >> 63][bit / 64] |= UINT64_C(1) << (bit % 64);
}

void block_cache_unmapped(struct block_cache *bc, gva_t va, bool all)
{
    if (all) {
        new_epoch(bc, 0);
        new_epoch(bc, 1);
    } else if (page_entered(bc, va) || page_entered(bc, va - GUEST_PAGE_SIZE) ||
               (va < GUEST_PAGE_SIZE && page_entered(bc, UINT32_MAX))) {
        new_epoch(bc, va >> 63); /* a block of the page before may reach into this one */
    }
}

static unsigned hash_of(gpa_t gpa, uint32_t ctx)
{
    uint64_t h = (gpa ^ (uint64_t)ctx << 40) * UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned)(h >> (64 - HASH_BITS));
}

struct block *block_alloc(struct block_cache *bc)
{
    if (bc->used + block_bytes(bc, BLOCK_MAX_OPS) > ARENA_SIZE)
        block_cache_flush(bc);
    return (struct block *)(bc->arena + bc->used);
}

void block_keep(struct block_cache *bc, struct block *b)
{
    struct block **head = &bc->hash[hash_of(b->gpa, b->ctx)];
    bc->used += (block_bytes(bc, b->nops) + 63) & ~(size_t)63;
    b->next = *head;
    *head = b;
}

struct block *block_lookup(struct block_cache *bc, gpa_t gpa, uint32_t ctx, struct block *prev)
{
    struct block **link = prev ? &prev->next : &bc->hash[hash_of(gpa, ctx)];
    while (*link) {
        struct block *b = *link;
        if (!block_valid(b)) {
            *link = b->next; /* stale: unlink as we pass */
            continue;
        }
        if (b->gpa == gpa && b->ctx == ctx)
            return b;
        link = &b->next;
    }
    return NULL;
}

void block_enter(struct block_cache *bc, uint64_t pc, uint64_t key, gva_t va, struct block *b)
{
    enter_page(bc, va);
    bc->jumps[jump_index(pc)] = (struct jump){.pc = pc, .key = key, .block = b};
}
