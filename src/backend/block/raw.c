/*
 * The raw format: requests in, completions out, and what may run beside what. The system calls are
 * raw_op.c's, their execution raw_uring.c's or raw_threads.c's; raw.h has the invariants.
 */
#include "backend/block/raw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

static struct raw *raw_of(struct blk_backend *b)
{
    return container_of(b, struct raw, base);
}

/* Never fails in a way that loses a wake-up: EAGAIN means the counter is full, so it is set. */
static void wake_loop(struct raw *raw)
{
    (void)!eventfd_write(raw->event_fd, 1);
}

static void move_all(struct list *to, struct list *from)
{
    list_for_each_safe(n, tmp, from)
    {
        list_remove(n);
        list_push_back(to, n);
    }
}

static int raw_submit(struct blk_backend *b, struct blk_request *r)
{
    struct raw *raw = raw_of(b);
    struct raw_op *op;

    int rc = raw_op_create(&op, raw, r);
    if (rc < 0) {
        return rc;
    }
    pthread_mutex_lock(&raw->lock);
    bool first = list_empty(&raw->waiting);
    list_push_back(&raw->waiting, &op->link);
    raw->inflight++;
    pthread_mutex_unlock(&raw->lock);
    if (first) {
        wake_loop(raw);
    }
    return 0;
}

void raw_op_done(struct raw_op *op, bool wake)
{
    struct raw *raw = op->raw;

    pthread_mutex_lock(&raw->lock);
    list_remove(&op->link);
    list_push_back(&raw->done, &op->link);
    pthread_mutex_unlock(&raw->lock);
    if (wake) {
        wake_loop(raw);
    }
}

static bool may_start(const struct raw *raw, const struct raw_op *op)
{
    if (raw->nactive >= raw->driver->depth) {
        return false;
    }
    return !(op->writes && raw->exclusive) && !(op->exclusive && raw->nwrites > 0);
}

/*
 * The first waiting request, if it may run now; those behind it wait their turn, so that none
 * starves. With `take` it moves to `active`.
 */
static struct raw_op *next_startable(struct raw *raw, bool take)
{
    struct raw_op *op = NULL;

    pthread_mutex_lock(&raw->lock);
    if (!list_empty(&raw->waiting)) {
        op = container_of(raw->waiting.next, struct raw_op, link);
        if (!may_start(raw, op)) {
            op = NULL;
        } else if (take) {
            list_remove(&op->link);
            list_push_back(&raw->active, &op->link);
        }
    }
    pthread_mutex_unlock(&raw->lock);
    return op;
}

static void start_waiting(struct raw *raw)
{
    for (struct raw_op *op; (op = next_startable(raw, true)) != NULL;) {
        raw->nactive++;
        raw->nwrites += op->writes;
        raw->exclusive |= op->exclusive;
        raw->driver->issue(raw, op);
    }
}

static void complete(struct raw *raw, struct raw_op *op, int result)
{
    struct blk_request *r = op->req;

    raw_op_destroy(op);
    r->priv = NULL;
    r->done(r, result);
    pthread_mutex_lock(&raw->lock);
    if (--raw->inflight == 0) {
        pthread_cond_broadcast(&raw->idle);
    }
    pthread_mutex_unlock(&raw->lock);
}

static void deliver(struct raw *raw)
{
    struct list batch;

    list_init(&batch);
    pthread_mutex_lock(&raw->lock);
    move_all(&batch, &raw->done);
    pthread_mutex_unlock(&raw->lock);
    list_for_each_safe(n, tmp, &batch)
    {
        struct raw_op *op = container_of(n, struct raw_op, link);
        raw->nactive--;
        raw->nwrites -= op->writes;
        raw->exclusive &= !op->exclusive;
        complete(raw, op, op->result);
    }
}

static void raw_event(void *opaque, uint32_t events)
{
    struct raw *raw = opaque;
    eventfd_t count;

    (void)events;
    (void)!eventfd_read(raw->event_fd, &count);
    start_waiting(raw);
    if (raw->driver->reap) {
        raw->driver->reap(raw);
    }
    deliver(raw);
    /* What the completed ones made room for comes in a turn of its own: a guest that keeps
     * submitting must not keep the loop from everybody else. */
    if (next_startable(raw, false)) {
        wake_loop(raw);
    }
}

static void raw_drain(struct blk_backend *b)
{
    struct raw *raw = raw_of(b);

    pthread_mutex_lock(&raw->lock);
    while (raw->inflight > 0) {
        pthread_cond_wait(&raw->idle, &raw->lock);
    }
    pthread_mutex_unlock(&raw->lock);
}

static void cancel_all(struct raw *raw, struct list *from)
{
    list_for_each_safe(n, tmp, from)
    {
        struct raw_op *op = container_of(n, struct raw_op, link);
        op->result = -ECANCELED;
        complete(raw, op, -ECANCELED);
    }
}

static void release(struct raw *raw)
{
    if (raw->zeroes != MAP_FAILED) {
        munmap(raw->zeroes, RAW_ZEROES);
    }
    if (raw->event_fd >= 0) {
        close(raw->event_fd);
    }
    pthread_mutex_destroy(&raw->lock);
    pthread_cond_destroy(&raw->idle);
    free(raw);
}

static void raw_close(struct blk_backend *b)
{
    struct raw *raw = raw_of(b);
    struct list left;

    evloop_fd_del(raw->loop, raw->event_fd);
    if (!evloop_on_thread(raw->loop)) {
        evloop_sync(raw->loop);
    }
    raw->driver->stop(raw);
    list_init(&left);
    move_all(&left, &raw->done);
    move_all(&left, &raw->active);
    move_all(&left, &raw->waiting);
    cancel_all(raw, &left);
    blk_image_close(&raw->img);
    release(raw);
}

static const struct blk_backend_ops raw_ops = {
    .name = "raw",
    .submit = raw_submit,
    .drain = raw_drain,
    .close = raw_close,
};

static bool uring_wanted(void)
{
    const char *no = getenv("DOPPEL_NO_URING");

    return !no || no[0] == '\0' || strcmp(no, "0") == 0;
}

/* io_uring may be absent, switched off (kernel.io_uring_disabled) or forbidden by seccomp. */
static int start_driver(struct raw *raw, struct error *err)
{
    raw->driver = &raw_uring_driver;
    if (uring_wanted() && raw->driver->start(raw, NULL) == 0) {
        return 0;
    }
    raw->driver = &raw_threads_driver;
    return raw->driver->start(raw, err);
}

static struct raw *create(const struct image *img, enum blk_cache cache, struct evloop *l)
{
    struct raw *raw = calloc(1, sizeof(*raw));

    if (!raw) {
        return NULL;
    }
    raw->img = *img;
    raw->cache = cache;
    raw->loop = l;
    raw->base = (struct blk_backend){
        .ops = &raw_ops,
        .size = img->size,
        .block_size = img->block_size,
        .readonly = img->readonly,
        .can_discard = img->can_discard,
    };
    memcpy(raw->base.id, img->id, sizeof(raw->base.id));
    pthread_mutex_init(&raw->lock, NULL);
    pthread_cond_init(&raw->idle, NULL);
    list_init(&raw->waiting);
    list_init(&raw->done);
    list_init(&raw->active);
    raw->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    /* Never written, so it costs no memory: every page is the kernel's zero page. */
    raw->zeroes = mmap(NULL, RAW_ZEROES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return raw;
}

int raw_open(struct blk_backend **out, const struct image *img, enum blk_cache cache,
             struct evloop *l, struct error *err)
{
    struct raw *raw = create(img, cache, l);

    if (!raw) {
        return error_set(err, ENOMEM, "no memory for a disk");
    }
    int rc = 0;
    if (raw->event_fd < 0 || raw->zeroes == MAP_FAILED) {
        rc = error_set(err, errno, "cannot set up a disk: %s", strerror(errno));
        goto out_release;
    }
    rc = start_driver(raw, err);
    if (rc < 0) {
        goto out_release;
    }
    rc = evloop_fd_add(l, raw->event_fd, EPOLLIN, raw_event, raw);
    if (rc < 0) {
        error_set(err, -rc, "cannot watch a disk's events: %s", strerror(-rc));
        goto out_stop;
    }
    *out = &raw->base;
    return 0;
out_stop:
    raw->driver->stop(raw);
out_release:
    release(raw);
    return rc;
}

const char *raw_driver_name(const struct blk_backend *b)
{
    return container_of(b, const struct raw, base)->driver->name;
}
