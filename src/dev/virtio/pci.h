/*
 * virtio over PCI, modern only. [virtio 1.2 4.1]
 */
#ifndef DOPPEL_DEV_VIRTIO_PCI_H
#define DOPPEL_DEV_VIRTIO_PCI_H

#include "dev/pci/pci.h"
#include "dev/virtio/virtio.h"

/* Put the device half `v` on the bus. `slot` -1: the first free one. The new dev is the transport
 * ("<id of v>.pci"); add it to the machine beside v->dev, and destroy it before v. */
int virtio_pci_create(struct dev **out, struct virtio_dev *v, struct pci_bus *bus, int slot,
                      struct error *err) must_check;

#endif
