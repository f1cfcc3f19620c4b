/*
 * Worker threads for raw images: the driver where io_uring is refused, and beside io_uring for the
 * few calls it has no form for. Workers are made as requests need them and stay until the end.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "backend/block/raw.h"

enum { MAX_WORKERS = 8, DEPTH = 256 };

/*
 * A request stays on raw->active while a worker has it, so the queue is a ring of pointers; it
 * cannot overflow because no driver takes more than DEPTH requests.
 */
struct raw_workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct raw_op *ring[DEPTH];
    unsigned head, count;
    unsigned nthreads, nidle;
    bool stopping;
    pthread_t threads[MAX_WORKERS];
};

/* The next request, or NULL when the workers shall end. Called and returns with the lock held. */
static struct raw_op *next_op(struct raw_workers *w)
{
    while (w->count == 0 && !w->stopping) {
        w->nidle++;
        pthread_cond_wait(&w->work, &w->lock);
        w->nidle--;
    }
    if (w->stopping) {
        return NULL;
    }
    struct raw_op *op = w->ring[w->head];
    w->head = (w->head + 1) % DEPTH;
    w->count--;
    return op;
}

static void *worker(void *opaque)
{
    struct raw_workers *w = opaque;

    pthread_mutex_lock(&w->lock);
    for (struct raw_op *op; (op = next_op(w)) != NULL;) {
        pthread_mutex_unlock(&w->lock);
        raw_op_run(op);
        raw_op_done(op, true);
        pthread_mutex_lock(&w->lock);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* With all signals blocked: they are for the threads that expect them. Under the lock. */
static int add_worker(struct raw_workers *w)
{
    sigset_t all, old;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&w->threads[w->nthreads], NULL, worker, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0) {
        pthread_setname_np(w->threads[w->nthreads], "doppel-block");
        w->nthreads++;
    }
    return -rc;
}

static struct raw_workers *create(void)
{
    struct raw_workers *w = calloc(1, sizeof(*w));

    if (w) {
        pthread_mutex_init(&w->lock, NULL);
        pthread_cond_init(&w->work, NULL);
    }
    return w;
}

static int start(struct raw *raw, struct error *err)
{
    raw->pool = create();
    if (!raw->pool) {
        return error_set(err, ENOMEM, "no memory for a disk");
    }
    int rc = add_worker(raw->pool);
    if (rc < 0) {
        raw_workers_stop(raw);
        return error_set(err, -rc, "cannot start a thread for a disk: %s", strerror(-rc));
    }
    return 0;
}

void raw_workers_issue(struct raw *raw, struct raw_op *op)
{
    struct raw_workers *w = raw->pool;

    if (!w) {
        w = raw->pool = create();
    }
    if (!w) {
        op->result = -ENOMEM;
        raw_op_done(op, true);
        return;
    }
    pthread_mutex_lock(&w->lock);
    int rc = 0;
    if (w->nidle <= w->count && w->nthreads < MAX_WORKERS) {
        rc = add_worker(w);
    }
    bool taken = w->nthreads > 0;
    if (taken) {
        w->ring[(w->head + w->count++) % DEPTH] = op;
        pthread_cond_signal(&w->work);
    }
    pthread_mutex_unlock(&w->lock);
    if (!taken) {
        op->result = rc;
        raw_op_done(op, true);
    }
}

void raw_workers_stop(struct raw *raw)
{
    struct raw_workers *w = raw->pool;

    if (!w) {
        return;
    }
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->nthreads; i++) {
        pthread_join(w->threads[i], NULL);
    }
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->work);
    free(w);
    raw->pool = NULL;
}

const struct raw_driver raw_threads_driver = {
    .name = "threads",
    .depth = DEPTH,
    .start = start,
    .issue = raw_workers_issue,
    .stop = raw_workers_stop,
};
