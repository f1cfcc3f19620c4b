/*
 * The console's output into a file, which is emptied first. There is no input.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/char/kinds.h"
#include "backend/char/output.h"
#include "base/log.h"

struct chr_file {
    struct chr_backend base;
    struct evloop *loop;
    struct chr_output output;
    _Atomic bool complained;
    char *path;
};

static struct chr_file *file_of(struct chr_backend *b)
{
    return container_of(b, struct chr_file, base);
}

static void file_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    struct chr_file *f = file_of(b);

    int rc = chr_output_write(&f->output, buf, len);
    if (rc < 0) {
        log_warn_once(&f->complained, "console output to '%s' is incomplete: %s", f->path,
                      strerror(-rc));
    }
}

static void file_rx_ready(struct chr_backend *b)
{
    (void)b;
}

static void file_flush(struct chr_backend *b)
{
    chr_output_flush(&file_of(b)->output);
}

static void file_close(struct chr_backend *b)
{
    struct chr_file *f = file_of(b);

    chr_output_flush(&f->output);
    chr_output_detach(&f->output);
    if (!evloop_on_thread(f->loop)) {
        evloop_sync(f->loop);
    }
    chr_output_destroy(&f->output);
    free(f->path);
    free(f);
}

static const struct chr_backend_ops file_ops = {
    .name = "file",
    .write = file_write,
    .rx_ready = file_rx_ready,
    .flush = file_flush,
    .close = file_close,
};

static int open_failed(struct error *err, const char *path, int e)
{
    if (e == ENXIO) {
        return error_set(err, e, "nobody reads from the pipe '%s', so it cannot be a console",
                         path);
    }
    return error_set(err, e, "cannot write the console to '%s': %s", path, strerror(e));
}

int chr_file_open(struct chr_backend **out, const char *path, struct evloop *l, struct error *err)
{
    /* O_NONBLOCK is for pipes; it means nothing for a regular file. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);

    if (fd < 0) {
        return open_failed(err, path, errno);
    }
    struct chr_file *f = calloc(1, sizeof(*f));
    char *copy = strdup(path);
    if (!f || !copy) {
        free(f);
        free(copy);
        close(fd);
        return error_set(err, ENOMEM, "no memory for a console");
    }
    f->base.ops = &file_ops;
    f->loop = l;
    f->path = copy;
    chr_output_init(&f->output, l);
    chr_output_attach(&f->output, fd, CHR_OUTPUT_FD);
    *out = &f->base;
    return 0;
}
