/*
 * Raw images on io_uring: every system call of a request that has an asynchronous form becomes a
 * submission; its completion, announced by the disk's eventfd, carries the request on.
 *
 * The ring is used by the loop's thread alone (raw.h, invariant 2); close uses it after that thread
 * has let go.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "backend/block/raw.h"

enum { ENTRIES = 256, RESUBMIT_NS = 1000000 };

struct raw_uring {
    struct io_uring ring;
    unsigned inflight; /* in the kernel or in the submission queue */
    struct evloop_timer retry;
};

static void fill_sqe(struct io_uring_sqe *sqe, const struct raw_step *s)
{
    switch (s->call) {
    case RAW_READ:
        io_uring_prep_readv(sqe, s->fd, s->iov, (unsigned)s->niov, s->offset);
        break;
    case RAW_WRITE:
        io_uring_prep_writev(sqe, s->fd, s->iov, (unsigned)s->niov, s->offset);
        break;
    case RAW_SYNC:
        io_uring_prep_fsync(sqe, s->fd, IORING_FSYNC_DATASYNC);
        break;
    case RAW_ALLOCATE:
        io_uring_prep_fallocate(sqe, s->fd, (int)s->how, (off_t)s->offset, (off_t)s->len);
        break;
    case RAW_IOCTL:
        break; /* never comes here */
    }
}

/* True when a worker has to do the rest: there is no asynchronous form, or the kernel keeps
 * answering EAGAIN to it. */
static bool needs_worker(const struct raw_op *op, const struct raw_step *s)
{
    return s->call == RAW_IOCTL || op->retries > 0;
}

/* Queue the request's next step. */
static void carry_on(struct raw *raw, struct raw_op *op)
{
    struct raw_uring *u = raw->uring;
    struct raw_step s;

    if (!raw_op_step(op, &s)) {
        raw_op_done(op, false);
        return;
    }
    /* There is an entry for each of the driver's `depth` requests unless submission has failed
     * for a while; then the workers help out too. */
    struct io_uring_sqe *sqe = needs_worker(op, &s) ? NULL : io_uring_get_sqe(&u->ring);
    if (!sqe) {
        raw_workers_issue(raw, op);
        return;
    }
    fill_sqe(sqe, &s);
    io_uring_sqe_set_data(sqe, op);
    u->inflight++;
}

static void submit(struct raw *raw)
{
    /* It fails for want of kernel memory; the entries stay queued. */
    if (io_uring_submit(&raw->uring->ring) < 0) {
        evloop_timer_start(&raw->uring->retry, mono_ns() + RESUBMIT_NS);
    }
}

static void retry(void *opaque)
{
    struct raw *raw = opaque;

    (void)!eventfd_write(raw->event_fd, 1);
}

static struct raw_op *take_cqe(struct raw *raw, struct io_uring_cqe *cqe)
{
    struct raw_op *op = io_uring_cqe_get_data(cqe);
    struct raw_step s;

    raw->uring->inflight--;
    if (raw_op_step(op, &s)) { /* the step that was submitted, once more */
        raw_op_result(op, &s, cqe->res);
    }
    io_uring_cqe_seen(&raw->uring->ring, cqe);
    return op;
}

/* Page cache hits complete within submit(), so looking right after it often saves a turn. */
static void reap(struct raw *raw)
{
    struct io_uring *ring = &raw->uring->ring;
    struct io_uring_cqe *cqe;

    if (io_uring_sq_ready(ring) > 0) {
        submit(raw);
    }
    while (io_uring_peek_cqe(ring, &cqe) == 0) {
        carry_on(raw, take_cqe(raw, cqe));
    }
    if (io_uring_sq_ready(ring) > 0) {
        submit(raw);
    }
}

static int start(struct raw *raw, struct error *err)
{
    struct raw_uring *u = calloc(1, sizeof(*u));

    (void)err;
    if (!u) {
        return -ENOMEM;
    }
    int rc = io_uring_queue_init(ENTRIES, &u->ring, 0);
    if (rc < 0) {
        free(u);
        return rc;
    }
    rc = io_uring_register_eventfd(&u->ring, raw->event_fd);
    if (rc < 0) {
        io_uring_queue_exit(&u->ring);
        free(u);
        return rc;
    }
    evloop_timer_init(&u->retry, raw->loop, retry, raw);
    raw->uring = u;
    return 0;
}

/* Wait for what the kernel has; what it was never given does not count. */
static void stop(struct raw *raw)
{
    struct raw_uring *u = raw->uring;
    struct io_uring_cqe *cqe;

    evloop_timer_stop(&u->retry);
    u->inflight -= io_uring_sq_ready(&u->ring);
    while (u->inflight > 0) {
        int rc = io_uring_wait_cqe(&u->ring, &cqe);
        if (rc == 0) {
            take_cqe(raw, cqe);
        } else if (rc != -EINTR && rc != -EAGAIN) {
            break;
        }
    }
    io_uring_queue_exit(&u->ring);
    free(u);
    raw->uring = NULL;
    raw_workers_stop(raw);
}

const struct raw_driver raw_uring_driver = {
    .name = "io_uring",
    .depth = ENTRIES,
    .start = start,
    .issue = carry_on,
    .reap = reap,
    .stop = stop,
};
