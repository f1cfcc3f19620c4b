/*
 * SIGINT, SIGTERM and SIGHUP as events on the event loop, so that a machine ends in good order.
 */
#ifndef DOPPEL_CMD_SIGNALS_H
#define DOPPEL_CMD_SIGNALS_H

#include "base/compiler.h"
#include "base/error.h"
#include "base/evloop.h"

struct signals {
    struct evloop *loop; /* NULL: not watched */
    int fd;
    void (*fn)(void *opaque, int signo); /* event loop thread */
    void *opaque;
};

/* Before any thread is made: signals are taken from the descriptor only. */
void signals_block(void);
int signals_watch(struct signals *s, struct evloop *l, void (*fn)(void *opaque, int signo),
                  void *opaque, struct error *err) must_check;
void signals_unwatch(struct signals *s);

#endif
