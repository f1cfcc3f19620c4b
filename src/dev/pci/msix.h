/*
 * MSI-X: a table of messages and a pending bit array in one BAR. [PCI 3.0 6.8.2]
 *
 * Everything here runs under pci_function.lock.
 */
#ifndef DOPPEL_DEV_PCI_MSIX_H
#define DOPPEL_DEV_PCI_MSIX_H

#include "dev/pci/pci.h"

enum {
    MSIX_MAX_VECTORS = 16,
    MSIX_NO_VECTOR = 0xffff, /* as drivers write "none" */
};

#define MSIX_STATE(S, A, B, N)                                                                     \
    A(uint32_t, table, MSIX_MAX_VECTORS * 4) /* address low, high, data, vector control */         \
    S(uint32_t, pending)                     /* a bit a vector */

struct msix {
    STATE_MEMBERS(MSIX_STATE)
    struct pci_function *fn;
    unsigned nvectors;
    unsigned cap; /* the capability's offset in config space */
    /* Written to send the vector's message as it stands in the table; -1: we send it ourselves. */
    int fd[MSIX_MAX_VECTORS];
};

extern const struct state_desc msix_state;

/* Add the capability and a 4 KiB memory BAR `bar` with table and pending bits to `f`. */
void msix_init(struct msix *m, struct pci_function *f, unsigned bar, unsigned nvectors);
void msix_reset(struct msix *m);
/* Between these two all messages are sent by us, so that none is under way when state is read. */
void msix_quiesce(struct msix *m);
void msix_resume(struct msix *m);
bool msix_enabled(const struct msix *m);
/* Send the vector's message, or make it pending while masked. An unknown vector is ignored. */
void msix_raise(struct msix *m, unsigned vector);
/* The function's config_written calls this for every write. */
void msix_config_written(struct msix *m, unsigned off, unsigned size);

#endif
