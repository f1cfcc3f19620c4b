/*
 * Dispatch of MMIO and port I/O: from a guest access to the handler calls its region allows.
 */
#include "bus/io.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/endian.h"

int io_space_init(struct io_space *s)
{
    s->regions = NULL;
    s->n = s->cap = 0;
    atomic_store(&s->unclaimed, 0);
    /* vCPUs that hammer a device must not keep a moving BAR waiting for ever. Safe because nobody
     * reads twice: the lock is not held while a handler runs. */
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    int rc = -pthread_rwlock_init(&s->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    return rc;
}

void io_space_destroy(struct io_space *s)
{
    free(s->regions);
    s->regions = NULL;
    s->n = s->cap = 0;
    pthread_rwlock_destroy(&s->lock);
}

/* Index of the first region that ends after `addr`. Lock held. */
static unsigned find(const struct io_space *s, uint64_t addr)
{
    unsigned lo = 0, hi = s->n;

    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        /* The last byte, because base + len may be 2^64. */
        if (s->regions[mid].base + (s->regions[mid].len - 1) < addr)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static int check_region(const struct io_region *r)
{
    if (!r->len || r->base + (r->len - 1) < r->base)
        return -EINVAL;
    if (!bits_is_pow2(r->ops->min_size) || !bits_is_pow2(r->ops->max_size))
        return -EINVAL;
    if (r->ops->min_size > r->ops->max_size || r->ops->max_size > 8)
        return -EINVAL;
    return 0;
}

/* Write lock held. */
static int insert(struct io_space *s, const struct io_region *r)
{
    unsigned i = find(s, r->base);
    if (i < s->n && s->regions[i].base <= r->base + (r->len - 1))
        return -EEXIST;
    if (s->n == s->cap) {
        unsigned cap = s->cap * 2 + 8;
        struct io_region *grown = realloc(s->regions, cap * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        s->regions = grown;
        s->cap = cap;
    }
    memmove(&s->regions[i + 1], &s->regions[i], (s->n - i) * sizeof(*r));
    s->regions[i] = *r;
    s->n++;
    return 0;
}

int io_space_add(struct io_space *s, const struct io_region *r)
{
    int rc = check_region(r);
    if (rc)
        return rc;
    pthread_rwlock_wrlock(&s->lock);
    rc = insert(s, r);
    pthread_rwlock_unlock(&s->lock);
    return rc;
}

void io_space_remove(struct io_space *s, uint64_t base)
{
    pthread_rwlock_wrlock(&s->lock);
    unsigned i = find(s, base);
    if (i < s->n && s->regions[i].base == base) {
        s->n--;
        memmove(&s->regions[i], &s->regions[i + 1], (s->n - i) * sizeof(*s->regions));
    }
    pthread_rwlock_unlock(&s->lock);
}

/* One guest access, least significant byte first in `data`. */
struct access {
    uint64_t addr;
    unsigned size;
    bool write;
    uint8_t data[8];
};

static unsigned chunk_size(const struct io_ops *ops, uint64_t off, unsigned left)
{
    unsigned size = MIN(ops->max_size, 1u << bits_log2(left));

    while (!ops->unaligned && off % size)
        size /= 2;
    return size;
}

static enum io_status one_call(const struct io_region *r, const struct access *a, uint64_t off,
                               unsigned size, uint8_t *data)
{
    uint64_t val = 0;
    enum io_status st;

    if (a->write) {
        val = le_load(data, size);
        return r->ops->write ? r->ops->write(r->opaque, off, size, val) : IO_UNCLAIMED;
    }
    st = r->ops->read ? r->ops->read(r->opaque, off, size, &val) : IO_UNCLAIMED;
    if (st == IO_OK)
        le_store(data, size, val);
    return st;
}

/* Bytes [at, at+n) of the access lie in `r`. The region's lock spans all calls, so that a split
 * access is still one to the device. */
static enum io_status region_access(const struct io_region *r, struct access *a, unsigned at,
                                    unsigned n)
{
    enum io_status status = IO_OK;
    uint64_t off = a->addr + at - r->base;

    if (r->lock)
        pthread_mutex_lock(r->lock);
    while (n) {
        unsigned size = chunk_size(r->ops, off, n);
        enum io_status st = IO_ERROR;
        if (size >= r->ops->min_size)
            st = one_call(r, a, off, size, a->data + at);
        if (st != IO_OK)
            status = st;
        at += size;
        off += size;
        n -= size;
    }
    if (r->lock)
        pthread_mutex_unlock(r->lock);
    return status;
}

/* The region at `addr`, copied because the array may change when the lock is gone; or false, and
 * `*gap` bytes from addr on belong to nobody. */
static bool lookup(struct io_space *s, uint64_t addr, struct io_region *r, uint64_t *gap)
{
    bool found = false;

    pthread_rwlock_rdlock(&s->lock);
    unsigned i = find(s, addr);
    if (i < s->n && s->regions[i].base <= addr) {
        *r = s->regions[i];
        found = true;
    } else {
        *gap = i < s->n ? s->regions[i].base - addr : UINT64_MAX;
    }
    pthread_rwlock_unlock(&s->lock);
    return found;
}

/* An access may span regions and gaps (a dword at a byte port); each part goes its own way, and it
 * counts as answered if anybody answered. */
static enum io_status dispatch(struct io_space *s, struct access *a)
{
    enum io_status status = IO_UNCLAIMED;
    unsigned n;

    for (unsigned at = 0; at < a->size; at += n) {
        struct io_region r;
        uint64_t addr = a->addr + at, span = 0;
        bool found = lookup(s, addr, &r, &span);
        if (found)
            span = r.len - (addr - r.base);
        n = (unsigned)MIN(span, a->size - at);
        enum io_status st = found ? region_access(&r, a, at, n) : IO_UNCLAIMED;
        if (st == IO_OK || status == IO_UNCLAIMED)
            status = st;
    }
    if (status == IO_UNCLAIMED)
        atomic_fetch_add_explicit(&s->unclaimed, 1, memory_order_relaxed);
    return status;
}

static bool valid_size(unsigned size)
{
    return bits_is_pow2(size) && size <= 8;
}

enum io_status io_space_read(struct io_space *s, uint64_t addr, unsigned size, uint64_t *val)
{
    struct access a = {.addr = addr, .size = size};

    *val = UINT64_MAX;
    if (!valid_size(size))
        return IO_ERROR;
    memset(a.data, 0xff, sizeof(a.data));
    enum io_status st = dispatch(s, &a);
    *val = le_load(a.data, size);
    return st;
}

enum io_status io_space_write(struct io_space *s, uint64_t addr, unsigned size, uint64_t val)
{
    struct access a = {.addr = addr, .size = size, .write = true};

    if (!valid_size(size))
        return IO_ERROR;
    le_store64(a.data, val);
    return dispatch(s, &a);
}
