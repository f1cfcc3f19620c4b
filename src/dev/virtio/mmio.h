/*
 * virtio over MMIO, version 2. [virtio 1.2 4.2]
 */
#ifndef DOPPEL_DEV_VIRTIO_MMIO_H
#define DOPPEL_DEV_VIRTIO_MMIO_H

#include "dev/virtio/virtio.h"

enum { VIRTIO_MMIO_SIZE = 0x200 };

/* Put the device half `v` at `base` (VIRTIO_MMIO_SIZE bytes of host->mmio), with interrupts on
 * `irq`. The new dev is the transport ("<id of v>.mmio"); add it to the machine beside v->dev, and
 * destroy it before v. */
int virtio_mmio_create(struct dev **out, struct virtio_dev *v, gpa_t base, struct irq_line irq,
                       struct error *err) must_check;

#endif
