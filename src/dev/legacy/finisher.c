/* See finisher.h. */
#include "dev/legacy/finisher.h"

#include <errno.h>
#include <stdlib.h>

static enum io_status finisher_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct dev *d = opaque;

    (void)size;
    if (off != 0)
        return IO_OK;
    switch (val & 0xffff) {
    case FINISHER_FAIL:
        d->host->event(d->host->vm, MACHINE_EXIT, (uint32_t)val >> 16);
        break;
    case FINISHER_PASS:
        d->host->event(d->host->vm, MACHINE_POWER_OFF, 0);
        break;
    case FINISHER_RESET:
        d->host->event(d->host->vm, MACHINE_RESET, 0);
        break;
    default:
        break;
    }
    return IO_OK;
}

static enum io_status finisher_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    (void)opaque;
    (void)off;
    (void)size;
    *val = 0;
    return IO_OK;
}

static const struct io_ops finisher_ops = {finisher_read, finisher_write, 2, 4, false};

static const struct dev_class finisher_class = {
    .name = "finisher",
    .destroy = dev_free,
};

int finisher_create(struct dev **out, const struct dev_host *host, gpa_t base)
{
    struct dev *d = calloc(1, sizeof(*d));
    int rc;

    if (!d)
        return -ENOMEM;
    dev_init(d, &finisher_class, host, "finisher");
    rc = io_space_add(host->mmio, &(struct io_region){"finisher", base, FINISHER_LEN, &finisher_ops,
                                                      d, &d->lock});
    if (rc < 0) {
        dev_free(d);
        return rc;
    }
    *out = d;
    return 0;
}
