/*
 * Frames waiting for the loop's thread or for the guest: records in a ring of bytes.
 *
 * Invariants:
 * 1. A record is a 32-bit length and the frame, in one piece, at a multiple of 8.
 * 2. A record that does not fit before the ring's end starts at 0; a length of WRAP, if there is
 *    room for one, marks the rest as unused.
 * 3. head == tail means empty; `count` tells it from full, which a push never brings about.
 * 4. An emptied queue starts again at 0, so that a lightly used one touches few pages.
 */
#include "backend/net/frame_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER = 4, ALIGN = 8 };
#define WRAP UINT32_MAX

int frame_queue_init(struct frame_queue *q, uint32_t bytes)
{
    *q = (struct frame_queue){.size = bytes & ~(uint32_t)(ALIGN - 1)};
    q->ring = malloc(q->size);
    return q->ring ? 0 : -ENOMEM;
}

void frame_queue_free(struct frame_queue *q)
{
    free(q->ring);
    q->ring = NULL;
}

static uint32_t record_size(uint32_t len)
{
    return (HEADER + len + ALIGN - 1) & ~(uint32_t)(ALIGN - 1);
}

/* Where a record of `need` bytes can go, or WRAP. */
static uint32_t find_room(const struct frame_queue *q, uint32_t need)
{
    if (q->count == 0) {
        return 0;
    }
    if (q->tail >= q->head) {
        if (need <= q->size - q->tail && (need < q->size - q->tail || q->head > 0)) {
            return q->tail;
        }
        return need < q->head ? 0 : WRAP;
    }
    return need < q->head - q->tail ? q->tail : WRAP;
}

bool frame_queue_push(struct frame_queue *q, const struct iovec *iov, int niov)
{
    size_t len = 0;

    for (int i = 0; i < niov; i++) {
        len += iov[i].iov_len;
    }
    if (len > q->size / 2 - ALIGN) {
        return false;
    }
    uint32_t need = record_size((uint32_t)len), at = find_room(q, need);
    if (at == WRAP) {
        return false;
    }
    if (q->count == 0) {
        q->head = 0;
    } else if (at == 0 && q->tail > 0 && q->tail < q->size) {
        memcpy(q->ring + q->tail, &(uint32_t){WRAP}, HEADER);
    }
    memcpy(q->ring + at, &(uint32_t){(uint32_t)len}, HEADER);
    uint8_t *p = q->ring + at + HEADER;
    for (int i = 0; i < niov; i++) {
        memcpy(p, iov[i].iov_base, iov[i].iov_len);
        p += iov[i].iov_len;
    }
    q->tail = at + need;
    q->count++;
    return true;
}

static uint32_t oldest(const struct frame_queue *q, uint32_t *len)
{
    uint32_t at = q->head;

    *len = WRAP;
    if (at < q->size) {
        memcpy(len, q->ring + at, HEADER);
    }
    if (*len == WRAP) {
        at = 0;
        memcpy(len, q->ring, HEADER);
    }
    return at;
}

const uint8_t *frame_queue_peek(const struct frame_queue *q, size_t *len)
{
    uint32_t n;

    if (q->count == 0) {
        return NULL;
    }
    uint32_t at = oldest(q, &n);
    *len = n;
    return q->ring + at + HEADER;
}

void frame_queue_pop(struct frame_queue *q)
{
    uint32_t n;

    if (q->count == 0) {
        return;
    }
    uint32_t at = oldest(q, &n);
    q->head = at + record_size(n);
    q->count--;
}
