/*
 * What translated code reaches through the GS base: a page of hot fields, the jump table and the
 * page table of one address space ("space"). A vCPU has one space for kernel mode and several for
 * user mode; all show the same hot page.
 *
 * Invariants
 * 1. A space belongs to one vCPU; its thread alone touches it, except while the world is stopped.
 * 2. The page table is indexed by bits 12-42 of a guest-virtual address. An entry is a pair: what
 *    to add for reading and for writing, 0 where the slow path must decide. Zero is what untouched
 *    host memory reads as, so a fresh table needs no filling.
 * 3. Entries carry no tag. An address that shares an entry with another one (they differ in bits
 *    43-63) lands 8 TiB times n from guest RAM, where nothing is mapped (space_reserve_aliases),
 *    and the host's fault sends the access to the slow path.
 * 4. Every entry that is not zero is in the log, so clearing a space costs what was filled.
 * 5. A write entry exists only for pages without MEM_PAGE_CODE and MEM_PAGE_CLEAN.
 *    Which entries those are for a host page is known by `writers`, if it is one; else by the log.
 * 6. A jump-table slot names a block's entry and the negated guest address it stands for; a block's
 *    prologue checks the latter, without touching the flags: the block may be the wrong one. Empty
 *    slots lead to the miss stub.
 */
#ifndef DOPPEL_ENGINE_DBT_SPACE_H
#define DOPPEL_ENGINE_DBT_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"

enum {
    SPACE_JUMPS = 1 << 16,
    SPACE_JUMP_LOG = 1 << 12,
    SPACE_LOG = 1 << 18,
    SPACE_JUMP_PAGES = 1 << 15,
    SPACE_WRITERS = 1 << 18,
    SPACE_JUMP_TABLE = 0x1000, /* offsets from the GS base */
    SPACE_STACK = 0x110000,
    SPACE_TABLE = 0x200000,
    SPACE_INDEX_BITS = 31,
};
/* One slot, within a cache line: whoever jumps reads `code`, and the block there reads `key`. */
struct space_jump {
    uint64_t code; /* entry of a block, or a stub */
    uint64_t key;  /* minus the guest address it stands for */
};
/*
 * The page that the stack pointer was found in last, and what to add there, for loads and stores:
 * code that uses the stack compares instead of looking up. Forgotten when any entry goes.
 */
struct space_stack {
    uint64_t page; /* guest address */
    uint64_t add;
};
/*
 * Where a guest address's slot is in the jump table: the low bits of its CRC32 where the mask has
 * bits (by PDEP). Slots come in pairs n, n ^ 1; an address whose slot is taken may be found in the
 * other one (the miss stub looks there). Pair 0 is nobody's: with a mask of 0 every jump goes to
 * slot 0, to the stub that attends to requests. That way a jump needs no poll.
 */
#define SPACE_JUMP_MASK ((SPACE_JUMPS - 1) * UINT64_C(16))
enum { SPACE_SLOT_ATTEND = 0 };
#define SPACE_SIZE (SPACE_TABLE + (UINT64_C(16) << SPACE_INDEX_BITS))

/* What CS, SS and CPL are, seen from struct x86_cpu: as they stand there, or as SYSCALL or SYSRET
 * would have set them. */
enum dbt_level { DBT_LEVEL_SAME, DBT_LEVEL_KERNEL, DBT_LEVEL_USER, DBT_LEVELS };

/* What stubs that change to a level need. */
struct dbt_side {
    uint64_t base;   /* of the level's space in this address space, for GS; 0: ask C */
    uint64_t space;  /* struct space */
    uint64_t cs, ss; /* host addresses of the descriptors of STAR's segments; 0: ask C */
    uint16_t sel[2]; /* their selectors */
};

/* The page every space shows at its start. Translated code and stubs read and write it. */
struct dbt_hot {
    uint64_t reg[2];    /* guest registers that have no host register of their own */
    uint64_t code_base; /* guest address of the running block's page */
    uint64_t seg_base[2];
    uint64_t cpu; /* the ISA's struct */
    uint64_t host_sp;
    _Atomic uint64_t jump_mask; /* SPACE_JUMP_MASK, or 0: attend */
    uint64_t tmp[4];
    uint64_t low_bits[6];              /* masks of the lowest 0 to 5 bits */
    uint64_t arg;                      /* of a stub */
    uint64_t anchor[16];               /* of the running block: host address - guest address */
    uint64_t loop_limit;               /* of the running block's loop: where its anchors end */
    uint64_t slow, miss, link, attend; /* addresses of the stubs */
    _Atomic uint32_t attention;        /* leave at the next poll; any thread sets it */
    uint64_t tsc_offset;               /* guest's time stamp counter - host's */
    uint32_t tsc_aux;
    uint32_t rflags;                    /* system flags but IF, as PUSHF shows them */
    uint8_t iflag;                      /* RFLAGS.IF while translated code runs */
    uint8_t irq_waits;                  /* an interrupt waits for it */
    uint8_t dflag;                      /* RFLAGS.DF; the host's is clear */
    uint32_t upper;                     /* vector registers' upper halves are in use */
    uint8_t level;                      /* enum dbt_level */
    uint64_t space;                     /* struct space that GS points at */
    struct dbt_side side[DBT_LEVELS];   /* of DBT_LEVEL_SAME: nothing */
    uint16_t sel[2];                    /* CS and SS */
    uint64_t syscall, sysret, iret, go; /* addresses of stubs */
};

struct space_entry {
    uint64_t read, write; /* host address - guest address, or 0 */
};
_Static_assert(sizeof(struct dbt_hot) <= 4096, "one page");
_Static_assert(sizeof(struct space_jump) == 16, "the mask's lowest bit");
_Static_assert(SPACE_JUMP_TABLE + SPACE_JUMPS * 16 <= SPACE_TABLE, "room");

struct space {
    const struct space_stubs *stubs;
    uint8_t *base;    /* GS base while it is in use; NULL: not made yet */
    uint64_t key;     /* which address space it holds; SPACE_UNUSED */
    uint64_t used;    /* for recycling the one used longest ago */
    uint32_t ctx;     /* translation context its jump table was filled under */
    bool jumps_local; /* the jump table holds addresses that are not mapped globally */
    uint64_t jump_pages[SPACE_JUMP_PAGES / 64]; /* hashed set of pages with jump slots */
    uint32_t njumps;                            /* entries of the following; more: all slots */
    uint16_t jump_log[SPACE_JUMP_LOG];          /* slots that do not lead to the miss stub */
    uint32_t nlog, nlocal;
    uint32_t *writers; /* by host page, hashed: index + 1 of its write entry, 0: none, or several */
    uint32_t *log;     /* SPACE_LOG indexes of entries that are not zero ... */
    uint32_t *local;   /* ... and, from the same array, of those that one address space has */
};
#define SPACE_UNUSED  UINT64_MAX
#define SPACE_SEVERAL UINT32_MAX /* in writers[] */

/* Where jumps lead that no block's entry is known for, and slot 0. */
struct space_stubs {
    uint64_t miss, attend;
};

/* `hot_fd`: a memfd that holds the hot page. `stubs` is kept. space_jumps_clear() must be called
 * before the space is run in. */
int space_init(struct space *s, int hot_fd, const struct space_stubs *stubs, struct error *err)
    must_check;
void space_destroy(struct space *s);
/* Where a limit holds (ulimit -v, vm.overcommit_memory), there is no place for `n` sparse tables.
 */
int space_check_room(size_t n, struct error *err) must_check;

static inline struct space_entry *space_entry(const struct space *s, gva_t va)
{
    uint64_t index = (va >> GUEST_PAGE_SHIFT) & ((UINT64_C(1) << SPACE_INDEX_BITS) - 1);
    return (struct space_entry *)(s->base + SPACE_TABLE) + index;
}

static inline struct space_stack *space_stack(const struct space *s)
{
    return (struct space_stack *)(s->base + SPACE_STACK);
}

/* Set both halves of an entry; 0 is "slow path". `local`: forgotten by space_clear_local(). */
void space_fill(struct space *s, gva_t va, struct space_entry e, bool local);
void space_drop_page(struct space *s, gva_t va);
/* May the jump table name code of this page? */
bool space_has_jumps(const struct space *s, gva_t va);
/* No entry may write to the host page at `host` any more. */
void space_drop_write(struct space *s, uintptr_t host);
/* The one of `n` spaces that holds `key`, or the one used longest ago, emptied for it: *fresh. */
struct space *space_take(struct space *spaces, unsigned n, uint64_t key, bool *fresh);
/* Forget all pages; those that are not mapped in every address space. */
void space_clear(struct space *s);
void space_clear_local(struct space *s);

void space_jump_set(struct space *s, gva_t va, uint64_t code);
/* What the table names for `va`; 0: nothing. */
uint64_t space_jump_get(const struct space *s, gva_t va);
/* Forget the jump slots of a page's code. */
void space_jumps_drop_page(struct space *s, gva_t va);
void space_jumps_clear(struct space *s);

/* The places where a stray access through a wrong entry would land, for one slot of guest RAM. */
enum { SPACE_ALIASES = 1 << (47 - SPACE_INDEX_BITS - GUEST_PAGE_SHIFT) };
struct space_aliases {
    uintptr_t host; /* the slot */
    uint64_t len;
    uint16_t made; /* bit n: the nth place from 0 up is ours */
};
/* Make sure that nothing gets mapped there; undone by the second, after a failure too. */
int space_reserve_aliases(struct space_aliases *al, uintptr_t host, uint64_t len, struct error *err)
    must_check;
void space_release_aliases(struct space_aliases *al);

#endif
