#include "engine/dbt/fill.h"

#include <stdatomic.h>

enum { NEIGHBOURS = 16 }; /* pages of a large one that are filled together */

static const struct mem_slot *slot_at(const struct guest_mem *m, uintptr_t host)
{
    for (unsigned i = 0; i < m->nslots; i++) {
        if (host - (uintptr_t)m->slots[i].host < m->slots[i].len)
            return &m->slots[i];
    }
    return NULL;
}

/* RAM of this slot that stores may take the fast path to? */
static bool is_plain(const struct mem_slot *s, uintptr_t host)
{
    uint64_t off = host - (uintptr_t)s->host;
    return off < s->len && !s->readonly &&
           !(atomic_load_explicit(&s->page_flags[off >> GUEST_PAGE_SHIFT], memory_order_acquire) &
             (MEM_PAGE_CODE | MEM_PAGE_CLEAN));
}

void space_fill_around(struct space *s, const struct guest_mem *mem, gva_t va, struct space_entry e,
                       bool local)
{
    const gva_t around = NEIGHBOURS * GUEST_PAGE_SIZE;
    const struct mem_slot *slot = slot_at(mem, va + e.read);
    gva_t first = va & ~(around - 1);
    for (gva_t p = first; slot && p < first + around; p += GUEST_PAGE_SIZE) {
        const struct space_entry *now = space_entry(s, p);
        if (!now->read && !now->write && is_plain(slot, p + e.read))
            space_fill(s, p, e, local);
    }
}
