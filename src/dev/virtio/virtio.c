/*
 * What all virtio devices share: life cycle, feature negotiation, queue set-up, pausing.
 * On the way of an I/O request: transport register -> virtio_queue_kick -> eventfd -> event loop ->
 * ops->notify -> virtio_pop; and back: completion -> vq_push -> virtio_interrupt -> transport.
 */
#include "dev/virtio/virtio.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/endian.h"
#include "base/log.h"

enum {
    DRAIN_BUDGET = 64, /* chains of one queue before others get a turn */

    S_DRIVER_BITS = VIRTIO_S_ACKNOWLEDGE | VIRTIO_S_DRIVER | VIRTIO_S_DRIVER_OK |
                    VIRTIO_S_FEATURES_OK | VIRTIO_S_FAILED,
};

/* --- status and features --- */

static bool features_ok(const struct virtio_dev *v)
{
    return !(v->features & ~v->offered) && virtio_has(v, VIRTIO_F_VERSION_1);
}

/* Recompute what follows from status, features and pausing. */
static void update_live(struct virtio_dev *v)
{
    bool running = (v->status & VIRTIO_S_DRIVER_OK) && !(v->status & VIRTIO_S_NEEDS_RESET) &&
                   !v->paused && !v->reset_pending;

    for (unsigned q = 0; q < v->ops->nqueues; q++) {
        struct vqueue *vq = &v->vq[q];

        vq->event_idx = virtio_has(v, VIRTIO_F_EVENT_IDX);
        vq->indirect = virtio_has(v, VIRTIO_F_INDIRECT_DESC);
        vq->live = running && vq->enabled;
    }
}

static void kick_all(struct virtio_dev *v)
{
    for (unsigned q = 0; q < v->ops->nqueues; q++)
        virtio_queue_kick(v, q);
}

static void reset_now(struct virtio_dev *v)
{
    v->reset_pending = false;
    v->status = 0;
    v->isr = 0;
    v->features = 0;
    memcpy(v->config, v->host_config, sizeof(v->config));
    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
        vq_reset(&v->vq[q]);
    if (v->transport)
        v->transport->reset(v);
}

/* The driver's reset. Buffers in flight are still being written by the host, so the driver must
 * not see the reset complete before they have come back. */
static void reset_begin(struct virtio_dev *v)
{
    if (v->inflight == 0) {
        reset_now(v);
        return;
    }
    v->reset_pending = true;
    update_live(v);
}

uint32_t virtio_features_read(const struct virtio_dev *v, uint32_t sel)
{
    return sel < 2 ? (uint32_t)(v->offered >> (32 * sel)) : 0;
}

void virtio_features_write(struct virtio_dev *v, uint32_t sel, uint32_t val)
{
    unsigned shift = 32 * (sel & 1);

    if (sel > 1 || (v->status & VIRTIO_S_FEATURES_OK))
        return;
    v->features &= ~(UINT64_C(0xffffffff) << shift);
    v->features |= (uint64_t)val << shift;
}

uint8_t virtio_status_read(const struct virtio_dev *v)
{
    return v->status;
}

/* The driver only ever adds bits, or writes 0. [virtio 1.2 2.1.1, 3.1.1] */
void virtio_status_write(struct virtio_dev *v, uint8_t status)
{
    bool was_ok = v->status & VIRTIO_S_DRIVER_OK;

    if (v->reset_pending)
        return;
    if (status == 0) {
        reset_begin(v);
        return;
    }
    if ((status & VIRTIO_S_FEATURES_OK) && !features_ok(v))
        status &= (uint8_t)~VIRTIO_S_FEATURES_OK;
    if (!((v->status | status) & VIRTIO_S_FEATURES_OK))
        status &= (uint8_t)~VIRTIO_S_DRIVER_OK;
    v->status |= status & S_DRIVER_BITS;
    update_live(v);
    /* Queues may have been filled before. */
    if (!was_ok && (v->status & VIRTIO_S_DRIVER_OK))
        kick_all(v);
}

void virtio_fail(struct virtio_dev *v, const char *why)
{
    log_warn_once(&v->warned, "%s: %s; the device stops until the guest resets it", v->dev.id, why);
    if (v->status & VIRTIO_S_NEEDS_RESET)
        return;
    v->status |= VIRTIO_S_NEEDS_RESET;
    update_live(v);
    if (v->status & VIRTIO_S_DRIVER_OK) {
        v->isr |= VIRTIO_ISR_CONFIG;
        v->transport->config_interrupt(v);
    }
}

/* --- requests --- */

bool virtio_pop(struct virtio_dev *v, unsigned q, struct vq_chain *c)
{
    int rc = vq_pop(&v->vq[q], c);

    if (rc < 0)
        virtio_fail(v, "the driver gave a bad descriptor chain");
    return rc > 0;
}

void virtio_drain(struct virtio_dev *v, unsigned q, bool (*one)(struct virtio_dev *v, unsigned q))
{
    struct vqueue *vq = &v->vq[q];
    unsigned budget = DRAIN_BUDGET;

    pthread_mutex_lock(&v->dev.lock);
    do {
        vq_notify_off(vq);
        while (budget && one(v, q))
            budget--;
    } while (budget && vq_notify_on(vq));
    if (!budget)
        virtio_queue_kick(v, q);
    pthread_mutex_unlock(&v->dev.lock);
}

void virtio_interrupt(struct virtio_dev *v, unsigned q)
{
    if (!vq_should_interrupt(&v->vq[q]))
        return;
    v->isr |= VIRTIO_ISR_QUEUE;
    v->transport->queue_interrupt(v, q);
}

void virtio_io_begin(struct virtio_dev *v)
{
    v->inflight++;
}

void virtio_io_end(struct virtio_dev *v)
{
    if (--v->inflight > 0)
        return;
    if (v->reset_pending)
        reset_now(v);
    pthread_cond_broadcast(&v->idle);
}

/* Under the lock. Completions come on the loop's thread, which therefore cannot wait for them. */
static void wait_idle(struct virtio_dev *v)
{
    while (v->inflight > 0 && !evloop_on_thread(v->dev.host->loop))
        pthread_cond_wait(&v->idle, &v->dev.lock);
}

/* --- queue registers --- */

struct vqueue *virtio_queue(struct virtio_dev *v, uint32_t q)
{
    return q < v->ops->nqueues ? &v->vq[q] : NULL;
}

/* The queue, if its registers may still change. */
static struct vqueue *configurable(struct virtio_dev *v, uint32_t q)
{
    struct vqueue *vq = virtio_queue(v, q);

    return vq && !vq->enabled && !v->reset_pending ? vq : NULL;
}

void virtio_queue_set_size(struct virtio_dev *v, uint32_t q, uint32_t size)
{
    struct vqueue *vq = configurable(v, q);

    if (vq && size <= vq->max_size)
        vq->size = (uint16_t)size;
}

static uint64_t *ring_addr(struct vqueue *vq, enum virtio_ring ring)
{
    if (ring == VIRTIO_RING_DESC)
        return &vq->desc;
    return ring == VIRTIO_RING_AVAIL ? &vq->avail : &vq->used;
}

void virtio_queue_set_addr(struct virtio_dev *v, uint32_t q, enum virtio_ring ring, bool high,
                           uint32_t val)
{
    struct vqueue *vq = configurable(v, q);
    uint64_t *addr;

    if (!vq)
        return;
    addr = ring_addr(vq, ring);
    if (high)
        *addr = (*addr & UINT32_MAX) | (uint64_t)val << 32;
    else
        *addr = (*addr & ~(uint64_t)UINT32_MAX) | val;
}

uint32_t virtio_queue_addr(struct virtio_dev *v, uint32_t q, enum virtio_ring ring, bool high)
{
    struct vqueue *vq = virtio_queue(v, q);

    return vq ? (uint32_t)(*ring_addr(vq, ring) >> (high ? 32 : 0)) : 0;
}

void virtio_queue_enable(struct virtio_dev *v, uint32_t q)
{
    struct vqueue *vq = configurable(v, q);

    if (!vq)
        return;
    if (vq_check(vq) < 0) {
        virtio_fail(v, "the driver gave a bad queue address or size");
        return;
    }
    vq->enabled = true;
    update_live(v);
}

void virtio_queue_disable(struct virtio_dev *v, uint32_t q)
{
    struct vqueue *vq = virtio_queue(v, q);

    if (!vq || vq->inuse)
        return;
    vq_reset(vq);
    update_live(v);
}

void virtio_queue_kick(struct virtio_dev *v, uint32_t q)
{
    if (q < v->ops->nqueues)
        eventfd_write(v->kick[q].fd, 1);
}

uint64_t virtio_config_read(const struct virtio_dev *v, uint64_t off, unsigned size)
{
    if (off + size > v->ops->config_len)
        return 0;
    return le_load(v->config + off, size);
}

/* --- state --- */

static int queue_post_load(const struct virtio_dev *v, unsigned q, struct error *err)
{
    const struct vqueue *vq = &v->vq[q];

    if (q >= v->ops->nqueues && (vq->enabled || vq->size))
        return error_set(err, EINVAL, "%s has no queue %u", v->dev.id, q);
    if (vq->enabled && vq_check(vq) < 0)
        return error_set(err, EINVAL, "%s: queue %u has a bad size or address", v->dev.id, q);
    if (vq->size > vq->max_size)
        return error_set(err, EINVAL, "%s: queue %u is too large", v->dev.id, q);
    /* Saved after quiesce, so every chain taken was given back. */
    if (vq->last_avail != vq->used_idx)
        return error_set(err, EINVAL, "%s: queue %u was saved with requests in flight", v->dev.id,
                         q);
    return 0;
}

static int status_post_load(const struct virtio_dev *v, struct error *err)
{
    bool driver_ok = v->status & VIRTIO_S_DRIVER_OK;
    bool negotiated = v->status & VIRTIO_S_FEATURES_OK;

    if ((v->status & ~(S_DRIVER_BITS | VIRTIO_S_NEEDS_RESET)) ||
        (v->isr & ~(VIRTIO_ISR_QUEUE | VIRTIO_ISR_CONFIG)) || (driver_ok && !negotiated))
        return error_set(err, EINVAL, "%s: impossible device status", v->dev.id);
    if (negotiated && !features_ok(v))
        return error_set(err, EINVAL, "%s was saved with features this machine does not offer",
                         v->dev.id);
    return 0;
}

static int virtio_post_load(void *obj, struct error *err)
{
    struct virtio_dev *v = obj;
    int rc;

    if (v->device_id != v->ops->id)
        return error_set(err, EINVAL, "%s was saved as another kind of device", v->dev.id);
    rc = status_post_load(v, err);
    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES && rc == 0; q++) {
        rc = queue_post_load(v, q, err);
        v->vq[q].inuse = 0;
        v->vq[q].signalled_valid = false;
    }
    if (rc == 0 && v->ops->post_load)
        rc = v->ops->post_load(v, err);
    /* A paused device is still asked by the event loop whether it is live: all it looks at. */
    pthread_mutex_lock(&v->dev.lock);
    update_live(v);
    pthread_mutex_unlock(&v->dev.lock);
    return rc;
}

#define STATE_OWNER struct virtio_dev
STATE_DESC(virtio_dev_state, "virtio", 1, VIRTIO_STATE, .post_load = virtio_post_load);

/* --- life cycle --- */

void virtio_dev_reset(struct dev *d)
{
    struct virtio_dev *v = (struct virtio_dev *)d;

    wait_idle(v);
    reset_begin(v);
}

void virtio_dev_quiesce(struct dev *d)
{
    struct virtio_dev *v = (struct virtio_dev *)d;

    pthread_mutex_lock(&d->lock);
    v->paused = true;
    update_live(v);
    wait_idle(v);
    pthread_mutex_unlock(&d->lock);
}

/* What came while the device was paused waits in the rings, and in back ends that had to keep it:
 * look at every queue. */
void virtio_dev_resume(struct dev *d)
{
    struct virtio_dev *v = (struct virtio_dev *)d;

    pthread_mutex_lock(&d->lock);
    v->paused = false;
    update_live(v);
    kick_all(v);
    pthread_mutex_unlock(&d->lock);
}

static void kicked(void *opaque, uint32_t events)
{
    struct virtio_kick *k = opaque;
    eventfd_t n;

    (void)events;
    /* Cleared before the ring is looked at, so that a later notification wakes us again. */
    eventfd_read(k->fd, &n);
    k->v->ops->notify(k->v, k->q);
}

static int kick_init(struct virtio_dev *v, unsigned q)
{
    struct virtio_kick *k = &v->kick[q];
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int rc;

    if (fd < 0)
        return -errno;
    *k = (struct virtio_kick){.v = v, .q = q, .fd = fd};
    rc = evloop_fd_add(v->dev.host->loop, fd, EPOLLIN, kicked, k);
    if (rc < 0) {
        close(fd);
        k->fd = -1;
    }
    return rc;
}

static int kicks_init(struct virtio_dev *v)
{
    int rc = 0;

    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++)
        v->kick[q].fd = -1;
    for (unsigned q = 0; q < v->ops->nqueues && rc == 0; q++)
        rc = kick_init(v, q);
    return rc;
}

int virtio_dev_init(struct virtio_dev *v, const struct virtio_params *p, struct error *err)
{
    const struct virtio_ops *ops = p->ops;
    int rc;

    dev_init(&v->dev, p->cls, p->host, p->id);
    v->ops = ops;
    v->device_id = (uint16_t)ops->id;
    v->offered = p->features | VIRTIO_F_VERSION_1 | VIRTIO_F_EVENT_IDX | VIRTIO_F_INDIRECT_DESC;
    v->paused = true;
    if (p->config)
        memcpy(v->host_config, p->config, ops->config_len);
    pthread_cond_init(&v->idle, NULL);
    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++) {
        v->vq[q].mem = p->host->mem;
        v->vq[q].max_size = q < ops->nqueues ? ops->queue_size[q] : 0;
    }
    reset_now(v);
    rc = kicks_init(v);
    if (rc < 0) {
        virtio_dev_fini(v);
        return error_set(err, -rc, "cannot make the event descriptors of %s", p->id);
    }
    return 0;
}

void virtio_dev_fini(struct virtio_dev *v)
{
    for (unsigned q = 0; q < VIRTIO_MAX_QUEUES; q++) {
        if (v->kick[q].fd < 0)
            continue;
        evloop_fd_del(v->dev.host->loop, v->kick[q].fd);
        close(v->kick[q].fd);
    }
    pthread_cond_destroy(&v->idle);
    pthread_mutex_destroy(&v->dev.lock);
}

void virtio_attach(struct virtio_dev *v, const struct virtio_transport_ops *t, void *transport_dev)
{
    v->transport = t;
    v->transport_dev = transport_dev;
}
