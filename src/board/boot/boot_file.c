/*
 * Opening and reading the files that go into the guest.
 */
#include "board/boot/boot_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static int open_failed(const struct boot_file *img, int e, struct error *err)
{
    if (e == ENOENT)
        return error_set(err, e, "%s '%s' does not exist", img->role, img->path);
    return error_set(err, e, "cannot open %s '%s': %s", img->role, img->path, strerror(e));
}

static int check_file(const struct boot_file *img, struct error *err)
{
    if (S_ISDIR(img->st.st_mode))
        return error_set(err, EISDIR, "%s '%s' is a directory", img->role, img->path);
    if (!S_ISREG(img->st.st_mode))
        return error_set(err, EINVAL, "%s '%s' is not a regular file", img->role, img->path);
    if (img->st.st_size == 0)
        return error_set(err, ENOEXEC, "%s '%s' is empty", img->role, img->path);
    if ((uint64_t)img->st.st_size > BOOT_FILE_MAX)
        return error_set(err, EFBIG, "%s '%s' is larger than 4 GiB", img->role, img->path);
    return 0;
}

int boot_file_open(struct boot_file *img, const char *path, const char *role, struct error *err)
{
    *img = (struct boot_file){.path = path, .role = role, .fd = -1};
    /* O_NONBLOCK: opening a FIFO must not wait for its other end. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return open_failed(img, errno, err);
    img->fd = fd;
    int rc = fstat(fd, &img->st) ? open_failed(img, errno, err) : check_file(img, err);
    if (rc) {
        boot_file_close(img);
        return rc;
    }
    img->size = (uint64_t)img->st.st_size;
    return 0;
}

void boot_file_from_buffer(struct boot_file *img, const void *buf, uint64_t len, const char *path,
                           const char *role)
{
    *img = (struct boot_file){.path = path, .role = role, .fd = -1, .mem = buf, .size = len};
}

void boot_file_close(struct boot_file *img)
{
    if (img->fd >= 0)
        close(img->fd);
    img->fd = -1;
    img->mem = NULL;
}

static int truncated(const struct boot_file *img, uint64_t need, struct error *err)
{
    return error_set(err, ENOEXEC,
                     "%s '%s' is truncated: it should have at least %" PRIu64
                     " bytes and has %" PRIu64,
                     img->role, img->path, need, img->size);
}

static int read_failed(const struct boot_file *img, int e, struct error *err)
{
    if (e == ENODATA)
        return error_set(err, ENOEXEC, "%s '%s' shrank while it was read", img->role, img->path);
    return error_set(err, e, "cannot read %s '%s': %s", img->role, img->path, strerror(e));
}

static int read_fd(const struct boot_file *img, uint64_t off, uint8_t *buf, size_t len,
                   struct error *err)
{
    while (len) {
        ssize_t n = pread(img->fd, buf, len, (off_t)off);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return read_failed(img, n < 0 ? errno : ENODATA, err);
        buf += n;
        off += (size_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int boot_file_read(const struct boot_file *img, uint64_t off, void *buf, size_t len,
                   struct error *err)
{
    if (off > img->size || len > img->size - off)
        return truncated(img, off + len, err);
    if (img->fd >= 0)
        return read_fd(img, off, buf, len, err);
    memcpy(buf, img->mem + off, len);
    return 0;
}

/* The next stretch of [*off, end) that holds data; false when only a hole is left. */
static bool next_data(const struct boot_file *img, uint64_t *off, uint64_t end, uint64_t *len)
{
    off_t data = lseek(img->fd, (off_t)*off, SEEK_DATA);
    if (data < 0 && errno == ENXIO)
        return false;
    off_t hole = data < 0 ? -1 : lseek(img->fd, data, SEEK_HOLE);
    if (data < 0 || hole < 0) { /* a file system that cannot tell: all is data */
        data = (off_t)*off;
        hole = (off_t)end;
    }
    if ((uint64_t)data >= end)
        return false;
    *off = (uint64_t)data;
    *len = MIN((uint64_t)hole, end) - *off;
    return true;
}

static int load_extent(const struct boot_file *img, uint64_t off, struct guest_mem *mem, gpa_t gpa,
                       uint64_t len, struct error *err)
{
    int rc = gpa_write_file(mem, gpa, img->fd, off, len);
    return rc ? read_failed(img, -rc, err) : 0;
}

static int load_sparse(const struct boot_file *img, uint64_t off, struct guest_mem *mem, gpa_t gpa,
                       uint64_t len, struct error *err)
{
    uint64_t at = off, n;
    while (at < off + len && next_data(img, &at, off + len, &n)) {
        int rc = load_extent(img, at, mem, gpa + (at - off), n, err);
        if (rc)
            return rc;
        at += n;
    }
    return 0;
}

/* Copying a zero page would make the host allocate one. */
static void copy_sparse(uint8_t *to, const uint8_t *from, uint64_t len)
{
    static const uint8_t zero[4096];
    for (uint64_t done = 0, n; done < len; done += n) {
        n = MIN(len - done, sizeof(zero));
        if (memcmp(from + done, zero, n) != 0)
            memcpy(to + done, from + done, n);
    }
}

static int load_buffer(const uint8_t *from, const struct boot_ram *ram, gpa_t gpa, uint64_t len)
{
    uint8_t *host = ram->zero ? gpa_pin(ram->mem, gpa, len, true) : NULL;
    if (!host)
        return gpa_write(ram->mem, gpa, from, len);
    copy_sparse(host, from, len);
    gpa_wrote(ram->mem, gpa, len);
    return 0;
}

int boot_file_load(const struct boot_file *img, uint64_t off, const struct boot_ram *ram, gpa_t gpa,
                   uint64_t len, struct error *err)
{
    struct guest_mem *mem = ram->mem;
    if (off > img->size || len > img->size - off)
        return truncated(img, off + len, err);
    if (len == 0)
        return 0;
    /* Asked first, so that a later failure can only be the file's. */
    if (!guest_mem_slot(mem, gpa) || !guest_mem_slot(mem, gpa + len - 1))
        return error_set(err, EFAULT, "%s '%s' does not fit in guest memory at %#" PRIx64,
                         img->role, img->path, gpa);
    if (img->fd < 0) {
        int rc = load_buffer(img->mem + off, ram, gpa, len);
        return rc ? error_set(err, -rc, "cannot write the %s into guest memory", img->role) : 0;
    }
    return ram->zero ? load_sparse(img, off, mem, gpa, len, err)
                     : load_extent(img, off, mem, gpa, len, err);
}
