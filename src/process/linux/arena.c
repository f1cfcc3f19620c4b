/* The reservation and the host mappings in it. */
#include "process/linux/arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "process/linux/host_call.h"

#ifndef MREMAP_DONTUNMAP /* Linux 5.7 */
#define MREMAP_DONTUNMAP 4
#endif

enum { RESERVED_FLAGS = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE };
/* Huge pages of guest and host begin together, so that large blocks of memory get some. As much or
 * more is free on both sides. */
#define ARENA_ALIGN (UINT64_C(1) << 30)
#define HUGE_PAGE   (UINT64_C(1) << 21)

static void *host_at(const struct arena *a, gva_t va)
{
    return (void *)(a->base + va);
}

/*
 * Far from all that the host maps by itself, if that is free: translated code does not look at an
 * address before it is used, and the wildest should hit nothing.
 */
static void *reserve(size_t len)
{
    void *lonely = (void *)(UINT64_C(1) << 45);
    void *p = mmap(lonely, len, PROT_NONE, RESERVED_FLAGS | MAP_FIXED_NOREPLACE, -1, 0);
    return p != MAP_FAILED ? p : mmap(NULL, len, PROT_NONE, RESERVED_FLAGS, -1, 0);
}

int arena_init(struct arena *a, struct error *err)
{
    *a = (struct arena){.size = ARENA_SIZE};
    size_t want = ARENA_SIZE + 3 * ARENA_ALIGN;
    uint8_t *p = reserve(want);
    if (p == MAP_FAILED)
        return error_set(err, errno, "cannot reserve 256 GiB of address space: %s (ulimit -v?)",
                         strerror(errno));
    a->reserved = p;
    a->base = ((hva_t)p + 2 * ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
    a->mmap_top = ARENA_SIZE;
    pthread_mutex_init(&a->lock, NULL);
    return 0;
}

void arena_destroy(struct arena *a)
{
    if (a->base)
        munmap(a->reserved, ARENA_SIZE + 3 * ARENA_ALIGN);
    area_map_free(&a->areas);
    pthread_mutex_destroy(&a->lock);
}

bool arena_range_ok(const struct arena *a, gva_t start, uint64_t len)
{
    return !(start & ~GUEST_PAGE_MASK) && start <= a->size && len <= a->size - start;
}

/* Translated code is what runs; the guest's own needs only be read. */
static int host_prot(uint8_t prot)
{
    return (prot & (PROT_READ | PROT_WRITE)) | (prot & PROT_EXEC ? PROT_READ : 0);
}

/* What was code there must not run as it was decoded. */
static void forget_code(struct arena *a, gva_t start, gva_t end)
{
    if (a->code_changed && area_any(&a->areas, start, end, PROT_EXEC))
        a->code_changed(a->opaque, start, end);
}

int arena_map(struct arena *a, struct area area, struct arena_source src)
{
    int flags = src.flags | MAP_FIXED | (src.fd < 0 ? MAP_ANONYMOUS : 0);
    forget_code(a, area.start, area.end);
    void *p = mmap(host_at(a, area.start), area.end - area.start, host_prot(area.prot), flags,
                   src.fd, (off_t)src.offset);
    if (p == MAP_FAILED)
        return -errno;
    area.flags = src.fd < 0 && (src.flags & MAP_TYPE) == MAP_PRIVATE ? AREA_PRIVATE_ANON : 0;
    return area_set(&a->areas, area);
}

static int reserve_again(struct arena *a, gva_t start, gva_t end, int fixed)
{
    void *p = mmap(host_at(a, start), end - start, PROT_NONE, RESERVED_FLAGS | fixed, -1, 0);
    return p == MAP_FAILED ? -errno : 0;
}

int arena_unmap(struct arena *a, gva_t start, gva_t end)
{
    if (!area_any(&a->areas, start, end, 0))
        return 0;
    forget_code(a, start, end);
    int r = reserve_again(a, start, end, MAP_FIXED);
    return r < 0 ? r : area_clear(&a->areas, start, end);
}

int arena_protect(struct arena *a, gva_t start, gva_t end, uint8_t prot)
{
    if (!area_covers(&a->areas, start, end))
        return -ENOMEM;
    forget_code(a, start, end);
    if (mprotect(host_at(a, start), end - start, host_prot(prot)) < 0)
        return -errno;
    return area_protect(&a->areas, start, end, prot);
}

gva_t arena_gap(const struct arena *a, uint64_t len)
{
    uint64_t align = len >= HUGE_PAGE ? HUGE_PAGE : GUEST_PAGE_SIZE;
    gva_t va = area_gap(&a->areas, len, ARENA_MIN_ADDR, a->mmap_top, align);
    return va || align == GUEST_PAGE_SIZE
               ? va
               : area_gap(&a->areas, len, ARENA_MIN_ADDR, a->mmap_top, GUEST_PAGE_SIZE);
}

/* Private anonymous pages: the old range stays ours all the time, and what is added is new memory.
 */
static int move_anon(struct arena *a, struct area from, gva_t to, uint64_t new_len)
{
    uint64_t old_len = from.end - from.start, moved = MIN(old_len, new_len);
    void *p = mremap(host_at(a, from.start), moved, moved,
                     MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP, host_at(a, to));
    if (p == MAP_FAILED)
        return -errno;
    if (new_len <= old_len)
        return 0;
    p = mmap(host_at(a, to + old_len), new_len - old_len, host_prot(from.prot),
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    return p == MAP_FAILED ? -errno : 0;
}

/*
 * Others leave a hole, which is closed at once; should something of ours have come into it, it
 * stays there, and the guest gets the range never again (it remains listed, without rights).
 */
static int move_other(struct arena *a, struct area from, gva_t to, uint64_t new_len)
{
    void *p = mremap(host_at(a, from.start), from.end - from.start, new_len,
                     MREMAP_MAYMOVE | MREMAP_FIXED, host_at(a, to));
    if (p == MAP_FAILED)
        return -errno;
    int r = reserve_again(a, from.start, from.end, MAP_FIXED_NOREPLACE);
    return r == -EEXIST ? 1 : r;
}

int arena_move(struct arena *a, struct area from, gva_t to, uint64_t new_len, bool keep)
{
    bool anon = from.flags & AREA_PRIVATE_ANON;
    if (keep && !anon)
        return -EINVAL;
    forget_code(a, from.start, from.end);
    forget_code(a, to, to + new_len);
    int r = anon ? move_anon(a, from, to, new_len) : move_other(a, from, to, new_len);
    if (r < 0)
        return r;
    struct area moved = {to, to + new_len, from.prot, from.flags};
    int s = area_set(&a->areas, moved);
    if (s < 0 || keep)
        return s;
    if (r == 1)
        return area_protect(&a->areas, from.start, from.end, PROT_NONE);
    return arena_unmap(a, from.start, from.end);
}

bool arena_executable(void *arena, gva_t va)
{
    struct arena *a = arena;
    pthread_mutex_lock(&a->lock);
    const struct area *area = area_find(&a->areas, va);
    bool yes = area && area->prot & PROT_EXEC;
    pthread_mutex_unlock(&a->lock);
    return yes;
}

int guest_read(const struct arena *a, void *dst, gva_t src, size_t len)
{
    const void *p = guest_ptr(a, src, len);
    return p ? (int)host_copy(dst, p, len) : -EFAULT;
}

int guest_write(const struct arena *a, gva_t dst, const void *src, size_t len)
{
    void *p = guest_ptr(a, dst, len);
    return p ? (int)host_copy(p, src, len) : -EFAULT;
}

int guest_zero(const struct arena *a, gva_t dst, size_t len)
{
    static const uint8_t zeroes[GUEST_PAGE_SIZE];
    for (size_t done = 0; done < len; done += sizeof(zeroes)) {
        if (guest_write(a, dst + done, zeroes, MIN(sizeof(zeroes), len - done)) < 0)
            return -EFAULT;
    }
    return 0;
}

ssize_t guest_string(const struct arena *a, char *dst, gva_t src, size_t cap)
{
    for (size_t done = 0; done < cap;) {
        /* Up to the page's end: the next one may not be there, and need not. */
        size_t n = MIN(cap - done, GUEST_PAGE_SIZE - ((src + done) & ~GUEST_PAGE_MASK));
        if (guest_read(a, dst + done, src + done, n) < 0)
            return -EFAULT;
        const char *end = memchr(dst + done, 0, n);
        if (end)
            return end - dst;
        done += n;
    }
    return -ENAMETOOLONG;
}
