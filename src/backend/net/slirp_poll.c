/*
 * libslirp's descriptors in the event loop.
 */
#include "backend/net/slirp_poll.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static const struct {
    int slirp;
    uint32_t epoll;
} event_map[] = {
    {SLIRP_POLL_IN, EPOLLIN},   {SLIRP_POLL_OUT, EPOLLOUT}, {SLIRP_POLL_PRI, EPOLLPRI},
    {SLIRP_POLL_ERR, EPOLLERR}, {SLIRP_POLL_HUP, EPOLLHUP},
};

static uint32_t to_epoll(int events)
{
    uint32_t r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(event_map); i++) {
        r |= events & event_map[i].slirp ? event_map[i].epoll : 0;
    }
    return r;
}

static int to_slirp(uint32_t events)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(event_map); i++) {
        r |= events & event_map[i].epoll ? event_map[i].slirp : 0;
    }
    return r;
}

void slirp_poll_init(struct slirp_poll *p, struct evloop *l, evloop_fn *ready, void *opaque)
{
    *p = (struct slirp_poll){.loop = l, .ready = ready, .opaque = opaque};
}

static struct slirp_poll_slot *slot_of(const struct slirp_poll *p, int fd)
{
    return fd >= 0 && (unsigned)fd < p->nslots ? p->slots[fd] : NULL;
}

static void unwatch(struct slirp_poll_slot *s)
{
    if (s->watching) {
        evloop_fd_del(s->poll->loop, s->fd);
    }
    s->watching = s->want = s->revents = 0;
}

void slirp_poll_forget(struct slirp_poll *p, int fd)
{
    struct slirp_poll_slot *s = slot_of(p, fd);

    if (s) {
        unwatch(s);
    }
}

/* Leaves `revents` alone: fd_ready() may be running. */
void slirp_poll_stop(struct slirp_poll *p)
{
    for (unsigned fd = 0; fd < p->nslots; fd++) {
        if (p->slots[fd] && p->slots[fd]->watching) {
            evloop_fd_del(p->loop, (int)fd);
            p->slots[fd]->watching = 0;
        }
    }
}

void slirp_poll_free(struct slirp_poll *p)
{
    for (unsigned fd = 0; fd < p->nslots; fd++) {
        free(p->slots[fd]);
    }
    free(p->slots);
    free(p->current);
    free(p->previous);
}

static bool grow_array(struct slirp_poll_slot ***array, unsigned n)
{
    void *bigger = realloc(*array, n * sizeof(**array));

    if (bigger) {
        *array = bigger;
    }
    return bigger != NULL;
}

/* `current` and `previous` hold a slot at most once, so they never need to be longer than `slots`.
 */
static bool grow(struct slirp_poll *p, unsigned fd)
{
    unsigned n = MAX(fd + 1, p->nslots * 2);

    if (fd < p->nslots) {
        return true;
    }
    if (!grow_array(&p->slots, n) || !grow_array(&p->current, n) || !grow_array(&p->previous, n)) {
        return false;
    }
    memset(p->slots + p->nslots, 0, (n - p->nslots) * sizeof(*p->slots));
    p->nslots = n;
    return true;
}

static struct slirp_poll_slot *make_slot(struct slirp_poll *p, int fd)
{
    if (fd < 0 || !grow(p, (unsigned)fd)) {
        return NULL;
    }
    if (!p->slots[fd]) {
        p->slots[fd] = calloc(1, sizeof(struct slirp_poll_slot));
        if (p->slots[fd]) {
            p->slots[fd]->poll = p;
            p->slots[fd]->fd = fd;
        }
    }
    return p->slots[fd];
}

/* libslirp may name a descriptor twice in a round. */
static int add_poll(int fd, int events, void *opaque)
{
    struct slirp_poll *p = opaque;
    struct slirp_poll_slot *s = make_slot(p, fd);

    if (!s) {
        return -1;
    }
    if (s->round != p->round) {
        s->round = p->round;
        s->want = 0;
        p->current[p->ncurrent++] = s;
    }
    s->want |= to_epoll(events);
    return fd;
}

static int get_revents(int idx, void *opaque)
{
    const struct slirp_poll_slot *s = slot_of(opaque, idx);

    return s ? to_slirp(s->revents) : 0;
}

static void fd_ready(void *opaque, uint32_t events)
{
    struct slirp_poll_slot *s = opaque;

    s->revents |= events;
    s->poll->ready(s->poll->opaque);
}

static void watch(struct slirp_poll_slot *s)
{
    struct evloop *l = s->poll->loop;
    int rc;

    if (s->watching) {
        rc = evloop_fd_mod(l, s->fd, s->want);
    } else {
        rc = evloop_fd_add(l, s->fd, s->want, fd_ready, s);
    }
    /* Without memory for it the next round tries again. */
    s->watching = rc == 0 ? s->want : 0;
}

uint32_t slirp_poll_prepare(struct slirp_poll *p, Slirp *slirp)
{
    uint32_t timeout = UINT32_MAX;

    struct slirp_poll_slot **last = p->current;
    p->current = p->previous;
    p->previous = last;
    p->nprevious = p->ncurrent;
    p->ncurrent = 0;
    p->round++;
    slirp_pollfds_fill(slirp, &timeout, add_poll, p);
    for (unsigned i = 0; i < p->nprevious; i++) {
        if (p->previous[i]->round != p->round) {
            unwatch(p->previous[i]);
        }
    }
    for (unsigned i = 0; i < p->ncurrent; i++) {
        p->current[i]->revents = 0;
        if (p->current[i]->want != p->current[i]->watching) {
            watch(p->current[i]);
        }
    }
    return timeout;
}

void slirp_poll_run(struct slirp_poll *p, Slirp *slirp)
{
    slirp_pollfds_poll(slirp, 0, get_revents, p);
}
