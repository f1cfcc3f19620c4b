/*
 * The dirty log of software writes, on MEM_PAGE_CLEAN. (KVM keeps its own for what vCPUs write; the
 * two are merged by the engine's dirty_collect.)
 */
#include <errno.h>
#include <string.h>

#include "mem/guest_mem.h"

static uint64_t slot_pages(const struct mem_slot *s)
{
    return s->len >> GUEST_PAGE_SHIFT;
}

void guest_mem_dirty_start(struct guest_mem *m)
{
    atomic_store(&m->dirty_logging, true);
    for (unsigned n = 0; n < m->nslots; n++) {
        const struct mem_slot *s = &m->slots[n];
        for (uint64_t i = 0; i < slot_pages(s); i++)
            atomic_fetch_or(&s->page_flags[i], MEM_PAGE_CLEAN);
    }
}

void guest_mem_dirty_stop(struct guest_mem *m)
{
    atomic_store(&m->dirty_logging, false);
    for (unsigned n = 0; n < m->nslots; n++) {
        const struct mem_slot *s = &m->slots[n];
        for (uint64_t i = 0; i < slot_pages(s); i++)
            atomic_fetch_and(&s->page_flags[i], (uint8_t)~MEM_PAGE_CLEAN);
    }
}

int guest_mem_dirty_collect(struct guest_mem *m, unsigned slot, uint64_t *bitmap)
{
    if (slot >= m->nslots || !atomic_load(&m->dirty_logging))
        return -EINVAL;
    const struct mem_slot *s = &m->slots[slot];
    memset(bitmap, 0, (slot_pages(s) + 63) / 64 * sizeof(*bitmap));
    for (uint64_t i = 0; i < slot_pages(s); i++) {
        if (atomic_load_explicit(&s->page_flags[i], memory_order_relaxed) & MEM_PAGE_CLEAN)
            continue;
        /* Clean first, then the caller reads the page: a write in between marks it again. */
        atomic_fetch_or(&s->page_flags[i], MEM_PAGE_CLEAN);
        bitmap[i / 64] |= UINT64_C(1) << i % 64;
    }
    return 0;
}
