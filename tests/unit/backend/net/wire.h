/*
 * A guest's side of a network card, by hand: frames are made, sent and waited for.
 */
#ifndef DOPPEL_TESTS_BACKEND_NET_WIRE_H
#define DOPPEL_TESTS_BACKEND_NET_WIRE_H

#include <pthread.h>

#include "backend/net/net.h"

enum { WIRE_FRAMES = 64, WIRE_FRAME = 2048 };

struct wire {
    struct evloop *loop;
    struct net_backend *b;
    struct error err;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    bool full; /* say to the back end that there is no buffer */
    unsigned refused, head, count;
    struct {
        uint8_t data[WIRE_FRAME];
        size_t len;
    } frames[WIRE_FRAMES];
};

struct wire_tcp {
    uint32_t src, dst, seq, ack; /* host byte order, all */
    uint16_t sport, dport;
    uint8_t flags;
    const uint8_t *payload;
    size_t len;
};

enum { WIRE_FIN = 1, WIRE_SYN = 2, WIRE_PSH = 8, WIRE_ACK = 16 };
enum { WIRE_GUEST = 0x0a00020f, WIRE_HOST = 0x0a000202 }; /* 10.0.2.15, 10.0.2.2 */

void wire_setup(struct wire *w);
/* 0 or the error of net_open(); w->err has the sentence. */
int wire_open(struct wire *w, const char *options);
void wire_teardown(struct wire *w);
void wire_set_full(struct wire *w, bool full);

void wire_send(struct wire *w, const void *frame, size_t len);
/* The next frame `wanted` says yes to, copied to `frame`; ARP requests for the guest are answered
 * on the way, other frames skipped. 0 when none comes within five seconds. */
size_t wire_expect(struct wire *w, bool (*wanted)(const uint8_t *frame, size_t len, void *opaque),
                   void *opaque, uint8_t frame[WIRE_FRAME]);

struct wire_udp {
    uint32_t src, dst; /* host byte order, all */
    uint16_t sport, dport;
};

void wire_send_udp(struct wire *w, const struct wire_udp *u, const void *payload, size_t len);
/* Payload of the next UDP datagram to `dport`. */
size_t wire_expect_udp(struct wire *w, uint16_t dport, uint8_t *payload);
void wire_send_tcp(struct wire *w, const struct wire_tcp *t);
/* The next TCP segment to `dport` with all of `flags`; payload points into a buffer of its own. */
bool wire_expect_tcp(struct wire *w, uint16_t dport, uint8_t flags, struct wire_tcp *t,
                     uint8_t frame[WIRE_FRAME]);

#endif
