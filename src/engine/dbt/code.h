/*
 * The code cache of one VM: translated blocks, how they are found, linked and dropped. It knows
 * nothing of the guest's or the host's instruction set but how to write a host jump.
 *
 * Invariants
 * 1. A block is the translation of guest code at one guest-physical address under one translation
 *    context; where it is mapped does not matter. It lies in one page; only a block of a single
 *    instruction may reach into a second one.
 * 2. Two ways in: the entry, from jump tables, for any address space; and the body, from links,
 *    which never leave the page. A block in two pages has no body: a change of the mapping of the
 *    second page must find it at the entry.
 * 3. When lines are written that a block depends on, it gets a jump to the miss stub over its
 * entry, and links to it lead to their stubs again. Who runs inside it leaves at its next poll;
 * nobody comes back. So a link leads to its stub or to a living block.
 * 4. A block that checks itself compares the guest's bytes with its copy of them whenever it is
 *    entered, either way. So it may be found, linked and jumped to whatever the bytes are now, and
 *    there may be several for one address, as the bytes were at different times.
 * 5. Blocks, sites and links are addressed by number and go all at once, with the world stopped
 *    (code_flush). Who may have been inside compares code->epoch.
 * 6. Host code is written through a mapping that cannot run and run through one that cannot be
 *    written. A running instruction is only changed by an aligned store of at most 8 bytes.
 * 7. `lock` guards all of it. It is taken with no other lock but is never held while the world is
 *    being stopped or guest memory is accessed.
 */
#ifndef DOPPEL_ENGINE_DBT_CODE_H
#define DOPPEL_ENGINE_DBT_CODE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/execmem.h"
#include "engine/dbt/perf_map.h"

#define CODE_NO_PAGE UINT64_MAX

/* The entry's first byte while the block is alive. */
enum { CODE_ENTRY_OPEN = 0x0f };

struct code_block {
    gpa_t gpa;      /* of the first instruction */
    gpa_t gpa2;     /* second page, or CODE_NO_PAGE */
    uint32_t ctx;   /* translation context */
    uint64_t lines; /* of its page that it depends on; of the second page: the first line */
    uint32_t host;  /* offset of the entry in the cache */
    uint32_t len;   /* bytes of host code */
    uint32_t first_site, nsites;
    uint32_t copy;    /* guest bytes that it checks, in `copies`, */
    uint16_t checked; /* how many; 0: it is watched */
    bool masked;      /* a mask follows them */
    uint16_t ninsns;  /* guest instructions */
    uint8_t live_out; /* the front end's: flags live behind the last one */
    uint32_t next;    /* in its hash chain: block number + 1 */
    uint32_t links;   /* that lead to it: link number + 1 */
    uint8_t stale;    /* times that it found other bytes */
    bool dead;
};

/* Where to look for a block. */
struct code_place {
    gpa_t gpa, gpa2;
    uint32_t ctx;
    const uint8_t *bytes, *more; /* the guest's bytes there, in host memory */
};

/* A block's membership in the list of a page. */
struct code_page_node {
    gpa_t page;
    uint32_t block, next; /* node number + 1 */
};

/* A place in host code that may need the slow path: one guest instruction. */
struct code_site {
    uint32_t block;
    uint16_t off;    /* the guest instruction in its page */
    uint8_t len;     /* its bytes */
    uint8_t flags;   /* enum code_site_flag */
    uint32_t access; /* host offsets from the block's entry: the access that may trap, */
    uint32_t resume; /* and the next guest instruction; 0: none, look for a block */
};

enum code_site_flag {
    CODE_SITE_ENDS = 1 << 0,   /* the context may have changed behind it */
    CODE_SITE_WHOLE = 1 << 1,  /* not translated at all: always comes here */
    CODE_SITE_PLAIN = 1 << 3,  /* go on in the plain translation: anchors do not survive C */
    CODE_SITE_WRITE = 1 << 2,  /* the access stores */
    CODE_SITE_STRING = 1 << 4, /* at the access, state is as xlat_string.c has it */
    CODE_SITE_STALE = 1 << 5,  /* the block, which checks itself, found other bytes */
};

/* A jump to another block: of the same page, where mappings can change. */
struct code_link {
    uint32_t block;
    int32_t off;    /* target, from the start of the block's page, */
    uint32_t ctx;   /* and its context */
    uint32_t patch; /* where its 4-byte displacement stands, from the block's entry, */
    uint32_t stub;  /* and where it leads while it is not linked */
    uint32_t next;  /* in the target's list: link number + 1 */
    bool linked;
};

/* What a translator made, to be entered into the cache. Sites and links have `block` unset. */
struct code_draft {
    gpa_t gpa, gpa2;
    gva_t va; /* where it was met first; only told to profilers */
    uint32_t ctx;
    uint64_t lines;
    const uint8_t *bytes;
    uint32_t len;
    const uint8_t *guest; /* bytes that it checks; NULL: it is watched */
    const uint8_t *mask;  /* 0 for those that it does not, after all; NULL: it checks all */
    const struct code_site *sites;
    const struct code_link *links;
    uint32_t nsites, nlinks;
    uint16_t ninsns, guest_bytes;
    uint8_t live_out;
    /* Positions in bytes of 4-byte fields that take the number of the site or link `i`; 0: none. */
    const uint32_t *site_fix, *link_fix;
};

struct code_stats {
    uint64_t blocks, bytes, guest_insns, guest_bytes, links, invalidated, flushes;
    uint64_t checking, stale; /* blocks that check themselves, and times they found other bytes */
    uint64_t ns;              /* spent translating, on all threads */
};

struct code_cache {
    struct execmem mem;
    size_t fixed;      /* bytes of stubs at the start, kept by a flush */
    size_t populated;  /* bytes that the host has backed with memory */
    uint64_t miss;     /* the stub that dead entries lead to */
    uint32_t prologue; /* bytes from a block's entry to its body: the front end's */
    pthread_mutex_t lock;
    bool initialised;
    bool small; /* code_begin_small() */
    _Atomic uint32_t epoch;
    struct code_block *blocks;
    struct code_site *sites;
    struct code_link *links;
    struct code_page_node *nodes;
    uint8_t *copies;
    uint32_t nblocks, nsites, nlinks, nnodes, ncopies;
    uint32_t *hash;  /* block numbers + 1 */
    uint32_t *pages; /* node numbers + 1 */
    struct code_stats stats;
    struct perf_map map; /* ends with the first flush, when addresses get other meanings */
};

int code_init(struct code_cache *cc, size_t size, struct error *err) must_check;
/*
 * Before anything else: most of these caches will hold next to nothing (a process's, not a
 * machine's). Clearing a huge page for each table and for the code costs more than a short program.
 */
void code_begin_small(struct code_cache *cc);
void code_destroy(struct code_cache *cc);
/* Stubs are in place: what follows is blocks, whose bodies are `prologue` behind their entries. */
void code_seal(struct code_cache *cc, uint64_t miss, uint32_t prologue);

/* In the child of a fork(), which has one thread: a cache of its own, empty but for the stubs. */
int code_unshare(struct code_cache *cc, struct error *err) must_check;

/* Under the lock: */
struct code_block *code_find(struct code_cache *cc, const struct code_place *at);
/* How many blocks of this place check themselves. */
unsigned code_versions(const struct code_cache *cc, const struct code_place *at);
/* Enter a draft; NULL: the cache is full, call code_flush() with the world stopped. */
struct code_block *code_add(struct code_cache *cc, const struct code_draft *d);
void code_link_to(struct code_cache *cc, uint32_t link, struct code_block *to);
void code_flush(struct code_cache *cc);

/* Takes the lock: lines of the page were written. True if there were translations of them. */
bool code_page_written(struct code_cache *cc, gpa_t page, uint64_t lines);
/* Takes the lock: the block found other bytes than it was made from. */
void code_went_stale(struct code_cache *cc, uint32_t block);
/* Takes the lock: the site whose access is at `host`; false: not translated code. */
bool code_site_at(struct code_cache *cc, uint64_t host, uint32_t *site);

static inline uint64_t code_entry(const struct code_cache *cc, const struct code_block *b)
{
    return (uintptr_t)cc->mem.rx + b->host;
}

static inline uint64_t code_body(const struct code_cache *cc, const struct code_block *b)
{
    return code_entry(cc, b) + cc->prologue;
}

/* Was the block at `entry` dropped? */
static inline bool code_entry_closed(uint64_t entry)
{
    return *(const uint8_t *)(uintptr_t)entry != CODE_ENTRY_OPEN;
}

#endif
