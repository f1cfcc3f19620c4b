/*
 * The console on a pseudo-terminal, whose name is printed for the user to connect to.
 *
 * The slave side is held open as well: without that, reading the master fails and epoll reports a
 * hang-up without end while nobody is connected.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "backend/char/input.h"
#include "backend/char/kinds.h"
#include "backend/char/output.h"
#include "base/log.h"

struct chr_pty {
    struct chr_backend base;
    struct chr_input input;
    struct chr_output output;
    int master, slave;
};

static struct chr_pty *pty_of(struct chr_backend *b)
{
    return container_of(b, struct chr_pty, base);
}

static void pty_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)chr_output_write(&pty_of(b)->output, buf, len);
}

static void pty_rx_ready(struct chr_backend *b)
{
    chr_input_rx_ready(&pty_of(b)->input);
}

static void pty_flush(struct chr_backend *b)
{
    chr_output_flush(&pty_of(b)->output);
}

static void release(struct chr_pty *p)
{
    chr_output_detach(&p->output);
    chr_input_stop(&p->input);
    if (p->slave >= 0) {
        close(p->slave);
    }
    if (p->master >= 0) {
        close(p->master);
    }
    chr_output_destroy(&p->output);
    free(p);
}

/* No flush: with nobody connected it would wait for its whole second. */
static void pty_close(struct chr_backend *b)
{
    release(pty_of(b));
}

static const struct chr_backend_ops pty_ops = {
    .name = "pty",
    .write = pty_write,
    .rx_ready = pty_rx_ready,
    .flush = pty_flush,
    .close = pty_close,
};

static const struct chr_input_ops input_ops = {0};

/* A fresh pty echoes and edits lines, which is for the guest to do. */
static int open_slave(const char *name)
{
    struct termios t;
    int fd = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd >= 0 && tcgetattr(fd, &t) == 0) {
        cfmakeraw(&t);
        tcsetattr(fd, TCSANOW, &t);
    }
    return fd;
}

static int open_pair(struct chr_pty *p, char *name, size_t len)
{
    p->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (p->master < 0 || grantpt(p->master) < 0 || unlockpt(p->master) < 0) {
        return -errno;
    }
    int rc = ptsname_r(p->master, name, len);
    if (rc != 0) {
        return -rc;
    }
    p->slave = open_slave(name);
    return p->slave < 0 ? -errno : 0;
}

static int attach(struct chr_pty *p)
{
    int fd = fcntl(p->master, F_DUPFD_CLOEXEC, 3);

    if (fd < 0) {
        return -errno;
    }
    chr_output_attach(&p->output, fd, CHR_OUTPUT_FD);
    return chr_input_attach(&p->input, p->master);
}

int chr_pty_open(struct chr_backend **out, struct evloop *l, struct error *err)
{
    struct chr_pty *p = calloc(1, sizeof(*p));
    char name[64];

    if (!p) {
        return error_set(err, ENOMEM, "no memory for a console");
    }
    p->base.ops = &pty_ops;
    p->master = p->slave = -1;
    chr_output_init(&p->output, l);
    chr_input_init(&p->input, &p->base, l, &input_ops);
    int rc = open_pair(p, name, sizeof(name));
    if (rc == 0) {
        rc = attach(p);
    }
    if (rc < 0) {
        release(p);
        return error_set(err, -rc, "cannot make a pseudo-terminal: %s", strerror(-rc));
    }
    log_info("the console is on %s", name);
    *out = &p->base;
    return 0;
}
