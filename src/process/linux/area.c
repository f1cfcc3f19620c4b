/* The list of mapped areas: an array, since programs have some hundred of them and look-ups rule.
 */
#include "process/linux/area.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void area_map_free(struct area_map *m)
{
    free(m->areas);
    *m = (struct area_map){0};
}

/* Index of the first area that ends above va. */
static size_t index_of(const struct area_map *m, gva_t va)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->areas[mid].end <= va)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* Room for two more: the most that one change adds. */
static int reserve(struct area_map *m)
{
    if (m->n + 2 <= m->cap)
        return 0;
    size_t cap = m->cap ? 2 * m->cap : 64;
    struct area *areas = realloc(m->areas, cap * sizeof(*areas));
    if (!areas)
        return -ENOMEM;
    m->areas = areas;
    m->cap = cap;
    return 0;
}

static void insert_at(struct area_map *m, size_t i, struct area area)
{
    memmove(&m->areas[i + 1], &m->areas[i], (m->n - i) * sizeof(*m->areas));
    m->areas[i] = area;
    m->n++;
}

static void remove_range(struct area_map *m, size_t from, size_t to)
{
    memmove(&m->areas[from], &m->areas[to], (m->n - to) * sizeof(*m->areas));
    m->n -= to - from;
}

/* Make `va` a border between areas. Room was reserved. */
static void split(struct area_map *m, gva_t va)
{
    size_t i = index_of(m, va);
    if (i == m->n || m->areas[i].start >= va)
        return;
    insert_at(m, i, m->areas[i]);
    m->areas[i].end = va;
    m->areas[i + 1].start = va;
}

static bool joins(const struct area *a, const struct area *b)
{
    return a->end == b->start && a->prot == b->prot && a->flags == b->flags &&
           !(a->flags & AREA_SHM);
}

/* Join what can be joined among the areas that touch [start, end]. */
static void join(struct area_map *m, gva_t start, gva_t end)
{
    size_t i = start ? index_of(m, start - 1) : 0;
    while (i + 1 < m->n && m->areas[i].start <= end) {
        if (joins(&m->areas[i], &m->areas[i + 1])) {
            m->areas[i].end = m->areas[i + 1].end;
            remove_range(m, i + 1, i + 2);
        } else {
            i++;
        }
    }
}

int area_clear(struct area_map *m, gva_t start, gva_t end)
{
    int r = reserve(m);
    if (r < 0)
        return r;
    split(m, start);
    split(m, end);
    remove_range(m, index_of(m, start), index_of(m, end));
    return 0;
}

int area_set(struct area_map *m, struct area area)
{
    int r = area_clear(m, area.start, area.end);
    if (r == 0)
        r = reserve(m);
    if (r < 0)
        return r;
    insert_at(m, index_of(m, area.start), area);
    join(m, area.start, area.end);
    return 0;
}

int area_protect(struct area_map *m, gva_t start, gva_t end, uint8_t prot)
{
    int r = reserve(m);
    if (r < 0)
        return r;
    split(m, start);
    split(m, end);
    for (size_t i = index_of(m, start); i < m->n && m->areas[i].start < end; i++)
        m->areas[i].prot = prot;
    join(m, start, end);
    return 0;
}

const struct area *area_at_or_above(const struct area_map *m, gva_t va)
{
    size_t i = index_of(m, va);
    return i < m->n ? &m->areas[i] : NULL;
}

const struct area *area_find(const struct area_map *m, gva_t va)
{
    const struct area *a = area_at_or_above(m, va);
    return a && a->start <= va ? a : NULL;
}

bool area_covers(const struct area_map *m, gva_t start, gva_t end)
{
    for (size_t i = index_of(m, start); start < end; i++) {
        if (i == m->n || m->areas[i].start > start)
            return false;
        start = m->areas[i].end;
    }
    return true;
}

bool area_any(const struct area_map *m, gva_t start, gva_t end, uint8_t prot)
{
    for (size_t i = index_of(m, start); i < m->n && m->areas[i].start < end; i++) {
        if (!prot || m->areas[i].prot & prot)
            return true;
    }
    return false;
}

/* The highest aligned place for `len` bytes in the free range [low, high); 0: none. */
static gva_t fit(gva_t low, gva_t high, uint64_t len, uint64_t align)
{
    if (high < low || high - low < len)
        return 0;
    gva_t va = (high - len) & ~(align - 1);
    return va >= low ? va : 0;
}

gva_t area_gap(const struct area_map *m, uint64_t len, gva_t low, gva_t high, uint64_t align)
{
    size_t i = index_of(m, high);
    if (i < m->n && m->areas[i].start < high)
        high = m->areas[i].start;
    for (;;) {
        gva_t floor = i > 0 ? MAX(m->areas[i - 1].end, low) : low;
        gva_t va = fit(floor, high, len, align);
        if (va)
            return va;
        if (i == 0 || m->areas[i - 1].start <= low)
            return 0;
        i--;
        high = MIN(high, m->areas[i].start);
    }
}
