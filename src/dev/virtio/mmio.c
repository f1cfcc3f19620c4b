/*
 * The MMIO transport: a page of registers and one interrupt line.
 */
#include "dev/virtio/mmio.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MAGIC UINT32_C(0x74726976) /* "virt" */

enum { VERSION = 2 };

enum mmio_reg { /* [virtio 1.2 4.2.2] */
                R_MAGIC = 0x000,
                R_VERSION = 0x004,
                R_DEVICE_ID = 0x008,
                R_VENDOR_ID = 0x00c,
                R_DEVICE_FEATURES = 0x010,
                R_DEVICE_FEATURES_SEL = 0x014,
                R_DRIVER_FEATURES = 0x020,
                R_DRIVER_FEATURES_SEL = 0x024,
                R_QUEUE_SEL = 0x030,
                R_QUEUE_NUM_MAX = 0x034,
                R_QUEUE_NUM = 0x038,
                R_QUEUE_READY = 0x044,
                R_QUEUE_NOTIFY = 0x050,
                R_INTERRUPT_STATUS = 0x060,
                R_INTERRUPT_ACK = 0x064,
                R_STATUS = 0x070,
                R_QUEUE_DESC = 0x080, /* low, high; then the other rings 0x10 apart */
                R_QUEUE_USED_HIGH = 0x0a4,
                R_SHM_LEN_LOW = 0x0b0,
                R_SHM_BASE_HIGH = 0x0bc,
                R_GENERATION = 0x0fc,
                R_CONFIG = 0x100,
};

#define VIRTIO_MMIO_STATE(S, A, B, N)                                                              \
    S(uint32_t, device_features_sel)                                                               \
    S(uint32_t, driver_features_sel)                                                               \
    S(uint32_t, queue_sel)

struct virtio_mmio {
    struct dev dev; /* its lock guards nothing: all is under v->dev.lock */
    STATE_MEMBERS(VIRTIO_MMIO_STATE)
    struct virtio_dev *v;
    struct irq_line irq;
    gpa_t base;
};

#define STATE_OWNER struct virtio_mmio
STATE_DESC(virtio_mmio_state, "virtio-mmio", 1, VIRTIO_MMIO_STATE);

static void update_line(struct virtio_dev *v)
{
    struct virtio_mmio *m = v->transport_dev;

    irq_line_set(&m->irq, v->isr != 0);
}

static void queue_interrupt(struct virtio_dev *v, unsigned q)
{
    (void)q;
    update_line(v);
}

static void transport_reset(struct virtio_dev *v)
{
    struct virtio_mmio *m = v->transport_dev;

    m->device_features_sel = m->driver_features_sel = m->queue_sel = 0;
    update_line(v);
}

static const struct virtio_transport_ops transport_ops = {
    .queue_interrupt = queue_interrupt,
    .config_interrupt = update_line,
    .reset = transport_reset,
};

/* Which ring an address register belongs to. */
static enum virtio_ring ring_of(unsigned off)
{
    return (enum virtio_ring)((off - R_QUEUE_DESC) / 0x10);
}

static bool is_ring_register(unsigned off)
{
    return off >= R_QUEUE_DESC && off <= R_QUEUE_USED_HIGH && (off & 0xf) <= 4;
}

static uint32_t queue_read(struct virtio_mmio *m, unsigned off)
{
    const struct vqueue *vq = virtio_queue(m->v, m->queue_sel);

    if (!vq)
        return 0;
    return off == R_QUEUE_NUM_MAX ? vq->max_size : vq->enabled;
}

static uint32_t register_read(struct virtio_mmio *m, unsigned off)
{
    switch (off) {
    case R_MAGIC:
        return MAGIC;
    case R_VERSION:
        return VERSION;
    case R_DEVICE_ID:
        return m->v->ops->id;
    case R_VENDOR_ID:
        return VIRTIO_VENDOR;
    case R_DEVICE_FEATURES:
        return virtio_features_read(m->v, m->device_features_sel);
    case R_QUEUE_NUM_MAX:
    case R_QUEUE_READY:
        return queue_read(m, off);
    case R_INTERRUPT_STATUS:
        return m->v->isr;
    case R_STATUS:
        return virtio_status_read(m->v);
    default:
        /* There is no shared memory region: length and base read as all ones. [4.2.2] */
        return off >= R_SHM_LEN_LOW && off <= R_SHM_BASE_HIGH ? UINT32_MAX : 0;
    }
}

static void queue_ready(struct virtio_mmio *m, uint32_t val)
{
    if (val == 1)
        virtio_queue_enable(m->v, m->queue_sel);
    else if (val == 0)
        virtio_queue_disable(m->v, m->queue_sel);
}

static void interrupt_ack(struct virtio_mmio *m, uint32_t val)
{
    m->v->isr &= (uint8_t)~val;
    update_line(m->v);
}

static void register_write(struct virtio_mmio *m, unsigned off, uint32_t val)
{
    switch (off) {
    case R_DEVICE_FEATURES_SEL:
        m->device_features_sel = val;
        break;
    case R_DRIVER_FEATURES_SEL:
        m->driver_features_sel = val;
        break;
    case R_DRIVER_FEATURES:
        virtio_features_write(m->v, m->driver_features_sel, val);
        break;
    case R_QUEUE_SEL:
        m->queue_sel = val;
        break;
    case R_QUEUE_NUM:
        virtio_queue_set_size(m->v, m->queue_sel, val);
        break;
    case R_QUEUE_READY:
        queue_ready(m, val);
        break;
    case R_QUEUE_NOTIFY:
        virtio_queue_kick(m->v, val);
        break;
    case R_INTERRUPT_ACK:
        interrupt_ack(m, val);
        break;
    case R_STATUS:
        virtio_status_write(m->v, (uint8_t)val);
        break;
    default:
        if (is_ring_register(off))
            virtio_queue_set_addr(m->v, m->queue_sel, ring_of(off), off & 4, val);
    }
}

/* Registers take 32-bit accesses only; the configuration any. [virtio 1.2 4.2.2.2] */
static enum io_status mmio_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct virtio_mmio *m = opaque;

    *val = 0;
    if (off >= R_CONFIG)
        *val = virtio_config_read(m->v, off - R_CONFIG, size);
    else if (size == 4)
        *val = register_read(m, (unsigned)off);
    return IO_OK;
}

static enum io_status mmio_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    if (off < R_CONFIG && size == 4)
        register_write(opaque, (unsigned)off, (uint32_t)val);
    return IO_OK;
}

static const struct io_ops mmio_ops = {
    .read = mmio_read, .write = mmio_write, .min_size = 1, .max_size = 4};

static void virtio_mmio_reset(struct dev *d)
{
    struct virtio_mmio *m = container_of(d, struct virtio_mmio, dev);

    pthread_mutex_lock(&m->v->dev.lock);
    transport_reset(m->v);
    pthread_mutex_unlock(&m->v->dev.lock);
}

static void virtio_mmio_resume(struct dev *d)
{
    struct virtio_mmio *m = container_of(d, struct virtio_mmio, dev);

    pthread_mutex_lock(&m->v->dev.lock);
    update_line(m->v);
    pthread_mutex_unlock(&m->v->dev.lock);
}

static void virtio_mmio_destroy(struct dev *d)
{
    struct virtio_mmio *m = container_of(d, struct virtio_mmio, dev);

    io_space_remove(d->host->mmio, m->base);
    dev_free(d);
}

static const struct dev_class virtio_mmio_class = {
    .name = "virtio-mmio",
    .state = &virtio_mmio_state,
    .reset = virtio_mmio_reset,
    .resume = virtio_mmio_resume,
    .destroy = virtio_mmio_destroy,
};

int virtio_mmio_create(struct dev **out, struct virtio_dev *v, gpa_t base, struct irq_line irq,
                       struct error *err)
{
    struct virtio_mmio *m = calloc(1, sizeof(*m));
    struct io_region r = {.name = v->dev.id,
                          .base = base,
                          .len = VIRTIO_MMIO_SIZE,
                          .ops = &mmio_ops,
                          .opaque = m,
                          .lock = &v->dev.lock};
    char id[sizeof(v->dev.id)];
    int rc;

    if (!m)
        return error_set(err, ENOMEM, "no memory for %s", v->dev.id);
    snprintf(id, sizeof(id), "%.25s.mmio", v->dev.id);
    dev_init(&m->dev, &virtio_mmio_class, v->dev.host, id);
    m->v = v;
    m->irq = irq;
    m->base = base;
    virtio_attach(v, &transport_ops, m);
    rc = io_space_add(v->dev.host->mmio, &r);
    if (rc < 0) {
        pthread_mutex_destroy(&m->dev.lock);
        free(m);
        return error_set(err, -rc, "the address of %s is taken", v->dev.id);
    }
    *out = &m->dev;
    return 0;
}
