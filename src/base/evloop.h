/*
 * The I/O thread's event loop: file descriptors, timers and calls posted from other threads.
 *
 * Every callback runs on the loop's own thread with no lock held; a callback takes its device's
 * lock itself. Callbacks must not block. All functions here may be called from any thread unless
 * said otherwise.
 *
 * Invariant: after evloop_fd_del() or evloop_timer_stop() returns *on the loop's thread*, or after
 * evloop_sync() on another thread, the callback is not running and will not run again.
 */
#ifndef DOPPEL_BASE_EVLOOP_H
#define DOPPEL_BASE_EVLOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"

struct evloop;

/* `events`: EPOLLIN, EPOLLOUT ... that are ready. */
typedef void evloop_fd_fn(void *opaque, uint32_t events);
typedef void evloop_fn(void *opaque);

int evloop_create(struct evloop **out, const char *name, struct error *err) must_check;
/* Start the thread; before that nothing runs. */
int evloop_start(struct evloop *l, struct error *err) must_check;
/* Stop and join the thread (call from outside it), then free. NULL is ignored. */
void evloop_destroy(struct evloop *l);
/* Stop and join the thread but keep the structure, so that devices can be torn down safely. */
void evloop_stop(struct evloop *l);

/* Watch `fd` (level-triggered). One registration per fd; `fd` stays the caller's. */
int evloop_fd_add(struct evloop *l, int fd, uint32_t events, evloop_fd_fn *fn, void *opaque)
    must_check;
int evloop_fd_mod(struct evloop *l, int fd, uint32_t events) must_check;
void evloop_fd_del(struct evloop *l, int fd);

/* Run `fn` once on the loop's thread. Fails only for want of memory. */
int evloop_post(struct evloop *l, evloop_fn *fn, void *opaque) must_check;
/* Wait until everything posted before this call has run. Not from the loop's own thread. */
void evloop_sync(struct evloop *l);
bool evloop_on_thread(const struct evloop *l);

/* A one-shot timer embedded in its owner, who stops it before its memory goes (also after
 * evloop_stop()). Zero-initialise, then evloop_timer_init. */
struct evloop_timer {
    struct evloop *loop;
    evloop_fn *fn;
    void *opaque;
    uint64_t deadline;                        /* CLOCK_MONOTONIC ns, while armed */
    struct evloop_timer *child, *next, *prev; /* timer_heap.c's */
    bool armed;
};

void evloop_timer_init(struct evloop_timer *t, struct evloop *l, evloop_fn *fn, void *opaque);
/* Arm, or re-arm, for an absolute CLOCK_MONOTONIC time; a time in the past fires at once,
 * UINT64_MAX is never (the timer is stopped). Any lock may be held. */
void evloop_timer_start(struct evloop_timer *t, uint64_t deadline_ns);
void evloop_timer_stop(struct evloop_timer *t);

/* CLOCK_MONOTONIC in ns. */
uint64_t mono_ns(void);

#endif
