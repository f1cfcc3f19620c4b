/*
 * First-fit from the top over a handful of ranges; nothing here is worth a faster structure.
 */
#include "board/boot/place.h"

#include <errno.h>
#include <inttypes.h>

static bool in_ram(const struct e820_map *map, gpa_t base, uint64_t len)
{
    for (unsigned i = 0; i < map->n; i++) {
        const struct e820_entry *e = &map->e[i];
        if (e->type == E820_RAM && base >= e->base && base - e->base <= e->len &&
            len <= e->len - (base - e->base))
            return true;
    }
    return false;
}

static const struct place_range *overlap(const struct place *p, gpa_t base, uint64_t len)
{
    for (unsigned i = 0; i < p->n; i++) {
        const struct place_range *r = &p->taken[i];
        if (base < r->base + r->len && r->base < base + len)
            return r;
    }
    return NULL;
}

static int take(struct place *p, gpa_t base, uint64_t len, const char *what, struct error *err)
{
    if (p->n == PLACE_MAX)
        return error_set(err, ENOMEM, "the kernel has too many parts to load");
    p->taken[p->n++] = (struct place_range){base, len, what};
    return 0;
}

void place_init(struct place *p, const struct e820_map *map)
{
    p->map = map;
    p->n = 0;
}

gpa_t place_low_top(const struct place *p)
{
    gpa_t top = 0;
    for (unsigned i = 0; i < p->map->n; i++) {
        const struct e820_entry *e = &p->map->e[i];
        if (e->type == E820_RAM && e->base + e->len <= UINT64_C(1) << 32)
            top = MAX(top, e->base + e->len);
    }
    return top;
}

/* "above the top" is by far the commonest reason, and the one a user can do something about. */
static int not_ram(const struct place *p, gpa_t base, uint64_t len, const char *what,
                   struct error *err)
{
    gpa_t top = place_low_top(p);
    if (len <= UINT64_MAX - base && base + len > top && base + len <= UINT64_C(1) << 31)
        return error_set(err, ENOMEM,
                         "the guest has too little memory: the %s ends at %" PRIu64
                         " MiB and memory at %" PRIu64 " MiB (see --memory)",
                         what, (base + len + 0xfffff) >> 20, top >> 20);
    return error_set(err, ENOMEM,
                     "the %s wants %#" PRIx64 " bytes at %#" PRIx64
                     ", where the machine has no memory",
                     what, len, base);
}

int place_claim(struct place *p, gpa_t base, uint64_t len, const char *what, struct error *err)
{
    if (!in_ram(p->map, base, len))
        return not_ram(p, base, len, what, err);
    const struct place_range *r = overlap(p, base, len);
    if (r)
        return error_set(err, ENOMEM, "the %s at %#" PRIx64 " overlaps the %s at %#" PRIx64, what,
                         base, r->what, r->base);
    return take(p, base, len, what, err);
}

/* The highest free place in RAM range `e`, below `limit`; false when there is none. */
static bool find_in(const struct place *p, const struct e820_entry *e, uint64_t len, uint64_t align,
                    gpa_t limit, gpa_t *out)
{
    gpa_t end = MIN(e->base + e->len, limit);
    while (end >= len && end - len >= e->base) {
        gpa_t base = (end - len) & ~(align - 1);
        if (base < e->base)
            return false;
        const struct place_range *r = overlap(p, base, len);
        if (!r) {
            *out = base;
            return true;
        }
        end = r->base; /* strictly lower each time: r starts below base + len <= end */
    }
    return false;
}

int place_find(struct place *p, uint64_t len, gpa_t limit, const char *what, gpa_t *out,
               struct error *err)
{
    uint64_t align = len < GUEST_PAGE_SIZE ? 16 : GUEST_PAGE_SIZE;
    for (unsigned i = p->map->n; i-- > 0;) {
        const struct e820_entry *e = &p->map->e[i];
        if (e->type == E820_RAM && find_in(p, e, len, align, limit, out))
            return take(p, *out, len, what, err);
    }
    return error_set(err, ENOMEM,
                     "the guest has too little memory: no room for the %s of %" PRIu64
                     " KiB below %" PRIu64 " MiB (see --memory)",
                     what, (len + 1023) >> 10, MIN(limit, place_low_top(p)) >> 20);
}
