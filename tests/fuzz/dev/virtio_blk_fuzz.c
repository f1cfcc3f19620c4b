/* Fuzz the block device. The disk traps on any range that the device should have refused. */
#include "dev/virtio/blk.h"

#include <stdlib.h>

#include "../../unit/dev/virtio/fake_blk.h"
#include "virtio_harness.h"

static void release(struct harness *h)
{
    struct fake_blk *disk = h->opaque;

    disk->hold = false;
    disk->result = 0;
    fake_blk_release(disk);
}

/* Requests are held, or let go, and complete well or badly. */
static void outside(struct harness *h, struct input *in)
{
    struct fake_blk *disk = h->opaque;
    uint64_t what = input_take(in, 1);

    disk->hold = what & 1;
    disk->result = what & 2 ? -5 : 0;
    if (!disk->hold)
        fake_blk_release(disk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h = {.outside = outside, .settle = release};
    static struct fake_blk disk;

    if (!h.v) {
        const struct virtio_blk_config cfg = {.backend = &disk.b};
        struct virtio_dev *v;
        struct error err;

        fake_blk_init(&disk);
        h.opaque = &disk;
        harness_init(&h);
        if (virtio_blk_create(&v, &h.host, "virtio-blk0", &cfg, &err) < 0)
            abort();
        harness_attach(&h, v);
    }
    harness_run(&h, data, size);
    return 0;
}
