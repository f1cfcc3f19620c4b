/* Code made at run time: one memfd, two views, never writable and executable at once. */
#include "base/execmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"

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
    m->rw = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
    if (m->rw == MAP_FAILED) {
        rc = error_set(err, errno, "no memory for generated code: %s", strerror(errno));
        goto out_close;
    }
    void *rx = mmap(NULL, m->size, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_NORESERVE, fd, 0);
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
