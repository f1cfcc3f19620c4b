/* Fuzz the network card: hostile rings in both directions while frames come in. */
#include "dev/virtio/net.h"

#include <stdlib.h>
#include <string.h>

#include "virtio_harness.h"

static uint8_t sink;

static void net_send(struct net_backend *b, const struct iovec *iov, int niov)
{
    size_t len = 0;

    (void)b;
    for (int i = 0; i < niov; i++) {
        len += iov[i].iov_len;
        sink ^= *(const uint8_t *)iov[i].iov_base;
    }
    if (len < 14 || len > NET_MAX_FRAME)
        abort();
}

static void net_close(struct net_backend *b)
{
    (void)b;
}

static const struct net_backend_ops ops = {.name = "fuzz", .send = net_send, .close = net_close};

static void outside(struct harness *h, struct input *in)
{
    static uint8_t frame[1 << 16];
    struct net_backend *b = h->opaque;
    uint64_t len = input_take(in, 2);

    memset(frame, (int)input_take(in, 1), len);
    b->receive(b->opaque, frame, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h = {.outside = outside};
    static struct net_backend backend = {.ops = &ops, .mac = {0x52, 0x54, 0, 1, 2, 3}};

    if (!h.v) {
        const struct virtio_net_config cfg = {.backend = &backend};
        struct virtio_dev *v;
        struct error err;

        h.opaque = &backend;
        harness_init(&h);
        if (virtio_net_create(&v, &h.host, "virtio-net0", &cfg, &err) < 0)
            abort();
        harness_attach(&h, v);
    }
    harness_run(&h, data, size);
    return 0;
}
