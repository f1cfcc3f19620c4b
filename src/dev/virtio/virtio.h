/*
 * virtio devices: the half that knows the device type (virtio_ops: block, net ...), the half that
 * knows how the guest reaches it (virtio_transport_ops: PCI, MMIO), and what both share.
 *
 * A device is two `struct dev`s with a state section each: the device half, which embeds struct
 * virtio_dev first and owns the lock under which both work, and the transport around it.
 *
 * Threads: register accesses come on vCPU threads under the lock and never wait. The driver's
 * notifications become writes to an eventfd a queue (by KVM itself where host->doorbell can), and
 * ops->notify runs on the event loop's thread.
 *
 * Pausing: after quiesce nothing is in flight and no queue is live until resume. A reset by the
 * driver while requests are in flight completes when they have: until then the status register
 * does not read zero, and drivers wait for that. [virtio 1.2 4.1.4.3.2]
 */
#ifndef DOPPEL_DEV_VIRTIO_VIRTIO_H
#define DOPPEL_DEV_VIRTIO_VIRTIO_H

#include <stdbool.h>
#include <stdint.h>

#include "dev/dev.h"
#include "dev/virtio/queue.h"

enum virtio_id { VIRTIO_ID_NET = 1, VIRTIO_ID_BLOCK = 2, VIRTIO_ID_CONSOLE = 3, VIRTIO_ID_RNG = 4 };

enum { VIRTIO_VENDOR = 0x1af4, VIRTIO_MAX_QUEUES = 4, VIRTIO_CONFIG_MAX = 64 };

enum virtio_status { /* [virtio 1.2 2.1] */
                     VIRTIO_S_ACKNOWLEDGE = 1,
                     VIRTIO_S_DRIVER = 2,
                     VIRTIO_S_DRIVER_OK = 4,
                     VIRTIO_S_FEATURES_OK = 8,
                     VIRTIO_S_NEEDS_RESET = 64,
                     VIRTIO_S_FAILED = 128,
};

/* Feature bits that belong to no device type. [virtio 1.2 6] */
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX     (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1     (UINT64_C(1) << 32)

enum virtio_isr { VIRTIO_ISR_QUEUE = 1, VIRTIO_ISR_CONFIG = 2 };

struct virtio_dev;

/* What a device type is. Constant. */
struct virtio_ops {
    enum virtio_id id;
    uint32_t pci_class; /* 0xCCSSII */
    unsigned nqueues;
    uint16_t queue_size[VIRTIO_MAX_QUEUES];
    unsigned config_len;
    /* The driver made buffers available on queue `q`, or may have (always after a pause). Event
     * loop's thread, no lock held. */
    void (*notify)(struct virtio_dev *v, unsigned q);
    /* Refuse a loaded state that the present back end cannot go on with; `v->config` is the saved
     * one, `v->host_config` what this process would offer. Optional. */
    int (*post_load)(struct virtio_dev *v, struct error *err);
};

/* How interrupts reach the guest. Under the device's lock, any thread; `v->isr` is already set. */
struct virtio_transport_ops {
    void (*queue_interrupt)(struct virtio_dev *v, unsigned q);
    void (*config_interrupt)(struct virtio_dev *v);
    void (*reset)(struct virtio_dev *v); /* the driver's reset: forget vectors, lower the line */
};

#define VIRTIO_STATE(S, A, B, N)                                                                   \
    S(uint16_t, device_id)                                                                         \
    S(uint8_t, status)                                                                             \
    S(uint8_t, isr)                                                                                \
    S(uint64_t, features) /* as the driver wrote them */                                           \
    B(config, VIRTIO_CONFIG_MAX)                                                                   \
    N(struct vqueue, vq, VIRTIO_MAX_QUEUES, vqueue_state)

struct virtio_kick {
    struct virtio_dev *v;
    unsigned q;
    int fd; /* eventfd; -1: no such queue */
};

struct virtio_dev {
    struct dev dev; /* first: classes cast */
    STATE_MEMBERS(VIRTIO_STATE)
    const struct virtio_ops *ops;
    const struct virtio_transport_ops *transport;
    void *transport_dev;
    uint64_t offered; /* feature bits */
    uint8_t host_config[VIRTIO_CONFIG_MAX];
    struct virtio_kick kick[VIRTIO_MAX_QUEUES];
    unsigned inflight; /* requests between virtio_io_begin and virtio_io_end */
    pthread_cond_t idle;
    bool paused;        /* from creation and from quiesce until resume */
    bool reset_pending; /* the driver reset us; waits for inflight == 0 */
    _Atomic bool warned;
};

extern const struct state_desc virtio_dev_state;

/* --- for device types --- */

/* What a type's create function says about the new device. */
struct virtio_params {
    const struct dev_class *cls;
    const struct virtio_ops *ops;
    const struct dev_host *host;
    const char *id;
    uint64_t features;  /* of the type; the general ones are added */
    const void *config; /* ops->config_len bytes; NULL: all zero */
};

/* Everything but the type's own members. On failure nothing is left behind. */
int virtio_dev_init(struct virtio_dev *v, const struct virtio_params *p, struct error *err)
    must_check;
void virtio_dev_fini(struct virtio_dev *v);

/* The type's dev_class uses these as its own. */
void virtio_dev_reset(struct dev *d);
void virtio_dev_quiesce(struct dev *d);
void virtio_dev_resume(struct dev *d);

/* The rest runs under the device's lock, but for virtio_drain. */

static inline bool virtio_has(const struct virtio_dev *v, uint64_t feature)
{
    return v->features & feature;
}

/* The body of most notify functions: take the lock and call `one` (which takes one chain off queue
 * `q` and deals with it; false: there was none) until the queue is empty. A guest that fills as
 * fast as we drain gets its turn again after the event loop's other business. */
void virtio_drain(struct virtio_dev *v, unsigned q, bool (*one)(struct virtio_dev *v, unsigned q));
/* vq_pop, where a broken driver makes the device ask for a reset. True: `c` is filled. */
bool virtio_pop(struct virtio_dev *v, unsigned q, struct vq_chain *c);
/* Queue `q` has no driver behind it that could ever take what comes from outside (as opposed to:
 * not now). */
static inline bool virtio_unattended(const struct virtio_dev *v, unsigned q)
{
    return !v->vq[q].live && !v->paused;
}

/* The device refuses to go on until the driver resets it. Says why once a device. */
void virtio_fail(struct virtio_dev *v, const char *why);
/* After publishing: interrupt if the driver wants it. */
void virtio_interrupt(struct virtio_dev *v, unsigned q);
/* A request goes out whose completion comes later, or with the lock dropped in between. */
void virtio_io_begin(struct virtio_dev *v);
void virtio_io_end(struct virtio_dev *v);

/* --- for transports --- */

/* Called when the transport is created. */
void virtio_attach(struct virtio_dev *v, const struct virtio_transport_ops *t, void *transport_dev);

/* Under the device's lock. `sel` picks 32 of 64 feature bits; beyond them all are zero. */
uint32_t virtio_features_read(const struct virtio_dev *v, uint32_t sel);
void virtio_features_write(struct virtio_dev *v, uint32_t sel, uint32_t val);
uint8_t virtio_status_read(const struct virtio_dev *v);
void virtio_status_write(struct virtio_dev *v, uint8_t status);
/* NULL when there is no queue `q`. */
struct vqueue *virtio_queue(struct virtio_dev *v, uint32_t q);
/* Writes to queue registers; ignored once the queue is enabled. */
void virtio_queue_set_size(struct virtio_dev *v, uint32_t q, uint32_t size);
enum virtio_ring { VIRTIO_RING_DESC, VIRTIO_RING_AVAIL, VIRTIO_RING_USED };
void virtio_queue_set_addr(struct virtio_dev *v, uint32_t q, enum virtio_ring ring, bool high,
                           uint32_t val);
uint32_t virtio_queue_addr(struct virtio_dev *v, uint32_t q, enum virtio_ring ring, bool high);
void virtio_queue_enable(struct virtio_dev *v, uint32_t q);
/* Stops the queue, unless chains of it are in flight: the driver reads back whether it did. */
void virtio_queue_disable(struct virtio_dev *v, uint32_t q);
/* The driver wrote the notification register. */
void virtio_queue_kick(struct virtio_dev *v, uint32_t q);
/* Reads `size` bytes of device configuration; beyond its end zeroes. */
uint64_t virtio_config_read(const struct virtio_dev *v, uint64_t off, unsigned size);

#endif
