/*
 * A tap interface: frames go to the host's network as if from a card of its own. The interface is
 * the administrator's; here it is only opened [Linux Documentation/networking/tuntap.rst].
 *
 * A frame the guest has no room for is kept, and the interface not read until the guest has: the
 * kernel then drops at the interface's queue, where the administrator sees it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backend/net/kinds.h"
#include "base/log.h"

enum { FRAMES_PER_EVENT = 64 };

struct net_tap {
    struct net_backend base;
    struct evloop *loop;
    int fd;
    struct evloop_timer resume; /* started for "now" by rx_ready */
    _Atomic bool blocked;       /* the guest had no room; `frame` waits */
    size_t len;                 /* of `frame`; 0: none. Loop's thread, like `frame` */
    uint8_t frame[NET_MAX_FRAME];
};

/* The interface takes a frame whole or not at all; one it does not take is lost. */
static void tap_send(struct net_backend *b, const struct iovec *iov, int niov)
{
    struct net_tap *t = container_of(b, struct net_tap, base);

    (void)!writev(t->fd, iov, niov);
}

/* False when the guest has no room. The flag first, as the answer may change right after. */
static bool hand_over(struct net_tap *t)
{
    if (t->len == 0) {
        return true;
    }
    atomic_store(&t->blocked, true);
    if (t->base.receive && !t->base.receive(t->base.opaque, t->frame, t->len)) {
        return false;
    }
    t->len = 0;
    atomic_store(&t->blocked, false);
    return true;
}

static void tap_readable(void *opaque, uint32_t events)
{
    struct net_tap *t = opaque;

    (void)events;
    for (int i = 0; i < FRAMES_PER_EVENT; i++) {
        if (!hand_over(t)) {
            evloop_fd_del(t->loop, t->fd);
            return;
        }
        ssize_t n = read(t->fd, t->frame, sizeof(t->frame));
        if (n <= 0) {
            /* Anything but EAGAIN means that the interface is gone; epoll would repeat it forever.
             */
            if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                evloop_fd_del(t->loop, t->fd);
            }
            return;
        }
        t->len = (size_t)n;
    }
}

static void tap_resume(void *opaque)
{
    struct net_tap *t = opaque;

    if (hand_over(t)) {
        evloop_fd_del(t->loop, t->fd);
        (void)!evloop_fd_add(t->loop, t->fd, EPOLLIN, tap_readable, t);
    }
}

static void tap_rx_ready(struct net_backend *b)
{
    struct net_tap *t = container_of(b, struct net_tap, base);

    if (atomic_load(&t->blocked)) {
        evloop_timer_start(&t->resume, 0);
    }
}

static void tap_close(struct net_backend *b)
{
    struct net_tap *t = container_of(b, struct net_tap, base);

    /* Twice: the first time a callback may be just about to register or start again. */
    for (int i = 0; i < 2; i++) {
        evloop_timer_stop(&t->resume);
        evloop_fd_del(t->loop, t->fd);
        if (!evloop_on_thread(t->loop)) {
            evloop_sync(t->loop);
        }
    }
    close(t->fd);
    free(t);
}

static const struct net_backend_ops tap_ops = {
    .name = "tap",
    .send = tap_send,
    .rx_ready = tap_rx_ready,
    .close = tap_close,
};

static int open_failed(struct error *err, int e)
{
    if (e == ENOENT || e == ENODEV || e == ENXIO) {
        return error_set(err, e,
                         "this host has no tap interfaces: /dev/net/tun is missing (module "
                         "'tun')");
    }
    if (e == EACCES || e == EPERM) {
        return error_set(err, e, "no permission to open /dev/net/tun");
    }
    return error_set(err, e, "cannot open /dev/net/tun: %s", strerror(e));
}

static int attach_failed(struct error *err, const char *name, int e)
{
    switch (e) {
    case EPERM:
    case EACCES:
        return error_set(err, e,
                         "no permission to use tap interface '%s'; an administrator can make it "
                         "with 'ip tuntap add %s mode tap user USER'",
                         name, name);
    case EBUSY:
        return error_set(err, e, "tap interface '%s' is in use by another program", name);
    case EINVAL:
        return error_set(err, e, "network interface '%s' is not a tap interface", name);
    default:
        return error_set(err, e, "cannot use tap interface '%s': %s", name, strerror(e));
    }
}

/* Not fatal: the administrator may bring it up while the guest boots. */
static void warn_if_down(const char *name)
{
    struct ifreq ifr = {0};
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(ifr.ifr_name, name, strlen(name));
    if (s >= 0) {
        if (ioctl(s, SIOCGIFFLAGS, &ifr) == 0 && !(ifr.ifr_flags & IFF_UP)) {
            log_warn("tap interface '%s' is down (ip link set %s up)", name, name);
        }
        close(s);
    }
}

static int attach(const char *name, struct error *err)
{
    struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0) {
        return open_failed(err, errno);
    }
    /* For root the kernel would make an interface up on the spot: a mistyped name must not. */
    if (if_nametoindex(name) == 0) {
        close(fd);
        return error_set(err, ENODEV,
                         "there is no tap interface '%s'; an administrator can make it with 'ip "
                         "tuntap add %s mode tap user USER'",
                         name, name);
    }
    memcpy(ifr.ifr_name, name, strlen(name)); /* at most 15 characters, and a zero behind */
    if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
        int e = errno;
        close(fd);
        return attach_failed(err, name, e);
    }
    warn_if_down(name);
    return fd;
}

int net_tap_open(struct net_backend **out, const struct net_options *o, struct evloop *l,
                 struct error *err)
{
    int fd = attach(o->tap, err);
    if (fd < 0) {
        return fd;
    }
    struct net_tap *t = calloc(1, sizeof(*t));
    if (!t) {
        close(fd);
        return error_set(err, ENOMEM, "no memory for a network card");
    }
    t->base.ops = &tap_ops;
    t->loop = l;
    t->fd = fd;
    evloop_timer_init(&t->resume, l, tap_resume, t);
    int rc = evloop_fd_add(l, fd, EPOLLIN, tap_readable, t);
    if (rc < 0) {
        close(fd);
        free(t);
        return error_set(err, -rc, "cannot watch tap interface '%s': %s", o->tap, strerror(-rc));
    }
    *out = &t->base;
    return 0;
}
