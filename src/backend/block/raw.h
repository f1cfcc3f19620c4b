/*
 * Raw images: what the two drivers (raw_uring.c, raw_threads.c) share.
 *
 * A request travels: raw_submit (any thread) -> `waiting` -> the loop's thread starts it with the
 * driver -> the driver carries out its steps, one system call each (raw_op.c says which) ->
 * raw_op_done -> `done` -> the loop's thread tells the device.
 *
 * Invariants:
 * 1. A raw_op is on exactly one of `waiting`, `active`, `done`. `active` belongs to the loop's
 *    thread, the others to `lock`.
 * 2. Requests are only started on the loop's thread. io_uring ends a thread's requests with the
 *    thread and interrupts it for completions; a vCPU thread can bear neither.
 * 3. With O_DIRECT, a write that is not aligned goes through the page cache, alone among writes
 *    (`exclusive`): the page it dirties holds neighbours that a direct write would bypass.
 * 4. Host memory given to the kernel stays valid until the kernel is done: close waits.
 */
#ifndef DOPPEL_BACKEND_BLOCK_RAW_H
#define DOPPEL_BACKEND_BLOCK_RAW_H

#include <pthread.h>
#include <stdatomic.h>

#include "backend/block/block.h"
#include "backend/block/image.h"
#include "base/list.h"

struct raw;

/* One system call of a request. */
enum raw_call { RAW_READ, RAW_WRITE, RAW_SYNC, RAW_ALLOCATE, RAW_IOCTL };

struct raw_step {
    enum raw_call call;
    int fd, niov;
    struct iovec *iov;
    uint64_t offset, len;
    unsigned long how; /* mode of fallocate, number of the ioctl */
};

struct raw_op {
    struct list link;
    struct raw *raw;
    struct blk_request *req;
    int fd;                /* image.fd or image.buffered_fd */
    uint64_t offset, left; /* what is still to do */
    struct iovec *iov;     /* the request's, `copy` or &one */
    int niov;
    struct iovec *copy; /* when a short transfer forced a changed one */
    struct iovec one;   /* the bounce buffer, or zeroes */
    void *bounce;
    unsigned method;  /* how discard and write-zeroes are being tried */
    unsigned retries; /* after EAGAIN */
    bool writes, exclusive;
    bool finished;
    int result;
};

struct raw_driver {
    const char *name;
    unsigned depth; /* how many requests it takes at once */
    int (*start)(struct raw *raw, struct error *err) must_check;
    /* Loop's thread. Carry the request on until raw_op_step() says it is finished, then
     * raw_op_done(); failure is the request's result. */
    void (*issue)(struct raw *raw, struct raw_op *op);
    /* Loop's thread, after some issue() and after an event; may be NULL. */
    void (*reap)(struct raw *raw);
    /* No step runs any more when it returns; unfinished requests are just left. */
    void (*stop)(struct raw *raw);
};

struct raw {
    struct blk_backend base;
    struct image img;
    enum blk_cache cache;
    struct evloop *loop;
    int event_fd; /* something is in `waiting` or `done`, or io_uring has completions */
    void *zeroes; /* RAW_ZEROES bytes, read-only */

    const struct raw_driver *driver;
    struct raw_uring *uring;  /* raw_uring.c */
    struct raw_workers *pool; /* raw_threads.c; with io_uring only once a request needs it */

    pthread_mutex_t lock;
    pthread_cond_t idle;
    struct list waiting, done;
    unsigned inflight; /* submitted, not yet told to the device */

    struct list active; /* loop's thread: with the driver */
    unsigned nactive, nwrites;
    bool exclusive; /* one is active */

    _Atomic bool flush_failed;    /* a flush lost data; the kernel reports that only once */
    _Atomic unsigned unsupported; /* bit n: method n of raw_op.c was refused */
};

enum { RAW_ZEROES = 1 << 20 };

extern const struct raw_driver raw_uring_driver, raw_threads_driver;

/* Takes over `img` on success. */
int raw_open(struct blk_backend **out, const struct image *img, enum blk_cache cache,
             struct evloop *l, struct error *err) must_check;
/* "io_uring" or "threads". */
const char *raw_driver_name(const struct blk_backend *b);

/* The driver is finished with `op` (any thread); `wake` unless from within issue() or
 * reap(), after which the loop looks anyway. */
void raw_op_done(struct raw_op *op, bool wake);

/* raw_op.c: what a request is, system call by system call. */
int raw_op_create(struct raw_op **out, struct raw *raw, struct blk_request *r) must_check;
/* Free `op`, after copying back what was read into a bounce buffer. */
void raw_op_destroy(struct raw_op *op);
/* The next system call; false when finished. */
bool raw_op_step(struct raw_op *op, struct raw_step *s);
/* What the system call returned: >= 0, or -errno. */
void raw_op_result(struct raw_op *op, const struct raw_step *s, int64_t res);
/* Carry out all remaining steps on this thread, blocking. */
void raw_op_run(struct raw_op *op);

/* raw_threads.c, for what io_uring has no form for. Takes any number of requests. */
void raw_workers_issue(struct raw *raw, struct raw_op *op);
void raw_workers_stop(struct raw *raw);

#endif
