/*
 * The console on a Unix socket: one client at a time, who may come, go and come again. What the
 * guest prints while nobody is connected is lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "backend/char/input.h"
#include "backend/char/kinds.h"
#include "backend/char/output.h"

enum { ACCEPT_RETRY_NS = 500000000 };

struct chr_socket {
    struct chr_backend base;
    struct evloop *loop;
    struct chr_input input;
    struct chr_output output;
    struct evloop_timer listen_again;
    int listen_fd, client_fd; /* -1: none. The client's is the loop's thread's */
    struct sockaddr_un addr;
    bool bound; /* the path in the file system is ours to remove */
};

static struct chr_socket *socket_of(struct chr_backend *b)
{
    return container_of(b, struct chr_socket, base);
}

static void socket_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)chr_output_write(&socket_of(b)->output, buf, len);
}

static void socket_rx_ready(struct chr_backend *b)
{
    chr_input_rx_ready(&socket_of(b)->input);
}

static void socket_flush(struct chr_backend *b)
{
    chr_output_flush(&socket_of(b)->output);
}

/* ---- clients; loop's thread ---- */

static void drop_client(struct chr_socket *s)
{
    chr_input_detach(&s->input);
    chr_output_detach(&s->output);
    if (s->client_fd >= 0) {
        close(s->client_fd);
        s->client_fd = -1;
    }
}

static bool socket_ended(struct chr_input *in, int error)
{
    (void)error;
    drop_client(container_of(in, struct chr_socket, input));
    return false;
}

static const struct chr_input_ops input_ops = {.ended = socket_ended};

/* While the guest takes no input the client is not read, so its leaving goes unnoticed. */
static bool client_present(const struct chr_socket *s)
{
    struct pollfd p = {.fd = s->client_fd};

    return s->client_fd >= 0 && !(poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)));
}

static void take_client(struct chr_socket *s, int fd)
{
    int out = fcntl(fd, F_DUPFD_CLOEXEC, 3);

    drop_client(s);
    s->client_fd = fd;
    if (out >= 0) {
        chr_output_attach(&s->output, out, CHR_OUTPUT_SOCKET);
    }
    if (out < 0 || chr_input_attach(&s->input, fd) < 0) {
        drop_client(s);
    }
}

static void refuse_client(int fd)
{
    static const char busy[] = "this console is in use by another client\r\n";

    (void)!send(fd, busy, sizeof(busy) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

static void acceptable(void *opaque, uint32_t events)
{
    struct chr_socket *s = opaque;

    (void)events;
    int fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && client_present(s)) {
        refuse_client(fd);
    } else if (fd >= 0) {
        take_client(s, fd);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
        /* The client stays in the queue and epoll would report it without end. */
        evloop_fd_del(s->loop, s->listen_fd);
        evloop_timer_start(&s->listen_again, mono_ns() + ACCEPT_RETRY_NS);
    }
}

static void listen_again(void *opaque)
{
    struct chr_socket *s = opaque;

    if (evloop_fd_add(s->loop, s->listen_fd, EPOLLIN, acceptable, s) == -ENOMEM) {
        evloop_timer_start(&s->listen_again, mono_ns() + ACCEPT_RETRY_NS);
    }
}

/* ---- open and close ---- */

static void release(struct chr_socket *s)
{
    /* Twice: the first time a callback may be just about to register or start again. */
    for (int i = 0; i < 2; i++) {
        evloop_timer_stop(&s->listen_again);
        if (s->listen_fd >= 0) {
            evloop_fd_del(s->loop, s->listen_fd);
        }
        chr_input_stop(&s->input);
    }
    drop_client(s);
    if (!evloop_on_thread(s->loop)) {
        evloop_sync(s->loop);
    }
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
    }
    if (s->bound) {
        unlink(s->addr.sun_path);
    }
    chr_output_destroy(&s->output);
    free(s);
}

static void socket_close(struct chr_backend *b)
{
    chr_output_flush(&socket_of(b)->output);
    release(socket_of(b));
}

static const struct chr_backend_ops socket_ops = {
    .name = "socket",
    .write = socket_write,
    .rx_ready = socket_rx_ready,
    .flush = socket_flush,
    .close = socket_close,
};

/* A socket nobody listens on, left behind by a process that was killed. */
static bool is_stale(const struct sockaddr_un *addr)
{
    struct stat st;

    if (lstat(addr->sun_path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 &&
                   errno == ECONNREFUSED;
    if (fd >= 0) {
        close(fd);
    }
    return refused;
}

/* Only its owner may connect: bind() gives the file the mode of the socket. */
static int bind_and_listen(struct chr_socket *s)
{
    const struct sockaddr *addr = (const struct sockaddr *)&s->addr;

    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0 || fchmod(s->listen_fd, 0600) < 0) {
        return -errno;
    }
    int rc = bind(s->listen_fd, addr, sizeof(s->addr));
    if (rc < 0 && errno == EADDRINUSE && is_stale(&s->addr)) {
        unlink(s->addr.sun_path);
        rc = bind(s->listen_fd, addr, sizeof(s->addr));
    }
    if (rc < 0) {
        return -errno;
    }
    s->bound = true;
    return listen(s->listen_fd, 4) < 0 ? -errno : 0;
}

static int start(struct chr_socket *s, struct error *err)
{
    int rc = bind_and_listen(s);
    if (rc == 0) {
        rc = evloop_fd_add(s->loop, s->listen_fd, EPOLLIN, acceptable, s);
    }
    if (rc == -EADDRINUSE) {
        return error_set(err, EADDRINUSE, "console socket '%s' exists and is in use",
                         s->addr.sun_path);
    }
    return rc < 0 ? error_set(err, -rc, "cannot listen on console socket '%s': %s",
                              s->addr.sun_path, strerror(-rc))
                  : 0;
}

int chr_socket_open(struct chr_backend **out, const char *path, struct evloop *l, struct error *err)
{
    struct chr_socket *s = calloc(1, sizeof(*s));

    if (!s) {
        return error_set(err, ENOMEM, "no memory for a console");
    }
    if (strlen(path) >= sizeof(s->addr.sun_path)) {
        free(s);
        return error_set(err, ENAMETOOLONG, "the name of a socket has at most %zu characters: '%s'",
                         sizeof(s->addr.sun_path) - 1, path);
    }
    s->base.ops = &socket_ops;
    s->loop = l;
    s->listen_fd = s->client_fd = -1;
    s->addr.sun_family = AF_UNIX;
    strcpy(s->addr.sun_path, path);
    chr_output_init(&s->output, l);
    chr_input_init(&s->input, &s->base, l, &input_ops);
    evloop_timer_init(&s->listen_again, l, listen_again, s);
    int rc = start(s, err);
    if (rc < 0) {
        release(s);
        return rc;
    }
    *out = &s->base;
    return 0;
}
