/* A disk in memory, for the block device's tests and its fuzzer. */
#include "fake_blk.h"

#include <string.h>

static void move(struct fake_blk *f, struct blk_request *r)
{
    uint8_t *disk = f->disk + r->offset;

    for (int i = 0; i < r->niov; i++) {
        if (r->op == BLK_READ)
            memcpy(r->iov[i].iov_base, disk, r->iov[i].iov_len);
        else
            memcpy(disk, r->iov[i].iov_base, r->iov[i].iov_len);
        disk += r->iov[i].iov_len;
    }
}

static void run(struct fake_blk *f, struct blk_request *r)
{
    uint64_t sum = 0;

    for (int i = 0; i < r->niov; i++)
        sum += r->iov[i].iov_len;
    /* What the device must have checked; the fuzzer relies on this trap. */
    if (r->offset > FAKE_DISK || r->len > FAKE_DISK - r->offset ||
        ((r->op == BLK_READ || r->op == BLK_WRITE) && sum != r->len))
        __builtin_trap();
    if (f->result == 0) {
        if (r->op == BLK_READ || r->op == BLK_WRITE)
            move(f, r);
        else if (r->op != BLK_FLUSH)
            memset(f->disk + r->offset, 0, r->len);
    }
    r->done(r, f->result);
}

static int submit(struct blk_backend *b, struct blk_request *r)
{
    struct fake_blk *f = (struct fake_blk *)b;
    bool hold;

    if (f->refuse)
        return f->refuse;
    f->ops[r->op]++;
    pthread_mutex_lock(&f->lock);
    hold = f->hold && f->nheld < FAKE_HELD;
    if (hold)
        f->held[f->nheld++] = r;
    pthread_mutex_unlock(&f->lock);
    if (!hold)
        run(f, r);
    return 0;
}

void fake_blk_release(struct fake_blk *f)
{
    for (;;) {
        struct blk_request *r = NULL;

        pthread_mutex_lock(&f->lock);
        if (f->nheld)
            r = f->held[--f->nheld];
        pthread_mutex_unlock(&f->lock);
        if (!r)
            return;
        run(f, r);
    }
}

static void drain(struct blk_backend *b)
{
    (void)b;
}

static void close_disk(struct blk_backend *b)
{
    ((struct fake_blk *)b)->closed = true;
}

static const struct blk_backend_ops ops = {
    .name = "fake", .submit = submit, .drain = drain, .close = close_disk};

void fake_blk_init(struct fake_blk *f)
{
    memset(f, 0, sizeof(*f));
    pthread_mutex_init(&f->lock, NULL);
    f->b = (struct blk_backend){
        .ops = &ops, .size = FAKE_DISK, .block_size = 512, .can_discard = true, .id = "fake-disk"};
    for (unsigned i = 0; i < FAKE_DISK; i++)
        f->disk[i] = (uint8_t)(i ^ i >> 9);
}
