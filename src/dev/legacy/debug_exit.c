/* See debug_exit.h. */
#include "dev/legacy/debug_exit.h"

#include <errno.h>
#include <stdlib.h>

static enum io_status debug_exit_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct dev *d = opaque;

    (void)size;
    if (off == 0)
        d->host->event(d->host->vm, MACHINE_DEBUG_EXIT, (uint32_t)val);
    return IO_OK;
}

static const struct io_ops debug_exit_ops = {NULL, debug_exit_write, 1, 4, false};

static const struct dev_class debug_exit_class = {
    .name = "debug-exit",
    .destroy = dev_free,
};

int debug_exit_create(struct dev **out, const struct dev_host *host, uint16_t port)
{
    struct dev *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return -ENOMEM;
    dev_init(d, &debug_exit_class, host, "debug-exit");
    rc = io_space_add(host->pio,
                      &(struct io_region){"debug-exit", port, 4, &debug_exit_ops, d, &d->lock});
    if (rc < 0) {
        dev_free(d);
        return rc;
    }
    *out = d;
    return 0;
}
