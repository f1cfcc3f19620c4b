/*
 * The host bridge: function 0 of slot 0, and the two doors to config space - the memory-mapped one
 * (ECAM) and ports 0xCF8/0xCFC.
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
    /* PC chipsets have a reset control register at port 0xCF9, in the middle of the address dword.
     * Byte accesses there are passed on, under the bridge's lock. NULL: nobody there. */
    uint8_t (*reset_read)(void *opaque);
    void (*reset_write)(void *opaque, uint8_t val);
    void *reset_opaque;
    struct irq_line intx[PCI_INTX_LINES];
    uint8_t intx_number[PCI_INTX_LINES]; /* Interrupt Line values, e.g. GSIs 16-19 */
};

/* Makes the bus too: `pci_host_bus(*out)`. Destroying it takes every function off the bus. */
int pci_host_create(struct dev **out, const struct dev_host *host,
                    const struct pci_host_config *cfg, struct error *err) must_check;
struct pci_bus *pci_host_bus(struct dev *d);

#endif
