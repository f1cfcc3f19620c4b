/*
 * What every device model is: a class (const data) and an instance.
 *
 * A device is entered under its own lock: io_space takes it around register handlers, event loop
 * and back-end callbacks take it themselves. Lock order: device -> irq chip -> vCPU requests.
 */
#ifndef DOPPEL_DEV_DEV_H
#define DOPPEL_DEV_DEV_H

#include <pthread.h>

#include "base/error.h"
#include "base/evloop.h"
#include "base/guest_clock.h"
#include "base/list.h"
#include "bus/io.h"
#include "irq/irq.h"
#include "mem/guest_mem.h"
#include "state/state.h"

/* What the machine tells its VM; any thread. */
enum machine_event {
    MACHINE_POWER_OFF,  /* S5 */
    MACHINE_RESET,      /* reset register, 0xCF9, keyboard controller, triple fault */
    MACHINE_DEBUG_EXIT, /* port 0xF4: value is the byte or dword written */
    MACHINE_EXIT,       /* the guest names its exit status: value */
};

/* What a device may reach. Owned by the VM, outlives every device. */
struct dev_host {
    struct guest_mem *mem;
    struct io_space *mmio, *pio;
    struct evloop *loop;
    struct guest_clock *clock;
    struct irq_msi msi;
    void (*event)(void *vm, enum machine_event ev, uint32_t value);
    void *vm;
    /*
     * Ask the engine to turn guest writes of `size` bytes at an MMIO address into writes to eventfd
     * `fd` (KVM ioeventfd). -ENOTSUP: the write comes through the region's handler instead.
     */
    int (*doorbell)(void *vm, gpa_t addr, unsigned size, int fd, bool on);
};

struct dev;

struct dev_class {
    const char *name;               /* in state files: wire format */
    const struct state_desc *state; /* NULL: nothing to save */
    void (*reset)(struct dev *d);   /* power-on state; vCPUs stand; under d->lock; NULL: nothing */
    void (*quiesce)(struct dev *d); /* finish or park I/O in flight; NULL: nothing; no lock held */
    void (*resume)(struct dev *d);  /* after start or load: re-arm timers, lines; no lock held */
    void (*destroy)(struct dev *d); /* event loop stopped; frees the device */
};

/* First member of every device structure. */
struct dev {
    const struct dev_class *cls;
    const struct dev_host *host;
    char id[32]; /* unique in the VM, e.g. "virtio-blk0"; in state files */
    pthread_mutex_t lock;
    struct list link;
};

/* Called by each device's create function. */
void dev_init(struct dev *d, const struct dev_class *cls, const struct dev_host *host,
              const char *id);
/* dev_class.destroy of who owns nothing else, and the end of everybody else's. */
void dev_free(struct dev *d);

#endif
