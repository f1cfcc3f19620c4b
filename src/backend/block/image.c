/*
 * Opening a disk image: is it there, may we use it, is it a disk, does anybody else write to it.
 *
 * The lock is an open-file-description lock [fcntl(2), "Open file description locks"] on the whole
 * file: unlike a process's POSIX lock it also keeps two virtual machines of one process apart, and
 * it goes away with the descriptor however the process ends. A writer takes a write lock, a
 * read-only user a read lock, so several read-only users may share an image.
 */
#include "backend/block/image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

enum { SECTOR = 512, DIRECT_ALIGN_UNKNOWN = 4096 };

static int open_failed(int e, const struct blk_options *o, struct error *err)
{
    const char *what = o->readonly ? "reading" : "reading and writing";

    switch (e) {
    case ENOENT:
    case ENOTDIR:
        return error_set(err, e, "disk '%s' does not exist", o->path);
    case EACCES:
    case EPERM:
        return error_set(err, e, "no permission to open disk '%s' for %s", o->path, what);
    case EROFS:
        return error_set(
            err, e, "disk '%s' is on a read-only file system (add ',ro' to its option)", o->path);
    case EBUSY:
        return error_set(err, e, "disk '%s' is in use by the host system", o->path);
    default:
        return error_set(err, e, "cannot open disk '%s': %s", o->path, strerror(e));
    }
}

/* Before open(): a FIFO would block there, and some devices act on being opened. */
static int check_type(const struct blk_options *o, mode_t mode, struct error *err)
{
    if (S_ISREG(mode) || S_ISBLK(mode)) {
        return 0;
    }
    if (S_ISDIR(mode)) {
        return error_set(err, EISDIR, "disk '%s' is a directory", o->path);
    }
    return error_set(err, EINVAL, "disk '%s' is neither a regular file nor a block device",
                     o->path);
}

static int open_fd(struct image *img, const struct blk_options *o, struct error *err)
{
    int flags = (o->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;
    struct stat st;

    if (stat(o->path, &st) < 0) {
        return open_failed(errno, o, err);
    }
    int rc = check_type(o, st.st_mode, err);
    if (rc < 0) {
        return rc;
    }
    img->fd = open(o->path, flags);
    if (img->fd < 0) {
        return open_failed(errno, o, err);
    }
    /* The name may have come to mean something else since stat(). */
    if (fstat(img->fd, &st) < 0) {
        return open_failed(errno, o, err);
    }
    img->is_device = S_ISBLK(st.st_mode);
    img->size = (uint64_t)st.st_size;
    return check_type(o, st.st_mode, err);
}

static int check_size(const struct image *img, const struct blk_options *o, struct error *err)
{
    if (img->size == 0) {
        return error_set(err, EINVAL, "disk '%s' is empty", o->path);
    }
    if (img->size % img->block_size != 0) {
        return error_set(err, EINVAL,
                         "the size of disk '%s' (%" PRIu64 " bytes) is not a multiple of %" PRIu32,
                         o->path, img->size, img->block_size);
    }
    return 0;
}

static int measure(struct image *img, const struct blk_options *o, struct error *err)
{
    img->block_size = SECTOR;
    if (img->is_device) {
        int sector = 0;
        if (ioctl(img->fd, BLKGETSIZE64, &img->size) < 0 ||
            ioctl(img->fd, BLKSSZGET, &sector) < 0) {
            return error_set(err, errno, "cannot learn the size of block device '%s': %s", o->path,
                             strerror(errno));
        }
        img->block_size = sector > 0 ? (uint32_t)sector : SECTOR;
    }
    return check_size(img, o, err);
}

static int lock_image(const struct image *img, const struct blk_options *o, struct error *err)
{
    struct flock fl = {.l_type = o->readonly ? F_RDLCK : F_WRLCK, .l_whence = SEEK_SET};

    if (fcntl(img->fd, F_OFD_SETLK, &fl) == 0) {
        return 0;
    }
    if (errno == EAGAIN || errno == EACCES) {
        return error_set(err, EBUSY, "disk '%s' is in use by another virtual machine or program%s",
                         o->path,
                         o->readonly ? " that writes to it"
                                     : " (several may share it only if all open it with ',ro')");
    }
    /* Some network file systems have no locks at all; that is no reason to refuse the disk. */
    log_warn("disk '%s' cannot be locked against a second writer: %s", o->path, strerror(errno));
    return 0;
}

/*
 * The page-cache descriptor is opened anew rather than dup()ed because O_DIRECT belongs to the open
 * file description, and through /proc so that it is surely the same file.
 */
static int open_direct(struct image *img, const struct blk_options *o, struct error *err)
{
    char self[64];
    int flags = (o->readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC;

    snprintf(self, sizeof(self), "/proc/self/fd/%d", img->fd);
    img->buffered_fd = open(self, flags);
    if (img->buffered_fd < 0) {
        return open_failed(errno, o, err);
    }
    int old = fcntl(img->fd, F_GETFL);
    if (old < 0 || fcntl(img->fd, F_SETFL, old | O_DIRECT) < 0) {
        return error_set(err, errno,
                         "cache=none is not possible for disk '%s': its file system has no direct "
                         "I/O",
                         o->path);
    }
    return 0;
}

static int set_up_direct(struct image *img, const struct blk_options *o, struct error *err)
{
    struct statx stx = {0};

    int rc = open_direct(img, o, err);
    if (rc < 0) {
        return rc;
    }
    img->mem_align = img->offset_align =
        img->is_device ? MAX(img->block_size, (uint32_t)SECTOR) : DIRECT_ALIGN_UNKNOWN;
    if (statx(img->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) == 0 &&
        (stx.stx_mask & STATX_DIOALIGN) && stx.stx_dio_offset_align != 0) {
        img->mem_align = stx.stx_dio_mem_align;
        img->offset_align = stx.stx_dio_offset_align;
    }
    return 0;
}

/*
 * Ask without touching data: on a file by punching beyond its end, on a device by a range no device
 * accepts (EINVAL then means that discard as such is known).
 */
static bool probe_discard(const struct image *img)
{
    if (img->readonly) {
        return false;
    }
    if (img->is_device) {
        uint64_t range[2] = {1, 1};
        return ioctl(img->fd, BLKDISCARD, range) < 0 && errno == EINVAL;
    }
    return img->size <= INT64_MAX - SECTOR &&
           fallocate(img->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)img->size,
                     SECTOR) == 0;
}

/*
 * A serial number that names the image to people and still differs between two images of one name:
 * the start of the file's name and a hash (FNV-1a) of the whole path.
 */
static void make_id(struct image *img, const char *path)
{
    char real[PATH_MAX];
    uint32_t hash = 2166136261u;

    if (!realpath(path, real)) {
        snprintf(real, sizeof(real), "%s", path);
    }
    for (const char *p = real; *p; p++) {
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    }
    const char *slash = strrchr(real, '/');
    snprintf(img->id, sizeof(img->id), "%.11s-%08" PRIx32, slash ? slash + 1 : real, hash);
    for (char *p = img->id; *p; p++) {
        if (*p <= ' ' || *p > '~') {
            *p = '_';
        }
    }
}

int blk_image_open(struct image *img, const struct blk_options *o, struct error *err)
{
    *img = (struct image){.fd = -1, .buffered_fd = -1, .mem_align = 1, .offset_align = 1};
    img->readonly = o->readonly;
    int rc = open_fd(img, o, err);
    if (rc == 0) {
        rc = measure(img, o, err);
    }
    if (rc == 0) {
        rc = lock_image(img, o, err);
    }
    if (rc == 0 && o->cache == BLK_CACHE_NONE) {
        rc = set_up_direct(img, o, err);
    }
    if (rc < 0) {
        blk_image_close(img);
        return rc;
    }
    img->can_discard = probe_discard(img);
    make_id(img, o->path);
    return 0;
}

void blk_image_close(struct image *img)
{
    if (img->buffered_fd >= 0) {
        close(img->buffered_fd);
    }
    if (img->fd >= 0) {
        close(img->fd);
    }
    img->fd = img->buffered_fd = -1;
}
