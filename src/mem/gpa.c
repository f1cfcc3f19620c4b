/*
 * gpa_*: the only door to guest memory for everyone but the engines' fast paths.
 *
 * The guest's CPUs change this memory while we look at it. Plain copies may therefore tear (the
 * caller checks its copy); gpa_load, gpa_store and gpa_cas do not.
 */
#include <errno.h>
#include <string.h>

#include "mem/guest_mem.h"

static uint64_t page_index(const struct mem_slot *s, gpa_t gpa)
{
    return (gpa - s->base) >> GUEST_PAGE_SHIFT;
}

/* Lines of the page that [gpa, gpa+len) touches, cut to that page. */
static uint64_t lines_of(const struct mem_slot *s, uint64_t page, gpa_t gpa, uint64_t len)
{
    gpa_t start = s->base + (page << GUEST_PAGE_SHIFT);
    uint64_t from = gpa > start ? gpa - start : 0;
    return guest_mem_lines(from, gpa + len - start - from);
}

/* [gpa, gpa+len) lies in `s`; the bytes have been written. */
static void wrote_in_slot(struct guest_mem *m, const struct mem_slot *s, gpa_t gpa, uint64_t len)
{
    /* Our store must be visible before we look at the flags: an engine sets the flag and then reads
     * the bytes, the dirty log sets it and then copies the page. One of us sees the other. */
    atomic_thread_fence(memory_order_seq_cst);
    uint64_t last = page_index(s, gpa + len - 1);
    for (uint64_t i = page_index(s, gpa); i <= last; i++) {
        uint8_t flags = atomic_load_explicit(&s->page_flags[i], memory_order_relaxed);
        if (likely(!flags))
            continue;
        if (flags & MEM_PAGE_CLEAN)
            atomic_fetch_and(&s->page_flags[i], (uint8_t)~MEM_PAGE_CLEAN);
        if (flags & MEM_PAGE_CODE)
            guest_mem_code_wrote(m, s, i, lines_of(s, i, gpa, len));
    }
}

/* The bytes of [gpa, gpa+len) that one slot holds: host pointer and slot, *chunk long; or NULL. */
static uint8_t *locate(const struct guest_mem *m, gpa_t gpa, size_t len,
                       const struct mem_slot **slot, size_t *chunk)
{
    const struct mem_slot *s = guest_mem_slot(m, gpa);
    if (!s)
        return NULL;
    uint64_t off = gpa - s->base;
    *slot = s;
    *chunk = MIN(len, s->len - off);
    return s->host + off;
}

int gpa_read(const struct guest_mem *m, gpa_t gpa, void *buf, size_t len)
{
    const struct mem_slot *s;
    size_t n;

    for (uint8_t *to = buf; len; to += n, gpa += n, len -= n) {
        const uint8_t *p = locate(m, gpa, len, &s, &n);
        if (!p)
            return -EFAULT;
        memcpy(to, p, n);
    }
    return 0;
}

/* `buf` NULL: fill with `byte`. */
static int put(struct guest_mem *m, gpa_t gpa, const void *buf, int byte, size_t len, bool rom)
{
    const struct mem_slot *s;
    const uint8_t *from = buf;
    size_t n;

    for (; len; gpa += n, len -= n) {
        uint8_t *p = locate(m, gpa, len, &s, &n);
        if (!p)
            return -EFAULT;
        if (s->readonly && !rom)
            return -EROFS;
        if (from) {
            memcpy(p, from, n);
            from += n;
        } else {
            memset(p, byte, n);
        }
        wrote_in_slot(m, s, gpa, n);
    }
    return 0;
}

int gpa_write(struct guest_mem *m, gpa_t gpa, const void *buf, size_t len)
{
    return put(m, gpa, buf, 0, len, false);
}

int gpa_fill(struct guest_mem *m, gpa_t gpa, uint8_t byte, size_t len)
{
    return put(m, gpa, NULL, byte, len, false);
}

int gpa_write_rom(struct guest_mem *m, gpa_t gpa, const void *buf, size_t len)
{
    return put(m, gpa, buf, 0, len, true);
}

void *gpa_pin(struct guest_mem *m, gpa_t gpa, size_t len, bool for_write)
{
    const struct mem_slot *s;
    size_t n;

    uint8_t *p = locate(m, gpa, len, &s, &n);
    if (!p || n < len || (for_write && s->readonly))
        return NULL;
    return p;
}

void gpa_wrote(struct guest_mem *m, gpa_t gpa, size_t len)
{
    const struct mem_slot *s;
    size_t n;

    for (; len && locate(m, gpa, len, &s, &n); gpa += n, len -= n)
        wrote_in_slot(m, s, gpa, n);
}

/* Naturally aligned, so within one page. `*err` says why there is none. */
static void *locate_atomic(const struct guest_mem *m, gpa_t gpa, unsigned size,
                           const struct mem_slot **s, int *err)
{
    size_t n;

    *err = -EINVAL;
    if ((size != 1 && size != 2 && size != 4 && size != 8) || gpa % size)
        return NULL;
    *err = -EFAULT;
    return locate(m, gpa, size, s, &n);
}

int gpa_load(const struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t *val)
{
    const struct mem_slot *s;
    int err;

    void *p = locate_atomic(m, gpa, size, &s, &err);
    if (!p)
        return err;
    switch (size) {
    case 1:
        *val = __atomic_load_n((uint8_t *)p, __ATOMIC_ACQUIRE);
        break;
    case 2:
        *val = __atomic_load_n((uint16_t *)p, __ATOMIC_ACQUIRE);
        break;
    case 4:
        *val = __atomic_load_n((uint32_t *)p, __ATOMIC_ACQUIRE);
        break;
    default:
        *val = __atomic_load_n((uint64_t *)p, __ATOMIC_ACQUIRE);
    }
    return 0;
}

int gpa_store(struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t val)
{
    const struct mem_slot *s;
    int err;

    void *p = locate_atomic(m, gpa, size, &s, &err);
    if (!p)
        return err;
    if (s->readonly)
        return -EROFS;
    switch (size) {
    case 1:
        __atomic_store_n((uint8_t *)p, (uint8_t)val, __ATOMIC_SEQ_CST);
        break;
    case 2:
        __atomic_store_n((uint16_t *)p, (uint16_t)val, __ATOMIC_SEQ_CST);
        break;
    case 4:
        __atomic_store_n((uint32_t *)p, (uint32_t)val, __ATOMIC_SEQ_CST);
        break;
    default:
        __atomic_store_n((uint64_t *)p, val, __ATOMIC_SEQ_CST);
    }
    wrote_in_slot(m, s, gpa, size);
    return 0;
}

int gpa_cas(struct guest_mem *m, gpa_t gpa, unsigned size, uint64_t old, uint64_t val)
{
    const struct mem_slot *s;
    bool swapped;
    int err;

    if (size != 4 && size != 8)
        return -EINVAL;
    void *p = locate_atomic(m, gpa, size, &s, &err);
    if (!p)
        return err;
    if (s->readonly)
        return -EROFS;
    if (size == 4) {
        uint32_t expect = (uint32_t)old;
        swapped = __atomic_compare_exchange_n((uint32_t *)p, &expect, (uint32_t)val, false,
                                              __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    } else {
        swapped = __atomic_compare_exchange_n((uint64_t *)p, &old, val, false, __ATOMIC_SEQ_CST,
                                              __ATOMIC_SEQ_CST);
    }
    if (swapped)
        wrote_in_slot(m, s, gpa, size);
    return swapped;
}
