/*
 * A bounded first-in first-out queue of Ethernet frames. No lock of its own, but one thread may
 * look at the frame from frame_queue_peek() while another pushes: a push never moves or overwrites
 * a frame that has not been popped.
 */
#ifndef DOPPEL_BACKEND_NET_FRAME_QUEUE_H
#define DOPPEL_BACKEND_NET_FRAME_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/compiler.h"

struct frame_queue {
    uint8_t *ring;
    uint32_t size;       /* of the ring, a multiple of 8 */
    uint32_t head, tail; /* byte positions of the oldest record and of the next */
    uint32_t count;
};

int frame_queue_init(struct frame_queue *q, uint32_t bytes) must_check;
void frame_queue_free(struct frame_queue *q);
/* Copy a frame in; false when there is no room. Frames are at most half the ring. */
bool frame_queue_push(struct frame_queue *q, const struct iovec *iov, int niov);
/* The oldest frame and its length, or NULL. */
const uint8_t *frame_queue_peek(const struct frame_queue *q, size_t *len);
void frame_queue_pop(struct frame_queue *q);

static inline bool frame_queue_empty(const struct frame_queue *q)
{
    return q->count == 0;
}

#endif
