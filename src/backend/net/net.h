/*
 * The host side of a network card: Ethernet frames in and out.
 *
 * `send` may be called from any thread; the back end copies what it needs before it returns.
 * `receive` runs on the event loop's thread with no lock held and returns false when the guest has
 * no buffer: the back end then keeps or drops the frame, and is told by `rx_ready` to go on.
 */
#ifndef DOPPEL_BACKEND_NET_NET_H
#define DOPPEL_BACKEND_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/evloop.h"

enum { NET_MAX_FRAME = 65550 };

struct net_backend;

struct net_backend_ops {
    const char *name;
    void (*send)(struct net_backend *b, const struct iovec *iov, int niov);
    void (*rx_ready)(struct net_backend *b);
    void (*close)(struct net_backend *b);
};

struct net_backend {
    const struct net_backend_ops *ops;
    bool (*receive)(void *opaque, const uint8_t *frame, size_t len); /* set by the device */
    void *opaque;
    uint8_t mac[6]; /* suggested address */
};

struct net_forward {
    bool udp;
    char host_addr[64], guest_addr[64]; /* "" = any / the DHCP address */
    uint16_t host_port, guest_port;
};

enum net_kind { NET_NONE, NET_USER, NET_TAP };

struct net_options {
    enum net_kind kind;
    struct net_forward forward[16];
    unsigned nforward;
    char tap[16];
    const char *mac_seed; /* names the card, e.g. "VM/net0": the same address every time; or NULL */
};

/*
 * Parse "user[,forward=tcp:127.0.0.1:2222:22]...", "tap=NAME", "none". A forward is
 * PROTO:[HOST-ADDRESS]:HOST-PORT:[GUEST-ADDRESS:]GUEST-PORT.
 */
int net_options_parse(struct net_options *o, const char *text, struct error *err) must_check;
/* With kind NET_NONE *out becomes NULL. */
int net_open(struct net_backend **out, const struct net_options *o, struct evloop *l,
             struct error *err) must_check;

/* A locally administered unicast address [IEEE 802-2014 8.2.2] that depends only on `seed`. */
void net_mac_from_seed(uint8_t mac[6], const char *seed);

#endif
