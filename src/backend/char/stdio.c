/*
 * The console on standard input and output: usually a terminal, in raw mode with an escape key, but
 * files, pipes, sockets and nothing at all do as well.
 *
 * The descriptors are shared with other programs, so their flags are left alone: output goes
 * through a descriptor of our own where the file can be opened once more.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/char/escape.h"
#include "backend/char/input.h"
#include "backend/char/kinds.h"
#include "backend/char/output.h"
#include "backend/char/terminal.h"

struct chr_stdio {
    struct chr_backend base;
    struct chr_input input;
    struct chr_output output;
    struct escape escape;
    int in_fd; /* a duplicate of standard input, or -1 */
    bool is_terminal;
};

static const char help_head[] = "\r\n"
                                "  Ctrl-A x       quit\r\n"
                                "  Ctrl-A h       this help\r\n"
                                "  Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n";

static struct chr_stdio *stdio_of(struct chr_backend *b)
{
    return container_of(b, struct chr_stdio, base);
}

static void stdio_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)chr_output_write(&stdio_of(b)->output, buf, len);
}

static void stdio_rx_ready(struct chr_backend *b)
{
    chr_input_rx_ready(&stdio_of(b)->input);
}

static void stdio_flush(struct chr_backend *b)
{
    chr_output_flush(&stdio_of(b)->output);
}

static void print(struct chr_stdio *s, const char *text)
{
    stdio_write(&s->base, (const uint8_t *)text, strlen(text));
}

static void on_key(void *opaque, char key)
{
    struct chr_stdio *s = opaque;

    if (key == 'h' || key == '?') {
        print(s, help_head);
        print(s, s->base.menu_help ? s->base.menu_help : "");
    } else if (s->base.menu) {
        s->base.menu(s->base.menu_opaque, key);
    } else if (key == 'x') {
        kill(getpid(), SIGTERM);
    }
}

static size_t stdio_filter(struct chr_input *in, uint8_t *buf, size_t len)
{
    struct chr_stdio *s = container_of(in, struct chr_stdio, input);

    if (s->is_terminal) {
        terminal_enter(); /* we may have come to the foreground without a SIGCONT */
    }
    return escape_filter(&s->escape, buf, len, on_key, s);
}

/* In the background a terminal answers EIO, as the loop's thread blocks SIGTTIN; that passes. */
static bool stdio_ended(struct chr_input *in, int error)
{
    struct chr_stdio *s = container_of(in, struct chr_stdio, input);

    return error == EIO && s->is_terminal && !terminal_in_foreground(s->in_fd);
}

static const struct chr_input_ops input_ops = {.filter = stdio_filter, .ended = stdio_ended};

static void stdio_close(struct chr_backend *b)
{
    struct chr_stdio *s = stdio_of(b);

    chr_output_flush(&s->output);
    chr_output_detach(&s->output);
    chr_input_stop(&s->input);
    if (s->is_terminal) {
        terminal_release();
    }
    if (s->in_fd >= 0) {
        close(s->in_fd);
    }
    chr_output_destroy(&s->output);
    free(s);
}

static const struct chr_backend_ops stdio_ops = {
    .name = "stdio",
    .write = stdio_write,
    .rx_ready = stdio_rx_ready,
    .flush = stdio_flush,
    .close = stdio_close,
};

/*
 * A regular file keeps its descriptor for the sake of the offset and O_APPEND it shares with the
 * shell. A terminal or pipe is opened once more to be O_NONBLOCK for us alone; where that is
 * forbidden it is written to in small pieces when poll() says so.
 */
static void attach_output(struct chr_stdio *s)
{
    struct stat st;
    int fd = -1;

    if (fstat(STDOUT_FILENO, &st) < 0) {
        return;
    }
    if (S_ISCHR(st.st_mode) || S_ISFIFO(st.st_mode)) {
        fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    }
    if (fd >= 0) {
        chr_output_attach(&s->output, fd, CHR_OUTPUT_FD);
        return;
    }
    fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    chr_output_attach(&s->output, fd,
                      S_ISSOCK(st.st_mode)  ? CHR_OUTPUT_SOCKET
                      : S_ISREG(st.st_mode) ? CHR_OUTPUT_FD
                                            : CHR_OUTPUT_BLOCKING);
}

static int attach_input(struct chr_stdio *s, struct error *err)
{
    s->in_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    if (s->in_fd < 0) {
        return 0; /* closed: a console without input */
    }
    if (isatty(s->in_fd)) {
        int rc = terminal_claim(s->in_fd, err);
        if (rc < 0) {
            return rc;
        }
        s->is_terminal = s->input.lossy = true;
    }
    int rc = chr_input_attach(&s->input, s->in_fd);
    return rc < 0 ? error_set(err, -rc, "cannot read standard input: %s", strerror(-rc)) : 0;
}

int chr_stdio_open(struct chr_backend **out, struct evloop *l, struct error *err)
{
    struct chr_stdio *s = calloc(1, sizeof(*s));

    if (!s) {
        return error_set(err, ENOMEM, "no memory for a console");
    }
    s->base.ops = &stdio_ops;
    s->in_fd = -1;
    chr_output_init(&s->output, l);
    chr_input_init(&s->input, &s->base, l, &input_ops);
    attach_output(s);
    int rc = attach_input(s, err);
    if (rc < 0) {
        stdio_close(&s->base);
        return rc;
    }
    *out = &s->base;
    return 0;
}
