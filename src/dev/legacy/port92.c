/* See port92.h. */
#include "dev/legacy/port92.h"

#include <errno.h>
#include <stdlib.h>

enum { PORT_CONTROL = 0x92, PORT_POST = 0x80, CONTROL_RESET = 1, CONTROL_A20 = 2 };

static enum io_status control_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct port92 *p = opaque;

    (void)off;
    (void)size;
    *val = p->control | CONTROL_A20;
    return IO_OK;
}

/* The reset line pulses when the bit rises. */
static enum io_status control_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct port92 *p = opaque;
    bool rising = val & CONTROL_RESET && !(p->control & CONTROL_RESET);

    (void)off;
    (void)size;
    p->control = (uint8_t)val;
    if (rising)
        p->dev.host->event(p->dev.host->vm, MACHINE_RESET, 0);
    return IO_OK;
}

static enum io_status post_read(void *opaque, uint64_t off, unsigned size, uint64_t *val)
{
    struct port92 *p = opaque;

    (void)off;
    (void)size;
    *val = p->post;
    return IO_OK;
}

static enum io_status post_write(void *opaque, uint64_t off, unsigned size, uint64_t val)
{
    struct port92 *p = opaque;

    (void)off;
    (void)size;
    p->post = (uint8_t)val;
    return IO_OK;
}

static const struct io_ops control_ops = {control_read, control_write, 1, 1, false};
static const struct io_ops post_ops = {post_read, post_write, 1, 1, false};

#define STATE_OWNER struct port92
STATE_DESC(port92_state, "port92", 1, PORT92_STATE);
#undef STATE_OWNER

static void port92_reset(struct dev *d)
{
    struct port92 *p = container_of(d, struct port92, dev);

    p->control = CONTROL_A20;
    p->post = 0;
}

static const struct dev_class port92_class = {
    .name = "port92",
    .state = &port92_state,
    .reset = port92_reset,
    .destroy = dev_free,
};

int port92_create(struct port92 **out, const struct dev_host *host)
{
    struct port92 *p = calloc(1, sizeof(*p));
    int rc;

    if (!p)
        return -ENOMEM;
    dev_init(&p->dev, &port92_class, host, "port92");
    port92_reset(&p->dev);
    rc = io_space_add(
        host->pio, &(struct io_region){"port92", PORT_CONTROL, 1, &control_ops, p, &p->dev.lock});
    if (rc < 0)
        goto out_free;
    rc = io_space_add(host->pio,
                      &(struct io_region){"post", PORT_POST, 1, &post_ops, p, &p->dev.lock});
    if (rc < 0)
        goto out_region;
    *out = p;
    return 0;

out_region:
    io_space_remove(host->pio, PORT_CONTROL);
out_free:
    dev_free(&p->dev);
    return rc;
}
