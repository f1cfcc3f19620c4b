/*
 * No console: output is dropped, input never comes.
 */
#include <errno.h>
#include <stdlib.h>

#include "backend/char/kinds.h"

static void null_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)b;
    (void)buf;
    (void)len;
}

static void null_nothing(struct chr_backend *b)
{
    (void)b;
}

static void null_close(struct chr_backend *b)
{
    free(b);
}

static const struct chr_backend_ops null_ops = {
    .name = "none",
    .write = null_write,
    .rx_ready = null_nothing,
    .flush = null_nothing,
    .close = null_close,
};

int chr_null_open(struct chr_backend **out, struct error *err)
{
    struct chr_backend *b = calloc(1, sizeof(*b));

    if (!b) {
        return error_set(err, ENOMEM, "no memory for a console");
    }
    b->ops = &null_ops;
    *out = b;
    return 0;
}
