/*
 * virtio network card on a net_backend. [virtio 1.2 5.1]
 */
#ifndef DOPPEL_DEV_VIRTIO_NET_H
#define DOPPEL_DEV_VIRTIO_NET_H

#include "backend/net/net.h"
#include "dev/virtio/virtio.h"

struct virtio_net_config {
    struct net_backend *backend; /* taken over; closed when the device goes, or on failure */
    const uint8_t *mac;          /* six bytes; NULL: the back end's suggestion */
};

/* The device half; put it behind a transport. */
int virtio_net_create(struct virtio_dev **out, const struct dev_host *host, const char *id,
                      const struct virtio_net_config *cfg, struct error *err) must_check;

#endif
