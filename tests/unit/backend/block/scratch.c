/*
 * What the disk tests share.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <semaphore.h>

#include "unit/cmocka_all.h"

#include "scratch.h"

uint8_t scratch_byte(uint64_t offset)
{
    return (uint8_t)(offset / 512 * 7 + offset % 512);
}

static void write_image(const char *path, uint64_t size)
{
    uint8_t buf[512];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    for (uint64_t off = 0; off < size; off += sizeof(buf)) {
        for (unsigned i = 0; i < sizeof(buf); i++) {
            buf[i] = scratch_byte(off + i);
        }
        size_t n = MIN(sizeof(buf), size - off);
        assert_int_equal(write(fd, buf, n), (ssize_t)n);
    }
    close(fd);
}

int scratch_setup(struct scratch *s, uint64_t size)
{
    memset(s, 0, sizeof(*s));
    /* Not /tmp: it may be a tmpfs without O_DIRECT. The build directory is a real disk. */
    strcpy(s->dir, "doppel-block-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof(s->path), "%s/disk.img", s->dir);
    if (size > 0) {
        write_image(s->path, size);
    }
    assert_int_equal(evloop_create(&s->loop, "test-io", &s->err), 0);
    assert_int_equal(evloop_start(s->loop, &s->err), 0);
    return 0;
}

int scratch_teardown(struct scratch *s)
{
    evloop_destroy(s->loop);
    unlink(s->path);
    assert_int_equal(rmdir(s->dir), 0);
    return 0;
}

struct blk_backend *scratch_open(struct scratch *s, const struct blk_options *o)
{
    struct blk_backend *b = NULL;

    s->err.text[0] = '\0';
    int rc = blk_open(&b, o, s->loop, &s->err);
    if (rc < 0) {
        fail_msg("cannot open: %s", s->err.text);
    }
    return b;
}

struct waiter {
    sem_t sem;
    int result;
};

static void waiter_done(struct blk_request *r, int result)
{
    struct waiter *w = r->opaque;

    w->result = result;
    sem_post(&w->sem);
}

static int submit_and_wait(struct blk_backend *b, struct blk_request *r)
{
    struct waiter w;

    sem_init(&w.sem, 0, 0);
    r->done = waiter_done;
    r->opaque = &w;
    int rc = b->ops->submit(b, r);
    if (rc == 0) {
        sem_wait(&w.sem);
        rc = w.result;
    }
    b->ops->drain(b); /* the semaphore must outlive sem_post() in the loop's thread */
    sem_destroy(&w.sem);
    return rc;
}

int scratch_iov(struct blk_backend *b, enum blk_op op, struct iovec *iov, int niov, uint64_t offset)
{
    struct blk_request r = {.op = op, .offset = offset, .iov = iov, .niov = niov};

    for (int i = 0; i < niov; i++) {
        r.len += iov[i].iov_len;
    }
    return submit_and_wait(b, &r);
}

int scratch_io(struct blk_backend *b, enum blk_op op, void *buf, uint64_t offset, uint64_t len)
{
    struct iovec iov = {buf, len};
    struct blk_request r = {.op = op, .offset = offset, .len = len};

    if (buf) {
        r.iov = &iov;
        r.niov = 1;
    }
    return submit_and_wait(b, &r);
}
