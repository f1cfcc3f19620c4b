/*
 * The kinds of network back end, for net_open().
 */
#ifndef DOPPEL_BACKEND_NET_KINDS_H
#define DOPPEL_BACKEND_NET_KINDS_H

#include "backend/net/net.h"

int net_user_open(struct net_backend **out, const struct net_options *o, struct evloop *l,
                  struct error *err) must_check;
int net_tap_open(struct net_backend **out, const struct net_options *o, struct evloop *l,
                 struct error *err) must_check;

#endif
