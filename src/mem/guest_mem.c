/*
 * Guest-physical memory: making and mapping it. Access is in gpa.c, dirty log in dirty.c.
 *
 * Start-up must not depend on the guest's size: everything here is mapped, nothing is touched.
 */
#include "mem/guest_mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/parse.h"

enum { HUGE_PAGE_SHIFT = 21 };
#define HUGE_PAGE_SIZE (UINT64_C(1) << HUGE_PAGE_SHIFT)

static int check_size(uint64_t size, struct error *err)
{
    char want[32], have[32];
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

    if (!size || size % GUEST_PAGE_SIZE)
        return error_set(err, EINVAL, "guest memory must be a whole number of 4 KiB pages");
    if (size > host)
        return error_set(err, ENOMEM, "%s of guest memory is more than this host has (%s)",
                         parse_format_size(size, want, sizeof(want)),
                         parse_format_size(host, have, sizeof(have)));
    return 0;
}

int guest_mem_init(struct guest_mem *m, uint64_t size, struct error *err)
{
    *m = (struct guest_mem){.fd = -1, .size = size, .mixed_until = UINT64_MAX};
    int rc = check_size(size, err);
    if (rc)
        return rc;
    pthread_mutex_init(&m->code_lock, NULL);
    m->initialised = true;
    m->fd = memfd_create("doppel-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (m->fd < 0 || ftruncate(m->fd, (off_t)size) < 0) {
        rc = error_set(err, errno, "cannot make guest memory: %s", strerror(errno));
        guest_mem_destroy(m);
        return rc;
    }
    /* Nobody who is handed the fd can cut it short under our mapping (that would be SIGBUS). A
     * kernel without seals only loses that protection. */
    (void)fcntl(m->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    return 0;
}

static uint64_t slot_pages(const struct mem_slot *s)
{
    return s->len >> GUEST_PAGE_SHIFT;
}

/* What is kept for each page shares one lazily zero mapping; the biggest first, for alignment. */
static size_t page_arrays_len(const struct mem_slot *s)
{
    return slot_pages(s) * (sizeof(*s->code_lines) + sizeof(*s->code_gen) + sizeof(*s->code_heat) +
                            sizeof(*s->page_flags));
}

static void place_arrays(struct mem_slot *s, void *arrays)
{
    s->code_lines = arrays;
    s->code_gen = (_Atomic uint32_t *)(s->code_lines + slot_pages(s));
    s->code_heat = (struct mem_code_heat *)(s->code_gen + slot_pages(s));
    s->page_flags = (_Atomic uint8_t *)(s->code_heat + slot_pages(s));
}

static void unmap_slot(struct mem_slot *s)
{
    if (s->host)
        munmap(s->host, s->len);
    if (s->code_lines)
        munmap(s->code_lines, page_arrays_len(s));
    s->host = NULL;
    s->code_lines = NULL;
    s->code_gen = NULL;
    s->page_flags = NULL;
}

void guest_mem_destroy(struct guest_mem *m)
{
    if (!m->initialised)
        return;
    for (unsigned i = 0; i < m->nslots; i++)
        unmap_slot(&m->slots[i]);
    if (m->fd >= 0)
        close(m->fd);
    pthread_mutex_destroy(&m->code_lock);
    *m = (struct guest_mem){.fd = -1};
}

/*
 * Huge pages need host address and file offset to agree modulo 2 MiB, and help twice when the
 * guest-physical address agrees too (KVM's second-stage tables). So reserve more and cut.
 */
static void *map_aligned(int fd, uint64_t offset, uint64_t len)
{
    const int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_NORESERVE;

    if (len < HUGE_PAGE_SIZE)
        return mmap(NULL, len, prot, flags, fd, (off_t)offset);
    uint8_t *area = mmap(NULL, len + HUGE_PAGE_SIZE, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED)
        return MAP_FAILED;
    size_t head = (size_t)(offset - (uintptr_t)area) & (HUGE_PAGE_SIZE - 1);
    void *p = mmap(area + head, len, prot, flags | MAP_FIXED, fd, (off_t)offset);
    if (head)
        munmap(area, head);
    munmap(area + head + (p == MAP_FAILED ? 0 : len),
           HUGE_PAGE_SIZE - head + (p == MAP_FAILED ? len : 0));
    return p;
}

static int map_slot(const struct guest_mem *m, struct mem_slot *s)
{
    void *host = map_aligned(m->fd, s->offset, s->len);
    if (host == MAP_FAILED)
        return -errno;
    s->host = host;
    /* Advice only: a host that will not give huge pages still gives memory. */
    (void)madvise(host, s->len, MADV_HUGEPAGE);

    void *arrays = mmap(NULL, page_arrays_len(s), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arrays == MAP_FAILED) {
        int rc = -errno;
        unmap_slot(s);
        return rc;
    }
    /* Sparse by nature: a huge page here would cost more than it holds. */
    (void)madvise(arrays, page_arrays_len(s), MADV_NOHUGEPAGE);
    place_arrays(s, arrays);
    return 0;
}

static int check_slot(const struct guest_mem *m, gpa_t base, uint64_t len, uint64_t offset)
{
    gpa_t end;

    if (!len || (base | len) % GUEST_PAGE_SIZE || __builtin_add_overflow(base, len, &end))
        return -EINVAL;
    if (m->nslots == MEM_MAX_SLOTS || len > m->size - offset)
        return -ENOSPC;
    for (unsigned i = 0; i < m->nslots; i++) {
        const struct mem_slot *s = &m->slots[i];
        if (base < s->base + s->len && s->base < end)
            return -EEXIST;
    }
    return 0;
}

int guest_mem_add_slot(struct guest_mem *m, gpa_t base, uint64_t len, bool readonly,
                       struct error *err)
{
    uint64_t offset = 0;
    for (unsigned i = 0; i < m->nslots; i++)
        offset += m->slots[i].len;

    struct mem_slot s = {.base = base, .len = len, .offset = offset, .readonly = readonly};
    int rc = check_slot(m, base, len, offset);
    if (!rc)
        rc = map_slot(m, &s);
    if (rc)
        return error_set(err, -rc, "cannot place guest memory at 0x%llx (0x%llx bytes): %s",
                         (unsigned long long)base, (unsigned long long)len, strerror(-rc));
    m->slots[m->nslots++] = s;
    return 0;
}

const struct mem_slot *guest_mem_slot(const struct guest_mem *m, gpa_t gpa)
{
    /* A handful, the big ones first: a loop beats anything clever. */
    for (unsigned i = 0; i < m->nslots; i++) {
        const struct mem_slot *s = &m->slots[i];
        if (gpa - s->base < s->len)
            return s;
    }
    return NULL;
}

uint64_t guest_mem_next_used(const struct guest_mem *m, const struct mem_slot *s, uint64_t from,
                             uint64_t *count)
{
    const uint64_t end = s->offset + s->len;
    const uint64_t start = s->offset + (from << GUEST_PAGE_SHIFT);

    *count = 0;
    if (from >= slot_pages(s))
        return slot_pages(s);
    off_t data = lseek(m->fd, (off_t)start, SEEK_DATA);
    if (data < 0 && errno == ENXIO) /* a hole up to the end of the memfd */
        return slot_pages(s);
    off_t hole = data < 0 ? -1 : lseek(m->fd, data, SEEK_HOLE);
    /* A kernel that cannot tell: all of it may be in use. */
    uint64_t lo = data < 0 ? start : MIN((uint64_t)data, end);
    uint64_t hi = hole < 0 ? end : MIN((uint64_t)hole, end);
    *count = (hi - lo) >> GUEST_PAGE_SHIFT;
    return (lo - s->offset) >> GUEST_PAGE_SHIFT;
}

int guest_mem_clear(struct guest_mem *m, struct error *err)
{
    if (fallocate(m->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)m->size) < 0)
        return error_set(err, errno, "cannot clear guest memory: %s", strerror(errno));
    for (unsigned i = 0; i < m->nslots; i++) {
        if (!m->slots[i].readonly)
            gpa_wrote(m, m->slots[i].base, m->slots[i].len);
    }
    return 0;
}
