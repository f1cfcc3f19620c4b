/*
 * Dispatch of MMIO and port I/O to devices. Dispatch only: who sits where is the board's business.
 *
 * Widths are data: a handler sees only sizes in [min_size, max_size], naturally aligned unless the
 * region says `unaligned`. Accesses wider than max_size are split, narrower than min_size fail.
 */
#ifndef DOPPEL_BUS_IO_H
#define DOPPEL_BUS_IO_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"

enum io_status {
    IO_OK,
    IO_UNCLAIMED, /* nobody there: reads give all ones, writes vanish */
    IO_ERROR,     /* the device refused; treated as unclaimed towards the guest */
};

/* Both run on the accessing vCPU's thread, under the region's lock; they must not block.
 * `off` is relative to the region's base. */
struct io_ops {
    enum io_status (*read)(void *opaque, uint64_t off, unsigned size, uint64_t *val);
    enum io_status (*write)(void *opaque, uint64_t off, unsigned size, uint64_t val);
    uint8_t min_size, max_size; /* 1, 2, 4 or 8 */
    bool unaligned;
};

struct io_region {
    const char *name;
    uint64_t base, len;
    const struct io_ops *ops;
    void *opaque;
    pthread_mutex_t *lock; /* held around the handler; the device's own. May be NULL */
};

/* A sorted set of regions that do not overlap. One for MMIO, one for ports. */
struct io_space {
    pthread_rwlock_t lock; /* guards the array; never held while a handler runs */
    struct io_region *regions;
    unsigned n, cap;
    _Atomic uint64_t unclaimed; /* accesses nobody answered */
};

int io_space_init(struct io_space *s) must_check;
void io_space_destroy(struct io_space *s);
/* Copies `*r`. -EEXIST when it overlaps another region. A PCI BAR that the guest moves is
 * removed and added again; regions live as long as their device. */
int io_space_add(struct io_space *s, const struct io_region *r) must_check;
void io_space_remove(struct io_space *s, uint64_t base);
/* Guest accesses of 1, 2, 4 or 8 bytes. A read fills the low `size` bytes
 * of *val: with ones where nobody claims it. */
enum io_status io_space_read(struct io_space *s, uint64_t addr, unsigned size, uint64_t *val);
enum io_status io_space_write(struct io_space *s, uint64_t addr, unsigned size, uint64_t val);

#endif
