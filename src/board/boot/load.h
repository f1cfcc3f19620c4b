/*
 * What the loaders of board/boot share while one guest is being loaded.
 */
#ifndef DOPPEL_BOARD_BOOT_LOAD_H
#define DOPPEL_BOARD_BOOT_LOAD_H

#include "board/boot/boot.h"
#include "board/boot/boot_file.h"
#include "board/boot/place.h"

/* Everything the guest is handed besides its kernel lies below here, in conventional memory. */
#define LOAD_LOW_LIMIT UINT64_C(0xa0000)

struct load {
    struct boot_ram ram;
    const struct boot_params_in *in;
    struct place place;
    struct boot_file kernel;
    struct boot_entry *out;
};

/* What the kernel frees or maps by the page shares none with anything else. */
static inline uint64_t load_pages(uint64_t len)
{
    return (len + GUEST_PAGE_SIZE - 1) & GUEST_PAGE_MASK;
}

/* Find room below LOAD_LOW_LIMIT for `len` bytes and write them there. */
int load_low(struct load *l, const void *buf, uint64_t len, const char *what, gpa_t *out,
             struct error *err) must_check;

/*
 * The command line, NUL-terminated, in low memory; *out = 0 when there is none to load. Longer than
 * `max` characters is an error.
 */
int load_cmdline(struct load *l, uint64_t max, gpa_t *out, struct error *err) must_check;

/* The initrd file as high as possible below `limit`; *len = 0 when there is none. */
int load_initrd(struct load *l, gpa_t limit, gpa_t *base, uint64_t *len, struct error *err)
    must_check;

#endif
