/*
 * Huge host pages for guest memory. A memfd gets none by itself on most hosts (shmem_enabled is
 * "never"), but MADV_COLLAPSE makes them on request, without privilege.
 */
#include <string.h>
#include <sys/mman.h>

#include "mem/guest_mem.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define EXTENT_SIZE (UINT64_C(2) << 20)

enum { EXTENT_PAGES = 512 };

/* Half of the extent in memory already: below that, a huge page would mostly allocate zeroes. */
static bool worth_it(void *p)
{
    unsigned char resident[EXTENT_PAGES];
    unsigned n = 0;

    if (mincore(p, EXTENT_SIZE, resident) < 0)
        return false;
    for (unsigned i = 0; i < EXTENT_PAGES; i++)
        n += resident[i] & 1;
    return n >= EXTENT_PAGES / 2;
}

/* The first whole extent at or after byte `pos` of the memfd, in any slot; NULL: none. */
static uint8_t *next_extent(const struct guest_mem *m, uint64_t *pos)
{
    for (unsigned i = 0; i < m->nslots; i++) {
        const struct mem_slot *s = &m->slots[i];
        uint64_t at = MAX(*pos, s->offset);
        at = (at + EXTENT_SIZE - 1) & ~(EXTENT_SIZE - 1);
        if (at < s->offset + s->len && s->offset + s->len - at >= EXTENT_SIZE) {
            *pos = at;
            return s->host + (at - s->offset);
        }
    }
    return NULL;
}

unsigned guest_mem_collapse(struct guest_mem *m, uint64_t *cursor, unsigned max_extents)
{
    unsigned done = 0;

    for (; max_extents; max_extents--) {
        uint8_t *p = next_extent(m, cursor);
        if (!p) {
            *cursor = 0;
            break;
        }
        *cursor += EXTENT_SIZE;
        if (worth_it(p) && madvise(p, EXTENT_SIZE, MADV_COLLAPSE) == 0)
            done++;
    }
    return done;
}
