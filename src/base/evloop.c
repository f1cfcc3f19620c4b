/*
 * The I/O thread's event loop: epoll for descriptors, one timerfd for the earliest timer, one
 * eventfd to interrupt the wait.
 *
 * Invariants
 * 1. A callback is looked up under the lock immediately before it runs, by descriptor and
 *    generation. So one that was removed, or whose fd number was reused, after epoll_wait() had
 *    reported it is skipped.
 * 2. The timerfd is set no later than the earliest armed timer. It may be earlier (a timer that was
 *    pushed out leaves it alone): then the loop wakes for nothing once and sets it right. Guests
 *    re-arm their timers far more often than these expire.
 * 3. evloop_sync() takes a ticket; the loop honours all tickets it saw before it ran the posted
 *    calls of a round. By then every callback that was running when the ticket was taken has ended.
 */
#include "base/evloop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/timer_heap.h"

enum { EVENTS_PER_ROUND = 32 };

struct watch {
    evloop_fd_fn *fn; /* NULL: this fd is not watched */
    void *opaque;
    uint32_t gen;
};

struct posted {
    struct posted *next;
    evloop_fn *fn;
    void *opaque;
};

struct evloop {
    int epoll_fd, wake_fd, timer_fd;
    char name[16];
    pthread_t thread;
    _Atomic(pthread_t) self; /* the running loop thread; 0: none */

    pthread_mutex_t lock; /* guards all below; never held while a callback runs */
    pthread_cond_t round_done;
    bool running, stopping;
    struct watch *watches; /* by fd */
    unsigned nwatches;
    uint32_t gen;
    struct timer_heap timers;
    uint64_t timer_set; /* what timer_fd is set to; UINT64_MAX: nothing */
    struct posted *posts, **posts_tail;
    uint64_t sync_asked, sync_done;
};

uint64_t mono_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The generation is never 0 here, so wake and timer descriptors (key = fd alone) stay apart. */
static uint64_t event_key(int fd, uint32_t gen)
{
    return (uint64_t)gen << 32 | (uint32_t)fd;
}

static int epoll_watch(struct evloop *l, int op, int fd, uint32_t events, uint32_t gen)
{
    struct epoll_event ev = {.events = events, .data.u64 = event_key(fd, gen)};
    return epoll_ctl(l->epoll_fd, op, fd, &ev) < 0 ? -errno : 0;
}

static int open_fds(struct evloop *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (l->epoll_fd < 0 || l->wake_fd < 0 || l->timer_fd < 0)
        return -errno;
    int rc = epoll_watch(l, EPOLL_CTL_ADD, l->wake_fd, EPOLLIN, 0);
    return rc ? rc : epoll_watch(l, EPOLL_CTL_ADD, l->timer_fd, EPOLLIN, 0);
}

int evloop_create(struct evloop **out, const char *name, struct error *err)
{
    struct evloop *l = calloc(1, sizeof(*l));
    if (!l)
        return error_set(err, ENOMEM, "no memory for an event loop");
    l->epoll_fd = l->wake_fd = l->timer_fd = -1;
    l->timer_set = UINT64_MAX;
    l->posts_tail = &l->posts;
    strncpy(l->name, name, sizeof(l->name) - 1);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->round_done, NULL);
    int rc = open_fds(l);
    if (rc) {
        evloop_destroy(l);
        return error_set(err, -rc, "cannot make an event loop: %s", strerror(-rc));
    }
    *out = l;
    return 0;
}

/* ---- the loop's thread ---- */

static void drain_counter(int fd)
{
    uint64_t count;
    /* EAGAIN when another round emptied it already: nothing to do then either. */
    ssize_t ignored = read(fd, &count, sizeof(count));
    (void)ignored;
}

static void dispatch_fd(struct evloop *l, const struct epoll_event *ev)
{
    unsigned fd = (uint32_t)ev->data.u64;
    struct watch w = {0};

    pthread_mutex_lock(&l->lock);
    if (fd < l->nwatches && l->watches[fd].gen == ev->data.u64 >> 32)
        w = l->watches[fd];
    pthread_mutex_unlock(&l->lock);
    if (w.fn)
        w.fn(w.opaque, ev->events);
}

/* Lock held. */
static void set_timer_fd(struct evloop *l, uint64_t deadline)
{
    /* An it_value of zero would disarm, hence at least 1 ns. */
    uint64_t ns = deadline == UINT64_MAX ? 0 : MAX(deadline, 1);
    struct itimerspec its = {
        .it_value = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)}};
    l->timer_set = deadline;
    timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &its, NULL);
}

static void run_timers(struct evloop *l)
{
    struct evloop_timer *t;
    /* One reading of the clock a round: a timer that re-arms itself in the past cannot starve the
     * descriptors. */
    const uint64_t now = mono_ns();

    pthread_mutex_lock(&l->lock);
    while ((t = timer_heap_first(&l->timers)) && t->deadline <= now) {
        evloop_fn *fn = t->fn;
        void *opaque = t->opaque;
        timer_heap_remove(&l->timers, t);
        pthread_mutex_unlock(&l->lock);
        fn(opaque); /* may re-arm or free t */
        pthread_mutex_lock(&l->lock);
    }
    uint64_t next = t ? t->deadline : UINT64_MAX;
    if (next != l->timer_set)
        set_timer_fd(l, next);
    pthread_mutex_unlock(&l->lock);
}

/* Run what was posted, honour sync tickets; false when the loop shall end. */
static bool finish_round(struct evloop *l)
{
    pthread_mutex_lock(&l->lock);
    const uint64_t ticket = l->sync_asked;
    bool stopping = l->stopping;
    struct posted *p = l->posts;
    l->posts = NULL;
    l->posts_tail = &l->posts;
    pthread_mutex_unlock(&l->lock);

    while (p) {
        struct posted *next = p->next;
        p->fn(p->opaque);
        free(p);
        p = next;
    }

    pthread_mutex_lock(&l->lock);
    l->sync_done = ticket;
    /* Calls posted by the last calls still run: their owners count on it. */
    bool go_on = !stopping || l->posts;
    l->running = go_on;
    pthread_cond_broadcast(&l->round_done);
    pthread_mutex_unlock(&l->lock);
    return go_on;
}

static void *loop_thread(void *arg)
{
    struct evloop *l = arg;
    struct epoll_event events[EVENTS_PER_ROUND];

    atomic_store(&l->self, pthread_self());
    pthread_setname_np(pthread_self(), l->name);
    do {
        int n = epoll_wait(l->epoll_fd, events, EVENTS_PER_ROUND, -1);
        bool timer = false;
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == event_key(l->wake_fd, 0))
                drain_counter(l->wake_fd);
            else if (events[i].data.u64 == event_key(l->timer_fd, 0))
                timer = true;
            else
                dispatch_fd(l, &events[i]);
        }
        if (timer) {
            drain_counter(l->timer_fd);
            pthread_mutex_lock(&l->lock);
            l->timer_set = UINT64_MAX; /* expired: it is set to nothing now */
            pthread_mutex_unlock(&l->lock);
            run_timers(l);
        }
    } while (finish_round(l));
    atomic_store(&l->self, 0);
    return NULL;
}

bool evloop_on_thread(const struct evloop *l)
{
    return atomic_load(&l->self) == pthread_self();
}

/* ---- start and stop ---- */

static void wake(struct evloop *l)
{
    uint64_t one = 1;
    /* EAGAIN means the counter is full, so the loop wakes anyway. */
    ssize_t ignored = write(l->wake_fd, &one, sizeof(one));
    (void)ignored;
}

int evloop_start(struct evloop *l, struct error *err)
{
    sigset_t all, old;

    /* Signals are for the main thread and kicks for vCPUs: this thread takes none. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pthread_mutex_lock(&l->lock);
    l->running = true;
    l->stopping = false;
    int rc = pthread_create(&l->thread, NULL, loop_thread, l);
    if (rc)
        l->running = false;
    pthread_mutex_unlock(&l->lock);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc ? error_set(err, rc, "cannot start the I/O thread: %s", strerror(rc)) : 0;
}

void evloop_stop(struct evloop *l)
{
    pthread_mutex_lock(&l->lock);
    bool join = l->running && !l->stopping;
    l->stopping = true;
    pthread_mutex_unlock(&l->lock);
    if (join) {
        wake(l);
        pthread_join(l->thread, NULL);
    }
}

void evloop_destroy(struct evloop *l)
{
    if (!l)
        return;
    evloop_stop(l);
    for (struct posted *p = l->posts, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    free(l->watches);
    if (l->timer_fd >= 0)
        close(l->timer_fd);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    if (l->epoll_fd >= 0)
        close(l->epoll_fd);
    pthread_cond_destroy(&l->round_done);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

/* ---- descriptors ---- */

/* Lock held. */
static int grow_watches(struct evloop *l, unsigned fd)
{
    if (fd < l->nwatches)
        return 0;
    unsigned n = MAX(fd + 1, l->nwatches * 2 + 16);
    struct watch *w = realloc(l->watches, n * sizeof(*w));
    if (!w)
        return -ENOMEM;
    memset(w + l->nwatches, 0, (n - l->nwatches) * sizeof(*w));
    l->watches = w;
    l->nwatches = n;
    return 0;
}

int evloop_fd_add(struct evloop *l, int fd, uint32_t events, evloop_fd_fn *fn, void *opaque)
{
    if (fd < 0)
        return -EBADF;
    pthread_mutex_lock(&l->lock);
    int rc = grow_watches(l, (unsigned)fd);
    if (!rc && l->watches[fd].fn)
        rc = -EEXIST;
    if (!rc) {
        l->gen += l->gen == UINT32_MAX ? 2 : 1; /* 0 is for the loop's own */
        rc = epoll_watch(l, EPOLL_CTL_ADD, fd, events, l->gen);
    }
    if (!rc)
        l->watches[fd] = (struct watch){.fn = fn, .opaque = opaque, .gen = l->gen};
    pthread_mutex_unlock(&l->lock);
    return rc;
}

int evloop_fd_mod(struct evloop *l, int fd, uint32_t events)
{
    int rc = -ENOENT;

    pthread_mutex_lock(&l->lock);
    if (fd >= 0 && (unsigned)fd < l->nwatches && l->watches[fd].fn)
        rc = epoll_watch(l, EPOLL_CTL_MOD, fd, events, l->watches[fd].gen);
    pthread_mutex_unlock(&l->lock);
    return rc;
}

void evloop_fd_del(struct evloop *l, int fd)
{
    pthread_mutex_lock(&l->lock);
    if (fd >= 0 && (unsigned)fd < l->nwatches && l->watches[fd].fn) {
        epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
        l->watches[fd] = (struct watch){0};
    }
    pthread_mutex_unlock(&l->lock);
}

/* ---- posted calls ---- */

int evloop_post(struct evloop *l, evloop_fn *fn, void *opaque)
{
    struct posted *p = malloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    *p = (struct posted){.fn = fn, .opaque = opaque};
    pthread_mutex_lock(&l->lock);
    *l->posts_tail = p;
    l->posts_tail = &p->next;
    pthread_mutex_unlock(&l->lock);
    wake(l);
    return 0;
}

void evloop_sync(struct evloop *l)
{
    pthread_mutex_lock(&l->lock);
    const uint64_t ticket = ++l->sync_asked;
    wake(l);
    while (l->running && l->sync_done < ticket)
        pthread_cond_wait(&l->round_done, &l->lock);
    pthread_mutex_unlock(&l->lock);
}

/* ---- timers ---- */

void evloop_timer_init(struct evloop_timer *t, struct evloop *l, evloop_fn *fn, void *opaque)
{
    *t = (struct evloop_timer){.loop = l, .fn = fn, .opaque = opaque};
}

void evloop_timer_start(struct evloop_timer *t, uint64_t deadline_ns)
{
    struct evloop *l = t->loop;

    pthread_mutex_lock(&l->lock);
    timer_heap_remove(&l->timers, t);
    if (deadline_ns != UINT64_MAX) {
        t->deadline = deadline_ns;
        timer_heap_insert(&l->timers, t);
        if (deadline_ns < l->timer_set)
            set_timer_fd(l, deadline_ns);
    }
    pthread_mutex_unlock(&l->lock);
}

void evloop_timer_stop(struct evloop_timer *t)
{
    if (t->loop)
        evloop_timer_start(t, UINT64_MAX);
}
