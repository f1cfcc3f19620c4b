/*
 * libslirp's descriptors in the event loop. libslirp was made for poll(): before every sleep it
 * names the descriptors it waits for, afterwards it asks what became of each. Here the descriptors
 * stay registered with the loop between two such rounds, and only the differences are told to it.
 * Everything on the loop's thread, or on the only thread there is.
 */
#ifndef DOPPEL_BACKEND_NET_SLIRP_POLL_H
#define DOPPEL_BACKEND_NET_SLIRP_POLL_H

#include <slirp/libslirp.h>
#include <stdint.h>

#include "base/evloop.h"

struct slirp_poll_slot {
    struct slirp_poll *poll;
    int fd;
    uint32_t want;     /* epoll events of this round */
    uint32_t watching; /* what the loop has been told; 0: not registered */
    uint32_t revents;  /* what has happened since */
    uint32_t round;    /* when `want` was set */
};

struct slirp_poll {
    struct evloop *loop;
    evloop_fn *ready; /* something has happened: call slirp_poll_run() soon */
    void *opaque;
    struct slirp_poll_slot **slots; /* by fd, which is libslirp's index too; made when first used */
    unsigned nslots;
    uint32_t round;
    struct slirp_poll_slot **current, **previous; /* those of this round and of the one before */
    unsigned ncurrent, nprevious;
};

void slirp_poll_init(struct slirp_poll *p, struct evloop *l, evloop_fn *ready, void *opaque);
/* Unregister everything; any thread, while no round runs. */
void slirp_poll_stop(struct slirp_poll *p);
/* Then, after evloop_sync(), free. */
void slirp_poll_free(struct slirp_poll *p);
/* Tell libslirp what has happened since slirp_poll_prepare(). */
void slirp_poll_run(struct slirp_poll *p, Slirp *slirp);
/* Ask libslirp what to wait for; how many ms at most until the next run. */
uint32_t slirp_poll_prepare(struct slirp_poll *p, Slirp *slirp);
/* libslirp is about to close `fd`. */
void slirp_poll_forget(struct slirp_poll *p, int fd);

#endif
