/*
 * virtio console, one port, on a chr_backend. [virtio 1.2 5.3]
 */
#ifndef DOPPEL_DEV_VIRTIO_CONSOLE_H
#define DOPPEL_DEV_VIRTIO_CONSOLE_H

#include "backend/char/chr.h"
#include "dev/virtio/virtio.h"

struct virtio_console_config {
    struct chr_backend *backend; /* stays the caller's: consoles and serial lines may share it */
    uint16_t cols, rows;         /* terminal size; 0: not told to the guest */
};

/* The device half; put it behind a transport. Takes over backend->receive. */
int virtio_console_create(struct virtio_dev **out, const struct dev_host *host, const char *id,
                          const struct virtio_console_config *cfg, struct error *err) must_check;

#endif
