/*
 * A disk in memory. Completes at once, or holds requests until the test lets them go.
 */
#ifndef DOPPEL_TESTS_FAKE_BLK_H
#define DOPPEL_TESTS_FAKE_BLK_H

#include <pthread.h>

#include "backend/block/block.h"

enum { FAKE_DISK = 1 << 20, FAKE_HELD = 300 };

struct fake_blk {
    struct blk_backend b;
    uint8_t disk[FAKE_DISK];
    pthread_mutex_t lock;
    bool hold; /* keep requests in `held` instead of completing them */
    struct blk_request *held[FAKE_HELD];
    _Atomic unsigned nheld;
    _Atomic unsigned ops[5]; /* by enum blk_op */
    int result;              /* what requests complete with */
    int refuse;              /* what submit returns */
    bool closed;
};

void fake_blk_init(struct fake_blk *f);
/* Complete what is held, newest first. On the calling thread. */
void fake_blk_release(struct fake_blk *f);

#endif
