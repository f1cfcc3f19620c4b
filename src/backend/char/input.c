/*
 * Input of a console from a descriptor to the guest.
 */
#include "backend/char/input.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { RETRY_NS = 500000000, CHUNK = 1024 };

static void readable(void *opaque, uint32_t events);

static void unwatch(struct chr_input *in)
{
    if (in->watching) {
        evloop_fd_del(in->loop, in->fd);
        in->watching = false;
    }
}

/* Taking the registration away, rather than asking for no events, also silences EPOLLHUP. */
static int watch(struct chr_input *in)
{
    if (in->watching || in->fd < 0 || atomic_load(&in->closing)) {
        return 0;
    }
    if (in->always_ready) {
        evloop_timer_start(&in->resume, 0);
        return 0;
    }
    int rc = evloop_fd_add(in->loop, in->fd, EPOLLIN, readable, in);
    if (rc == -EPERM) {
        in->always_ready = true;
        evloop_timer_start(&in->resume, 0);
        return 0;
    }
    in->watching = rc == 0;
    return rc;
}

/*
 * Give the guest what is kept. `blocked` is set before it is asked: if it finds room right after
 * having said no, rx_ready sees the flag and comes back.
 */
static void hand_over(struct chr_input *in)
{
    struct chr_backend *b = in->b;

    while (in->len > 0) {
        atomic_store(&in->blocked, true);
        size_t n = b->receive ? b->receive(b->opaque, in->kept, in->len) : in->len;
        if (n == 0) {
            return;
        }
        n = MIN(n, in->len);
        memmove(in->kept, in->kept + n, in->len - n);
        in->len -= n;
    }
    atomic_store(&in->blocked, false);
}

static void end(struct chr_input *in, int error)
{
    unwatch(in);
    if (in->ops->ended && in->ops->ended(in, error)) {
        evloop_timer_start(&in->resume, mono_ns() + RETRY_NS);
    } else {
        in->fd = -1;
    }
}

static void keep(struct chr_input *in, uint8_t *buf, size_t len)
{
    if (in->ops->filter) {
        len = in->ops->filter(in, buf, len);
    }
    len = MIN(len, sizeof(in->kept) - in->len);
    memcpy(in->kept + in->len, buf, len);
    in->len += len;
}

static bool may_read(const struct chr_input *in)
{
    return in->fd >= 0 && !atomic_load(&in->closing) && (in->lossy || in->len == 0);
}

static void read_once(struct chr_input *in)
{
    uint8_t buf[CHUNK];

    ssize_t n = read(in->fd, buf, sizeof(buf));
    if (n > 0) {
        keep(in, buf, (size_t)n);
        hand_over(in);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        end(in, n == 0 ? 0 : errno);
        return;
    }
    if (!may_read(in)) {
        unwatch(in);
    } else if (in->always_ready) {
        evloop_timer_start(&in->resume, 0);
    }
}

static void readable(void *opaque, uint32_t events)
{
    struct chr_input *in = opaque;

    (void)events;
    if (may_read(in)) {
        read_once(in);
    }
}

static void resume(void *opaque)
{
    struct chr_input *in = opaque;

    hand_over(in);
    if (!may_read(in)) {
        return;
    }
    if (in->always_ready) {
        read_once(in);
    } else {
        (void)!watch(in);
    }
}

void chr_input_init(struct chr_input *in, struct chr_backend *b, struct evloop *l,
                    const struct chr_input_ops *ops)
{
    in->b = b;
    in->loop = l;
    in->ops = ops;
    in->fd = -1;
    evloop_timer_init(&in->resume, l, resume, in);
}

int chr_input_attach(struct chr_input *in, int fd)
{
    in->fd = fd;
    in->always_ready = false;
    int rc = may_read(in) ? watch(in) : 0;
    if (rc < 0) {
        in->fd = -1;
    }
    return rc;
}

void chr_input_detach(struct chr_input *in)
{
    unwatch(in);
    in->fd = -1;
}

void chr_input_rx_ready(struct chr_input *in)
{
    if (atomic_load(&in->blocked) && !atomic_load(&in->closing)) {
        evloop_timer_start(&in->resume, 0);
    }
}

static void sync_loop(struct chr_input *in)
{
    if (!evloop_on_thread(in->loop)) {
        evloop_sync(in->loop);
    }
}

/* Once the flag has been seen nothing is registered or started any more. */
void chr_input_stop(struct chr_input *in)
{
    atomic_store(&in->closing, true);
    sync_loop(in);
    evloop_timer_stop(&in->resume);
    chr_input_detach(in);
    sync_loop(in);
}
