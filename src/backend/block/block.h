/*
 * The host side of a disk: asynchronous reads and writes of host buffers at byte offsets.
 * A back end sees iovecs and file descriptors, never a guest address.
 *
 * Requests are submitted from any thread; completions run on the event loop's thread with no lock
 * held. A request's memory belongs to the caller and must stay until `done` has run. Every request
 * completes exactly once, also when the back end is destroyed (then with -ECANCELED).
 */
#ifndef DOPPEL_BACKEND_BLOCK_BLOCK_H
#define DOPPEL_BACKEND_BLOCK_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/evloop.h"

enum blk_op { BLK_READ, BLK_WRITE, BLK_FLUSH, BLK_DISCARD, BLK_WRITE_ZEROES };
enum blk_cache { BLK_CACHE_WRITEBACK, BLK_CACHE_NONE /* O_DIRECT */, BLK_CACHE_UNSAFE };

struct blk_request {
    enum blk_op op;
    uint64_t offset, len; /* bytes; for BLK_READ/WRITE len is the sum of iov */
    struct iovec *iov;
    int niov;
    void (*done)(struct blk_request *r, int result); /* 0 or -errno */
    void *opaque;
    void *priv; /* the back end's while in flight */
};

struct blk_backend;

struct blk_backend_ops {
    const char *name;                                            /* "raw" */
    int (*submit)(struct blk_backend *b, struct blk_request *r); /* 0, or -errno: not taken */
    void (*drain)(
        struct blk_backend *b); /* wait until nothing is in flight; not on the loop thread */
    void (*close)(struct blk_backend *b);
};

struct blk_backend {
    const struct blk_backend_ops *ops;
    uint64_t size;       /* bytes */
    uint32_t block_size; /* logical block: 512 or 4096 */
    bool readonly, can_discard;
    char id[21]; /* serial number offered to the guest, from the path */
};

struct blk_options {
    const char *path, *format; /* format NULL: "raw" */
    bool readonly;
    enum blk_cache cache;
};

/*
 * Parse "PATH[,ro][,cache=writeback|none|unsafe][,format=raw]"; a comma inside PATH is written
 * twice. `text` is cut up in place and must live as long as `o`, which points into it.
 */
int blk_options_parse(struct blk_options *o, char *text, struct error *err) must_check;

/* Opens, checks and locks the image (a second writer is refused with a sentence). Regular files and
 * block devices. With DOPPEL_NO_URING=1 in the environment, or where the kernel refuses io_uring,
 * requests run on worker threads. */
int blk_open(struct blk_backend **out, const struct blk_options *o, struct evloop *l,
             struct error *err) must_check;

#endif
