/*
 * Which parts of a guest's address space are mapped, and how: a sorted list without overlaps.
 * The host's own mappings hold the memory; this says what the guest asked for, which differs (code
 * is never executable on the host), and finds room.
 *
 * Not thread-safe: the arena's lock is held.
 */
#ifndef DOPPEL_PROCESS_LINUX_AREA_H
#define DOPPEL_PROCESS_LINUX_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"

enum area_flags {
    AREA_PRIVATE_ANON = 1 << 0, /* pages can be moved and grown as if new */
    AREA_SHM = 1 << 1,          /* a System V segment; never joined with the next */
};

struct area {
    gva_t start, end; /* of whole pages */
    uint8_t prot;     /* PROT_* as the guest wants them */
    uint8_t flags;
};

struct area_map {
    struct area *areas;
    size_t n, cap;
};

void area_map_free(struct area_map *m);
/* Map [start, end), in place of what was there. -ENOMEM: nothing changed. */
int area_set(struct area_map *m, struct area area) must_check;
/* Nothing is mapped in [start, end) any more. -ENOMEM likewise. */
int area_clear(struct area_map *m, gva_t start, gva_t end) must_check;
/* Change the rights of what is mapped in [start, end). */
int area_protect(struct area_map *m, gva_t start, gva_t end, uint8_t prot) must_check;

/* The area that holds va, or else the next one above it; NULL: none. */
const struct area *area_at_or_above(const struct area_map *m, gva_t va);
/* The area that holds va, or NULL. */
const struct area *area_find(const struct area_map *m, gva_t va);
/* Is all of it mapped? */
bool area_covers(const struct area_map *m, gva_t start, gva_t end);
/* Is any of it mapped, with at least one of these rights (0: however)? */
bool area_any(const struct area_map *m, gva_t start, gva_t end, uint8_t prot);
/* The highest free range of `len` bytes within [low, high), its start a multiple of `align`. 0: no
 * room. */
gva_t area_gap(const struct area_map *m, uint64_t len, gva_t low, gva_t high, uint64_t align);

#endif
