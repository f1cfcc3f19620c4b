/*
 * What a request on a raw image means: which system calls, in which order, and what their results
 * say. Both drivers run this same sequence; they differ only in how a call is made.
 *
 *   read, write     preadv/pwritev, resubmitted while short; nothing read before the end: -EIO
 *   flush           fdatasync; nothing for cache=unsafe and read-only disks
 *   discard         punch a hole, or BLKDISCARD; a host that cannot is no error, it is a hint
 *   write-zeroes    zero the range, else punch a hole, else write zeroes; devices BLKZEROOUT first
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backend/block/raw.h"

enum { MAX_RETRIES = 64, RAW_IOV_MAX = 1024 };

/* The ways to discard or zero, in the order they are tried; the number is a bit in `unsupported`.
 */
enum method { M_DISCARD_DEV, M_ZEROOUT_DEV, M_ZERO_RANGE, M_PUNCH, M_WRITE, M_END };

static const struct {
    enum raw_call call;
    unsigned long how;
} methods[] = {
    [M_DISCARD_DEV] = {RAW_IOCTL, BLKDISCARD},
    [M_ZEROOUT_DEV] = {RAW_IOCTL, BLKZEROOUT},
    [M_ZERO_RANGE] = {RAW_ALLOCATE, FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE},
    [M_PUNCH] = {RAW_ALLOCATE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
    [M_WRITE] = {RAW_WRITE, 0},
};

/* Indexed by [discard, write-zeroes][file, device]; as bits. */
static const unsigned method_sets[2][2] = {
    {1u << M_PUNCH, 1u << M_DISCARD_DEV},
    {1u << M_ZERO_RANGE | 1u << M_PUNCH | 1u << M_WRITE, 1u << M_ZEROOUT_DEV | 1u << M_WRITE},
};

static void finish(struct raw_op *op, int result)
{
    op->finished = true;
    op->result = result;
}

static bool is_transfer(const struct raw_op *op)
{
    return op->req->op == BLK_READ || op->req->op == BLK_WRITE;
}

static int validate(const struct raw *raw, const struct blk_request *r)
{
    uint64_t sum = 0;

    if (r->op == BLK_FLUSH) {
        return 0;
    }
    if (r->op != BLK_READ && raw->img.readonly) {
        return -EROFS;
    }
    if (r->len > raw->img.size || r->offset > raw->img.size - r->len) {
        return -EINVAL;
    }
    if (r->op != BLK_READ && r->op != BLK_WRITE) {
        return 0;
    }
    for (int i = 0; i < r->niov; i++) {
        sum += r->iov[i].iov_len;
    }
    return sum == r->len ? 0 : -EINVAL;
}

static bool buffers_aligned(const struct raw *raw, const struct blk_request *r)
{
    for (int i = 0; i < r->niov; i++) {
        if ((uintptr_t)r->iov[i].iov_base % raw->img.mem_align != 0 ||
            r->iov[i].iov_len % raw->img.offset_align != 0) {
            return false;
        }
    }
    return true;
}

static void copy_iov(struct raw_op *op, bool to_guest)
{
    uint8_t *p = op->bounce;

    for (int i = 0; i < op->req->niov; i++) {
        struct iovec *v = &op->req->iov[i];
        memcpy(to_guest ? v->iov_base : p, to_guest ? p : v->iov_base, v->iov_len);
        p += v->iov_len;
    }
}

/* O_DIRECT takes neither these buffers nor this vector: put one aligned buffer in their place. */
static int bounce(struct raw_op *op)
{
    size_t align = MAX(op->raw->img.mem_align, op->raw->img.offset_align);

    int rc = posix_memalign(&op->bounce, MAX(align, sizeof(void *)), op->req->len);
    if (rc != 0) {
        op->bounce = NULL;
        return -rc;
    }
    op->one = (struct iovec){op->bounce, op->req->len};
    op->iov = &op->one;
    op->niov = 1;
    if (op->req->op == BLK_WRITE) {
        copy_iov(op, false);
    }
    return 0;
}

/* Choose between O_DIRECT and the page cache, see invariant 3 in raw.h. */
static int choose_path(struct raw_op *op)
{
    const struct image *img = &op->raw->img;

    if (img->buffered_fd < 0) {
        return 0;
    }
    if ((op->offset | op->left) % img->offset_align != 0) {
        op->fd = img->buffered_fd;
        op->exclusive = op->writes;
        return 0;
    }
    if (is_transfer(op) && !buffers_aligned(op->raw, op->req)) {
        return bounce(op);
    }
    return 0;
}

/* The next untried way, starting at op->method, that this host has not refused before. */
static void choose_method(struct raw_op *op)
{
    unsigned set = method_sets[op->req->op == BLK_WRITE_ZEROES][op->raw->img.is_device];

    set &= ~atomic_load(&op->raw->unsupported);
    while (op->method < M_END && !(set >> op->method & 1)) {
        op->method++;
    }
    if (op->method == M_END) {
        finish(op, op->req->op == BLK_DISCARD ? 0 : -EOPNOTSUPP);
    }
}

static bool is_noop(const struct raw_op *op)
{
    if (op->req->op == BLK_FLUSH) {
        return op->raw->cache == BLK_CACHE_UNSAFE || op->raw->img.readonly;
    }
    return op->req->len == 0;
}

static int prepare(struct raw_op *op)
{
    if (is_noop(op)) {
        finish(op, 0);
        return 0;
    }
    if (op->req->op == BLK_FLUSH) {
        if (atomic_load(&op->raw->flush_failed)) {
            finish(op, -EIO);
        }
        return 0;
    }
    if (!is_transfer(op)) {
        choose_method(op);
    }
    return choose_path(op);
}

int raw_op_create(struct raw_op **out, struct raw *raw, struct blk_request *r)
{
    int rc = validate(raw, r);
    if (rc < 0) {
        return rc;
    }
    struct raw_op *op = malloc(sizeof(*op));
    if (!op) {
        return -ENOMEM;
    }
    *op = (struct raw_op){
        .raw = raw,
        .req = r,
        .fd = raw->img.fd,
        .offset = r->offset,
        .left = r->len,
        .iov = r->iov,
        .niov = r->niov,
        .writes = r->op != BLK_READ && r->op != BLK_FLUSH,
    };
    list_init(&op->link);
    rc = prepare(op);
    if (rc < 0) {
        free(op);
        return rc;
    }
    r->priv = op;
    *out = op;
    return 0;
}

void raw_op_destroy(struct raw_op *op)
{
    if (op->bounce && op->req->op == BLK_READ && op->result == 0) {
        copy_iov(op, true);
    }
    free(op->bounce);
    free(op->copy);
    free(op);
}

static void step_transfer(struct raw_op *op, struct raw_step *s)
{
    s->call = op->req->op == BLK_READ ? RAW_READ : RAW_WRITE;
    s->iov = op->iov;
    s->niov = MIN(op->niov, (int)RAW_IOV_MAX);
}

static void step_method(struct raw_op *op, struct raw_step *s)
{
    s->call = methods[op->method].call;
    s->how = methods[op->method].how;
    if (op->method == M_WRITE) {
        op->one = (struct iovec){op->raw->zeroes, MIN(op->left, (uint64_t)RAW_ZEROES)};
        s->iov = &op->one;
        s->niov = 1;
    }
}

bool raw_op_step(struct raw_op *op, struct raw_step *s)
{
    if (op->finished) {
        return false;
    }
    *s = (struct raw_step){.fd = op->fd, .offset = op->offset, .len = op->left};
    if (op->req->op == BLK_FLUSH) {
        s->call = RAW_SYNC;
    } else if (is_transfer(op)) {
        step_transfer(op, s);
    } else {
        step_method(op, s);
    }
    return true;
}

/* Step over `n` transferred bytes in a vector of our own: the request's is the device's. */
static int advance_iov(struct raw_op *op, size_t n)
{
    if (op->iov == op->req->iov && !op->copy) {
        op->copy = malloc((size_t)op->niov * sizeof(*op->copy));
        if (!op->copy) {
            return -ENOMEM;
        }
        memcpy(op->copy, op->iov, (size_t)op->niov * sizeof(*op->copy));
        op->iov = op->copy;
    }
    while (op->niov > 0 && n >= op->iov->iov_len) {
        n -= op->iov->iov_len;
        op->iov++;
        op->niov--;
    }
    if (op->niov > 0) {
        op->iov->iov_base = (uint8_t *)op->iov->iov_base + n;
        op->iov->iov_len -= n;
    }
    return 0;
}

static void transferred(struct raw_op *op, uint64_t n)
{
    if (n == 0 || n > op->left) {
        finish(op, -EIO); /* the file has become shorter than the disk */
        return;
    }
    op->offset += n;
    op->left -= n;
    if (op->left == 0) {
        finish(op, 0);
        return;
    }
    int rc = is_transfer(op) ? advance_iov(op, n) : 0;
    if (rc < 0) {
        finish(op, rc);
        return;
    }
    /* A short direct transfer may leave an offset that O_DIRECT refuses; the page cache does not.
     * Only the end of a file that is shrinking does this, so no neighbour is at stake. */
    if (op->fd == op->raw->img.fd && op->raw->img.buffered_fd >= 0 &&
        op->offset % op->raw->img.offset_align != 0) {
        op->fd = op->raw->img.buffered_fd;
    }
}

static bool means_unsupported(int e)
{
    return e == EOPNOTSUPP || e == ENOSYS || e == ENOTTY || e == ENODEV;
}

static void failed(struct raw_op *op, int e)
{
    bool has_methods = op->req->op == BLK_DISCARD || op->req->op == BLK_WRITE_ZEROES;

    if ((e == EINTR || e == EAGAIN) && op->retries++ < MAX_RETRIES) {
        return;
    }
    /* EINVAL: this range is not aligned for it; the method stays good for others. */
    if (has_methods && op->method != M_WRITE && (means_unsupported(e) || e == EINVAL)) {
        if (e != EINVAL) {
            atomic_fetch_or(&op->raw->unsupported, 1u << op->method);
        }
        op->method++;
        choose_method(op);
        return;
    }
    /* After a failed write-back the kernel counts the pages as clean: a later fdatasync succeeds
     * although the data is lost. From here on no flush may claim success. */
    if (op->req->op == BLK_FLUSH) {
        atomic_store(&op->raw->flush_failed, true);
    }
    finish(op, -e);
}

void raw_op_result(struct raw_op *op, const struct raw_step *s, int64_t res)
{
    if (res < 0) {
        failed(op, (int)-res);
    } else if (s->call == RAW_READ || s->call == RAW_WRITE) {
        transferred(op, (uint64_t)res);
    } else {
        finish(op, 0);
    }
}

static int64_t call(const struct raw_step *s)
{
    uint64_t range[2] = {s->offset, s->len};

    switch (s->call) {
    case RAW_READ:
        return preadv(s->fd, s->iov, s->niov, (off_t)s->offset);
    case RAW_WRITE:
        return pwritev(s->fd, s->iov, s->niov, (off_t)s->offset);
    case RAW_SYNC:
        return fdatasync(s->fd);
    case RAW_ALLOCATE:
        return fallocate(s->fd, (int)s->how, (off_t)s->offset, (off_t)s->len);
    case RAW_IOCTL:
        return ioctl(s->fd, s->how, range);
    }
    return -1;
}

void raw_op_run(struct raw_op *op)
{
    struct raw_step s;

    while (raw_op_step(op, &s)) {
        int64_t res = call(&s);
        raw_op_result(op, &s, res < 0 ? -errno : res);
    }
}
