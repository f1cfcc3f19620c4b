/*
 * Finding, decoding and dropping blocks.
 */
#include "engine/interp/block.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "isa/x86/access.h"
#include "isa/x86/decode.h"
#include "isa/x86/native.h"
#include "isa/x86/trap.h"

#define ARENA_SIZE ((size_t)5 << 20)

static size_t block_bytes(unsigned nops)
{
    return sizeof(struct block) + (nops + 1) * sizeof(struct x86_op);
}

static void *map(size_t n)
{
    void *p =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

int block_cache_init(struct block_cache *bc, struct softmmu *mmu, struct error *err)
{
    memset(bc, 0, sizeof(*bc));
    bc->mmu = mmu;
    bc->arena = map(ARENA_SIZE);
    bc->jumps = map(JUMP_ENTRIES * sizeof(bc->jumps[0]));
    bc->hash = map(HASH_ENTRIES * sizeof(bc->hash[0]));
    bc->scratch = map(block_bytes(BLOCK_MAX_OPS));
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
    unmap(bc->scratch, block_bytes(BLOCK_MAX_OPS));
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
    struct block_cache *bc;
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
    if (bu->b != bu->bc->scratch)
        *gen = softmmu_watch_code(bu->bc->mmu, gpa, MEM_ALL_LINES, genp);
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
        softmmu_fetch(bu->bc->mmu, va_add(bu->c, bu->page_va, GUEST_PAGE_SIZE), &gpa2);
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
    struct x86_op *op = &bu->b->ops[bu->b->nops];
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
static void build(struct block_cache *bc, struct block *b, const uint8_t *p, gpa_t gpa,
                  unsigned max_ops)
{
    struct x86_cpu *c = bc->mmu->cpu;
    struct builder bu = {.bc = bc, .c = c, .b = b, .max_ops = max_ops};
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
    x86_lower_end(c, &b->ops[b->nops], bu.off);
    c->rip = rip;
    bc->mmu->vcpu->stats.blocks++;
}

/* A native thunk cache that was emptied takes all blocks with it. */
static bool thunks_dropped(struct block_cache *bc)
{
    uint64_t now = x86_native_generation(bc->mmu->cpu->native);
    if (now == bc->native_generation)
        return false;
    bc->native_generation = now;
    return true;
}

static struct block *decode_new(struct block_cache *bc, const uint8_t *p, gpa_t gpa)
{
    if (bc->used + block_bytes(BLOCK_MAX_OPS) > ARENA_SIZE)
        block_cache_flush(bc);
    struct block *b = (struct block *)(bc->arena + bc->used);
    build(bc, b, p, gpa, BLOCK_MAX_OPS);
    if (thunks_dropped(bc)) {
        block_cache_flush(bc);
        b = (struct block *)bc->arena;
        build(bc, b, p, gpa, BLOCK_MAX_OPS);
    }
    bc->used += (block_bytes(b->nops) + 63) & ~(size_t)63;
    struct block **head = &bc->hash[hash_of(gpa, b->ctx)];
    b->next = *head;
    *head = b;
    return b;
}

/* The second page must still be the one that the block was decoded from. */
static bool second_page_same(struct block_cache *bc, const struct block *b, gva_t va)
{
    gpa_t gpa2;
    if (b->gpa2 == UINT64_MAX)
        return true;
    gva_t next = va_add(bc->mmu->cpu, va & GUEST_PAGE_MASK, GUEST_PAGE_SIZE);
    return softmmu_fetch(bc->mmu, next, &gpa2) && (gpa2 & GUEST_PAGE_MASK) == b->gpa2;
}

static struct block *lookup(struct block_cache *bc, gpa_t gpa, uint32_t ctx, gva_t va)
{
    struct block **link = &bc->hash[hash_of(gpa, ctx)];
    while (*link) {
        struct block *b = *link;
        if (!block_valid(b)) {
            *link = b->next; /* stale: unlink as we pass */
            continue;
        }
        if (b->gpa == gpa && b->ctx == ctx && second_page_same(bc, b, va))
            return b;
        link = &b->next;
    }
    return NULL;
}

struct block *block_find(struct block_cache *bc)
{
    struct x86_cpu *c = bc->mmu->cpu;
    gpa_t gpa;
    c->op = NULL;
    bc->mmu->vcpu->stats.block_lookups++;
    gva_t va = fetch_linear(c);
    const uint8_t *p = softmmu_fetch(bc->mmu, va, &gpa);
    if (!p)
        return NULL;
    bool enter = !(c->rip >> 63) || softmmu_is_global(bc->mmu, va);
    struct block *b = lookup(bc, gpa, c->exec_ctx, va);
    if (!b)
        b = decode_new(bc, p, gpa);
    if (enter) {
        enter_page(bc, va);
        bc->jumps[jump_index(c->rip)] =
            (struct jump){.rip = c->rip, .key = block_key(bc, c), .block = b};
    }
    return b;
}

struct block *block_single(struct block_cache *bc)
{
    struct x86_cpu *c = bc->mmu->cpu;
    gpa_t gpa;
    c->op = NULL;
    const uint8_t *p = softmmu_fetch(bc->mmu, fetch_linear(c), &gpa);
    if (!p)
        return NULL;
    build(bc, bc->scratch, p, gpa, 1);
    if (thunks_dropped(bc)) {
        block_cache_flush(bc);
        build(bc, bc->scratch, p, gpa, 1);
    }
    return bc->scratch;
}
