/*
 * Where things go in guest RAM: which ranges are RAM and which of them are taken already.
 *
 * Every loader claims what it loads, so that a kernel, its initrd and the tables built for it can
 * never overlap, whatever addresses a file asks for.
 */
#ifndef DOPPEL_BOARD_BOOT_PLACE_H
#define DOPPEL_BOARD_BOOT_PLACE_H

#include <stdbool.h>

#include "board/boot/boot.h"

enum { PLACE_MAX = 64 };

struct place_range {
    gpa_t base;
    uint64_t len;
    const char *what; /* static text: "kernel segment" */
};

struct place {
    const struct e820_map *map;
    struct place_range taken[PLACE_MAX];
    unsigned n;
};

void place_init(struct place *p, const struct e820_map *map);

/* Take [base, base+len), which must be free RAM; -ENOMEM with a sentence when it is not. */
int place_claim(struct place *p, gpa_t base, uint64_t len, const char *what, struct error *err)
    must_check;

/*
 * Take the highest free range of `len` bytes (> 0) that ends at or below `limit`. It begins at a
 * multiple of 16, and of the page size when it is at least a page long. -ENOMEM with a sentence
 * when there is none.
 */
int place_find(struct place *p, uint64_t len, gpa_t limit, const char *what, gpa_t *out,
               struct error *err) must_check;

/* The top of RAM below 4 GiB. */
gpa_t place_low_top(const struct place *p);

#endif
