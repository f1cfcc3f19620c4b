/*
 * virtio network card: frames from the transmit queue to the back end, and from the back end into
 * one or (mergeable) several receive buffers. No offloads: the header in front of each frame says
 * nothing but how many buffers it took.
 */
#include "dev/virtio/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    F_MAC = 1 << 5,
    F_MRG_RXBUF = 1 << 15,
    F_STATUS = 1 << 16,

    RX = 0,
    TX = 1,
    QUEUE_SIZE = 256,
    MIN_FRAME = 14, /* an Ethernet header */
    LINK_UP = 1,
};

struct net_header { /* [virtio 1.2 5.1.6]; num_buffers is always there */
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset;
    uint16_t num_buffers;
};

struct config {
    uint8_t mac[6];
    uint16_t status;
};

_Static_assert(sizeof(struct net_header) == 12, "as on the wire");

struct virtio_net {
    struct virtio_dev v;
    struct net_backend *backend;
};

/* --- transmit --- */

/* The back end is called without the lock: it may answer by calling receive. A frame of an
 * impossible length is dropped, as on a wire. */
static void transmit(struct virtio_net *n, const struct vq_chain *c)
{
    struct iovec iov[VQ_MAX_CHAIN];
    uint64_t len;

    if (c->out_len < sizeof(struct net_header) + MIN_FRAME)
        return;
    len = c->out_len - sizeof(struct net_header);
    if (len > NET_MAX_FRAME)
        return;
    pthread_mutex_unlock(&n->v.dev.lock);
    n->backend->ops->send(n->backend, iov, vq_slice(c, false, sizeof(struct net_header), len, iov));
    pthread_mutex_lock(&n->v.dev.lock);
}

static bool transmit_one(struct virtio_dev *v, unsigned q)
{
    struct vq_chain c;

    if (!virtio_pop(v, q, &c))
        return false;
    virtio_io_begin(v);
    transmit(container_of(v, struct virtio_net, v), &c);
    vq_push(&v->vq[q], c.head, 0);
    virtio_interrupt(v, q);
    virtio_io_end(v);
    return true;
}

/* --- receive --- */

/* A frame on its way into receive buffers. */
struct delivery {
    const uint8_t *frame;
    size_t len, done;
    unsigned nbufs;        /* popped and filled, not yet published */
    struct vq_chain first; /* holds the header */
};

/* Fill one buffer. False: it cannot hold even the header. */
static bool fill_buffer(struct virtio_dev *v, struct delivery *d, const struct vq_chain *c)
{
    size_t header = d->nbufs == 0 ? sizeof(struct net_header) : 0;
    size_t n;

    if (c->in_len <= header)
        return false;
    n = vq_write(v->dev.host->mem, c, header, d->frame + d->done, d->len - d->done);
    vq_fill(&v->vq[RX], d->nbufs, c->head, (uint32_t)(header + n));
    d->done += n;
    d->nbufs++;
    return true;
}

/* All buffers of a frame become used together, or none. */
static void publish(struct virtio_dev *v, const struct delivery *d)
{
    const struct net_header h = {.num_buffers = (uint16_t)d->nbufs};

    vq_write(v->dev.host->mem, &d->first, 0, &h, sizeof(h));
    vq_publish(&v->vq[RX], d->nbufs);
    virtio_interrupt(v, RX);
}

enum verdict { DELIVERED, DROPPED, NO_BUFFERS };

static enum verdict give_up(struct virtio_dev *v, const struct delivery *d, unsigned unfilled,
                            enum verdict why)
{
    vq_unpop(&v->vq[RX], d->nbufs + unfilled);
    return why;
}

static enum verdict deliver(struct virtio_dev *v, const uint8_t *frame, size_t len)
{
    struct delivery d = {.frame = frame, .len = len};
    bool mergeable = virtio_has(v, F_MRG_RXBUF);
    struct vq_chain next;

    while (d.done < d.len) {
        struct vq_chain *c = d.nbufs ? &next : &d.first;

        if (d.nbufs && !mergeable)
            return give_up(v, &d, 0, DROPPED);
        if (!virtio_pop(v, RX, c))
            return give_up(v, &d, 0, NO_BUFFERS);
        if (!fill_buffer(v, &d, c)) {
            virtio_fail(v, "a receive buffer was too small");
            return give_up(v, &d, 1, DROPPED);
        }
    }
    publish(v, &d);
    return DELIVERED;
}

static enum verdict receive(struct virtio_dev *v, const uint8_t *frame, size_t len)
{
    enum verdict is;

    if (!v->vq[RX].live)
        return NO_BUFFERS;
    if (len == 0 || len > NET_MAX_FRAME)
        return DROPPED;
    vq_notify_off(&v->vq[RX]);
    do {
        is = deliver(v, frame, len);
    } while (is == NO_BUFFERS && vq_notify_on(&v->vq[RX]));
    return is;
}

/* Event loop's thread, no lock held. */
static bool net_receive(void *opaque, const uint8_t *frame, size_t len)
{
    struct virtio_net *n = opaque;
    struct virtio_dev *v = &n->v;
    bool taken;

    pthread_mutex_lock(&v->dev.lock);
    /* Without a driver the cable is as good as unplugged: frames are lost, not kept. */
    taken = receive(v, frame, len) != NO_BUFFERS || virtio_unattended(v, RX);
    pthread_mutex_unlock(&v->dev.lock);
    return taken;
}

static void net_notify(struct virtio_dev *v, unsigned q)
{
    struct virtio_net *n = container_of(v, struct virtio_net, v);

    if (q == TX)
        virtio_drain(v, q, transmit_one);
    else if (n->backend->ops->rx_ready)
        n->backend->ops->rx_ready(n->backend);
}

/* Any address will do: the guest keeps the one it had. */
static int net_post_load(struct virtio_dev *v, struct error *err)
{
    struct config was;

    memcpy(&was, v->config, sizeof(was));
    if (was.status != LINK_UP)
        return error_set(err, EINVAL, "%s: impossible link status", v->dev.id);
    return 0;
}

/* --- life cycle --- */

static const struct virtio_ops net_ops = {
    .id = VIRTIO_ID_NET,
    .pci_class = 0x020000, /* Ethernet controller */
    .nqueues = 2,
    .queue_size = {QUEUE_SIZE, QUEUE_SIZE},
    .config_len = sizeof(struct config),
    .notify = net_notify,
    .post_load = net_post_load,
};

static void net_destroy(struct dev *d)
{
    struct virtio_net *n = container_of(d, struct virtio_net, v.dev);

    n->backend->ops->close(n->backend);
    virtio_dev_fini(&n->v);
    free(n);
}

static const struct dev_class net_class = {
    .name = "virtio-net",
    .state = &virtio_dev_state,
    .reset = virtio_dev_reset,
    .quiesce = virtio_dev_quiesce,
    .resume = virtio_dev_resume,
    .destroy = net_destroy,
};

int virtio_net_create(struct virtio_dev **out, const struct dev_host *host, const char *id,
                      const struct virtio_net_config *cfg, struct error *err)
{
    struct config config = {.status = LINK_UP};
    const struct virtio_params p = {.cls = &net_class,
                                    .ops = &net_ops,
                                    .host = host,
                                    .id = id,
                                    .features = F_MAC | F_MRG_RXBUF | F_STATUS,
                                    .config = &config};
    struct net_backend *be = cfg->backend;
    struct virtio_net *n = calloc(1, sizeof(*n));
    int rc;

    memcpy(config.mac, cfg->mac ? cfg->mac : be->mac, sizeof(config.mac));
    if (!n)
        rc = error_set(err, ENOMEM, "no memory for %s", id);
    else
        rc = virtio_dev_init(&n->v, &p, err);
    if (rc < 0) {
        be->ops->close(be);
        free(n);
        return rc;
    }
    n->backend = be;
    be->opaque = n;
    be->receive = net_receive;
    *out = &n->v;
    return 0;
}
