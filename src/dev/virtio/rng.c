/*
 * virtio entropy: the smallest device, and the one to copy for a new one.
 */
#include "dev/virtio/rng.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    QUEUE_SIZE = 64,
    MAX_BYTES = 256, /* of one request: getrandom() gives that many without interruption */
};

static bool rng_one(struct virtio_dev *v, unsigned q)
{
    uint8_t buf[MAX_BYTES];
    struct vq_chain c;
    ssize_t n;

    if (!virtio_pop(v, q, &c))
        return false;
    n = getrandom(buf, MIN(c.in_len, sizeof(buf)), 0);
    n = n > 0 ? (ssize_t)vq_write(v->dev.host->mem, &c, 0, buf, (size_t)n) : 0;
    vq_push(&v->vq[q], c.head, (uint32_t)n);
    virtio_interrupt(v, q);
    return true;
}

static void rng_notify(struct virtio_dev *v, unsigned q)
{
    virtio_drain(v, q, rng_one);
}

static const struct virtio_ops rng_ops = {
    .id = VIRTIO_ID_RNG,
    .pci_class = 0x00ff00, /* fits no class */
    .nqueues = 1,
    .queue_size = {QUEUE_SIZE},
    .notify = rng_notify,
};

static void rng_destroy(struct dev *d)
{
    struct virtio_dev *v = container_of(d, struct virtio_dev, dev);

    virtio_dev_fini(v);
    free(v);
}

static const struct dev_class rng_class = {
    .name = "virtio-rng",
    .state = &virtio_dev_state,
    .reset = virtio_dev_reset,
    .quiesce = virtio_dev_quiesce,
    .resume = virtio_dev_resume,
    .destroy = rng_destroy,
};

int virtio_rng_create(struct virtio_dev **out, const struct dev_host *host, const char *id,
                      struct error *err)
{
    const struct virtio_params p = {.cls = &rng_class, .ops = &rng_ops, .host = host, .id = id};
    struct virtio_dev *v = calloc(1, sizeof(*v));
    int rc;

    if (!v)
        return error_set(err, ENOMEM, "no memory for %s", id);
    rc = virtio_dev_init(v, &p, err);
    if (rc < 0) {
        free(v);
        return rc;
    }
    *out = v;
    return 0;
}
