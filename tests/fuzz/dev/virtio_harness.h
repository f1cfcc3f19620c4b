/*
 * What the virtio fuzz targets share: a machine with one device behind the PCI transport, driven by
 * a script of bytes (the op codes are in virtio_harness.c; make-seeds writes such scripts).
 *
 * The event loop never runs: the harness calls the device's notify function itself, so that an
 * input does the same thing every time.
 */
#ifndef DOPPEL_FUZZ_VIRTIO_HARNESS_H
#define DOPPEL_FUZZ_VIRTIO_HARNESS_H

#include "dev/pci/pci_host.h"
#include "dev/virtio/virtio.h"

struct input {
    const uint8_t *data;
    size_t left;
};

/* Zeroes when the input has run out. */
uint64_t input_take(struct input *in, unsigned bytes);

struct harness {
    struct guest_mem mem;
    struct io_space mmio, pio;
    struct evloop *loop;
    struct dev_host host;
    struct dev *bridge, *transport;
    struct virtio_dev *v;
    unsigned long interrupts;
    /* Of the target: something comes from outside; everything in flight completes. May be NULL. */
    void (*outside)(struct harness *h, struct input *in);
    void (*settle)(struct harness *h);
    void *opaque;
};

/* Make the machine; then the target makes its device on h->host, and harness_attach adds it. */
void harness_init(struct harness *h);
void harness_attach(struct harness *h, struct virtio_dev *v);
/* Run a script, then put everything back as it was. */
void harness_run(struct harness *h, const uint8_t *data, size_t size);

#endif
