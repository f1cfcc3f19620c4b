/* The heap against the obvious: always the smallest of what is in it. */
#include "unit/cmocka_all.h"

#include "base/timer_heap.h"

enum { TIMERS = 50, STEPS = 20000 };

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    return *s ^= *s << 17;
}

static uint64_t smallest(const struct evloop_timer *t)
{
    uint64_t best = UINT64_MAX;
    for (unsigned i = 0; i < TIMERS; i++) {
        if (t[i].armed && t[i].deadline < best)
            best = t[i].deadline;
    }
    return best;
}

static void random_steps(void **state)
{
    (void)state;
    struct evloop_timer t[TIMERS] = {0};
    struct timer_heap h = {0};
    uint64_t seed = 1;
    for (unsigned n = 0; n < STEPS; n++) {
        struct evloop_timer *x = &t[next_random(&seed) % TIMERS];
        if (next_random(&seed) % 4 == 0 && timer_heap_first(&h))
            x = timer_heap_first(&h);
        timer_heap_remove(&h, x);
        assert_false(x->armed);
        if (next_random(&seed) % 3) {
            x->deadline = next_random(&seed) % 1000;
            timer_heap_insert(&h, x);
        }
        struct evloop_timer *first = timer_heap_first(&h);
        assert_true((first ? first->deadline : UINT64_MAX) == smallest(t));
    }
    while (timer_heap_first(&h)) {
        assert_true(timer_heap_first(&h)->deadline == smallest(t));
        timer_heap_remove(&h, timer_heap_first(&h));
    }
    for (unsigned i = 0; i < TIMERS; i++)
        assert_true(!t[i].armed && !t[i].child && !t[i].next && !t[i].prev);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
