/*
 * Split virtqueues: from an available ring entry to a checked chain, and back to the used ring.
 * On the way of an I/O request between the transport's notification and the device model.
 */
#include "dev/virtio/queue.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are read in host order");

/* Ring layouts. [virtio 1.2 2.7.5, 2.7.6, 2.7.8] */
struct desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

struct used_elem {
    uint32_t id;
    uint32_t len;
};

enum {
    DESC_NEXT = 1 << 0,
    DESC_WRITE = 1 << 1,
    DESC_INDIRECT = 1 << 2,

    RING_FLAGS = 0, /* offsets in the available and used rings */
    RING_IDX = 2,
    RING_ENTRIES = 4,

    AVAIL_NO_INTERRUPT = 1 << 0,
    USED_NO_NOTIFY = 1 << 0,
};

#define STATE_OWNER struct vqueue
STATE_DESC(vqueue_state, "virtqueue", 1, VQUEUE_STATE);

void vq_reset(struct vqueue *vq)
{
    vq->size = vq->max_size;
    vq->enabled = false;
    vq->desc = vq->avail = vq->used = 0;
    vq->last_avail = vq->used_idx = 0;
    vq->live = vq->event_idx = vq->indirect = false;
    vq->inuse = vq->seen_avail = 0;
    vq->signalled_valid = false;
}

/* The event index that ends each ring is there whether or not it was negotiated. */
static size_t avail_bytes(const struct vqueue *vq)
{
    return RING_ENTRIES + 2u * vq->size + 2;
}

static size_t used_bytes(const struct vqueue *vq)
{
    return RING_ENTRIES + sizeof(struct used_elem) * vq->size + 2;
}

static gpa_t used_event(const struct vqueue *vq)
{
    return vq->avail + RING_ENTRIES + 2u * vq->size;
}

static gpa_t avail_event(const struct vqueue *vq)
{
    return vq->used + RING_ENTRIES + sizeof(struct used_elem) * vq->size;
}

int vq_check(const struct vqueue *vq)
{
    if (vq->size == 0 || vq->size > vq->max_size || (vq->size & (vq->size - 1)))
        return -EINVAL;
    if (vq->desc % 16 || vq->avail % 2 || vq->used % 4) /* [virtio 1.2 2.7] */
        return -EINVAL;
    if (!gpa_pin(vq->mem, vq->desc, sizeof(struct desc) * vq->size, false) ||
        !gpa_pin(vq->mem, vq->avail, avail_bytes(vq), false) ||
        !gpa_pin(vq->mem, vq->used, used_bytes(vq), true))
        return -EINVAL;
    return 0;
}

/* Ring cells. Their addresses were checked, so these fail only if an invariant broke: then as if
 * the guest had written zero. */
static uint16_t load16(const struct vqueue *vq, gpa_t gpa)
{
    uint64_t v = 0;

    if (gpa_load(vq->mem, gpa, 2, &v) < 0)
        return 0;
    return (uint16_t)v;
}

static void store16(struct vqueue *vq, gpa_t gpa, uint16_t v)
{
    int rc = gpa_store(vq->mem, gpa, 2, v);

    (void)rc; /* see load16 */
}

static uint16_t avail_idx(const struct vqueue *vq)
{
    /* gpa_load acquires: the index is read before the entries and descriptors it vouches for.
     * [virtio 1.2 2.7.13.2] */
    return load16(vq, vq->avail + RING_IDX);
}

/* How many chains the driver has made available; -EPROTO when it claims more than fit. */
static int available(struct vqueue *vq)
{
    uint16_t n;

    vq->seen_avail = avail_idx(vq);
    n = (uint16_t)(vq->seen_avail - vq->last_avail);
    return n > vq->size ? -EPROTO : n;
}

static int add_buffer(const struct vqueue *vq, struct vq_chain *c, const struct desc *d)
{
    bool in = d->flags & DESC_WRITE;
    unsigned n = c->nout + c->nin;
    void *host;

    if (!in && c->nin)
        return -EPROTO; /* readable after writable [virtio 1.2 2.7.4.2] */
    if (d->len == 0)
        return 0;
    host = gpa_pin(vq->mem, d->addr, d->len, in);
    if (!host)
        return -EPROTO;
    c->iov[n].iov_base = host;
    c->iov[n].iov_len = d->len;
    c->gpa[n] = d->addr;
    if (in) {
        c->nin++;
        c->in_len += d->len;
    } else {
        c->nout++;
        c->out_len += d->len;
    }
    return 0;
}

/* Where the walk along `next` links is: the queue's own table or an indirect one. */
struct walk {
    gpa_t table;
    uint32_t entries;
    uint32_t next;
    uint32_t seen; /* buffers of the whole chain; bounds loops */
    bool indirect;
};

static int fetch(const struct vqueue *vq, struct walk *w, struct desc *d)
{
    uint32_t limit = w->indirect ? VQ_MAX_CHAIN : vq->size;

    if (w->next >= w->entries || w->seen++ >= limit)
        return -EPROTO;
    if (gpa_read(vq->mem, w->table + w->next * sizeof(*d), d, sizeof(*d)) < 0)
        return -EPROTO;
    w->next = d->next;
    return 0;
}

/* An indirect table ends the chain and holds no further one. [virtio 1.2 2.7.5.3] */
static int enter_indirect(const struct vqueue *vq, struct walk *w, const struct desc *d)
{
    if (!vq->indirect || w->indirect || (d->flags & DESC_NEXT))
        return -EPROTO;
    if (d->len == 0 || d->len % sizeof(*d))
        return -EPROTO;
    if (!gpa_pin(vq->mem, d->addr, d->len, false))
        return -EPROTO;
    w->table = d->addr;
    w->entries = d->len / sizeof(*d);
    w->next = 0;
    w->seen--; /* what names the table is no buffer */
    w->indirect = true;
    return 0;
}

static int walk_chain(const struct vqueue *vq, struct vq_chain *c)
{
    struct walk w = {.table = vq->desc, .entries = vq->size, .next = c->head};

    for (;;) {
        struct desc d;
        int rc = fetch(vq, &w, &d);

        if (rc < 0)
            return rc;
        if (d.flags & DESC_INDIRECT) {
            rc = enter_indirect(vq, &w, &d);
            if (rc < 0)
                return rc;
            continue;
        }
        rc = add_buffer(vq, c, &d);
        if (rc < 0)
            return rc;
        if (!(d.flags & DESC_NEXT))
            return 0;
    }
}

int vq_pop(struct vqueue *vq, struct vq_chain *c)
{
    int rc = vq->live ? available(vq) : 0;

    if (rc <= 0)
        return rc;
    /* The driver reuses a slot only after it saw it used, so it cannot have more in flight. */
    if (vq->inuse >= vq->size)
        return -EPROTO;
    c->nout = c->nin = 0;
    c->out_len = c->in_len = 0;
    c->head = load16(vq, vq->avail + RING_ENTRIES + 2u * (vq->last_avail % vq->size));
    rc = walk_chain(vq, c);
    if (rc < 0)
        return rc;
    vq->last_avail++;
    vq->inuse++;
    return 1;
}

void vq_unpop(struct vqueue *vq, unsigned n)
{
    vq->last_avail = (uint16_t)(vq->last_avail - n);
    vq->inuse = (uint16_t)(vq->inuse - n);
}

void vq_fill(struct vqueue *vq, unsigned ahead, uint16_t head, uint32_t written)
{
    const struct used_elem e = {.id = head, .len = written};
    uint16_t slot = (uint16_t)(vq->used_idx + ahead) % vq->size;
    int rc = gpa_write(vq->mem, vq->used + RING_ENTRIES + slot * sizeof(e), &e, sizeof(e));

    (void)rc; /* see load16 */
}

void vq_publish(struct vqueue *vq, unsigned n)
{
    vq->used_idx = (uint16_t)(vq->used_idx + n);
    vq->inuse = (uint16_t)(vq->inuse - n);
    /* gpa_store releases: elements and data go before the index that covers them.
     * [virtio 1.2 2.7.8.2] */
    store16(vq, vq->used + RING_IDX, vq->used_idx);
}

void vq_push(struct vqueue *vq, uint16_t head, uint32_t written)
{
    vq_fill(vq, 0, head, written);
    vq_publish(vq, 1);
}

/* Did the index pass `event` on its way from `old` to `new`? [virtio 1.2 2.7.10] */
static bool passed(uint16_t event, uint16_t new, uint16_t old)
{
    return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
}

bool vq_should_interrupt(struct vqueue *vq)
{
    uint16_t old = vq->signalled;
    bool valid = vq->signalled_valid;

    /* Our used index is out before we look at what the driver asks for; the driver does the two in
     * the other order, so one of us sees the other. */
    atomic_thread_fence(memory_order_seq_cst);
    vq->signalled = vq->used_idx;
    vq->signalled_valid = true;
    if (!vq->event_idx)
        return !(load16(vq, vq->avail + RING_FLAGS) & AVAIL_NO_INTERRUPT);
    return !valid || passed(load16(vq, used_event(vq)), vq->used_idx, old);
}

void vq_notify_off(struct vqueue *vq)
{
    /* With event indices silence is the default: avail_event stays behind. */
    if (vq->live && !vq->event_idx)
        store16(vq, vq->used + RING_FLAGS, USED_NO_NOTIFY);
}

bool vq_notify_on(struct vqueue *vq)
{
    if (!vq->live)
        return false;
    if (vq->event_idx)
        store16(vq, avail_event(vq), vq->seen_avail);
    else
        store16(vq, vq->used + RING_FLAGS, 0);
    /* The request for a notification is out before the last look at the ring, or the driver could
     * add a chain in between and neither would tell the other. */
    atomic_thread_fence(memory_order_seq_cst);
    return avail_idx(vq) != vq->seen_avail;
}

/* The part of a chain a copy runs over. */
static const struct iovec *part(const struct vq_chain *c, bool in, unsigned *n)
{
    *n = in ? c->nin : c->nout;
    return c->iov + (in ? c->nout : 0);
}

int vq_slice(const struct vq_chain *c, bool in, uint64_t off, uint64_t len, struct iovec *iov)
{
    unsigned n;
    const struct iovec *src = part(c, in, &n);
    int out = 0;

    for (unsigned i = 0; i < n && len; i++) {
        uint64_t left, take;

        if (off >= src[i].iov_len) {
            off -= src[i].iov_len;
            continue;
        }
        left = src[i].iov_len - off;
        take = MIN(left, len);
        iov[out].iov_base = (uint8_t *)src[i].iov_base + off;
        iov[out++].iov_len = take;
        len -= take;
        off = 0;
    }
    return out;
}

size_t vq_read(const struct vq_chain *c, uint64_t off, void *buf, size_t len)
{
    size_t done = 0;

    for (unsigned i = 0; i < c->nout && done < len; i++) {
        size_t have = c->iov[i].iov_len, take;

        if (off >= have) {
            off -= have;
            continue;
        }
        take = MIN(have - off, len - done);
        memcpy((uint8_t *)buf + done, (const uint8_t *)c->iov[i].iov_base + off, take);
        done += take;
        off = 0;
    }
    return done;
}

size_t vq_write(struct guest_mem *mem, const struct vq_chain *c, uint64_t off, const void *buf,
                size_t len)
{
    size_t done = 0;

    for (unsigned i = c->nout; i < c->nout + c->nin && done < len; i++) {
        size_t have = c->iov[i].iov_len, take;

        if (off >= have) {
            off -= have;
            continue;
        }
        take = MIN(have - off, len - done);
        if (gpa_write(mem, c->gpa[i] + off, (const uint8_t *)buf + done, take) < 0)
            break;
        done += take;
        off = 0;
    }
    return done;
}

void vq_wrote(struct guest_mem *mem, const struct vq_chain *c, uint64_t len)
{
    for (unsigned i = c->nout; i < c->nout + c->nin && len; i++) {
        uint64_t take = MIN(len, c->iov[i].iov_len);

        gpa_wrote(mem, c->gpa[i], take);
        len -= take;
    }
}
