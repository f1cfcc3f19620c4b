/*
 * Which pages and lines hold code that an engine decoded, and what a write to them means.
 *
 * Pages that are written again and again while their code runs (code generators, data beside code)
 * are "mixed" for a while: no longer watched, at the price of code that looks by itself whether it
 * is still what it was made from.
 */
#include <string.h>

#include "base/evloop.h"
#include "mem/guest_mem.h"

enum {
    IDLE_WRITES = 32,
    /* Heat: what writes add, where it makes a page mixed, and how fast it halves. */
    HEAT_HIT = 32,
    HEAT_BESIDE = 1,
    HEAT_MIXED = 512,
    HEAT_HALVES_SHIFT = 22, /* about 4 ms */
};
#define MIXED_NS UINT64_C(2000000000)

static uint64_t page_index(const struct mem_slot *s, gpa_t gpa)
{
    return (gpa - s->base) >> GUEST_PAGE_SHIFT;
}

uint32_t guest_mem_code_mark(struct guest_mem *m, const struct mem_slot *s, gpa_t page,
                             uint64_t lines)
{
    uint64_t i = page_index(s, page);

    pthread_mutex_lock(&m->code_lock);
    if (!(atomic_fetch_or(&s->page_flags[i], MEM_PAGE_CODE) & MEM_PAGE_CODE))
        s->code_lines[i] = 0;
    s->code_lines[i] |= lines;
    s->code_heat[i].idle = 0;
    uint32_t gen = atomic_load(&s->code_gen[i]);
    pthread_mutex_unlock(&m->code_lock);
    return gen;
}

bool guest_mem_code_marked(struct guest_mem *m, const struct mem_slot *s, gpa_t page,
                           uint64_t lines, uint32_t *gen)
{
    uint64_t i = page_index(s, page);

    pthread_mutex_lock(&m->code_lock);
    bool marked = atomic_load(&s->page_flags[i]) & MEM_PAGE_CODE;
    if (marked) {
        s->code_lines[i] |= lines;
        s->code_heat[i].idle = 0;
    }
    *gen = atomic_load(&s->code_gen[i]);
    pthread_mutex_unlock(&m->code_lock);
    return marked;
}

static bool becomes_hot(struct mem_code_heat *h, bool hit, uint64_t now)
{
    uint16_t when = (uint16_t)(now >> HEAT_HALVES_SHIFT), passed = (uint16_t)(when - h->when);
    h->heat = (uint16_t)(h->heat >> MIN(passed, 15));
    h->heat = (uint16_t)(h->heat + (hit ? HEAT_HIT : HEAT_BESIDE));
    h->when = when;
    return h->heat >= HEAT_MIXED;
}

/* From now on nobody watches the page. False: too many are like that. */
static bool become_mixed(struct guest_mem *m, const struct mem_slot *s, uint64_t i, uint64_t now)
{
    if (m->nmixed == MEM_MIXED_PAGES)
        return false;
    m->mixed[m->nmixed++] = (struct mem_mixed){s, i, now + MIXED_NS};
    if (m->nmixed == 1)
        atomic_store(&m->mixed_until, now + MIXED_NS);
    s->code_heat[i].heat = 0;
    s->code_lines[i] = 0;
    atomic_fetch_add(&s->code_gen[i], 1);
    atomic_fetch_or(&s->page_flags[i], MEM_PAGE_MIXED);
    atomic_fetch_and(&s->page_flags[i], (uint8_t)~MEM_PAGE_CODE);
    return true;
}

/*
 * The lines whose code went stale. A page whose code was overwritten keeps its flag for a while:
 * who generates code writes there again, and taking away write permissions each time costs more
 * than slow writes. A page decoded as a whole goes stale as a whole, and loses it at once.
 */
static uint64_t touch_code(struct guest_mem *m, const struct mem_slot *s, uint64_t i,
                           uint64_t lines)
{
    bool whole = s->code_lines[i] == MEM_ALL_LINES;
    uint64_t hit = whole ? MEM_ALL_LINES : s->code_lines[i] & lines, now = mono_ns();
    bool mixed = atomic_load(&s->page_flags[i]) & MEM_PAGE_MIXED;
    if (becomes_hot(&s->code_heat[i], hit != 0, now) && !mixed && become_mixed(m, s, i, now))
        return MEM_ALL_LINES;
    if (hit) {
        s->code_lines[i] &= ~hit;
        atomic_fetch_add(&s->code_gen[i], 1);
    } else if (!s->code_lines[i]) {
        s->code_heat[i].idle++;
    }
    /* The flag goes last: whoever then sees the page without it also sees the new generation. */
    if (whole || s->code_heat[i].idle > IDLE_WRITES)
        atomic_fetch_and(&s->page_flags[i], (uint8_t)~MEM_PAGE_CODE);
    return hit;
}

static void tell(struct guest_mem *m, const struct mem_slot *s, uint64_t i, uint64_t lines)
{
    if (lines && m->code_written)
        m->code_written(m->code_opaque, s->base + (i << GUEST_PAGE_SHIFT), lines);
}

void guest_mem_code_wrote(struct guest_mem *m, const struct mem_slot *s, uint64_t i, uint64_t lines)
{
    pthread_mutex_lock(&m->code_lock);
    bool code = atomic_load(&s->page_flags[i]) & MEM_PAGE_CODE;
    uint64_t hit = code ? touch_code(m, s, i, lines) : 0;
    pthread_mutex_unlock(&m->code_lock);
    tell(m, s, i, hit);
}

/* Take the page that has been mixed longest out of the list; false: its time has not come. */
static bool take_due(struct guest_mem *m, uint64_t now, struct mem_mixed *page)
{
    bool due;
    pthread_mutex_lock(&m->code_lock);
    due = m->nmixed && m->mixed[0].until <= now;
    if (due) {
        *page = m->mixed[0];
        m->nmixed--;
        memmove(m->mixed, m->mixed + 1, m->nmixed * sizeof(m->mixed[0]));
        atomic_fetch_and(&page->slot->page_flags[page->index], (uint8_t)~MEM_PAGE_MIXED);
    }
    atomic_store(&m->mixed_until, m->nmixed ? m->mixed[0].until : UINT64_MAX);
    pthread_mutex_unlock(&m->code_lock);
    return due;
}

void guest_mem_code_calm(struct guest_mem *m, uint64_t now)
{
    struct mem_mixed page;
    while (take_due(m, now, &page))
        tell(m, page.slot, page.index, MEM_ALL_LINES);
}
