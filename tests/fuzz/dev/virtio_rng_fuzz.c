/* Fuzz the entropy device: queues, registers, config space and saved state. */
#include "dev/virtio/rng.h"

#include <stdlib.h>

#include "virtio_harness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct harness h;

    if (!h.v) {
        struct virtio_dev *v;
        struct error err;

        harness_init(&h);
        if (virtio_rng_create(&v, &h.host, "virtio-rng0", &err) < 0)
            abort();
        harness_attach(&h, v);
    }
    harness_run(&h, data, size);
    return 0;
}
