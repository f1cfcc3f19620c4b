/*
 * A PCI Express root bus of single-function devices: config space, BARs, INTx.
 *
 * A function is data: a power-on image of its config space, a mask of the bits software may write,
 * and a list of BARs. This file moves BARs in the bus's io_spaces as the guest programs them.
 *
 * Locks: pci_bus.lock, then pci_function.lock (the device's own), then pci_bus.intx_lock, then the
 * interrupt chip's. A device that holds its own lock must not call what takes the bus lock.
 */
#ifndef DOPPEL_DEV_PCI_PCI_H
#define DOPPEL_DEV_PCI_PCI_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/endian.h"
#include "base/error.h"
#include "bus/io.h"
#include "dev/dev.h"
#include "irq/irq.h"
#include "state/state.h"

enum {
    PCI_SLOTS = 32,
    PCI_BARS = 6,
    PCI_INTX_LINES = 4,
    PCI_CONFIG_SIZE = 4096,
};

/* Type 0 header. [PCI 3.0 6.1] */
enum pci_reg {
    PCI_VENDOR_ID = 0x00,
    PCI_DEVICE_ID = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* three bytes: interface, subclass, class */
    PCI_CACHE_LINE = 0x0c,
    PCI_BAR0 = 0x10,
    PCI_SUBSYS_VENDOR = 0x2c,
    PCI_SUBSYS_ID = 0x2e,
    PCI_CAP_PTR = 0x34,
    PCI_INT_LINE = 0x3c,
    PCI_INT_PIN = 0x3d,
    PCI_FIRST_CAP = 0x40,
};

enum pci_command {
    PCI_COMMAND_IO = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_MASTER = 1 << 2,
    PCI_COMMAND_INTX_OFF = 1 << 10,
};

enum pci_status {
    PCI_STATUS_INTX = 1 << 3,
    PCI_STATUS_CAPS = 1 << 4,
};

enum pci_bar_kind { PCI_BAR_NONE, PCI_BAR_IO, PCI_BAR_MEM32, PCI_BAR_MEM64 };

#define PCI_UNMAPPED UINT64_MAX

struct pci_bar {
    enum pci_bar_kind kind;
    uint64_t size; /* a power of two; memory at least 16, I/O at least 4 */
    const char *name;
    const struct io_ops *ops; /* handlers run under pci_function.lock */
    void *opaque;
    uint64_t addr; /* where it is mapped, or PCI_UNMAPPED; guarded by the bus lock */
};

struct pci_function;

/* All optional; called under pci_function.lock on the accessing vCPU's thread. */
struct pci_ops {
    /* Before [off, off+size) of `config` is read: refresh bytes that mirror something else. */
    void (*config_read)(struct pci_function *f, unsigned off, unsigned size);
    /* After [off, off+size) of `config` was written. */
    void (*config_written)(struct pci_function *f, unsigned off, unsigned size);
    /* BAR `n` now answers at `addr`, or no longer does (doorbells come and go with it). */
    void (*bar_mapped)(struct pci_function *f, unsigned n, uint64_t addr, bool mapped);
};

#define PCI_FUNCTION_STATE(S, A, B, N) B(config, PCI_CONFIG_SIZE)

struct pci_bus;

struct pci_function {
    STATE_MEMBERS(PCI_FUNCTION_STATE)
    uint8_t image[PCI_CONFIG_SIZE]; /* power-on values */
    uint8_t mask[PCI_CONFIG_SIZE];  /* bits that software may write */
    struct pci_bar bars[PCI_BARS];
    const struct pci_ops *ops;
    pthread_mutex_t *lock;
    struct pci_bus *bus; /* NULL until pci_bus_add */
    uint8_t slot;
    uint8_t last_cap;   /* offset of the newest capability; 0: none yet */
    uint16_t caps_end;  /* first free byte of the capability area */
    bool intx_asserted; /* what this function adds to its line; guarded by bus->intx_lock */
};

extern const struct state_desc pci_function_state;

struct pci_bus {
    pthread_mutex_t lock;
    const struct dev_host *host;
    struct pci_function *slots[PCI_SLOTS];
    pthread_mutex_t intx_lock;
    struct irq_line intx[PCI_INTX_LINES]; /* set by the board, before the machine runs */
    uint8_t intx_number[PCI_INTX_LINES];  /* what firmware writes into Interrupt Line */
    unsigned intx_count[PCI_INTX_LINES];  /* functions that assert each line */
};

struct pci_id {
    uint16_t vendor, device, subsys_vendor, subsys;
    uint32_t class_code; /* 0xCCSSII */
    uint8_t revision;
    uint8_t int_pin; /* 1: INTA, 0: none */
};

/* Building a function, in this order, before the machine runs. */
void pci_function_init(struct pci_function *f, const struct pci_id *id, const struct pci_ops *ops,
                       pthread_mutex_t *lock);
/* Kind, size, name, ops and opaque of `bar` are taken over. A MEM64 BAR also uses BAR n+1. */
void pci_add_bar(struct pci_function *f, unsigned n, const struct pci_bar *bar);
/* Append a capability of `len` bytes (header included); returns its offset. The caller fills
 * `image` and `mask` behind the two header bytes. */
unsigned pci_add_cap(struct pci_function *f, uint8_t id, unsigned len);

int pci_bus_init(struct pci_bus *bus, const struct dev_host *host) must_check;
void pci_bus_destroy(struct pci_bus *bus);
/* `slot` 0-31, or -1 for the first free one from 1 up. -EBUSY, -ENOSPC with a sentence. */
int pci_bus_add(struct pci_bus *bus, struct pci_function *f, int slot, struct error *err)
    must_check;
/* Unmap the BARs and forget the function. No lock held. */
void pci_bus_remove(struct pci_function *f);

/* The guest's accesses: `off` < 4096, aligned, `size` 1, 2 or 4. A slot with nobody in it reads as
 * all ones. Takes the bus lock. */
uint32_t pci_config_read(struct pci_bus *bus, unsigned slot, unsigned off, unsigned size);
void pci_config_write(struct pci_bus *bus, unsigned slot, unsigned off, unsigned size,
                      uint32_t val);

/* Power-on config space, BARs unmapped, INTx low. The function's lock is not held. */
void pci_function_reset(struct pci_function *f);
/* After a load: map the BARs and drive the line as the loaded config space says. No lock held. */
void pci_function_resume(struct pci_function *f);
/* Drive INTA (level). Under pci_function.lock. */
void pci_set_intx(struct pci_function *f, bool level);

struct pci_window {
    uint64_t base, size; /* size 0: there is none */
};

/* Where firmware may put BARs, in CPU addresses. mem64 lies above 4 GiB. */
struct pci_windows {
    struct pci_window mem32, mem64, io;
};

/* What firmware does before the kernel: give every BAR an address, enable decoding, write the
 * Interrupt Lines. Called by the board at reset, after the devices' own. -ENOSPC names the
 * function that did not fit. */
int pci_assign_bars(struct pci_bus *bus, const struct pci_windows *w, struct error *err) must_check;

#endif
