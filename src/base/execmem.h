/*
 * A buffer for code made at run time, mapped twice: one view may be written, the other executed,
 * and no page is ever both. Space is taken from the front and given back only all at once.
 *
 * Not thread-safe: the owner serialises the calls. Code already handed out may run meanwhile.
 */
#ifndef DOPPEL_BASE_EXECMEM_H
#define DOPPEL_BASE_EXECMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

struct execmem {
    uint8_t *rw;       /* written here ... */
    const uint8_t *rx; /* ... runs there */
    size_t size, used;
};

/* `size` is rounded up to pages; host memory is taken only for what gets used. */
int execmem_init(struct execmem *m, size_t size, struct error *err) must_check;
void execmem_destroy(struct execmem *m);

/*
 * Take host memory from offset `from` on, of what the last call returned: in one go, since a page
 * fault for each page of two views costs more than most of what is written there; and in huge pages
 * where the host lets us (`huge`), or else code that jumps about waits for its TLB. Returns how
 * far.
 */
size_t execmem_populate(const struct execmem *m, size_t from, bool huge);
/* `len` writable bytes, `align` a power of two; NULL when full. */
void *execmem_alloc(struct execmem *m, size_t len, size_t align);
/* Where the bytes at `rw` (from execmem_alloc) will run; and back. */
void *execmem_to_rx(const struct execmem *m, const void *rw);
void *execmem_to_rw(const struct execmem *m, const void *rx);
/* After writing and before running: makes the host fetch what was written. */
void execmem_publish(const struct execmem *m, const void *rw, size_t len);
/* All three at once: copy finished code in; its runnable address, or NULL when full. */
void *execmem_add(struct execmem *m, const void *code, size_t len, size_t align);
/* In the child of a fork(), which shares the pages with its parent: pages of its own at the same
 * addresses, of whose contents the first `keep` bytes are left. */
int execmem_unshare(struct execmem *m, size_t keep, struct error *err) must_check;
/* Forget everything; nobody may be running in it. */
void execmem_reset(struct execmem *m);

#endif
