/*
 * virtio entropy device, fed by the host's getrandom(). [virtio 1.2 5.4]
 */
#ifndef DOPPEL_DEV_VIRTIO_RNG_H
#define DOPPEL_DEV_VIRTIO_RNG_H

#include "dev/virtio/virtio.h"

/* The device half; put it behind a transport. */
int virtio_rng_create(struct virtio_dev **out, const struct dev_host *host, const char *id,
                      struct error *err) must_check;

#endif
