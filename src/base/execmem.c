/* Code made at run time: one memfd, two views, never writable and executable at once. */
#include "base/execmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

#ifndef MADV_POPULATE_READ /* Linux 5.14 */
#define MADV_POPULATE_READ  22
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_COLLAPSE /* Linux 6.1 */
#define MADV_COLLAPSE 25
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

static int code_fd(void)
{
    /* Linux 6.3 wants it said that code is meant (vm.memfd_noexec); older ones refuse the flag. */
    int fd = memfd_create("doppel-code", MFD_CLOEXEC | MFD_EXEC);
    if (fd < 0 && errno == EINVAL)
        fd = memfd_create("doppel-code", MFD_CLOEXEC);
    return fd;
}

enum { HUGE_PAGE = 2 << 20, POPULATE_STEP = 256 << 10 };

/* A view at a multiple of a huge page, so that it can consist of them. */
static void *map_view(int fd, size_t size, int prot)
{
    uint8_t *room =
        mmap(NULL, size + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED)
        return MAP_FAILED;
    uint8_t *at = (uint8_t *)bits_align_up((uintptr_t)room, HUGE_PAGE);
    void *view = mmap(at, size, prot, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
    if (view == MAP_FAILED) {
        int why = errno;
        munmap(room, size + HUGE_PAGE);
        errno = why;
        return MAP_FAILED;
    }
    if (at > room)
        munmap(room, (size_t)(at - room));
    munmap(at + size, (size_t)(room + HUGE_PAGE - at));
    return view;
}

int execmem_init(struct execmem *m, size_t size, struct error *err)
{
    int rc = 0;

    *m = (struct execmem){.size = bits_align_up(size, (uint64_t)sysconf(_SC_PAGESIZE))};
    int fd = code_fd();
    if (fd < 0)
        return error_set(err, errno, "no memory for generated code: %s", strerror(errno));
    if (ftruncate(fd, (off_t)m->size) < 0) {
        rc = error_set(err, errno, "no memory for generated code: %s", strerror(errno));
        goto out_close;
    }
    m->rw = map_view(fd, m->size, PROT_READ | PROT_WRITE);
    if (m->rw == MAP_FAILED) {
        rc = error_set(err, errno, "no memory for generated code: %s", strerror(errno));
        goto out_close;
    }
    void *rx = map_view(fd, m->size, PROT_READ | PROT_EXEC);
    if (rx == MAP_FAILED) {
        rc = error_set(err, errno, "the host does not let this process run generated code: %s",
                       strerror(errno));
        munmap(m->rw, m->size);
        goto out_close;
    }
    m->rx = rx;
out_close:
    close(fd);
    if (rc)
        *m = (struct execmem){0};
    return rc;
}

void execmem_destroy(struct execmem *m)
{
    if (m->rw) {
        munmap(m->rw, m->size);
        munmap((void *)m->rx, m->size);
    }
    *m = (struct execmem){0};
}

static bool map_over(const void *view, int fd, size_t size, int prot)
{
    return mmap((void *)view, size, prot, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0) ==
           (void *)view;
}

int execmem_unshare(struct execmem *m, size_t keep, struct error *err)
{
    int fd = code_fd();
    bool ok = fd >= 0 && ftruncate(fd, (off_t)m->size) == 0 &&
              pwrite(fd, m->rw, keep, 0) == (ssize_t)keep &&
              map_over(m->rw, fd, m->size, PROT_READ | PROT_WRITE) &&
              map_over(m->rx, fd, m->size, PROT_READ | PROT_EXEC);
    int why = errno;
    if (fd >= 0)
        close(fd);
    if (!ok)
        return error_set(err, why, "no memory for generated code: %s", strerror(why));
    m->used = keep;
    return 0;
}

/* One huge page in both views. */
static bool collapse(const struct execmem *m, size_t from)
{
    /* What is not there at all cannot be made huge. */
    *(volatile uint8_t *)(m->rw + from);
    *(volatile const uint8_t *)(m->rx + from);
    return madvise((void *)(m->rx + from), HUGE_PAGE, MADV_COLLAPSE) == 0 &&
           madvise(m->rw + from, HUGE_PAGE, MADV_COLLAPSE) == 0;
}

size_t execmem_populate(const struct execmem *m, size_t from, bool huge)
{
    if (huge && from % HUGE_PAGE == 0 && m->size - from >= HUGE_PAGE && collapse(m, from))
        return from + HUGE_PAGE;
    size_t len = MIN((size_t)POPULATE_STEP, m->size - from);
    (void)madvise(m->rw + from, len, MADV_POPULATE_WRITE);
    (void)madvise((void *)(m->rx + from), len, MADV_POPULATE_READ);
    return from + len;
}

void *execmem_alloc(struct execmem *m, size_t len, size_t align)
{
    size_t start = bits_align_up(m->used, align);
    if (start > m->size || len > m->size - start)
        return NULL;
    m->used = start + len;
    return m->rw + start;
}

void *execmem_to_rx(const struct execmem *m, const void *rw)
{
    return (void *)(m->rx + ((const uint8_t *)rw - m->rw));
}

void *execmem_to_rw(const struct execmem *m, const void *rx)
{
    return m->rw + ((const uint8_t *)rx - m->rx);
}

void execmem_publish(const struct execmem *m, const void *rw, size_t len)
{
    char *rx = execmem_to_rx(m, rw);
    __builtin___clear_cache(rx, rx + len);
}

void *execmem_add(struct execmem *m, const void *code, size_t len, size_t align)
{
    void *rw = execmem_alloc(m, len, align);
    if (!rw)
        return NULL;
    memcpy(rw, code, len);
    execmem_publish(m, rw, len);
    return execmem_to_rx(m, rw);
}

void execmem_reset(struct execmem *m)
{
    m->used = 0;
}
