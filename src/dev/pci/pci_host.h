/*
 * The host bridge: function 0 of slot 0, and the two doors to config space - the memory-mapped one
 * (ECAM) and ports 0xCF8/0xCFC. Port 0xCF9, which lies between them, is the reset control register
 * of PC chipsets; it is here because the ports overlap.
 */
#ifndef DOPPEL_DEV_PCI_PCI_HOST_H
#define DOPPEL_DEV_PCI_PCI_HOST_H

#include "dev/dev.h"
#include "dev/pci/pci.h"

enum {
    PCI_ECAM_SIZE = 1 << 20, /* one bus */
    PCI_HOST_PORT = 0xcf8,   /* 8 ports: address and data */
};

struct pci_host_config {
    gpa_t ecam_base; /* aligned to PCI_ECAM_SIZE; 0: no ECAM */
    bool ports;      /* claim 0xCF8-0xCFF on host->pio */
    struct irq_line intx[PCI_INTX_LINES];
    uint8_t intx_number[PCI_INTX_LINES]; /* Interrupt Line values, e.g. GSIs 16-19 */
};

/* Makes the bus too: `pci_host_bus(*out)`. Destroying it takes every function off the bus. */
int pci_host_create(struct dev **out, const struct dev_host *host,
                    const struct pci_host_config *cfg, struct error *err) must_check;
struct pci_bus *pci_host_bus(struct dev *d);

#endif
