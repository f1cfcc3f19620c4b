/*
 * A guest in miniature for virtio tests: RAM, buses, an event loop, a PCI bus - and, on the other
 * side of the fence, a small driver that sets up queues and talks to a device over either
 * transport, politely or not.
 */
#ifndef DOPPEL_TESTS_VIRTIO_GUEST_H
#define DOPPEL_TESTS_VIRTIO_GUEST_H

#include <stdatomic.h>

#include "dev/pci/pci_host.h"
#include "dev/virtio/mmio.h"
#include "dev/virtio/pci.h"
#include "dev/virtio/virtio.h"

enum {
    GUEST_RAM = 4 << 20,
    GUEST_DATA = 1 << 20, /* free for buffers from here */
    GUEST_QUEUE_SIZE = 16,
    GUEST_MMIO = 0x10000000,
    GUEST_MSI_BASE = 0xfee00000,
};

/* Wire layout, spelled out independently of the device's. */
struct g_desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
};

enum { G_NEXT = 1, G_WRITE = 2, G_INDIRECT = 4 };

struct guest {
    struct guest_mem mem;
    struct io_space mmio, pio;
    struct evloop *loop;
    struct guest_clock clock;
    struct dev_host host;
    struct dev *bridge;
    _Atomic unsigned msi_count[8]; /* by message data */
    _Atomic int intx[4];
    /* Doorbells, if the engine plays along. */
    bool doorbells;
    struct {
        gpa_t addr;
        int fd;
    } bell[16];
};

struct g_queue {
    gpa_t desc, avail, used;
    uint16_t size, next_avail, last_used;
    uint16_t free; /* next descriptor to use; callers keep below size */
};

struct driver {
    struct guest *g;
    struct virtio_dev *v;
    struct dev *transport;
    bool mmio, msix;
    gpa_t common, isr, device, notify; /* PCI: addresses found through the capabilities */
    uint32_t notify_multiplier;
    gpa_t msix_table;
    gpa_t next_free; /* of ring memory */
    struct g_queue q[VIRTIO_MAX_QUEUES];
};

void guest_init(struct guest *g);
void guest_destroy(struct guest *g);
/* Bus accesses as a vCPU would make them. */
uint64_t g_rd(struct guest *g, gpa_t addr, unsigned size);
void g_wr(struct guest *g, gpa_t addr, unsigned size, uint64_t val);
uint32_t g_cfg_rd(struct guest *g, unsigned slot, unsigned off, unsigned size);
void g_cfg_wr(struct guest *g, unsigned slot, unsigned off, unsigned size, uint32_t val);
/* Guest RAM. */
void g_put(struct guest *g, gpa_t gpa, const void *buf, size_t len);
void g_get(struct guest *g, gpa_t gpa, void *buf, size_t len);
uint16_t g_get16(struct guest *g, gpa_t gpa);

/* Put `v` behind a transport and probe it as a driver does. */
void driver_attach(struct driver *d, struct guest *g, struct virtio_dev *v, bool mmio);
/* Stops the event loop, then destroys transport and device. */
void driver_detach(struct driver *d);

uint8_t driver_status(struct driver *d);
void driver_set_status(struct driver *d, uint8_t status);
uint64_t driver_offered(struct driver *d);
/* From reset to DRIVER_OK with `features`, all queues set up; true when accepted. */
bool driver_start(struct driver *d, uint64_t features);
void driver_setup_queue(struct driver *d, unsigned q, uint16_t size);
uint64_t driver_config(struct driver *d, unsigned off, unsigned size);

/* Write descriptor `i` of a queue; put chain head into the available ring; ring the bell. */
void driver_desc(struct driver *d, unsigned q, unsigned i, struct g_desc desc);
void driver_avail(struct driver *d, unsigned q, uint16_t head);
void driver_kick(struct driver *d, unsigned q);
/* Wait (up to 5 s) for the next used element; false on time-out. */
bool driver_used(struct driver *d, unsigned q, uint32_t *id, uint32_t *len);
/* Wait until the device wants a reset. */
bool driver_broken(struct driver *d);
/* Make sure that everything kicked so far has been looked at. */
void driver_settle(struct driver *d);
/* Wait for *count to reach n. */
bool wait_count(_Atomic unsigned *count, unsigned n);

#endif
