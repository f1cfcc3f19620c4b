/*
 * Guest-physical memory: slots of one sealed memfd, and the only door to them.
 *
 * Invariants
 * 1. Slots never overlap, are page-aligned, and do not change once vCPUs run.
 * 2. Guest memory is hostile and changing: gpa_read() copies in, then the caller checks the copy.
 * 3. Every host-side write goes through gpa_write() or is followed by gpa_wrote(), which sets the
 *    dirty bits and tells the engine when the page holds translated or decoded code.
 * 4. Only gpa_* and the engines' TLB fill know the host mapping.
 * 5. MEM_PAGE_CODE is set by guest_mem_code_mark() only, before the bytes are decoded, with the
 *    lines of 64 bytes that hold code; a write to one of those bumps code_gen under the same lock,
 *    takes the mark off those it hit, and then tells the engine which.
 * So code decoded under the generation that code_mark returned is stale exactly if code_gen differs
 * from it now.
 */
#ifndef DOPPEL_MEM_GUEST_MEM_H
#define DOPPEL_MEM_GUEST_MEM_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"

enum { MEM_MAX_SLOTS = 16, MEM_MIXED_PAGES = 256 };

/* Per guest page, one byte, changed atomically. */
enum mem_page_flag {
    MEM_PAGE_CODE = 1 << 0,  /* an engine holds code decoded from this page */
    MEM_PAGE_CLEAN = 1 << 1, /* dirty logging is on and this page was not written yet */
    MEM_PAGE_MIXED = 1 << 2, /* code that watches itself runs here; stores need not be told of */
};

/* Under code_lock. */
struct mem_code_heat {
    uint16_t idle; /* writes since no line holds code any more */
    uint16_t heat; /* of late writes, as of `when` */
    uint16_t when;
};

struct mem_slot {
    gpa_t base;
    uint64_t len;
    uint64_t offset; /* in the memfd */
    uint8_t *host;
    _Atomic uint8_t *page_flags; /* enum mem_page_flag, one byte a page */
    uint64_t *code_lines;        /* with MEM_PAGE_CODE: bit i = line i holds code; code_lock */
    struct mem_code_heat *code_heat;
    _Atomic uint32_t *code_gen; /* bumped whenever decoded code of the page went stale */
    bool readonly;              /* ROM: guest writes are dropped */
};

/* A page with MEM_PAGE_MIXED. */
struct mem_mixed {
    const struct mem_slot *slot;
    uint64_t index; /* in the slot */
    uint64_t until; /* mono_ns() */
};

struct guest_mem {
    int fd;
    uint64_t size; /* bytes of the memfd: all slots together */
    struct mem_slot slots[MEM_MAX_SLOTS];
    unsigned nslots;
    pthread_mutex_t code_lock;               /* innermost: invariant 5 */
    struct mem_mixed mixed[MEM_MIXED_PAGES]; /* oldest first; under code_lock */
    unsigned nmixed;
    _Atomic uint64_t mixed_until; /* of the first; UINT64_MAX: none */
    bool initialised;
    _Atomic bool dirty_logging;
    /* Called after a host-side or slow-path write hit lines of a page that are marked as code, and
     * are no more; any thread. */
    void (*code_written)(void *opaque, gpa_t page, uint64_t lines);
    void *code_opaque;
};

/* `size` bytes of guest memory in all, to be handed out by guest_mem_add_slot(). */
int guest_mem_init(struct guest_mem *m, uint64_t size, struct error *err) must_check;
/* Harmless after a failed init, on zeroes, and twice. */
void guest_mem_destroy(struct guest_mem *m);
/* The next `len` bytes of the memfd become guest-physical [base, base+len). */
int guest_mem_add_slot(struct guest_mem *m, gpa_t base, uint64_t len, bool readonly,
                       struct error *err) must_check;

/* The slot that holds `gpa`, or NULL. Any thread. */
const struct mem_slot *guest_mem_slot(const struct guest_mem *m, gpa_t gpa);

/* Copy; ranges may cross slots that touch. 0, or -EFAULT when any byte is not RAM (then nothing
 * or a prefix was copied). gpa_write to a read-only slot fails with -EROFS. */
int gpa_read(const struct guest_mem *m, gpa_t gpa, void *buf, size_t len) must_check;
int gpa_write(struct guest_mem *m, gpa_t gpa, const void *buf, size_t len) must_check;
int gpa_fill(struct guest_mem *m, gpa_t gpa, uint8_t byte, size_t len) must_check;

/* Loaders only (may write ROM, before the machine runs). */
int gpa_write_rom(struct guest_mem *m, gpa_t gpa, const void *buf, size_t len) must_check;
/* Bytes [off, off+len) of file `fd`, ROM too; one call at a time for each guest_mem. -EFAULT: not
 * guest memory, -ENODATA: the file is shorter; then a prefix was copied. */
int gpa_write_file(struct guest_mem *m, gpa_t gpa, int fd, uint64_t off, uint64_t len) must_check;

/*
 * A host pointer to [gpa, gpa+len) for I/O that the kernel does on our behalf (readv, io_uring).
 * NULL when the range is not RAM, is not contiguous, or is wanted for writing and read-only. Stays
 * valid until the VM goes. After writing call gpa_wrote().
 */
void *gpa_pin(struct guest_mem *m, gpa_t gpa, size_t len, bool for_write);
void gpa_wrote(struct guest_mem *m, gpa_t gpa, size_t len);

/*
 * Atomic access for rings and page tables: 1, 2, 4 or 8 bytes, naturally aligned (else -EINVAL).
 * Loads acquire; stores and swaps are sequentially consistent. -EFAULT and -EROFS as above.
 */
int gpa_load(const struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t *val) must_check;
int gpa_store(struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t val) must_check;
/* Compare-and-swap of 4 or 8 bytes; 1 swapped, 0 not, or a negative errno as above. */
int gpa_cas(struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t old, uint64_t val) must_check;

/*
 * An engine is about to decode code of these lines of the page: flag it, and return the generation
 * to keep with what it decodes. The bytes are to be read (or compared once more) after this call.
 * Writes to other lines of the page disturb nobody. Any thread.
 */
#define MEM_ALL_LINES UINT64_MAX
/* The lines that bytes [off, off+len) of a page touch, cut to the page; `len` is not 0. */
static inline uint64_t guest_mem_lines(uint64_t off, uint64_t len)
{
    uint64_t last = MIN(off + len, GUEST_PAGE_SIZE) - 1;
    return (MEM_ALL_LINES << off / 64) & (MEM_ALL_LINES >> (63 - last / 64));
}

uint32_t guest_mem_code_mark(struct guest_mem *m, const struct mem_slot *s, gpa_t page,
                             uint64_t lines);
/*
 * Only if the page is flagged already: true, and its generation. Else the caller first takes away
 * cached write permissions (with the world stopped), then marks. Looking at the flag and then
 * marking would not do: a write may have cleared it in between, and given permissions out again.
 */
bool guest_mem_code_marked(struct guest_mem *m, const struct mem_slot *s, gpa_t page,
                           uint64_t lines, uint32_t *gen);

/*
 * A page that is written all the time: what is decoded from it must look by itself, when it is run,
 * whether the bytes are still the same. Then it need not be marked (but may be).
 */
static inline bool guest_mem_code_mixed(const struct mem_slot *s, gpa_t gpa)
{
    return atomic_load(&s->page_flags[(gpa - s->base) >> GUEST_PAGE_SHIFT]) & MEM_PAGE_MIXED;
}
/* Pages that have been mixed for long are ordinary ones again; what was decoded from them goes
 * stale. To be called now and then, when mixed_until is past. Any thread. */
void guest_mem_code_calm(struct guest_mem *m, uint64_t now);
/* For gpa_* only: lines of page `i` of the slot, which is flagged, have been written. */
void guest_mem_code_wrote(struct guest_mem *m, const struct mem_slot *s, uint64_t i,
                          uint64_t lines);

/*
 * Dirty log. start: from now on every page is clean until written. collect: bit i of `bitmap`
 * (64 pages a word, all words written) = page i of `slot` was written since start or the last
 * collect; it is clean again. The engine must drop cached write permissions after start and after
 * collect, before the caller reads the pages (engine_ops.dirty_log, dirty_collect).
 */
void guest_mem_dirty_start(struct guest_mem *m);
void guest_mem_dirty_stop(struct guest_mem *m);
int guest_mem_dirty_collect(struct guest_mem *m, unsigned slot, uint64_t *bitmap) must_check;

/*
 * The next run of pages of slot `s`, at or after page `from`, that may hold anything but zeroes:
 * returns its first page, its length in *count (0: none follow). Does not touch memory: pages never
 * written are skipped without being allocated.
 */
uint64_t guest_mem_next_used(const struct guest_mem *m, const struct mem_slot *s, uint64_t from,
                             uint64_t *count);
/* All memory back to zero, host pages given back. No vCPU runs. */
int guest_mem_clear(struct guest_mem *m, struct error *err) must_check;

#endif
