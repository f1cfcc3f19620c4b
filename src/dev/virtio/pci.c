/*
 * The PCI transport: capabilities that say where the registers are, the registers themselves,
 * MSI-X with INTx as the fallback, and doorbells.
 */
#include "dev/virtio/pci.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"
#include "dev/pci/msix.h"

enum {
    BAR_REGS = 0,
    BAR_MSIX = 1,

    /* Layout of the register BAR: a page each, so that a hypervisor may trap them apart. */
    REGS_COMMON = 0x0000,
    REGS_ISR = 0x1000,
    REGS_DEVICE = 0x2000,
    REGS_NOTIFY = 0x3000,
    REGS_SIZE = 0x4000,
    REGS_PAGE = 0x1000,

    NOTIFY_STRIDE = 4, /* bytes between the notification addresses of two queues */

    CAP_VENDOR = 0x09,
    CAP_LEN = 16,
    CAP_NOTIFY_LEN = 20,
    CAP_PCI_CFG_LEN = 20,

    /* virtio_pci_cap. [virtio 1.2 4.1.4] */
    CAP_CAP_LEN = 2,
    CAP_CFG_TYPE = 3,
    CAP_BAR = 4,
    CAP_OFFSET = 8,
    CAP_LENGTH = 12,
    CAP_EXTRA = 16, /* notify_off_multiplier, or pci_cfg_data */

    CFG_COMMON = 1,
    CFG_NOTIFY = 2,
    CFG_ISR = 3,
    CFG_DEVICE = 4,
    CFG_PCI = 5,
};

enum common_reg { /* virtio_pci_common_cfg [virtio 1.2 4.1.4.3] */
                  C_DEVICE_FEATURE_SELECT = 0x00,
                  C_DEVICE_FEATURE = 0x04,
                  C_DRIVER_FEATURE_SELECT = 0x08,
                  C_DRIVER_FEATURE = 0x0c,
                  C_CONFIG_VECTOR = 0x10,
                  C_NUM_QUEUES = 0x12,
                  C_STATUS = 0x14,
                  C_GENERATION = 0x15,
                  C_QUEUE_SELECT = 0x16,
                  C_QUEUE_SIZE = 0x18,
                  C_QUEUE_VECTOR = 0x1a,
                  C_QUEUE_ENABLE = 0x1c,
                  C_QUEUE_NOTIFY_OFF = 0x1e,
                  C_QUEUE_DESC = 0x20,
                  C_QUEUE_AVAIL = 0x28,
                  C_QUEUE_USED = 0x30,
                  C_END = 0x38,
};

#define VIRTIO_PCI_STATE(S, A, B, N)                                                               \
    S(uint32_t, device_feature_select)                                                             \
    S(uint32_t, driver_feature_select)                                                             \
    S(uint16_t, queue_select)                                                                      \
    S(uint16_t, config_vector)                                                                     \
    A(uint16_t, queue_vector, VIRTIO_MAX_QUEUES)                                                   \
    N(struct pci_function, fn, 1, pci_function_state)                                              \
    N(struct msix, msix, 1, msix_state)

struct virtio_pci {
    struct dev dev; /* its lock guards nothing: all is under v->dev.lock */
    STATE_MEMBERS(VIRTIO_PCI_STATE)
    struct virtio_dev *v;
    unsigned window; /* offset of the configuration access capability */
};

static unsigned nvectors(const struct virtio_dev *v)
{
    return v->ops->nqueues + 1; /* and one for configuration changes */
}

#define STATE_OWNER struct virtio_pci

static int virtio_pci_post_load(void *obj, struct error *err)
{
    struct virtio_pci *p = obj;
    bool bad = p->config_vector != MSIX_NO_VECTOR && p->config_vector >= nvectors(p->v);

    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
        bad |= p->queue_vector[q] != MSIX_NO_VECTOR && p->queue_vector[q] >= nvectors(p->v);
    if (bad)
        return error_set(err, EINVAL, "%s: an interrupt vector is out of range", p->dev.id);
    return 0;
}

STATE_DESC(virtio_pci_state, "virtio-pci", 1, VIRTIO_PCI_STATE, .post_load = virtio_pci_post_load);

/* --- interrupts --- */

static void interrupt(struct virtio_pci *p, uint16_t vector)
{
    if (msix_enabled(p->msix))
        msix_raise(p->msix, vector);
    else
        pci_set_intx(p->fn, p->v->isr != 0);
}

static void queue_interrupt(struct virtio_dev *v, unsigned q)
{
    struct virtio_pci *p = v->transport_dev;

    interrupt(p, p->queue_vector[q]);
}

static void config_interrupt(struct virtio_dev *v)
{
    struct virtio_pci *p = v->transport_dev;

    interrupt(p, p->config_vector);
}

static void transport_reset(struct virtio_dev *v)
{
    struct virtio_pci *p = v->transport_dev;

    p->device_feature_select = p->driver_feature_select = 0;
    p->queue_select = 0;
    p->config_vector = MSIX_NO_VECTOR;
    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
        p->queue_vector[q] = MSIX_NO_VECTOR;
    pci_set_intx(p->fn, false);
}

static const struct virtio_transport_ops transport_ops = {
    .queue_interrupt = queue_interrupt,
    .config_interrupt = config_interrupt,
    .reset = transport_reset,
};

/* A vector the device does not have reads back as "none". [virtio 1.2 4.1.5.1.2] */
static uint16_t usable_vector(const struct virtio_pci *p, uint64_t val)
{
    return val < nvectors(p->v) ? (uint16_t)val : MSIX_NO_VECTOR;
}

/* --- common configuration --- */

/* Bytes of the register at `off`; only accesses of exactly that width are defined. Ring addresses
 * are accessed as two halves. [virtio 1.2 4.1.3.1] */
static unsigned common_width(unsigned off)
{
    if (off < C_CONFIG_VECTOR || off >= C_QUEUE_DESC)
        return 4;
    return off == C_STATUS || off == C_GENERATION ? 1 : 2;
}

/* Which ring, and which half, an offset in the address registers means. */
static enum virtio_ring ring_of(unsigned off)
{
    return (enum virtio_ring)((off - C_QUEUE_DESC) / 8);
}

static uint64_t queue_read(struct virtio_pci *p, unsigned off)
{
    unsigned q = p->queue_select;
    const struct vqueue *vq = virtio_queue(p->v, q);

    if (!vq)
        return off == C_QUEUE_VECTOR ? MSIX_NO_VECTOR : 0;
    switch (off) {
    case C_QUEUE_SIZE:
        return vq->size;
    case C_QUEUE_VECTOR:
        return p->queue_vector[q];
    case C_QUEUE_ENABLE:
        return vq->enabled;
    case C_QUEUE_NOTIFY_OFF:
        return q;
    default:
        return virtio_queue_addr(p->v, q, ring_of(off), off & 4);
    }
}

static uint64_t common_read(struct virtio_pci *p, unsigned off, unsigned size)
{
    if (off >= C_END || size != common_width(off))
        return 0;
    switch (off) {
    case C_DEVICE_FEATURE_SELECT:
        return p->device_feature_select;
    case C_DEVICE_FEATURE:
        return virtio_features_read(p->v, p->device_feature_select);
    case C_DRIVER_FEATURE_SELECT:
        return p->driver_feature_select;
    case C_DRIVER_FEATURE:
        return p->driver_feature_select < 2
                   ? (uint32_t)(p->v->features >> (32 * p->driver_feature_select))
                   : 0;
    case C_CONFIG_VECTOR:
        return p->config_vector;
    case C_NUM_QUEUES:
        return p->v->ops->nqueues;
    case C_STATUS:
        return virtio_status_read(p->v);
    case C_GENERATION:
        return 0; /* the configuration never changes */
    case C_QUEUE_SELECT:
        return p->queue_select;
    default:
        return queue_read(p, off);
    }
}

static void queue_write(struct virtio_pci *p, unsigned off, uint32_t val)
{
    unsigned q = p->queue_select;

    if (!virtio_queue(p->v, q))
        return;
    switch (off) {
    case C_QUEUE_SIZE:
        virtio_queue_set_size(p->v, q, val);
        break;
    case C_QUEUE_VECTOR:
        p->queue_vector[q] = usable_vector(p, val);
        break;
    case C_QUEUE_ENABLE:
        if (val == 1)
            virtio_queue_enable(p->v, q);
        break;
    case C_QUEUE_NOTIFY_OFF:
        break; /* read-only */
    default:
        virtio_queue_set_addr(p->v, q, ring_of(off), off & 4, val);
    }
}

static void common_write(struct virtio_pci *p, unsigned off, unsigned size, uint32_t val)
{
    if (off >= C_END || size != common_width(off))
        return;
    switch (off) {
    case C_DEVICE_FEATURE_SELECT:
        p->device_feature_select = val;
        break;
    case C_DRIVER_FEATURE_SELECT:
        p->driver_feature_select = val;
        break;
    case C_DRIVER_FEATURE:
        virtio_features_write(p->v, p->driver_feature_select, val);
        break;
    case C_CONFIG_VECTOR:
        p->config_vector = usable_vector(p, val);
        break;
    case C_STATUS:
        virtio_status_write(p->v, (uint8_t)val);
        break;
    case C_QUEUE_SELECT:
        p->queue_select = (uint16_t)val;
        break;
    case C_DEVICE_FEATURE:
    case C_NUM_QUEUES:
    case C_GENERATION:
        break; /* read-only */
    default:
        queue_write(p, off, val);
    }
}

/* Reading takes the bits and lowers the line. [virtio 1.2 4.1.4.5] */
static uint8_t isr_read(struct virtio_pci *p)
{
    uint8_t isr = p->v->isr;

    p->v->isr = 0;
    pci_set_intx(p->fn, false);
    return isr;
}

static enum io_status regs_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct virtio_pci *p = opaque;

    *val = 0;
    if (off < REGS_ISR)
        *val = common_read(p, (unsigned)off, size);
    else if (off == REGS_ISR)
        *val = isr_read(p);
    else if (off >= REGS_DEVICE && off < REGS_NOTIFY)
        *val = virtio_config_read(p->v, off - REGS_DEVICE, size);
    return IO_OK;
}

static enum io_status regs_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct virtio_pci *p = opaque;

    if (off < REGS_ISR)
        common_write(p, (unsigned)off, size, (uint32_t)val);
    else if (off >= REGS_NOTIFY)
        virtio_queue_kick(p->v, (uint32_t)(off - REGS_NOTIFY) / NOTIFY_STRIDE);
    return IO_OK;
}

static const struct io_ops regs_ops = {
    .read = regs_read, .write = regs_write, .min_size = 1, .max_size = 4};

/* --- config space --- */

/* The configuration access capability: a window through which software without memory access (a
 * BIOS in real mode) reaches the registers. [virtio 1.2 4.1.4.9] */
static bool window_target(const struct virtio_pci *p, uint32_t *off, unsigned *size)
{
    const uint8_t *cap = p->fn->config + p->window;
    uint32_t len = le_load32(cap + CAP_LENGTH);

    *off = le_load32(cap + CAP_OFFSET);
    *size = len;
    if (len != 1 && len != 2 && len != 4)
        return false;
    return cap[CAP_BAR] == BAR_REGS && *off <= REGS_SIZE - len && *off % len == 0;
}

static bool touches_window(const struct virtio_pci *p, unsigned off, unsigned size)
{
    unsigned data = p->window + CAP_EXTRA;

    return off < data + 4 && data < off + size;
}

static void config_read(struct pci_function *f, unsigned off, unsigned size)
{
    struct virtio_pci *p = container_of(f, struct virtio_pci, fn[0]);
    uint32_t target;
    unsigned n;
    uint64_t val;

    if (!touches_window(p, off, size) || !window_target(p, &target, &n))
        return;
    regs_read(p, target, n, &val);
    le_store32(f->config + p->window + CAP_EXTRA, (uint32_t)val);
}

static void config_written(struct pci_function *f, unsigned off, unsigned size)
{
    struct virtio_pci *p = container_of(f, struct virtio_pci, fn[0]);
    uint32_t target;
    unsigned n;

    msix_config_written(p->msix, off, size);
    if (!touches_window(p, off, size) || !window_target(p, &target, &n))
        return;
    regs_write(p, target, n, le_load(f->config + p->window + CAP_EXTRA, n));
}

/* The notification addresses follow the BAR. Without help from the engine the writes come to
 * regs_write instead. Drivers write the queue's number, 16 bits. */
static void bar_mapped(struct pci_function *f, unsigned n, uint64_t addr, bool mapped)
{
    struct virtio_pci *p = container_of(f, struct virtio_pci, fn[0]);
    const struct dev_host *host = p->dev.host;

    if (n != BAR_REGS || !host->doorbell)
        return;
    for (unsigned q = 0; q < p->v->ops->nqueues; q++) {
        gpa_t bell = addr + REGS_NOTIFY + q * NOTIFY_STRIDE;

        if (host->doorbell(host->vm, bell, 2, p->v->kick[q].fd, mapped) < 0)
            return;
    }
}

static const struct pci_ops pci_ops = {
    .config_read = config_read,
    .config_written = config_written,
    .bar_mapped = bar_mapped,
};

static unsigned add_cap(struct pci_function *f, uint8_t type, unsigned len, uint32_t offset,
                        uint32_t length)
{
    unsigned off = pci_add_cap(f, CAP_VENDOR, len);
    uint8_t *cap = f->image + off;

    cap[CAP_CAP_LEN] = (uint8_t)len;
    cap[CAP_CFG_TYPE] = type;
    cap[CAP_BAR] = BAR_REGS;
    le_store32(cap + CAP_OFFSET, offset);
    le_store32(cap + CAP_LENGTH, length);
    return off;
}

static void add_caps(struct virtio_pci *p)
{
    struct pci_function *f = p->fn;
    unsigned notify;

    add_cap(f, CFG_COMMON, CAP_LEN, REGS_COMMON, REGS_PAGE);
    add_cap(f, CFG_ISR, CAP_LEN, REGS_ISR, REGS_PAGE);
    if (p->v->ops->config_len)
        add_cap(f, CFG_DEVICE, CAP_LEN, REGS_DEVICE, REGS_PAGE);
    notify = add_cap(f, CFG_NOTIFY, CAP_NOTIFY_LEN, REGS_NOTIFY, REGS_PAGE);
    le_store32(f->image + notify + CAP_EXTRA, NOTIFY_STRIDE);
    p->window = add_cap(f, CFG_PCI, CAP_PCI_CFG_LEN, 0, 0);
    f->mask[p->window + CAP_BAR] = 0xff;
    memset(f->mask + p->window + CAP_OFFSET, 0xff, CAP_PCI_CFG_LEN - CAP_OFFSET);
}

static void function_init(struct virtio_pci *p)
{
    const struct virtio_ops *ops = p->v->ops;
    const struct pci_id id = {.vendor = VIRTIO_VENDOR,
                              .device = (uint16_t)(0x1040 + ops->id),
                              .subsys_vendor = VIRTIO_VENDOR,
                              .subsys = 0x1100,
                              .class_code = ops->pci_class,
                              .revision = 1,
                              .int_pin = 1};
    const struct pci_bar regs = {.kind = PCI_BAR_MEM32,
                                 .size = REGS_SIZE,
                                 .name = p->v->dev.id,
                                 .ops = &regs_ops,
                                 .opaque = p};

    pci_function_init(p->fn, &id, &pci_ops, &p->v->dev.lock);
    pci_add_bar(p->fn, BAR_REGS, &regs);
    msix_init(p->msix, p->fn, BAR_MSIX, nvectors(p->v));
    add_caps(p);
}

/* --- life cycle --- */

static void virtio_pci_reset(struct dev *d)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, dev);

    pci_function_reset(p->fn);
    pthread_mutex_lock(&p->v->dev.lock);
    transport_reset(p->v);
    msix_reset(p->msix);
    pthread_mutex_unlock(&p->v->dev.lock);
}

static void virtio_pci_quiesce(struct dev *d)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, dev);

    pthread_mutex_lock(&p->v->dev.lock);
    msix_quiesce(p->msix);
    pthread_mutex_unlock(&p->v->dev.lock);
}

static void virtio_pci_resume(struct dev *d)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, dev);

    pci_function_resume(p->fn);
    pthread_mutex_lock(&p->v->dev.lock);
    msix_resume(p->msix);
    pthread_mutex_unlock(&p->v->dev.lock);
}

static void virtio_pci_destroy(struct dev *d)
{
    struct virtio_pci *p = container_of(d, struct virtio_pci, dev);

    msix_quiesce(p->msix);
    pci_bus_remove(p->fn);
    dev_free(d);
}

static const struct dev_class virtio_pci_class = {
    .name = "virtio-pci",
    .state = &virtio_pci_state,
    .reset = virtio_pci_reset,
    .quiesce = virtio_pci_quiesce,
    .resume = virtio_pci_resume,
    .destroy = virtio_pci_destroy,
};

int virtio_pci_create(struct dev **out, struct virtio_dev *v, struct pci_bus *bus, int slot,
                      struct error *err)
{
    struct virtio_pci *p = calloc(1, sizeof(*p));
    char id[sizeof(v->dev.id)];
    int rc;

    if (!p)
        return error_set(err, ENOMEM, "no memory for %s", v->dev.id);
    snprintf(id, sizeof(id), "%.26s.pci", v->dev.id);
    dev_init(&p->dev, &virtio_pci_class, v->dev.host, id);
    p->v = v;
    function_init(p);
    rc = pci_bus_add(bus, p->fn, slot, err);
    if (rc < 0) {
        virtio_pci_destroy(&p->dev);
        return rc;
    }
    virtio_attach(v, &transport_ops, p);
    pthread_mutex_lock(&v->dev.lock);
    transport_reset(v);
    pthread_mutex_unlock(&v->dev.lock);
    *out = &p->dev;
    return 0;
}
