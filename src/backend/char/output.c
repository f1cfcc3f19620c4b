/*
 * Output of a console to a descriptor.
 */
#include "backend/char/output.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/compiler.h"

/* A descriptor that is writable takes this much without blocking: PIPE_BUF is 4096 and a terminal's
 * buffer larger than this. */
enum { BLOCKING_CHUNK = 256, FLUSH_NS = 1000000000 };

void chr_output_init(struct chr_output *o, struct evloop *l)
{
    o->loop = l;
    o->fd = -1;
    o->watching = false;
    o->start = o->count = 0;
    pthread_mutex_init(&o->lock, NULL);
}

void chr_output_destroy(struct chr_output *o)
{
    pthread_mutex_destroy(&o->lock);
}

/* The functions below are called with the lock held. */

static ssize_t put(struct chr_output *o, const uint8_t *buf, size_t len)
{
    struct pollfd p = {.fd = o->fd, .events = POLLOUT};

    switch (o->kind) {
    case CHR_OUTPUT_SOCKET:
        return send(o->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    case CHR_OUTPUT_BLOCKING:
        if (poll(&p, 1, 0) == 0) {
            errno = EAGAIN;
            return -1;
        }
        return write(o->fd, buf, MIN(len, (size_t)BLOCKING_CHUNK));
    case CHR_OUTPUT_FD:
        break;
    }
    return write(o->fd, buf, len);
}

static void detach(struct chr_output *o)
{
    if (o->watching) {
        evloop_fd_del(o->loop, o->fd);
        o->watching = false;
    }
    if (o->fd >= 0) {
        close(o->fd);
        o->fd = -1;
    }
    o->start = o->count = 0;
}

/* How much of `buf` is dealt with; *rc as chr_output_write() says. */
static size_t put_all(struct chr_output *o, const uint8_t *buf, size_t len, int *rc)
{
    size_t done = 0;

    *rc = 0;
    while (done < len) {
        ssize_t n = put(o, buf + done, len - done);
        if (n > 0) {
            done += (size_t)n;
        } else if (n < 0 && errno == EINTR) {
            continue;
        } else if (n < 0 && errno == EAGAIN) {
            return done;
        } else {
            *rc = n < 0 ? -errno : -EIO;
            if (*rc != -ENOSPC && *rc != -EDQUOT && *rc != -EFBIG) {
                detach(o);
            }
            return len;
        }
    }
    return done;
}

static void keep(struct chr_output *o, const uint8_t *buf, size_t len)
{
    len = MIN(len, CHR_OUTPUT_BYTES - o->count);
    for (size_t i = 0; i < len; i++) {
        o->ring[(o->start + o->count++) % CHR_OUTPUT_BYTES] = buf[i];
    }
}

static int write_kept(struct chr_output *o)
{
    int rc = 0;

    while (o->count > 0 && o->fd >= 0) {
        size_t piece = MIN(o->count, CHR_OUTPUT_BYTES - o->start);
        size_t n = put_all(o, o->ring + o->start, piece, &rc);
        if (o->fd < 0) {
            break;
        }
        o->start = (o->start + n) % CHR_OUTPUT_BYTES;
        o->count -= n;
        if (n < piece) {
            break;
        }
    }
    if (o->count == 0) {
        o->start = 0; /* lightly used, the ring touches few pages */
    }
    return rc;
}

static void writable(void *opaque, uint32_t events);

static void update_watch(struct chr_output *o)
{
    bool want = o->count > 0 && o->fd >= 0;

    if (want && !o->watching) {
        /* Without memory for it the next write tries again. */
        o->watching = evloop_fd_add(o->loop, o->fd, EPOLLOUT, writable, o) == 0;
    } else if (!want && o->watching) {
        evloop_fd_del(o->loop, o->fd);
        o->watching = false;
    }
}

static void writable(void *opaque, uint32_t events)
{
    struct chr_output *o = opaque;

    (void)events;
    pthread_mutex_lock(&o->lock);
    (void)write_kept(o);
    update_watch(o);
    pthread_mutex_unlock(&o->lock);
}

/* From here on without the lock. */

void chr_output_attach(struct chr_output *o, int fd, enum chr_output_kind kind)
{
    pthread_mutex_lock(&o->lock);
    detach(o);
    o->fd = fd;
    o->kind = kind;
    pthread_mutex_unlock(&o->lock);
}

void chr_output_detach(struct chr_output *o)
{
    pthread_mutex_lock(&o->lock);
    detach(o);
    pthread_mutex_unlock(&o->lock);
}

int chr_output_write(struct chr_output *o, const uint8_t *buf, size_t len)
{
    int rc = 0;

    pthread_mutex_lock(&o->lock);
    if (o->fd >= 0) {
        size_t done = o->count == 0 ? put_all(o, buf, len, &rc) : 0;
        if (o->fd >= 0) {
            keep(o, buf + done, len - done);
            update_watch(o);
        }
    }
    pthread_mutex_unlock(&o->lock);
    return rc;
}

void chr_output_flush(struct chr_output *o)
{
    const uint64_t until = mono_ns() + FLUSH_NS;

    pthread_mutex_lock(&o->lock);
    (void)write_kept(o);
    for (uint64_t now; o->count > 0 && o->fd >= 0 && (now = mono_ns()) < until;) {
        struct pollfd p = {.fd = o->fd, .events = POLLOUT};
        pthread_mutex_unlock(&o->lock);
        poll(&p, 1, (int)((until - now) / 1000000) + 1);
        pthread_mutex_lock(&o->lock);
        (void)write_kept(o);
    }
    update_watch(o);
    pthread_mutex_unlock(&o->lock);
}
