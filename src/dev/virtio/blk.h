/*
 * virtio block device on a blk_backend. [virtio 1.2 5.2]
 */
#ifndef DOPPEL_DEV_VIRTIO_BLK_H
#define DOPPEL_DEV_VIRTIO_BLK_H

#include "backend/block/block.h"
#include "dev/virtio/virtio.h"

struct virtio_blk_config {
    struct blk_backend *backend; /* taken over; closed when the device goes, or on failure */
    const char *serial;          /* up to 20 characters; NULL: the back end's id */
};

/* The device half; put it behind a transport. */
int virtio_blk_create(struct virtio_dev **out, const struct dev_host *host, const char *id,
                      const struct virtio_blk_config *cfg, struct error *err) must_check;

#endif
