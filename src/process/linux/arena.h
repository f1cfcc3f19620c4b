/*
 * A guest process's memory: one reservation of host address space as large as a Sv39 user address
 * space, in which guest address a is host address base + a, and the list of what is mapped in it.
 *
 * Invariants
 * 1. Every page of the reservation belongs to a host mapping at all times, PROT_NONE where the
 *    guest has nothing: no allocation of ours may land in it. (Moving a shared mapping leaves a
 *    hole for a moment; see arena_move.)
 * 2. No page is executable on the host. What the guest may execute stands in `areas`.
 * 3. Before and behind the arena lies a guard larger than any structure the kernel writes: a
 *    pointer below `size` may be handed to it without a look at the structure's size.
 */
#ifndef DOPPEL_PROCESS_LINUX_ARENA_H
#define DOPPEL_PROCESS_LINUX_ARENA_H

#include <pthread.h>
#include <sys/types.h>

#include "base/error.h"
#include "process/linux/area.h"

#define ARENA_SIZE (UINT64_C(1) << 38)
#define ARENA_MIN_ADDR                                                                             \
    UINT64_C(0x10000) /* below it nothing is mapped, as vm.mmap_min_addr has it */

struct arena {
    hva_t base;
    void *reserved; /* from here, with the guards */
    uint64_t size;
    gva_t mmap_top; /* mappings without an address are placed below */
    gva_t brk_start, brk;
    struct area_map areas;
    pthread_mutex_t lock; /* areas, brk, and the host's mappings of the reservation */
    /* Code in [start, end) changed or went away; called under the lock. NULL: nobody asks. */
    void (*code_changed)(void *opaque, gva_t start, gva_t end);
    void *opaque;
};

/* A file to map: fd < 0 for anonymous memory. */
struct arena_source {
    int fd;
    int flags; /* of mmap, but for MAP_FIXED* */
    uint64_t offset;
};

int arena_init(struct arena *a, struct error *err) must_check;
void arena_destroy(struct arena *a);

/* All take whole pages inside the arena (arena_range_ok) and return 0 or -errno; lock held. */
bool arena_range_ok(const struct arena *a, gva_t start, uint64_t len);
int arena_map(struct arena *a, struct area area, struct arena_source src) must_check;
int arena_unmap(struct arena *a, gva_t start, gva_t end) must_check;
int arena_protect(struct arena *a, gva_t start, gva_t end, uint8_t prot) must_check;
/* Room for `len` bytes; 0: none. */
gva_t arena_gap(const struct arena *a, uint64_t len);
/*
 * Move [from, from + old_len) to `to`, where new_len bytes become mapped. One area, and the ranges
 * do not overlap. `keep`: the old range stays mapped, empty.
 */
int arena_move(struct arena *a, struct area from, gva_t to, uint64_t new_len, bool keep) must_check;

/* Takes the lock: may code be fetched there? */
bool arena_executable(void *arena, gva_t va);

/* Copies between guest and host; -EFAULT where the guest has no such memory. Any thread. */
int guest_read(const struct arena *a, void *dst, gva_t src, size_t len) must_check;
int guest_write(const struct arena *a, gva_t dst, const void *src, size_t len) must_check;
int guest_zero(const struct arena *a, gva_t dst, size_t len) must_check;
/* A string with its end: its length, -EFAULT, or -ENAMETOOLONG when `cap` does not hold it. */
ssize_t guest_string(const struct arena *a, char *dst, gva_t src, size_t cap) must_check;
/* Where the kernel finds `len` bytes at va, which need not be mapped; NULL: not in the arena. */
static inline void *guest_ptr(const struct arena *a, gva_t va, uint64_t len)
{
    return va < a->size && len <= a->size - va ? (void *)(a->base + va) : NULL;
}

#endif
