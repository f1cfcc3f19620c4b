/*
 * What the disk tests share: a running loop, image files that go away, and requests to wait for.
 */
#ifndef DOPPEL_TESTS_BACKEND_BLOCK_SCRATCH_H
#define DOPPEL_TESTS_BACKEND_BLOCK_SCRATCH_H

#include "backend/block/block.h"

struct scratch {
    struct evloop *loop;
    char dir[64];
    char path[96]; /* dir/disk.img */
    struct error err;
};

/* A file of `size` bytes in which byte i of sector s is (s * 7 + i) & 0xff; size 0 makes none. */
int scratch_setup(struct scratch *s, uint64_t size);
int scratch_teardown(struct scratch *s);
uint8_t scratch_byte(uint64_t offset);
struct blk_backend *scratch_open(struct scratch *s, const struct blk_options *o);

/* Submit one request and wait for its result. */
int scratch_io(struct blk_backend *b, enum blk_op op, void *buf, uint64_t offset, uint64_t len);
int scratch_iov(struct blk_backend *b, enum blk_op op, struct iovec *iov, int niov,
                uint64_t offset);

#endif
