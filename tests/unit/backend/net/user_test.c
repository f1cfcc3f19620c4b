/*
 * User networking, seen from a guest that makes its frames by hand and from sockets on loopback.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "wire.h"

static int setup(void **state)
{
    struct wire *w = malloc(sizeof(*w));

    wire_setup(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    wire_teardown(*state);
    free(*state);
    return 0;
}

/* A loopback socket of our own with a port of the kernel's choice. */
static int host_socket(int type, uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int s = socket(AF_INET, type, 0);
    struct timeval limit = {.tv_sec = 5};

    assert_true(s >= 0);
    assert_int_equal(bind(s, (struct sockaddr *)&a, sizeof(a)), 0);
    if (type == SOCK_STREAM) {
        assert_int_equal(listen(s, 4), 0);
    }
    assert_int_equal(getsockname(s, (struct sockaddr *)&a, &len), 0);
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    *port = ntohs(a.sin_port);
    return s;
}

static uint16_t free_port(int type)
{
    uint16_t port;

    close(host_socket(type, &port));
    return port;
}

static int connect_to(int type, uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
    struct timeval limit = {.tv_sec = 5};
    int s = socket(AF_INET, type, 0);

    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(connect(s, (struct sockaddr *)&a, sizeof(a)), 0);
    return s;
}

static const struct wire_udp dhcp_client = {.dst = 0xffffffff, .sport = 68, .dport = 67};

/* [RFC 2131 2, 4.1]: a message of type `type` asking for 10.0.2.15. */
static size_t dhcp_message(struct wire *w, uint8_t type, uint8_t m[300])
{
    static const uint8_t options[] = {0x63, 0x82, 0x53, 0x63, 53, 1,  0, 50, 4, 10, 0, 2,  15,
                                      55,   3,    1,    3,    6,  54, 4, 10, 0, 2,  2, 255};
    memset(m, 0, 300);
    m[0] = 1; /* BOOTREQUEST */
    m[1] = 1;
    m[2] = 6;
    memcpy(m + 4, "\x12\x34\x56\x78", 4);
    memcpy(m + 28, w->b->mac, 6);
    memcpy(m + 236, options, sizeof(options));
    m[242] = type;
    return 300;
}

static const uint8_t *dhcp_option(const uint8_t *m, size_t len, uint8_t code)
{
    for (size_t i = 240; i + 1 < len && m[i] != 255; i += m[i] == 0 ? 1 : m[i + 1] + 2u) {
        if (m[i] == code) {
            return m + i + 2;
        }
    }
    fail_msg("no option %u", code);
    return NULL;
}

static void ask_dhcp(struct wire *w, uint8_t type, uint8_t answer)
{
    uint8_t m[WIRE_FRAME];

    size_t len = dhcp_message(w, type, m);
    wire_send_udp(w, &dhcp_client, m, len);
    len = wire_expect_udp(w, 68, m);
    assert_true(len > 240);
    assert_int_equal(m[0], 2);
    assert_memory_equal(m + 4, "\x12\x34\x56\x78", 4);
    assert_memory_equal(m + 16, "\x0a\x00\x02\x0f", 4); /* yours: 10.0.2.15 */
    assert_int_equal(dhcp_option(m, len, 53)[0], answer);
    assert_memory_equal(dhcp_option(m, len, 1), "\xff\xff\xff\x00", 4);
    assert_memory_equal(dhcp_option(m, len, 3), "\x0a\x00\x02\x02", 4);
    assert_memory_equal(dhcp_option(m, len, 6), "\x0a\x00\x02\x03", 4);
}

static void dhcp_gives_the_address(void **state)
{
    struct wire *w = *state;

    assert_int_equal(wire_open(w, "user"), 0);
    ask_dhcp(w, 1 /* DISCOVER */, 2 /* OFFER */);
    ask_dhcp(w, 3 /* REQUEST */, 5 /* ACK */);
}

static void frames_wait_for_buffers(void **state)
{
    struct wire *w = *state;
    uint8_t m[WIRE_FRAME];

    assert_int_equal(wire_open(w, "user"), 0);
    wire_set_full(w, true);
    for (int i = 0; i < 3; i++) {
        size_t len = dhcp_message(w, 1, m);
        wire_send_udp(w, &dhcp_client, m, len);
    }
    bool refused = false;
    for (int i = 0; i < 5000 && !refused; i++) {
        usleep(1000);
        pthread_mutex_lock(&w->lock);
        refused = w->refused > 0;
        pthread_mutex_unlock(&w->lock);
    }
    assert_true(refused);
    wire_set_full(w, false);
    for (int i = 0; i < 3; i++) {
        assert_true(wire_expect_udp(w, 68, m) > 240);
    }
}

static void udp_reaches_the_host(void **state)
{
    struct wire *w = *state;
    struct sockaddr_in from;
    socklen_t fromlen = sizeof(from);
    uint8_t buf[WIRE_FRAME];
    uint16_t port;
    int s = host_socket(SOCK_DGRAM, &port);

    assert_int_equal(wire_open(w, "user"), 0);
    wire_send_udp(
        w, &(struct wire_udp){.src = WIRE_GUEST, .dst = WIRE_HOST, .sport = 4000, .dport = port},
        "ping", 4);
    assert_int_equal(recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &fromlen), 4);
    assert_memory_equal(buf, "ping", 4);
    assert_int_equal(sendto(s, "pong!", 5, 0, (struct sockaddr *)&from, fromlen), 5);
    assert_int_equal(wire_expect_udp(w, 4000, buf), 5);
    assert_memory_equal(buf, "pong!", 5);
    close(s);
}

/* A guest's end of a TCP connection to the host. */
struct conn {
    struct wire_tcp out, in;
    int peer; /* the host's end */
    uint8_t frame[WIRE_FRAME];
};

static void conn_open(struct conn *c, struct wire *w, int listener, uint16_t port, uint16_t sport)
{
    c->out = (struct wire_tcp){.src = WIRE_GUEST,
                               .dst = WIRE_HOST,
                               .sport = sport,
                               .dport = port,
                               .seq = 1000,
                               .flags = WIRE_SYN};
    wire_send_tcp(w, &c->out);
    assert_true(wire_expect_tcp(w, sport, WIRE_SYN | WIRE_ACK, &c->in, c->frame));
    assert_int_equal(c->in.ack, 1001);
    c->out.seq++;
    c->out.ack = c->in.seq + 1;
    c->out.flags = WIRE_ACK;
    wire_send_tcp(w, &c->out);
    c->peer = accept(listener, NULL, NULL);
    assert_true(c->peer >= 0);
    setsockopt(c->peer, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){.tv_sec = 5},
               sizeof(struct timeval));
}

static void conn_echo(struct conn *c, struct wire *w)
{
    uint8_t buf[5];

    c->out.flags = WIRE_ACK | WIRE_PSH;
    c->out.payload = (const uint8_t *)"hello";
    c->out.len = 5;
    wire_send_tcp(w, &c->out);
    assert_int_equal(recv(c->peer, buf, 5, MSG_WAITALL), 5);
    assert_memory_equal(buf, "hello", 5);
    assert_int_equal(send(c->peer, "world", 5, 0), 5);
    do {
        assert_true(wire_expect_tcp(w, c->out.sport, WIRE_ACK, &c->in, c->frame));
    } while (c->in.len == 0);
    assert_int_equal(c->in.len, 5);
    assert_memory_equal(c->in.payload, "world", 5);
    c->out.seq += 5;
    c->out.ack += 5;
}

/* The host closes first, the guest answers; libslirp then closes its socket. */
static void conn_close(struct conn *c, struct wire *w)
{
    close(c->peer);
    if (!(c->in.flags & WIRE_FIN)) {
        assert_true(wire_expect_tcp(w, c->out.sport, WIRE_FIN, &c->in, c->frame));
    }
    c->out.flags = WIRE_ACK | WIRE_FIN;
    c->out.len = 0;
    c->out.ack++;
    wire_send_tcp(w, &c->out);
    assert_true(wire_expect_tcp(w, c->out.sport, WIRE_ACK, &c->in, c->frame));
}

static void tcp_reaches_the_host(void **state)
{
    struct wire *w = *state;
    struct conn c;
    uint16_t port;
    int s = host_socket(SOCK_STREAM, &port);

    assert_int_equal(wire_open(w, "user"), 0);
    conn_open(&c, w, s, port, 5000);
    conn_echo(&c, w);
    conn_close(&c, w);
    close(s);
}

/* Descriptor numbers are used again and again; each time their events have to arrive. */
static void connections_come_and_go(void **state)
{
    struct wire *w = *state;
    struct conn c, lasting;
    uint16_t port;
    int s = host_socket(SOCK_STREAM, &port);

    assert_int_equal(wire_open(w, "user"), 0);
    conn_open(&lasting, w, s, port, 4999);
    for (int i = 0; i < 60; i++) {
        conn_open(&c, w, s, port, (uint16_t)(5000 + i));
        conn_echo(&c, w);
        conn_close(&c, w);
        if (i % 10 == 0) {
            conn_echo(&lasting, w);
        }
    }
    conn_close(&lasting, w);
    close(s);
}

static void tcp_is_forwarded_to_the_guest(void **state)
{
    struct wire *w = *state;
    struct wire_tcp in, out;
    uint8_t frame[WIRE_FRAME], buf[16];
    uint16_t port = free_port(SOCK_STREAM);
    char options[64];

    snprintf(options, sizeof(options), "user,forward=tcp:127.0.0.1:%u:22", port);
    assert_int_equal(wire_open(w, options), 0);
    int c = connect_to(SOCK_STREAM, port);
    assert_true(wire_expect_tcp(w, 22, WIRE_SYN, &in, frame));
    out = (struct wire_tcp){.src = in.dst,
                            .dst = in.src,
                            .sport = 22,
                            .dport = in.sport,
                            .seq = 7000,
                            .ack = in.seq + 1,
                            .flags = WIRE_SYN | WIRE_ACK};
    assert_int_equal(in.dst, WIRE_GUEST);
    wire_send_tcp(w, &out);
    assert_true(wire_expect_tcp(w, 22, WIRE_ACK, &in, frame));
    out.seq++;
    out.flags = WIRE_ACK | WIRE_PSH;
    out.payload = (const uint8_t *)"SSH-2.0";
    out.len = 7;
    wire_send_tcp(w, &out);
    assert_int_equal(recv(c, buf, 7, MSG_WAITALL), 7);
    assert_memory_equal(buf, "SSH-2.0", 7);
    close(c);
}

static void udp_is_forwarded_to_the_guest(void **state)
{
    struct wire *w = *state;
    uint8_t buf[WIRE_FRAME];
    uint16_t port = free_port(SOCK_DGRAM);
    char options[64];

    snprintf(options, sizeof(options), "user,forward=udp:127.0.0.1:%u:53", port);
    assert_int_equal(wire_open(w, options), 0);
    int c = connect_to(SOCK_DGRAM, port);
    assert_int_equal(send(c, "query", 5, 0), 5);
    assert_int_equal(wire_expect_udp(w, 53, buf), 5);
    assert_memory_equal(buf, "query", 5);
    close(c);
}

static void expect_open_refused(struct wire *w, const char *options, int rc, const char *says)
{
    assert_int_equal(wire_open(w, options), rc);
    assert_null(w->b);
    if (!strstr(w->err.text, says)) {
        fail_msg("'%s' does not say '%s'", w->err.text, says);
    }
}

static void a_port_in_use_is_named(void **state)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    char options[64], says[64];

    for (int i = 0; i < 2; i++) {
        uint16_t port;
        int s = host_socket(types[i], &port);
        snprintf(options, sizeof(options), "user,forward=%s:127.0.0.1:%u:22", i ? "udp" : "tcp",
                 port);
        snprintf(says, sizeof(says), "port %u on 127.0.0.1 is in use", port);
        expect_open_refused(*state, options, -EADDRINUSE, says);
        close(s);
    }
    expect_open_refused(*state, "user,forward=tcp:192.0.2.1:2222:22", -EADDRNOTAVAIL,
                        "192.0.2.1 is no address of this machine");
}

/* Whatever a guest sends, and however much: no crash, no growth, and the network still works. */
static void a_hostile_guest_only_hurts_itself(void **state)
{
    struct wire *w = *state;
    uint8_t *junk = malloc(NET_MAX_FRAME + 1);

    assert_int_equal(wire_open(w, "user"), 0);
    srand(3);
    for (int i = 0; i < 20000; i++) {
        size_t len = (size_t)rand() % (i % 100 ? 128 : NET_MAX_FRAME + 2);
        for (size_t j = 0; j < MIN(len, 128u); j++) {
            junk[j] = (uint8_t)rand();
        }
        if (i % 2 && len > 24) {
            memcpy(junk + 12, i % 4 == 1 ? "\x08\x00\x45" : "\x08\x06\x00", 3);
            junk[23] = i % 8 < 4 ? 17 : 1; /* UDP, ICMP */
        }
        w->b->ops->send(w->b, &(struct iovec){junk, len}, 1);
    }
    wire_send(w, junk, 0);
    free(junk);
    evloop_sync(w->loop);
    for (int i = 0; i < 200; i++) { /* the flood has to be worked off first */
        usleep(1000);
        evloop_sync(w->loop);
    }
    ask_dhcp(w, 1, 2);
}

static void two_networks_in_one_process(void **state)
{
    struct wire *a = *state, b;

    wire_setup(&b);
    assert_int_equal(wire_open(a, "user"), 0);
    assert_int_equal(wire_open(&b, "user"), 0);
    ask_dhcp(a, 1, 2);
    ask_dhcp(&b, 1, 2);
    wire_teardown(&b);
    ask_dhcp(a, 3, 5);
}

#define WIRED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WIRED(dhcp_gives_the_address),
        WIRED(frames_wait_for_buffers),
        WIRED(udp_reaches_the_host),
        WIRED(tcp_reaches_the_host),
        WIRED(connections_come_and_go),
        WIRED(tcp_is_forwarded_to_the_guest),
        WIRED(udp_is_forwarded_to_the_guest),
        WIRED(a_port_in_use_is_named),
        WIRED(a_hostile_guest_only_hurts_itself),
        WIRED(two_networks_in_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
