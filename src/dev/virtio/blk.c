/*
 * virtio block: requests from the queue to the back end and back.
 *
 * Data is not copied: the chain's buffers in guest RAM are what the back end reads into and writes
 * from. A request is malloc'ed, popped into, and freed when it has been answered; the queue bounds
 * how many there are.
 */
#include "dev/virtio/blk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/endian.h"

enum {
    F_SEG_MAX = 1 << 2,
    F_RO = 1 << 5,
    F_BLK_SIZE = 1 << 6,
    F_FLUSH = 1 << 9,
    F_TOPOLOGY = 1 << 10,
    F_DISCARD = 1 << 13,
    F_WRITE_ZEROES = 1 << 14,

    T_IN = 0,
    T_OUT = 1,
    T_FLUSH = 4,
    T_GET_ID = 8,
    T_DISCARD = 11,
    T_WRITE_ZEROES = 13,

    S_OK = 0,
    S_IOERR = 1,
    S_UNSUPP = 2,

    SECTOR = 512, /* the unit of every number on the wire */
    QUEUE_SIZE = VQ_MAX_SIZE,
    SEG_MAX = VQ_MAX_CHAIN - 2, /* header and status take a descriptor each */
    ID_LEN = 20,
    MAX_DATA = 1 << 30,          /* bytes of one read or write */
    MAX_RANGE_SECTORS = 1 << 22, /* of one discard or write-zeroes: 2 GiB */
    RANGE_UNMAP = 1 << 0,
};

struct request_header { /* [virtio 1.2 5.2.6] */
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};

struct range { /* of discard and write-zeroes */
    uint64_t sector;
    uint32_t num_sectors;
    uint32_t flags;
};

struct config { /* [virtio 1.2 5.2.4]; natural alignment gives the specified offsets */
    uint64_t capacity;
    uint32_t size_max;
    uint32_t seg_max;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t blk_size;
    uint8_t physical_block_exp, alignment_offset;
    uint16_t min_io_size;
    uint32_t opt_io_size;
    uint8_t writeback, unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
};

_Static_assert(sizeof(struct config) == 0x40, "as in the specification");
_Static_assert(sizeof(struct config) <= VIRTIO_CONFIG_MAX, "fits the saved configuration");

struct virtio_blk {
    struct virtio_dev v;
    struct blk_backend *backend;
    char serial[ID_LEN]; /* padded with zeroes, not terminated when full */
};

struct blk_io {
    struct blk_request req;
    struct virtio_blk *blk;
    bool sync_after; /* a write the driver expects on disk when it completes */
    struct vq_chain chain;
    struct iovec iov[VQ_MAX_CHAIN]; /* the data part */
};

/* Put the status byte, which ends the writable part, give the chain back and free the request.
 * `data`: bytes written before the status. Under the lock. */
static void complete(struct blk_io *io, uint8_t status, uint64_t data)
{
    struct virtio_dev *v = &io->blk->v;
    const struct vq_chain *c = &io->chain;

    vq_write(v->dev.host->mem, c, c->in_len - 1, &status, 1);
    vq_push(&v->vq[0], c->head, (uint32_t)(data + 1));
    virtio_interrupt(v, 0);
    free(io);
}

static uint8_t status_of(int result)
{
    if (result == 0)
        return S_OK;
    return result == -EOPNOTSUPP ? S_UNSUPP : S_IOERR;
}

/* The back end is through with it; takes the lock. */
static void io_finish(struct blk_io *io, int result)
{
    struct virtio_dev *v = &io->blk->v;
    uint64_t data = io->req.op == BLK_READ ? io->req.len : 0;

    pthread_mutex_lock(&v->dev.lock);
    /* Also after an error: part of the buffer may have been written. */
    vq_wrote(v->dev.host->mem, &io->chain, data);
    complete(io, status_of(result), result < 0 ? 0 : data);
    virtio_io_end(v);
    pthread_mutex_unlock(&v->dev.lock);
}

/* Event loop's thread, no lock held. */
static void io_done(struct blk_request *r, int result)
{
    struct blk_io *io = r->opaque;

    if (result == 0 && io->sync_after) {
        io->sync_after = false;
        r->op = BLK_FLUSH;
        r->offset = r->len = 0;
        r->niov = 0;
        result = io->blk->backend->ops->submit(io->blk->backend, r);
        if (result == 0)
            return;
    }
    io_finish(io, result);
}

/* --- checks; what they refuse is answered with the status they return --- */

static uint8_t check_range(const struct virtio_blk *b, uint64_t sector, uint64_t len)
{
    uint64_t size = b->backend->size;

    if (len % SECTOR || sector > size / SECTOR || len > size - sector * SECTOR)
        return S_IOERR;
    if ((sector * SECTOR | len) & (b->backend->block_size - 1))
        return S_IOERR;
    return S_OK;
}

static uint8_t check_data(const struct virtio_blk *b, struct blk_request *r, uint64_t sector,
                          uint64_t len)
{
    if (len > MAX_DATA)
        return S_IOERR;
    if (r->op == BLK_WRITE && b->backend->readonly)
        return S_IOERR;
    r->offset = sector * SECTOR;
    r->len = len;
    return check_range(b, sector, len);
}

static uint8_t check_zeroing(const struct virtio_blk *b, const struct vq_chain *c,
                             struct blk_request *r)
{
    uint32_t known = r->op == BLK_WRITE_ZEROES ? RANGE_UNMAP : 0;
    struct range g;

    if (b->backend->readonly)
        return S_IOERR;
    /* max_discard_seg and max_write_zeroes_seg are 1. */
    if (c->out_len != sizeof(struct request_header) + sizeof(g))
        return c->out_len % sizeof(g) ? S_UNSUPP : S_IOERR;
    vq_read(c, sizeof(struct request_header), &g, sizeof(g));
    if (g.flags & ~known)
        return S_UNSUPP;
    if (g.num_sectors > MAX_RANGE_SECTORS)
        return S_IOERR;
    r->offset = g.sector * SECTOR;
    r->len = (uint64_t)g.num_sectors * SECTOR;
    return check_range(b, g.sector, r->len);
}

/* Turn the header into the back end's request. */
static uint8_t prepare(const struct virtio_blk *b, const struct vq_chain *c,
                       const struct request_header *h, struct blk_request *r)
{
    bool discard = virtio_has(&b->v, F_DISCARD), zeroes = virtio_has(&b->v, F_WRITE_ZEROES);

    switch (h->type) {
    case T_IN:
        r->op = BLK_READ;
        return check_data(b, r, h->sector, c->in_len - 1);
    case T_OUT:
        r->op = BLK_WRITE;
        return check_data(b, r, h->sector, c->out_len - sizeof(*h));
    case T_FLUSH:
        r->op = BLK_FLUSH;
        return S_OK;
    case T_DISCARD:
        r->op = BLK_DISCARD;
        return discard ? check_zeroing(b, c, r) : S_UNSUPP;
    case T_WRITE_ZEROES:
        r->op = BLK_WRITE_ZEROES;
        return zeroes ? check_zeroing(b, c, r) : S_UNSUPP;
    default:
        return S_UNSUPP;
    }
}

static void get_id(struct blk_io *io)
{
    struct virtio_blk *b = io->blk;
    size_t room = MIN(io->chain.in_len - 1, (uint64_t)ID_LEN);

    vq_write(b->v.dev.host->mem, &io->chain, 0, b->serial, room);
    complete(io, S_OK, room);
}

static int slice_data(struct blk_io *io)
{
    struct blk_request *r = &io->req;

    if (r->op == BLK_READ)
        return vq_slice(&io->chain, true, 0, r->len, io->iov);
    if (r->op == BLK_WRITE)
        return vq_slice(&io->chain, false, sizeof(struct request_header), r->len, io->iov);
    return 0;
}

/* Under the lock, which is dropped around the back end's submit: it may complete at once. */
static void submit(struct blk_io *io)
{
    struct virtio_blk *b = io->blk;
    struct blk_request *r = &io->req;
    int rc;

    /* Without the flush feature every write must be stable. [virtio 1.2 5.2.6.2] */
    io->sync_after = r->op != BLK_READ && r->op != BLK_FLUSH && !virtio_has(&b->v, F_FLUSH);
    r->iov = io->iov;
    r->niov = slice_data(io);
    r->done = io_done;
    r->opaque = io;
    virtio_io_begin(&b->v);
    pthread_mutex_unlock(&b->v.dev.lock);
    rc = b->backend->ops->submit(b->backend, r);
    if (rc < 0)
        io_finish(io, rc);
    pthread_mutex_lock(&b->v.dev.lock);
}

static void handle(struct blk_io *io)
{
    struct virtio_blk *b = io->blk;
    const struct vq_chain *c = &io->chain;
    struct request_header h;
    uint8_t status;

    if (vq_read(c, 0, &h, sizeof(h)) < sizeof(h) || c->in_len == 0) {
        virtio_fail(&b->v, "a request had no header or status byte");
        vq_unpop(&b->v.vq[0], 1);
        free(io);
        return;
    }
    if (h.type == T_GET_ID) {
        get_id(io);
        return;
    }
    status = prepare(b, c, &h, &io->req);
    if (status != S_OK)
        complete(io, status, 0);
    else if (io->req.op != BLK_FLUSH && io->req.len == 0)
        complete(io, S_OK, 0);
    else
        submit(io);
}

/* The next request, or NULL. */
static struct blk_io *io_next(struct virtio_blk *b)
{
    struct blk_io *io = malloc(sizeof(*io));

    if (!io) {
        virtio_fail(&b->v, "no memory for a request");
        return NULL;
    }
    io->req = (struct blk_request){.op = BLK_READ};
    io->blk = b;
    if (virtio_pop(&b->v, 0, &io->chain))
        return io;
    free(io);
    return NULL;
}

static bool blk_one(struct virtio_dev *v, unsigned q)
{
    struct blk_io *io = io_next(container_of(v, struct virtio_blk, v));

    (void)q;
    if (!io)
        return false;
    handle(io);
    return true;
}

static void blk_notify(struct virtio_dev *v, unsigned q)
{
    virtio_drain(v, q, blk_one);
}

/* The guest has file systems mounted: the disk must be the one it knew. */
static int blk_post_load(struct virtio_dev *v, struct error *err)
{
    const struct virtio_blk *b = container_of(v, struct virtio_blk, v);
    struct config was;

    memcpy(&was, v->config, sizeof(was));
    if (was.capacity != b->backend->size / SECTOR)
        return error_set(err, EINVAL, "%s: the disk now has %llu bytes, but had %llu when saved",
                         v->dev.id, (unsigned long long)b->backend->size,
                         (unsigned long long)was.capacity * SECTOR);
    if (memcmp(v->config, v->host_config, sizeof(was)))
        return error_set(err, EINVAL, "%s: the disk's geometry differs from when it was saved",
                         v->dev.id);
    if (b->backend->readonly && !virtio_has(v, F_RO) && (v->status & VIRTIO_S_FEATURES_OK))
        return error_set(err, EINVAL, "%s: the disk was writable when saved", v->dev.id);
    return 0;
}

static const struct virtio_ops blk_ops = {
    .id = VIRTIO_ID_BLOCK,
    .pci_class = 0x010000, /* SCSI storage controller, as every virtio disk */
    .nqueues = 1,
    .queue_size = {QUEUE_SIZE},
    .config_len = sizeof(struct config),
    .notify = blk_notify,
    .post_load = blk_post_load,
};

static void blk_destroy(struct dev *d)
{
    struct virtio_blk *b = container_of(d, struct virtio_blk, v.dev);

    b->backend->ops->close(b->backend);
    virtio_dev_fini(&b->v);
    free(b);
}

static const struct dev_class blk_class = {
    .name = "virtio-blk",
    .state = &virtio_dev_state,
    .reset = virtio_dev_reset,
    .quiesce = virtio_dev_quiesce,
    .resume = virtio_dev_resume,
    .destroy = blk_destroy,
};

static uint64_t offered(const struct blk_backend *be)
{
    uint64_t f = F_SEG_MAX | F_BLK_SIZE | F_FLUSH | F_TOPOLOGY;

    if (be->readonly)
        return f | F_RO;
    f |= F_WRITE_ZEROES;
    return be->can_discard ? f | F_DISCARD : f;
}

static void fill_config(struct config *c, const struct blk_backend *be)
{
    *c = (struct config){
        .capacity = be->size / SECTOR,
        .seg_max = SEG_MAX,
        .blk_size = be->block_size,
        .min_io_size = 1,
        .num_queues = 1,
        .max_discard_sectors = MAX_RANGE_SECTORS,
        .max_discard_seg = 1,
        .discard_sector_alignment = be->block_size / SECTOR,
        .max_write_zeroes_sectors = MAX_RANGE_SECTORS,
        .max_write_zeroes_seg = 1,
        .write_zeroes_may_unmap = be->can_discard,
    };
}

int virtio_blk_create(struct virtio_dev **out, const struct dev_host *host, const char *id,
                      const struct virtio_blk_config *cfg, struct error *err)
{
    struct blk_backend *be = cfg->backend;
    struct config config;
    const struct virtio_params p = {.cls = &blk_class,
                                    .ops = &blk_ops,
                                    .host = host,
                                    .id = id,
                                    .features = offered(be),
                                    .config = &config};
    const char *serial = cfg->serial ? cfg->serial : be->id;
    struct virtio_blk *b = calloc(1, sizeof(*b));
    int rc;

    fill_config(&config, be);
    if (!b)
        rc = error_set(err, ENOMEM, "no memory for %s", id);
    else
        rc = virtio_dev_init(&b->v, &p, err);
    if (rc < 0) {
        be->ops->close(be);
        free(b);
        return rc;
    }
    b->backend = be;
    memcpy(b->serial, serial, strnlen(serial, ID_LEN));
    *out = &b->v;
    return 0;
}
