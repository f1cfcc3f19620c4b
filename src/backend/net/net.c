/*
 * Network cards as the user names them: the --net option, and which back end opens it.
 */
#include "backend/net/net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "backend/net/kinds.h"
#include "base/parse.h"

static int bad_forward(struct error *err, const char *spec, const char *why)
{
    return error_set(err, EINVAL,
                     "forward=%s: %s; it is written forward=tcp:127.0.0.1:2222:22 (protocol, host "
                     "address, host port, guest port)",
                     spec, why);
}

/* "" is allowed, and stays. */
static bool copy_address(char to[64], const char *from)
{
    struct in_addr a;

    if (from[0] != '\0' && (inet_pton(AF_INET, from, &a) != 1 || strlen(from) >= 64)) {
        return false;
    }
    strcpy(to, from);
    return true;
}

static bool parse_port(uint16_t *port, const char *text)
{
    uint64_t v;

    if (text[0] < '0' || text[0] > '9' || parse_uint(text, "port", 1, 65535, &v, NULL) < 0) {
        return false;
    }
    *port = (uint16_t)v;
    return true;
}

/* Cut `text` at its colons; how many fields, or max + 1. */
static unsigned split(char *text, char **fields, unsigned max)
{
    unsigned n = 0;

    for (char *p = text; p; n++) {
        char *colon = strchr(p, ':');
        if (n == max) {
            return max + 1;
        }
        fields[n] = p;
        if (colon) {
            *colon++ = '\0';
        }
        p = colon;
    }
    return n;
}

static int parse_forward_fields(struct net_forward *f, char **field, unsigned n, const char *spec,
                                struct error *err)
{
    if (strcmp(field[0], "tcp") != 0 && strcmp(field[0], "udp") != 0) {
        return bad_forward(err, spec, "the protocol is neither tcp nor udp");
    }
    f->udp = field[0][0] == 'u';
    if (!copy_address(f->host_addr, field[1])) {
        return bad_forward(err, spec, "the host address is not an IPv4 address");
    }
    if (n == 5 && !copy_address(f->guest_addr, field[3])) {
        return bad_forward(err, spec, "the guest address is not an IPv4 address");
    }
    if (!parse_port(&f->host_port, field[2]) || !parse_port(&f->guest_port, field[n - 1])) {
        return bad_forward(err, spec, "a port is not a number from 1 to 65535");
    }
    return 0;
}

static int parse_forward(struct net_options *o, const char *spec, struct error *err)
{
    struct net_forward f = {0};
    char text[256], *field[5];

    if (o->nforward == ARRAY_SIZE(o->forward)) {
        return error_set(err, EINVAL, "more than %zu ports to forward", ARRAY_SIZE(o->forward));
    }
    if (strlen(spec) >= sizeof(text)) {
        return error_set(err, EINVAL, "forward= is too long");
    }
    strcpy(text, spec);
    unsigned n = split(text, field, ARRAY_SIZE(field));
    if (n != 4 && n != 5) {
        return bad_forward(err, spec, "it has not four parts");
    }
    int rc = parse_forward_fields(&f, field, n, spec, err);
    if (rc == 0) {
        o->forward[o->nforward++] = f;
    }
    return rc;
}

static int parse_tap(struct net_options *o, const char *name, struct error *err)
{
    size_t len = strlen(name);

    if (len == 0 || len >= sizeof(o->tap) || strpbrk(name, "/ \t\n%:")) {
        return error_set(err, EINVAL, "'%s' is no name of a network interface", name);
    }
    o->kind = NET_TAP;
    strcpy(o->tap, name);
    return 0;
}

static int parse_kind(struct net_options *o, const char *word, struct error *err)
{
    if (strncmp(word, "tap=", 4) == 0) {
        return parse_tap(o, word + 4, err);
    }
    if (strcmp(word, "user") == 0) {
        o->kind = NET_USER;
    } else if (strcmp(word, "none") == 0) {
        o->kind = NET_NONE;
    } else {
        return error_set(err, EINVAL, "unknown network '%s'; known are user, tap=NAME, none", word);
    }
    return 0;
}

static int parse_word(struct net_options *o, const char *word, struct error *err)
{
    if (o->kind == NET_USER && strncmp(word, "forward=", 8) == 0) {
        return parse_forward(o, word + 8, err);
    }
    return error_set(err, EINVAL, "unknown option '%s' for the network%s", word,
                     o->kind == NET_USER ? "; known is forward=" : "; only 'user' has options");
}

int net_options_parse(struct net_options *o, const char *text, struct error *err)
{
    char *copy = strdup(text), *next = copy;
    int rc = copy ? 0 : error_set(err, ENOMEM, "no memory");

    memset(o, 0, sizeof(*o));
    for (bool first = true; rc == 0 && next; first = false) {
        char *word = strsep(&next, ",");
        rc = first ? parse_kind(o, word, err) : parse_word(o, word, err);
    }
    free(copy);
    return rc;
}

/* FNV-1a, 64 bits. */
void net_mac_from_seed(uint8_t mac[6], const char *seed)
{
    uint64_t hash = UINT64_C(14695981039346656037);

    for (const char *p = seed; *p; p++) {
        hash = (hash ^ (uint8_t)*p) * UINT64_C(1099511628211);
    }
    for (int i = 0; i < 6; i++) {
        mac[i] = (uint8_t)(hash >> (8 * i));
    }
    mac[0] = (uint8_t)((mac[0] & ~1u) | 2u);
}

int net_open(struct net_backend **out, const struct net_options *o, struct evloop *l,
             struct error *err)
{
    int rc = 0;

    *out = NULL;
    if (o->kind == NET_USER) {
        rc = net_user_open(out, o, l, err);
    } else if (o->kind == NET_TAP) {
        rc = net_tap_open(out, o, l, err);
    }
    if (rc == 0 && *out) {
        net_mac_from_seed((*out)->mac, o->mac_seed ? o->mac_seed : "doppel");
    }
    return rc;
}
