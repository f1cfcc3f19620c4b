/*
 * A guest's side of a network card, by hand.
 */
#include "wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit/cmocka_all.h"

static const uint8_t gateway_mac[6] = {0x52, 0x55, 10, 0, 2, 2}; /* libslirp's own */

static void put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v & 0xffff);
}

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static bool on_frame(void *opaque, const uint8_t *frame, size_t len)
{
    struct wire *w = opaque;
    bool taken = false;

    pthread_mutex_lock(&w->lock);
    if (w->full || w->count == WIRE_FRAMES || len > WIRE_FRAME) {
        w->refused++;
    } else {
        unsigned i = (w->head + w->count++) % WIRE_FRAMES;
        memcpy(w->frames[i].data, frame, len);
        w->frames[i].len = len;
        taken = true;
    }
    pthread_cond_signal(&w->arrived);
    pthread_mutex_unlock(&w->lock);
    return taken;
}

void wire_setup(struct wire *w)
{
    memset(w, 0, sizeof(*w));
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->arrived, NULL);
    assert_int_equal(evloop_create(&w->loop, "test-io", &w->err), 0);
}

int wire_open(struct wire *w, const char *options)
{
    struct net_options o;

    int rc = net_options_parse(&o, options, &w->err);
    if (rc == 0) {
        rc = net_open(&w->b, &o, w->loop, &w->err);
    }
    if (rc == 0) {
        w->b->receive = on_frame;
        w->b->opaque = w;
        assert_int_equal(evloop_start(w->loop, &w->err), 0);
    }
    return rc;
}

void wire_teardown(struct wire *w)
{
    if (w->b) {
        w->b->ops->close(w->b);
    }
    evloop_destroy(w->loop);
    pthread_mutex_destroy(&w->lock);
    pthread_cond_destroy(&w->arrived);
}

void wire_set_full(struct wire *w, bool full)
{
    pthread_mutex_lock(&w->lock);
    w->full = full;
    pthread_mutex_unlock(&w->lock);
    if (!full) {
        w->b->ops->rx_ready(w->b);
    }
}

void wire_send(struct wire *w, const void *frame, size_t len)
{
    struct iovec iov[2] = {{(void *)frame, len / 2}, {(uint8_t *)frame + len / 2, len - len / 2}};

    w->b->ops->send(w->b, iov, 2);
}

static bool pop(struct wire *w, uint8_t *frame, size_t *len)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 5;
    pthread_mutex_lock(&w->lock);
    while (w->count == 0 && pthread_cond_timedwait(&w->arrived, &w->lock, &until) != ETIMEDOUT) {
    }
    bool any = w->count > 0;
    if (any) {
        *len = w->frames[w->head].len;
        memcpy(frame, w->frames[w->head].data, *len);
        w->head = (w->head + 1) % WIRE_FRAMES;
        w->count--;
    }
    pthread_mutex_unlock(&w->lock);
    if (any) {
        w->b->ops->rx_ready(w->b);
    }
    return any;
}

/* [RFC 826] "Who has 10.0.2.15?" - we. */
static void answer_arp(struct wire *w, const uint8_t *f, size_t len)
{
    uint8_t r[42];

    if (len < 42 || get16(f + 12) != 0x0806 || get16(f + 20) != 1 || get32(f + 38) != WIRE_GUEST) {
        return;
    }
    memcpy(r, f, 42);
    memcpy(r, f + 6, 6);
    memcpy(r + 6, w->b->mac, 6);
    put16(r + 20, 2);
    memcpy(r + 22, w->b->mac, 6);
    put32(r + 28, WIRE_GUEST);
    memcpy(r + 32, f + 22, 10);
    wire_send(w, r, sizeof(r));
}

size_t wire_expect(struct wire *w, bool (*wanted)(const uint8_t *frame, size_t len, void *opaque),
                   void *opaque, uint8_t frame[WIRE_FRAME])
{
    size_t len;

    for (int skipped = 0; skipped < 1000 && pop(w, frame, &len); skipped++) {
        if (wanted(frame, len, opaque)) {
            return len;
        }
        answer_arp(w, frame, len);
    }
    return 0;
}

/* [RFC 1071] */
static uint32_t sum(uint32_t s, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
    }
    return s;
}

static uint16_t fold(uint32_t s)
{
    while (s >> 16) {
        s = (s & 0xffff) + (s >> 16);
    }
    return (uint16_t)~s;
}

/* Ethernet and IPv4 headers before `len` bytes of `proto` at frame + 34; then send. */
static void send_ip(struct wire *w, uint8_t *f, uint8_t proto, uint32_t src, uint32_t dst,
                    size_t len)
{
    uint8_t *ip = f + 14;

    memcpy(f, dst == 0xffffffff ? (const uint8_t *)"\xff\xff\xff\xff\xff\xff" : gateway_mac, 6);
    memcpy(f + 6, w->b->mac, 6);
    put16(f + 12, 0x0800);
    memset(ip, 0, 20);
    ip[0] = 0x45;
    put16(ip + 2, (unsigned)len + 20);
    ip[8] = 64;
    ip[9] = proto;
    put32(ip + 12, src);
    put32(ip + 16, dst);
    put16(ip + 10, fold(sum(0, ip, 20)));
    wire_send(w, f, 34 + len);
}

void wire_send_udp(struct wire *w, const struct wire_udp *u, const void *payload, size_t len)
{
    uint8_t f[WIRE_FRAME], *udp = f + 34;

    put16(udp, u->sport);
    put16(udp + 2, u->dport);
    put16(udp + 4, (unsigned)len + 8);
    put16(udp + 6, 0); /* no checksum */
    memcpy(udp + 8, payload, len);
    send_ip(w, f, 17, u->src, u->dst, len + 8);
}

struct port_filter {
    uint8_t proto, flags;
    uint16_t port;
};

static bool is_for_port(const uint8_t *f, size_t len, void *opaque)
{
    const struct port_filter *p = opaque;

    return len >= 42 && get16(f + 12) == 0x0800 && f[23] == p->proto && get16(f + 36) == p->port &&
           (p->proto != 6 || (f[47] & p->flags) == p->flags);
}

size_t wire_expect_udp(struct wire *w, uint16_t dport, uint8_t *payload)
{
    struct port_filter p = {.proto = 17, .port = dport};
    uint8_t f[WIRE_FRAME];

    size_t len = wire_expect(w, is_for_port, &p, f);
    if (len == 0) {
        return 0;
    }
    size_t n = get16(f + 38) - 8u;
    memcpy(payload, f + 42, n);
    return n;
}

void wire_send_tcp(struct wire *w, const struct wire_tcp *t)
{
    uint8_t f[WIRE_FRAME], *tcp = f + 34;

    memset(tcp, 0, 20);
    put16(tcp, t->sport);
    put16(tcp + 2, t->dport);
    put32(tcp + 4, t->seq);
    put32(tcp + 8, t->ack);
    tcp[12] = 5 << 4;
    tcp[13] = t->flags;
    put16(tcp + 14, 8192);
    if (t->len > 0) {
        memcpy(tcp + 20, t->payload, t->len);
    }
    uint8_t pseudo[12] = {0};
    put32(pseudo, t->src);
    put32(pseudo + 4, t->dst);
    pseudo[9] = 6;
    put16(pseudo + 10, (unsigned)t->len + 20);
    put16(tcp + 16, fold(sum(sum(0, pseudo, 12), tcp, t->len + 20)));
    send_ip(w, f, 6, t->src, t->dst, t->len + 20);
}

bool wire_expect_tcp(struct wire *w, uint16_t dport, uint8_t flags, struct wire_tcp *t,
                     uint8_t frame[WIRE_FRAME])
{
    struct port_filter p = {.proto = 6, .flags = flags, .port = dport};

    if (wire_expect(w, is_for_port, &p, frame) == 0) {
        return false;
    }
    const uint8_t *ip = frame + 14, *tcp = frame + 34;
    size_t header = (size_t)(tcp[12] >> 4) * 4;
    *t = (struct wire_tcp){
        .src = get32(ip + 12),
        .dst = get32(ip + 16),
        .seq = get32(tcp + 4),
        .ack = get32(tcp + 8),
        .sport = get16(tcp),
        .dport = dport,
        .flags = tcp[13],
        .payload = tcp + header,
        .len = get16(ip + 2) - 20u - header,
    };
    return true;
}
