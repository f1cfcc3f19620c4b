/*
 * User networking: the guest's frames end in libslirp, which speaks TCP and UDP to the host with
 * ordinary sockets. No privilege is needed, and nothing of the host's network changes.
 *
 *   guest 10.0.2.15 (by DHCP), host and gateway 10.0.2.2, name server 10.0.2.3
 *
 * libslirp is not thread-safe: it runs on the loop's thread alone, in rounds (service()): feed the
 * guest's frames, report descriptors, hand over what the guest had no room for, ask what to wait
 * for. Frames from the guest arrive from any thread in `tx`; one that finds it full is lost, as on
 * any network, and the guest's TCP slows down.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <slirp/libslirp.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/frame_queue.h"
#include "backend/net/kinds.h"
#include "backend/net/slirp_poll.h"
#include "base/log.h"

enum {
    TX_BYTES = 512 << 10,
    RX_BYTES = 512 << 10,
    FRAMES_PER_ROUND = 256,
    MIN_FRAME = 60, /* [IEEE 802.3 3.2.8], without the checksum; libslirp reads headers unasked */
};

struct net_user {
    struct net_backend base;
    struct evloop *loop;
    Slirp *slirp;
    struct slirp_poll poll;
    struct evloop_timer service;  /* started for "now": a round is due */
    struct evloop_timer deadline; /* libslirp's own time-outs */
    _Atomic bool due;             /* `service` has been started */
    _Atomic bool closing;
    _Atomic bool rx_blocked; /* the guest had no buffer for what is in `rx` */
    _Atomic bool complained;

    pthread_mutex_t tx_lock; /* `tx`, but for the frame being fed */
    struct frame_queue tx;
    struct frame_queue rx; /* loop's thread */
};

/* Any thread. A timer rather than evloop_post(): it needs no memory and so cannot fail. */
static void want_service(void *opaque)
{
    struct net_user *u = opaque;

    if (!atomic_load(&u->closing) && !atomic_exchange(&u->due, true)) {
        evloop_timer_start(&u->service, 0);
    }
}

/* ---- guest to host ---- */

static void push_tx(struct net_user *u, const struct iovec *iov, int niov)
{
    pthread_mutex_lock(&u->tx_lock);
    (void)!frame_queue_push(&u->tx, iov, niov);
    pthread_mutex_unlock(&u->tx_lock);
}

static void push_tx_padded(struct net_user *u, const struct iovec *iov, int niov)
{
    uint8_t frame[MIN_FRAME] = {0}, *p = frame;

    for (int i = 0; i < niov; i++) {
        memcpy(p, iov[i].iov_base, iov[i].iov_len);
        p += iov[i].iov_len;
    }
    push_tx(u, &(struct iovec){frame, sizeof(frame)}, 1);
}

static void user_send(struct net_backend *b, const struct iovec *iov, int niov)
{
    struct net_user *u = container_of(b, struct net_user, base);
    size_t len = 0;

    for (int i = 0; i < niov; i++) {
        len += iov[i].iov_len;
    }
    if (len == 0 || len > NET_MAX_FRAME) {
        return;
    }
    if (len < MIN_FRAME) {
        push_tx_padded(u, iov, niov);
    } else {
        push_tx(u, iov, niov);
    }
    want_service(u);
}

/* A frame is fed in place: a push meanwhile leaves it alone (frame_queue.h). */
static void feed(struct net_user *u)
{
    for (int i = 0; i < FRAMES_PER_ROUND; i++) {
        size_t len;
        pthread_mutex_lock(&u->tx_lock);
        const uint8_t *frame = frame_queue_peek(&u->tx, &len);
        pthread_mutex_unlock(&u->tx_lock);
        if (!frame) {
            return;
        }
        slirp_input(u->slirp, frame, (int)len);
        pthread_mutex_lock(&u->tx_lock);
        frame_queue_pop(&u->tx);
        pthread_mutex_unlock(&u->tx_lock);
    }
    want_service(u);
}

/* ---- host to guest ---- */

/*
 * Hand over what waits. `rx_blocked` is set before the guest is asked: if it finds a buffer right
 * after having said no, rx_ready() sees the flag and comes back.
 */
static void flush_rx(struct net_user *u)
{
    const uint8_t *frame;
    size_t len;

    while ((frame = frame_queue_peek(&u->rx, &len)) != NULL) {
        atomic_store(&u->rx_blocked, true);
        if (!u->base.receive(u->base.opaque, frame, len)) {
            return;
        }
        frame_queue_pop(&u->rx);
    }
    atomic_store(&u->rx_blocked, false);
}

static ssize_t on_packet(const void *buf, size_t len, void *opaque)
{
    struct net_user *u = opaque;
    struct iovec iov = {(void *)buf, len};

    if (!u->base.receive || atomic_load(&u->closing)) {
        return (ssize_t)len;
    }
    if (frame_queue_empty(&u->rx) && u->base.receive(u->base.opaque, buf, len)) {
        return (ssize_t)len;
    }
    if (frame_queue_push(&u->rx, &iov, 1)) {
        flush_rx(u);
    }
    return (ssize_t)len;
}

static void user_rx_ready(struct net_backend *b)
{
    struct net_user *u = container_of(b, struct net_user, base);

    if (atomic_load(&u->rx_blocked)) {
        want_service(u);
    }
}

/* ---- the round ---- */

static void service(void *opaque)
{
    struct net_user *u = opaque;

    atomic_store(&u->due, false);
    if (atomic_load(&u->closing)) {
        return;
    }
    feed(u);
    slirp_poll_run(&u->poll, u->slirp); /* also sends what waited for an ARP reply just fed */
    flush_rx(u);
    uint32_t ms = slirp_poll_prepare(&u->poll, u->slirp);
    evloop_timer_start(&u->deadline,
                       ms == UINT32_MAX ? UINT64_MAX : mono_ns() + (uint64_t)ms * 1000000);
}

/* ---- what libslirp asks of its host ---- */

struct slirp_timer {
    struct evloop_timer timer;
    struct net_user *user;
    SlirpTimerCb cb;
    void *cb_opaque;
};

static void timer_fired(void *opaque)
{
    struct slirp_timer *t = opaque;

    t->cb(t->cb_opaque);
    want_service(t->user);
}

static void *on_timer_new(SlirpTimerCb cb, void *cb_opaque, void *opaque)
{
    struct net_user *u = opaque;
    struct slirp_timer *t = calloc(1, sizeof(*t));

    if (t) {
        *t = (struct slirp_timer){.user = u, .cb = cb, .cb_opaque = cb_opaque};
        evloop_timer_init(&t->timer, u->loop, timer_fired, t);
    }
    return t;
}

static void on_timer_free(void *timer, void *opaque)
{
    struct slirp_timer *t = timer;

    (void)opaque;
    if (t) {
        evloop_timer_stop(&t->timer);
        free(t);
    }
}

static void on_timer_mod(void *timer, int64_t ms, void *opaque)
{
    struct slirp_timer *t = timer;

    (void)opaque;
    if (t) {
        evloop_timer_start(&t->timer, (uint64_t)MAX(ms, 0) * 1000000);
    }
}

static int64_t on_clock(void *opaque)
{
    (void)opaque;
    return (int64_t)mono_ns();
}

static void on_guest_error(const char *msg, void *opaque)
{
    struct net_user *u = opaque;

    log_warn_once(&u->complained, "network: the guest sent something wrong: %s", msg);
}

static void on_register_fd(int fd, void *opaque)
{
    (void)fd;
    (void)opaque;
}

static void on_unregister_fd(int fd, void *opaque)
{
    struct net_user *u = opaque;

    slirp_poll_forget(&u->poll, fd);
}

static const SlirpCb callbacks = {
    .send_packet = on_packet,
    .guest_error = on_guest_error,
    .clock_get_ns = on_clock,
    .timer_new = on_timer_new,
    .timer_free = on_timer_free,
    .timer_mod = on_timer_mod,
    .register_poll_fd = on_register_fd,
    .unregister_poll_fd = on_unregister_fd,
    .notify = want_service,
};

/* ---- open and close ---- */

static struct in_addr ip(const char *text)
{
    struct in_addr a = {0};

    inet_pton(AF_INET, text, &a);
    return a;
}

/* IPv4 only: with IPv6 offered, guests on a host without it wait for answers that never come. */
static Slirp *make_slirp(struct net_user *u)
{
    SlirpConfig cfg = {
        .version = 1,
        .in_enabled = true,
        .vnetwork = ip("10.0.2.0"),
        .vnetmask = ip("255.255.255.0"),
        .vhost = ip("10.0.2.2"),
        .vnameserver = ip("10.0.2.3"),
        .vdhcp_start = ip("10.0.2.15"),
    };

    return slirp_new(&cfg, &callbacks, u);
}

static int forward_failed(struct error *err, const struct net_forward *f, int e)
{
    const char *proto = f->udp ? "UDP" : "TCP";
    const char *host = f->host_addr[0] ? f->host_addr : "0.0.0.0";

    switch (e) {
    case EADDRINUSE:
        return error_set(err, e, "port %u on %s is in use (%s), so it cannot be forwarded",
                         f->host_port, host, proto);
    case EACCES:
    case EPERM:
        return error_set(err, e, "no permission to listen on %s port %u of %s", proto, f->host_port,
                         host);
    case EADDRNOTAVAIL:
        return error_set(err, e, "%s is no address of this machine, so port %u cannot be forwarded",
                         host, f->host_port);
    default:
        return error_set(err, e, "cannot forward %s port %u of %s: %s", proto, f->host_port, host,
                         strerror(e));
    }
}

static int add_forwards(struct net_user *u, const struct net_options *o, struct error *err)
{
    for (unsigned i = 0; i < o->nforward; i++) {
        const struct net_forward *f = &o->forward[i];
        struct in_addr guest = ip(f->guest_addr[0] ? f->guest_addr : "10.0.2.15");
        errno = 0;
        if (slirp_add_hostfwd(u->slirp, f->udp, ip(f->host_addr), f->host_port, guest,
                              f->guest_port) < 0) {
            return forward_failed(err, f, errno ? errno : EADDRINUSE);
        }
    }
    return 0;
}

static void release(struct net_user *u)
{
    if (u->slirp) {
        slirp_cleanup(u->slirp);
    }
    slirp_poll_free(&u->poll);
    frame_queue_free(&u->tx);
    frame_queue_free(&u->rx);
    pthread_mutex_destroy(&u->tx_lock);
    free(u);
}

static void sync_loop(struct net_user *u)
{
    if (!evloop_on_thread(u->loop)) {
        evloop_sync(u->loop);
    }
}

/* Once the flag has been seen, no round runs and nothing starts one; then the rest can go. */
static void user_close(struct net_backend *b)
{
    struct net_user *u = container_of(b, struct net_user, base);

    atomic_store(&u->closing, true);
    sync_loop(u);
    evloop_timer_stop(&u->service);
    evloop_timer_stop(&u->deadline);
    slirp_poll_stop(&u->poll);
    sync_loop(u);
    release(u);
}

static const struct net_backend_ops user_ops = {
    .name = "user",
    .send = user_send,
    .rx_ready = user_rx_ready,
    .close = user_close,
};

static struct net_user *create(struct evloop *l)
{
    struct net_user *u = calloc(1, sizeof(*u));

    if (!u) {
        return NULL;
    }
    u->base.ops = &user_ops;
    u->loop = l;
    pthread_mutex_init(&u->tx_lock, NULL);
    slirp_poll_init(&u->poll, l, want_service, u);
    evloop_timer_init(&u->service, l, service, u);
    evloop_timer_init(&u->deadline, l, want_service, u);
    if (frame_queue_init(&u->tx, TX_BYTES) < 0 || frame_queue_init(&u->rx, RX_BYTES) < 0) {
        release(u);
        return NULL;
    }
    return u;
}

/* Here libslirp runs on the opener's thread; the first round only comes with want_service(). */
int net_user_open(struct net_backend **out, const struct net_options *o, struct evloop *l,
                  struct error *err)
{
    struct net_user *u = create(l);

    if (!u) {
        return error_set(err, ENOMEM, "no memory for user networking");
    }
    atomic_store(&u->due, true); /* libslirp may already ask for a round */
    u->slirp = make_slirp(u);
    int rc = u->slirp ? add_forwards(u, o, err)
                      : error_set(err, EIO, "cannot start user networking (libslirp)");
    if (rc < 0) {
        release(u);
        return rc;
    }
    atomic_store(&u->due, false);
    want_service(u);
    *out = &u->base;
    return 0;
}
