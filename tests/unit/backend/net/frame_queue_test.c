/*
 * The frame queue against a plain list of lengths, over many wrap-arounds.
 */
#include <stdlib.h>
#include <string.h>

#include "unit/cmocka_all.h"

#include "backend/net/frame_queue.h"

enum { RING = 8192, MAX_LEN = 1500 };

static uint8_t content(unsigned frame, unsigned i)
{
    return (uint8_t)(frame * 31 + i);
}

static bool push(struct frame_queue *q, unsigned frame, unsigned len)
{
    uint8_t buf[RING];

    for (unsigned i = 0; i < len; i++) {
        buf[i] = content(frame, i);
    }
    struct iovec iov[2] = {{buf, len / 3}, {buf + len / 3, len - len / 3}};
    return frame_queue_push(q, iov, 2);
}

static void expect(struct frame_queue *q, unsigned frame, unsigned len)
{
    size_t n;
    const uint8_t *p = frame_queue_peek(q, &n);

    assert_non_null(p);
    assert_int_equal(n, len);
    for (unsigned i = 0; i < len; i++) {
        assert_int_equal(p[i], content(frame, i));
    }
    frame_queue_pop(q);
}

static void frames_come_out_as_they_went_in(void **state)
{
    unsigned lens[RING], in = 0, out = 0, full = 0;
    struct frame_queue q;

    (void)state;
    srand(1);
    assert_int_equal(frame_queue_init(&q, RING), 0);
    while (in < 5000) {
        unsigned len = (unsigned)rand() % (rand() % 4 ? MAX_LEN : 16);
        bool fill = rand() % 8 < (in / 200 % 2 ? 5 : 3); /* sometimes fuller, sometimes emptier */
        if (fill && push(&q, in, len)) {
            lens[in++ % RING] = len;
        } else if (fill) {
            full++;
            assert_true(out < in); /* an empty queue takes any frame of this size */
        } else if (out < in) {
            expect(&q, out, lens[out % RING]);
            out++;
        }
        assert_int_equal(q.count, in - out);
    }
    while (out < in) {
        expect(&q, out, lens[out % RING]);
        out++;
    }
    assert_true(frame_queue_empty(&q));
    assert_true(full > 10);
    frame_queue_free(&q);
}

static void too_long_a_frame_is_refused(void **state)
{
    struct frame_queue q;
    size_t n;

    (void)state;
    assert_int_equal(frame_queue_init(&q, RING), 0);
    assert_false(push(&q, 0, RING / 2));
    assert_null(frame_queue_peek(&q, &n));
    frame_queue_pop(&q);
    assert_true(push(&q, 0, RING / 2 - 8));
    expect(&q, 0, RING / 2 - 8);
    frame_queue_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_as_they_went_in),
        cmocka_unit_test(too_long_a_frame_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
