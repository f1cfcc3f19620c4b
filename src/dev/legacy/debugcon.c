/* See debugcon.h. */
#include "dev/legacy/debugcon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { READBACK = 0xe9 };

struct debugcon {
    struct dev dev;
    struct chr_backend *chr;
};

static enum io_status debugcon_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    (void)opaque;
    (void)off;
    (void)size;
    *val = READBACK;
    return IO_OK;
}

static enum io_status debugcon_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct debugcon *c = opaque;
    uint8_t byte = (uint8_t)val;

    (void)off;
    (void)size;
    c->chr->ops->write(c->chr, &byte, 1);
    return IO_OK;
}

static const struct io_ops debugcon_ops = {debugcon_read, debugcon_write, 1, 1, false};

static const struct dev_class debugcon_class = {
    .name = "debugcon",
    .destroy = dev_free,
};

int debugcon_create(struct dev **out, const struct dev_host *host, uint16_t port,
                    struct chr_backend *chr)
{
    struct debugcon *c = calloc(1, sizeof(*c));
    char id[32];
    int rc;

    if (!c)
        return -ENOMEM;
    snprintf(id, sizeof(id), "debugcon-%x", port);
    dev_init(&c->dev, &debugcon_class, host, id);
    c->chr = chr;
    rc = io_space_add(host->pio,
                      &(struct io_region){"debugcon", port, 1, &debugcon_ops, c, &c->dev.lock});
    if (rc < 0) {
        dev_free(&c->dev);
        return rc;
    }
    *out = &c->dev;
    return 0;
}
