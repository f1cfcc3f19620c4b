/*
 * virtio console: bytes from the transmit queue to the back end, and from the back end into the
 * receive queue.
 */
#include "dev/virtio/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    F_SIZE = 1 << 0,

    RX = 0,
    TX = 1,
    QUEUE_SIZE = 64,
    MAX_TX = 1 << 20, /* bytes of one chain; a guest that writes more at once loses the rest, and
                       * cannot keep the event loop busy for long */
};

struct config {
    uint16_t cols, rows;
    uint32_t max_ports, emergency;
};

struct virtio_console {
    struct virtio_dev v;
    struct chr_backend *backend;
};

/* The back end is called without the lock: it may answer by calling receive. */
static void transmit(struct virtio_console *con, const struct vq_chain *c)
{
    uint8_t buf[4096];
    uint64_t off = 0;
    size_t n;

    virtio_io_begin(&con->v);
    pthread_mutex_unlock(&con->v.dev.lock);
    while (off < MAX_TX && (n = vq_read(c, off, buf, sizeof(buf))) > 0) {
        con->backend->ops->write(con->backend, buf, n);
        off += n;
    }
    pthread_mutex_lock(&con->v.dev.lock);
}

static bool transmit_one(struct virtio_dev *v, unsigned q)
{
    struct vq_chain c;

    if (!virtio_pop(v, q, &c))
        return false;
    transmit(container_of(v, struct virtio_console, v), &c);
    vq_push(&v->vq[q], c.head, 0);
    virtio_interrupt(v, q);
    virtio_io_end(v);
    return true;
}

/* Fill receive buffers. Under the lock. */
static size_t deliver(struct virtio_dev *v, const uint8_t *buf, size_t len)
{
    struct vq_chain c;
    size_t done = 0, n;

    while (done < len && virtio_pop(v, RX, &c)) {
        if (c.in_len == 0) {
            virtio_fail(v, "a receive buffer was too small");
            vq_unpop(&v->vq[RX], 1);
            break;
        }
        n = vq_write(v->dev.host->mem, &c, 0, buf + done, len - done);

        vq_push(&v->vq[RX], c.head, (uint32_t)n);
        done += n;
    }
    if (done)
        virtio_interrupt(v, RX);
    return done;
}

/* Event loop's thread, no lock held. */
static size_t console_receive(void *opaque, const uint8_t *buf, size_t len)
{
    struct virtio_console *con = opaque;
    struct virtio_dev *v = &con->v;
    size_t done = 0;

    pthread_mutex_lock(&v->dev.lock);
    vq_notify_off(&v->vq[RX]);
    do {
        done += deliver(v, buf + done, len - done);
    } while (done < len && vq_notify_on(&v->vq[RX]));
    /* A guest without a driver reads nothing, ever: swallow, so that the menu keys behind these
     * bytes are still seen. */
    if (virtio_unattended(v, RX))
        done = len;
    pthread_mutex_unlock(&v->dev.lock);
    return done;
}

static void console_notify(struct virtio_dev *v, unsigned q)
{
    struct virtio_console *con = container_of(v, struct virtio_console, v);

    if (q == TX)
        virtio_drain(v, q, transmit_one);
    else if (con->backend->ops->rx_ready)
        con->backend->ops->rx_ready(con->backend);
}

static const struct virtio_ops console_ops = {
    .id = VIRTIO_ID_CONSOLE,
    .pci_class = 0x078000, /* other communication controller */
    .nqueues = 2,
    .queue_size = {QUEUE_SIZE, QUEUE_SIZE},
    .config_len = sizeof(struct config),
    .notify = console_notify,
};

static void console_destroy(struct dev *d)
{
    struct virtio_console *con = container_of(d, struct virtio_console, v.dev);

    con->backend->receive = NULL;
    virtio_dev_fini(&con->v);
    free(con);
}

static const struct dev_class console_class = {
    .name = "virtio-console",
    .state = &virtio_dev_state,
    .reset = virtio_dev_reset,
    .quiesce = virtio_dev_quiesce,
    .resume = virtio_dev_resume,
    .destroy = console_destroy,
};

int virtio_console_create(struct virtio_dev **out, const struct dev_host *host, const char *id,
                          const struct virtio_console_config *cfg, struct error *err)
{
    const struct config config = {.cols = cfg->cols, .rows = cfg->rows};
    const struct virtio_params p = {.cls = &console_class,
                                    .ops = &console_ops,
                                    .host = host,
                                    .id = id,
                                    .features = cfg->cols && cfg->rows ? F_SIZE : 0,
                                    .config = &config};
    struct virtio_console *con = calloc(1, sizeof(*con));
    int rc;

    if (!con)
        return error_set(err, ENOMEM, "no memory for %s", id);
    rc = virtio_dev_init(&con->v, &p, err);
    if (rc < 0) {
        free(con);
        return rc;
    }
    con->backend = cfg->backend;
    con->backend->opaque = con;
    con->backend->receive = console_receive;
    *out = &con->v;
    return 0;
}
