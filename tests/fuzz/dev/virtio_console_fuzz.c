/* Fuzz the console: hostile rings in both directions while somebody types. */
#include "dev/virtio/console.h"

#include <stdlib.h>
#include <string.h>

#include "virtio_harness.h"

static uint8_t sink;

static void chr_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)b;
    for (size_t i = 0; i < len; i += 64)
        sink ^= buf[i];
}

static const struct chr_backend_ops ops = {.name = "fuzz", .write = chr_write};

static void outside(struct harness *h, struct input *in)
{
    struct chr_backend *b = h->opaque;
    uint64_t len = input_take(in, 1);
    uint8_t text[256];

    memset(text, (int)input_take(in, 1), len);
    if (b->receive(b->opaque, text, len) > len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h = {.outside = outside};
    static struct chr_backend backend = {.ops = &ops};

    if (!h.v) {
        const struct virtio_console_config cfg = {.backend = &backend, .cols = 80, .rows = 25};
        struct virtio_dev *v;
        struct error err;

        h.opaque = &backend;
        harness_init(&h);
        if (virtio_console_create(&v, &h.host, "virtio-console0", &cfg, &err) < 0)
            abort();
        harness_attach(&h, v);
    }
    harness_run(&h, data, size);
    return 0;
}
