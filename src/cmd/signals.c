/*
 * Signals by signalfd.
 */
#include "cmd/signals.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void ending_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

void signals_block(void)
{
    sigset_t set;
    ending_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void readable(void *opaque, uint32_t events)
{
    struct signals *s = opaque;
    struct signalfd_siginfo info;
    (void)events;
    if (read(s->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
        s->fn(s->opaque, (int)info.ssi_signo);
}

int signals_watch(struct signals *s, struct evloop *l, void (*fn)(void *opaque, int signo),
                  void *opaque, struct error *err)
{
    sigset_t set;
    ending_signals(&set);
    s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (s->fd < 0)
        return error_set(err, errno, "cannot watch for signals: %s", strerror(errno));
    s->fn = fn;
    s->opaque = opaque;
    s->loop = l;
    int r = evloop_fd_add(l, s->fd, EPOLLIN, readable, s);
    return r < 0 ? error_set(err, -r, "cannot watch for signals: %s", strerror(-r)) : 0;
}

void signals_unwatch(struct signals *s)
{
    if (!s->loop)
        return;
    evloop_fd_del(s->loop, s->fd);
    evloop_sync(s->loop);
    close(s->fd);
    s->loop = NULL;
}
