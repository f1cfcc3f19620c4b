/*
 * Inside dev/pci only: keep the io_spaces in step with what config space says.
 */
#ifndef DOPPEL_DEV_PCI_BAR_H
#define DOPPEL_DEV_PCI_BAR_H

#include "dev/pci/pci.h"

/* Move every BAR of the bus to where its function's config space wants it. Under the bus lock, no
 * function lock held. */
void pci_bars_update(struct pci_bus *bus);

#endif
