/* The guest's address space. All changes go through the arena, under its lock. */
#include <errno.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process/linux/process.h"

enum {
    PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC,
    /* What the host need not know: it is told the address anyway, and the arena has no pages of
     * other sizes. */
    FLAGS_OURS =
        MAP_FIXED | MAP_FIXED_NOREPLACE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_HUGETLB | MAP_32BIT,
};

static uint64_t pages(uint64_t len)
{
    return (len + GUEST_PAGE_SIZE - 1) & GUEST_PAGE_MASK;
}

long sys_brk(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    pthread_mutex_lock(&m->lock);
    gva_t old = pages(m->brk), want = pages(a[0]);
    bool ok = a[0] >= m->brk_start && a[0] < m->mmap_top;
    if (ok && want > old)
        ok = !area_any(&m->areas, old, want, 0) &&
             arena_map(m, (struct area){old, want, PROT_READ | PROT_WRITE, 0},
                       (struct arena_source){.fd = -1, .flags = MAP_PRIVATE}) == 0;
    else if (ok && want < old)
        ok = arena_unmap(m, want, old) == 0;
    if (ok)
        m->brk = a[0];
    gva_t now = m->brk;
    pthread_mutex_unlock(&m->lock);
    return (long)now;
}

/* Where a mapping goes: -errno, or the address. */
static int64_t place(const struct arena *m, gva_t hint, uint64_t len, int flags)
{
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (hint & ~GUEST_PAGE_MASK)
            return -EINVAL;
        if (!arena_range_ok(m, hint, len))
            return -ENOMEM;
        if (hint < ARENA_MIN_ADDR)
            return -EPERM;
        if (flags & MAP_FIXED_NOREPLACE && area_any(&m->areas, hint, hint + len, 0))
            return -EEXIST;
        return (int64_t)hint;
    }
    hint &= GUEST_PAGE_MASK;
    if (hint >= ARENA_MIN_ADDR && arena_range_ok(m, hint, len) && hint + len <= m->mmap_top &&
        !area_any(&m->areas, hint, hint + len, 0))
        return (int64_t)hint;
    gva_t va = arena_gap(m, len);
    return va ? (int64_t)va : -ENOMEM;
}

static long map(struct arena *m, const uint64_t *a, uint64_t len)
{
    int flags = (int)a[3];
    int64_t va = place(m, a[0], len, flags);
    if (va < 0)
        return va;
    struct area area = {(gva_t)va, (gva_t)va + len, (uint8_t)(a[2] & PROT_ALL), 0};
    struct arena_source src = {
        .fd = flags & MAP_ANONYMOUS ? -1 : (int)a[4],
        .flags = flags & ~FLAGS_OURS,
        .offset = flags & MAP_ANONYMOUS ? 0 : a[5],
    };
    int r = arena_map(m, area, src);
    return r < 0 ? r : va;
}

long sys_mmap(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    uint64_t len = pages(a[1]);
    if (!a[1] || a[5] & ~GUEST_PAGE_MASK)
        return -EINVAL;
    if (!len || len > m->size)
        return -ENOMEM;
    if (!((int)a[3] & MAP_ANONYMOUS) && (int)a[4] < 0)
        return -EBADF;
    pthread_mutex_lock(&m->lock);
    long r = map(m, a, len);
    pthread_mutex_unlock(&m->lock);
    return r;
}

long sys_munmap(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    uint64_t len = pages(a[1]);
    if (!len || !arena_range_ok(m, a[0], len))
        return -EINVAL;
    pthread_mutex_lock(&m->lock);
    int r = arena_unmap(m, a[0], a[0] + len);
    pthread_mutex_unlock(&m->lock);
    return r;
}

long sys_mprotect(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    uint64_t len = pages(a[1]);
    if (a[0] & ~GUEST_PAGE_MASK || a[2] & ~(uint64_t)PROT_ALL)
        return -EINVAL;
    if (!arena_range_ok(m, a[0], len) || (a[1] && !len))
        return -ENOMEM;
    if (!len)
        return 0;
    pthread_mutex_lock(&m->lock);
    int r = arena_protect(m, a[0], a[0] + len, (uint8_t)a[2]);
    pthread_mutex_unlock(&m->lock);
    return r;
}

/* New memory right behind, if there is room: true, it is done. */
static bool grow_in_place(struct arena *m, struct area from, uint64_t new_len)
{
    gva_t end = from.start + new_len;
    if (!(from.flags & AREA_PRIVATE_ANON) || !arena_range_ok(m, from.start, new_len) ||
        area_any(&m->areas, from.end, end, 0))
        return false;
    return arena_map(m, (struct area){from.end, end, from.prot, 0},
                     (struct arena_source){.fd = -1, .flags = MAP_PRIVATE}) == 0;
}

/* Where mremap() moves to: the caller's choice or ours; -errno. */
static int64_t move_to(const struct arena *m, struct area from, uint64_t new_len, const uint64_t *a)
{
    gva_t to = a[4];
    if (a[3] & MREMAP_FIXED) {
        bool overlaps = to < from.end && from.start < to + new_len;
        return !arena_range_ok(m, to, new_len) || to < ARENA_MIN_ADDR || overlaps ? -EINVAL
                                                                                  : (int64_t)to;
    }
    if (!(a[3] & MREMAP_MAYMOVE))
        return -ENOMEM;
    to = arena_gap(m, new_len);
    return to ? (int64_t)to : -ENOMEM;
}

static long remap(struct arena *m, const uint64_t *a, uint64_t old_len, uint64_t new_len)
{
    bool keep = a[3] & MREMAP_DONTUNMAP, fixed = a[3] & MREMAP_FIXED;
    const struct area *area = area_find(&m->areas, a[0]);
    if (!area || a[0] + old_len > area->end)
        return -EFAULT;
    struct area from = {a[0], a[0] + old_len, area->prot, area->flags};
    if (!fixed && !keep && new_len <= old_len) {
        int r = new_len < old_len ? arena_unmap(m, a[0] + new_len, from.end) : 0;
        return r < 0 ? r : (long)a[0];
    }
    if (!fixed && !keep && grow_in_place(m, from, new_len))
        return (long)a[0];
    int64_t to = move_to(m, from, new_len, a);
    if (to < 0)
        return to;
    int r = arena_move(m, from, (gva_t)to, new_len, keep);
    return r < 0 ? r : to;
}

long sys_mremap(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    uint64_t old_len = pages(a[1]), new_len = pages(a[2]);
    const uint64_t known = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP;
    bool must_move = a[3] & (MREMAP_FIXED | MREMAP_DONTUNMAP);
    if (a[3] & ~known || (must_move && !(a[3] & MREMAP_MAYMOVE)) || !new_len || !old_len ||
        !arena_range_ok(m, a[0], old_len) || (a[3] & MREMAP_FIXED && a[4] & ~GUEST_PAGE_MASK))
        return -EINVAL;
    if (new_len > m->size)
        return -ENOMEM;
    pthread_mutex_lock(&m->lock);
    long r = remap(m, a, old_len, new_len);
    pthread_mutex_unlock(&m->lock);
    return r;
}

long sys_madvise(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    uint64_t len = pages(a[1]);
    if (a[0] & ~GUEST_PAGE_MASK || (a[1] && !len))
        return -EINVAL;
    if (!arena_range_ok(m, a[0], len))
        return -ENOMEM;
    /* On the reservation it would succeed where the guest has nothing. */
    pthread_mutex_lock(&m->lock);
    bool covered = area_covers(&m->areas, a[0], a[0] + len);
    long r = madvise((void *)(m->base + a[0]), len, (int)a[2]) < 0 ? -errno : 0;
    pthread_mutex_unlock(&m->lock);
    return r == 0 && !covered ? -ENOMEM : r;
}

long sys_shmat(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    struct shmid_ds ds;
    if (shmctl((int)a[0], IPC_STAT, &ds) < 0)
        return -errno;
    uint64_t len = pages(ds.shm_segsz);
    gva_t hint = a[2] & SHM_RND ? a[1] & GUEST_PAGE_MASK : a[1];
    pthread_mutex_lock(&m->lock);
    int64_t va = place(m, hint, len,
                       !hint              ? 0
                       : a[2] & SHM_REMAP ? MAP_FIXED
                                          : MAP_FIXED_NOREPLACE);
    long r = va == -EEXIST ? -EINVAL : va;
    if (va >= 0 &&
        shmat((int)a[0], (void *)(m->base + (gva_t)va), (int)a[2] | SHM_REMAP) == (void *)-1)
        r = -errno;
    uint8_t prot = PROT_READ | (a[2] & SHM_RDONLY ? 0 : PROT_WRITE);
    struct area area = {(gva_t)va, (gva_t)va + len, prot, AREA_SHM};
    if (r >= 0 && area_set(&m->areas, area) < 0)
        r = -ENOMEM;
    pthread_mutex_unlock(&m->lock);
    return r;
}

long sys_shmdt(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    pthread_mutex_lock(&m->lock);
    const struct area *area = area_find(&m->areas, a[0]);
    long r = -EINVAL;
    if (area && area->start == a[0] && area->flags & AREA_SHM)
        r = arena_unmap(m, area->start, area->end); /* mapping over it detaches */
    pthread_mutex_unlock(&m->lock);
    return r;
}

/* The reservation must not be locked into memory with the guest's. */
long sys_mlockall(struct thread *t, const uint64_t *a)
{
    (void)t;
    return !a[0] || a[0] & ~UINT64_C(7) ? -EINVAL : 0;
}

long sys_munlockall(struct thread *t, const uint64_t *a)
{
    (void)t;
    (void)a;
    return 0;
}

long sys_riscv_flush_icache(struct thread *t, const uint64_t *a)
{
    struct arena *m = thread_arena(t);
    if (a[2] & ~UINT64_C(1))
        return -EINVAL;
    pthread_mutex_lock(&m->lock);
    process_code_changed(t->process, a[0] & GUEST_PAGE_MASK, MIN(pages(a[1]), m->size));
    pthread_mutex_unlock(&m->lock);
    return 0;
}
