/*
 * The virtio devices that every board has: disks, network cards, a console, entropy; on its PCI bus
 * or in its virtio-mmio slots.
 */
#ifndef DOPPEL_BOARD_VIRTIO_SLOTS_H
#define DOPPEL_BOARD_VIRTIO_SLOTS_H

#include "board/board.h"
#include "dev/pci/pci.h"

enum { VIRTIO_SLOTS_MAX = 8 };

/* Filled by the board. */
struct virtio_slots {
    struct vm *vm;
    const struct board_config *cfg;
    struct pci_bus *pci;
    gpa_t mmio_base; /* of slot 0; the others follow by the page */
    struct irq_line mmio_irq[VIRTIO_SLOTS_MAX];
    unsigned nmmio; /* slots in use */
};

/* The console's back end, or NULL, is the board's to close. */
int virtio_slots_fill(struct virtio_slots *s, struct chr_backend **console, struct error *err)
    must_check;

#endif
