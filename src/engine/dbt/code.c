/*
 * Entering, finding, linking and dropping translated blocks.
 */
#include "engine/dbt/code.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HASH_BITS = 18,
    HASH_SIZE = 1 << HASH_BITS,
    MAX_BLOCKS = 1 << 22,
    MAX_NODES = MAX_BLOCKS,
    MAX_SITES = 1 << 25,
    MAX_LINKS = 1 << 23,
    MAX_COPIES = 1 << 27,
    HUGE_PAGE = 2 << 20,
    MAX_VERSIONS = 16, /* of one place's blocks that check themselves */
    STALE_LINKS = 4,   /* so often a block may be found stale before links to it are cut */
    BLOCK_ALIGN = 32,
    LINK_FIX_AT = 2, /* the number of a link in its stub: mov r11d, number */
};

/* Tables that grow into address space reserved at the start; looked into at random. */
static void *reserve(size_t n)
{
    void *p =
        mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    madvise(p, n, MADV_HUGEPAGE);
    return p;
}

static void release(void *p, size_t n)
{
    if (p)
        munmap(p, n);
}

int code_init(struct code_cache *cc, size_t size, struct error *err)
{
    memset(cc, 0, sizeof(*cc));
    int r = execmem_init(&cc->mem, size, err);
    if (r < 0)
        return r;
    pthread_mutex_init(&cc->lock, NULL);
    cc->initialised = true;
    cc->blocks = reserve(MAX_BLOCKS * sizeof(cc->blocks[0]));
    cc->sites = reserve(MAX_SITES * sizeof(cc->sites[0]));
    cc->links = reserve(MAX_LINKS * sizeof(cc->links[0]));
    cc->nodes = reserve(MAX_NODES * sizeof(cc->nodes[0]));
    cc->copies = reserve(MAX_COPIES);
    cc->hash = reserve(HASH_SIZE * sizeof(cc->hash[0]));
    cc->pages = reserve(HASH_SIZE * sizeof(cc->pages[0]));
    if (!cc->blocks || !cc->sites || !cc->links || !cc->nodes || !cc->copies || !cc->hash ||
        !cc->pages) {
        code_destroy(cc);
        return error_set(err, ENOMEM, "there is no memory for the translator's code cache");
    }
    return 0;
}

void code_begin_small(struct code_cache *cc)
{
    void *const tables[] = {cc->blocks, cc->sites, cc->links, cc->nodes,
                            cc->copies, cc->hash,  cc->pages};
    for (unsigned i = 0; i < ARRAY_SIZE(tables); i++)
        madvise(tables[i], HUGE_PAGE, MADV_NOHUGEPAGE);
    cc->small = true;
}

void code_destroy(struct code_cache *cc)
{
    if (!cc->initialised)
        return;
    release(cc->blocks, MAX_BLOCKS * sizeof(cc->blocks[0]));
    release(cc->sites, MAX_SITES * sizeof(cc->sites[0]));
    release(cc->links, MAX_LINKS * sizeof(cc->links[0]));
    release(cc->nodes, MAX_NODES * sizeof(cc->nodes[0]));
    release(cc->copies, MAX_COPIES);
    release(cc->hash, HASH_SIZE * sizeof(cc->hash[0]));
    release(cc->pages, HASH_SIZE * sizeof(cc->pages[0]));
    perf_map_close(&cc->map);
    execmem_destroy(&cc->mem);
    pthread_mutex_destroy(&cc->lock);
    memset(cc, 0, sizeof(*cc));
}

void code_seal(struct code_cache *cc, uint64_t miss, uint32_t prologue)
{
    cc->prologue = prologue;
    cc->fixed = cc->mem.used;
    cc->miss = miss;
    perf_map_add(&cc->map, cc->mem.rx, cc->fixed, "doppel stubs");
}

static uint32_t *bucket(uint32_t *table, gpa_t gpa, uint32_t ctx)
{
    uint64_t h = (gpa ^ (uint64_t)ctx << 44) * UINT64_C(0x9e3779b97f4a7c15);
    return &table[h >> (64 - HASH_BITS)];
}

static uint32_t *page_bucket(struct code_cache *cc, gpa_t gpa)
{
    return bucket(cc->pages, gpa & GUEST_PAGE_MASK, 0);
}

static bool is_at(const struct code_block *b, const struct code_place *at)
{
    return b->gpa == at->gpa && b->gpa2 == at->gpa2 && b->ctx == at->ctx;
}

static bool same_masked(const uint8_t *now, const uint8_t *copy, const uint8_t *mask, size_t n)
{
    uint8_t differ = 0;
    for (size_t i = 0; i < n; i++)
        differ |= (uint8_t)((now[i] ^ copy[i]) & mask[i]);
    return !differ;
}

/* Are the guest's bytes what the block was made from? */
static bool is_fresh(const struct code_cache *cc, const struct code_block *b,
                     const struct code_place *at)
{
    const uint8_t *copy = cc->copies + b->copy;
    size_t left = GUEST_PAGE_SIZE - (b->gpa & ~GUEST_PAGE_MASK), first = MIN(b->checked, left);
    if (b->masked) /* which none in two pages is */
        return same_masked(at->bytes, copy, copy + b->checked, b->checked);
    if (b->checked && memcmp(copy, at->bytes, first) != 0)
        return false;
    return b->checked == first || memcmp(copy + first, at->more, b->checked - first) == 0;
}

struct code_block *code_find(struct code_cache *cc, const struct code_place *at)
{
    for (uint32_t n = *bucket(cc->hash, at->gpa, at->ctx); n; n = cc->blocks[n - 1].next) {
        struct code_block *b = &cc->blocks[n - 1];
        if (is_at(b, at) && is_fresh(cc, b, at))
            return b;
    }
    return NULL;
}

unsigned code_versions(const struct code_cache *cc, const struct code_place *at)
{
    unsigned n = 0;
    for (uint32_t i = *bucket(cc->hash, at->gpa, at->ctx); i; i = cc->blocks[i - 1].next)
        n += cc->blocks[i - 1].checked && is_at(&cc->blocks[i - 1], at);
    return n;
}

static bool has_room(const struct code_cache *cc, const struct code_draft *d)
{
    return cc->nblocks < MAX_BLOCKS && cc->nnodes < MAX_NODES - 1 &&
           d->nsites <= MAX_SITES - cc->nsites && d->nlinks <= MAX_LINKS - cc->nlinks &&
           2u * d->guest_bytes <= MAX_COPIES - cc->ncopies &&
           cc->mem.used + BLOCK_ALIGN + d->len <= cc->mem.size;
}

/* Number the draft's sites and links and write the numbers into its code. */
static void enter_sites(struct code_cache *cc, const struct code_draft *d, uint8_t *rw,
                        uint32_t block)
{
    for (uint32_t i = 0; i < d->nsites; i++) {
        uint32_t n = cc->nsites++;
        cc->sites[n] = d->sites[i];
        cc->sites[n].block = block;
        if (d->site_fix[i])
            memcpy(rw + d->site_fix[i], &n, 4);
    }
    for (uint32_t i = 0; i < d->nlinks; i++) {
        uint32_t n = cc->nlinks++;
        cc->links[n] = d->links[i];
        cc->links[n].block = block;
        cc->links[n].stub = d->link_fix[i] - LINK_FIX_AT;
        memcpy(rw + d->link_fix[i], &n, 4);
    }
}

static void enter_copy(struct code_cache *cc, const struct code_draft *d, struct code_block *b)
{
    b->copy = cc->ncopies;
    b->checked = d->guest_bytes;
    memcpy(cc->copies + b->copy, d->guest, b->checked);
    cc->ncopies += b->checked;
    b->masked = d->mask != NULL;
    if (b->masked) {
        memcpy(cc->copies + cc->ncopies, d->mask, b->checked);
        cc->ncopies += b->checked;
    }
    cc->stats.checking++;
}

static void enter_page(struct code_cache *cc, gpa_t page, uint32_t block)
{
    uint32_t n = cc->nnodes++, *head = page_bucket(cc, page);
    cc->nodes[n] = (struct code_page_node){page, block, *head};
    *head = n + 1;
}

static void populate(struct code_cache *cc, size_t end)
{
    while (cc->populated < end)
        cc->populated = execmem_populate(&cc->mem, cc->populated, cc->populated || !cc->small);
}

/* One aligned store, so that who runs there sees either target. */
static void write_rel32(struct code_cache *cc, uint32_t at, uint64_t target)
{
    _Atomic uint32_t *p = (_Atomic uint32_t *)(cc->mem.rw + at);
    uint64_t next = (uintptr_t)cc->mem.rx + at + 4;
    atomic_store(p, (uint32_t)(target - next));
}

void code_link_to(struct code_cache *cc, uint32_t link, struct code_block *to)
{
    struct code_link *l = &cc->links[link];
    const struct code_block *from = &cc->blocks[l->block];
    if (l->linked)
        return; /* another vCPU was here first */
    write_rel32(cc, from->host + l->patch, code_body(cc, to));
    l->linked = true;
    l->next = to->links;
    to->links = link + 1;
    cc->stats.links++;
}

static void unlink_all(struct code_cache *cc, struct code_block *to)
{
    for (uint32_t n = to->links; n; n = cc->links[n - 1].next) {
        struct code_link *l = &cc->links[n - 1];
        const struct code_block *from = &cc->blocks[l->block];
        write_rel32(cc, from->host + l->patch, code_entry(cc, from) + l->stub);
        l->linked = false;
    }
    to->links = 0;
}

/* jmp rel32 over the first 5 bytes of the entry, which is aligned: somebody may stand behind them.
 */
static void close_entry(struct code_cache *cc, const struct code_block *b)
{
    _Atomic uint64_t *p = (_Atomic uint64_t *)(cc->mem.rw + b->host);
    uint64_t rel = cc->miss - (code_entry(cc, b) + 5), behind = atomic_load(p) >> 40 << 40;
    atomic_store(p, UINT64_C(0xe9) | (rel & 0xffffffff) << 8 | behind);
}

static void unhash(struct code_cache *cc, const struct code_block *b)
{
    uint32_t n = (uint32_t)(b - cc->blocks) + 1, *link = bucket(cc->hash, b->gpa, b->ctx);
    while (*link && *link != n)
        link = &cc->blocks[*link - 1].next;
    if (*link)
        *link = b->next;
}

static void kill_block(struct code_cache *cc, struct code_block *b)
{
    if (b->dead)
        return;
    b->dead = true;
    close_entry(cc, b);
    unlink_all(cc, b);
    unhash(cc, b);
}

/* Make room for one more version of the block: the oldest goes. */
static void drop_versions(struct code_cache *cc, const struct code_block *b)
{
    const struct code_place at = {.gpa = b->gpa, .gpa2 = b->gpa2, .ctx = b->ctx};
    struct code_block *oldest = NULL;
    unsigned versions = 0;
    for (uint32_t n = *bucket(cc->hash, b->gpa, b->ctx); n; n = cc->blocks[n - 1].next) {
        if (!is_at(&cc->blocks[n - 1], &at))
            continue;
        oldest = &cc->blocks[n - 1];
        versions++;
    }
    if (versions >= MAX_VERSIONS)
        kill_block(cc, oldest);
}

struct code_block *code_add(struct code_cache *cc, const struct code_draft *d)
{
    if (!has_room(cc, d))
        return NULL;
    populate(cc, MIN(cc->mem.used + BLOCK_ALIGN + d->len, cc->mem.size));
    uint8_t *rw = execmem_alloc(&cc->mem, d->len, BLOCK_ALIGN);
    uint32_t n = cc->nblocks++;
    struct code_block *b = &cc->blocks[n];
    *b = (struct code_block){
        .gpa = d->gpa,
        .gpa2 = d->gpa2,
        .ctx = d->ctx,
        .lines = d->lines,
        .host = (uint32_t)(rw - cc->mem.rw),
        .len = d->len,
        .first_site = cc->nsites,
        .nsites = d->nsites,
        .ninsns = d->ninsns,
        .live_out = d->live_out,
    };
    memcpy(rw, d->bytes, d->len);
    if (d->guest)
        enter_copy(cc, d, b);
    enter_sites(cc, d, rw, n);
    execmem_publish(&cc->mem, rw, d->len);
    perf_map_add(&cc->map, execmem_to_rx(&cc->mem, rw), d->len,
                 "guest 0x%llx (physical 0x%llx, context 0x%x)", (unsigned long long)d->va,
                 (unsigned long long)d->gpa, d->ctx);
    if (d->guest)
        drop_versions(cc, b);
    uint32_t *head = bucket(cc->hash, b->gpa, b->ctx);
    b->next = *head;
    *head = n + 1;
    enter_page(cc, b->gpa & GUEST_PAGE_MASK, n);
    if (b->gpa2 != CODE_NO_PAGE)
        enter_page(cc, b->gpa2, n);
    cc->stats.blocks++;
    cc->stats.bytes += d->len;
    cc->stats.guest_insns += d->ninsns;
    cc->stats.guest_bytes += d->guest_bytes;
    return b;
}

void code_went_stale(struct code_cache *cc, uint32_t block)
{
    pthread_mutex_lock(&cc->lock);
    struct code_block *b = &cc->blocks[block];
    cc->stats.stale++;
    if (++b->stale % STALE_LINKS == 0)
        unlink_all(cc, b);
    pthread_mutex_unlock(&cc->lock);
}

/* Does the block depend on any of these lines of the page, which is one of its? */
static bool depends(const struct code_block *b, gpa_t page, uint64_t lines)
{
    uint64_t own = page == (b->gpa & GUEST_PAGE_MASK) ? b->lines : 0;
    return (own | (page == b->gpa2)) & lines;
}

bool code_page_written(struct code_cache *cc, gpa_t page, uint64_t lines)
{
    bool any = false;
    pthread_mutex_lock(&cc->lock);
    uint32_t *link = page_bucket(cc, page);
    while (*link) {
        struct code_page_node *node = &cc->nodes[*link - 1];
        struct code_block *b = &cc->blocks[node->block];
        if (!b->dead && (node->page != page || !depends(b, page, lines))) {
            link = &node->next;
            continue;
        }
        any |= !b->dead;
        cc->stats.invalidated += !b->dead;
        kill_block(cc, b);
        *link = node->next;
    }
    pthread_mutex_unlock(&cc->lock);
    return any;
}

void code_flush(struct code_cache *cc)
{
    perf_map_close(&cc->map);
    cc->mem.used = cc->fixed;
    cc->nblocks = cc->nsites = cc->nlinks = cc->nnodes = cc->ncopies = 0;
    madvise(cc->hash, HASH_SIZE * sizeof(cc->hash[0]), MADV_DONTNEED);
    madvise(cc->pages, HASH_SIZE * sizeof(cc->pages[0]), MADV_DONTNEED);
    atomic_fetch_add(&cc->epoch, 1);
    cc->stats.flushes++;
}

int code_unshare(struct code_cache *cc, struct error *err)
{
    pthread_mutex_init(&cc->lock, NULL);
    cc->populated = 0;
    int r = execmem_unshare(&cc->mem, cc->fixed, err);
    code_flush(cc);
    return r;
}

/* Blocks lie in the cache in the order of their numbers. */
static const struct code_block *block_at(const struct code_cache *cc, uint32_t host)
{
    uint32_t lo = 0, hi = cc->nblocks;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (cc->blocks[mid].host <= host)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo && host - cc->blocks[lo - 1].host < cc->blocks[lo - 1].len ? &cc->blocks[lo - 1]
                                                                         : NULL;
}

bool code_site_at(struct code_cache *cc, uint64_t host, uint32_t *site)
{
    uint64_t off = host - (uintptr_t)cc->mem.rx;
    bool found = false;
    if (off >= cc->mem.size)
        return false;
    pthread_mutex_lock(&cc->lock);
    const struct code_block *b = block_at(cc, (uint32_t)off);
    for (uint32_t i = 0; b && i < b->nsites && !found; i++) {
        const struct code_site *s = &cc->sites[b->first_site + i];
        found = s->access == off - b->host;
        *site = b->first_site + i;
    }
    pthread_mutex_unlock(&cc->lock);
    return found;
}
