/*
 * The event loop's timers by deadline: a pairing heap threaded through the timers themselves, so
 * that arming one never needs memory and so never fails. Private to evloop.c, under its lock.
 *
 * Invariants
 * 1. No timer is earlier than its parent; the root has the earliest deadline.
 * 2. A first child's `prev` is its parent, another child's its left sibling; the root's is NULL.
 * 3. `armed` says whether the timer is in the heap; outside it all three links are NULL.
 */
#ifndef DOPPEL_BASE_TIMER_HEAP_H
#define DOPPEL_BASE_TIMER_HEAP_H

#include "base/evloop.h"

struct timer_heap {
    struct evloop_timer *root;
};

static inline struct evloop_timer *timer_heap_first(const struct timer_heap *h)
{
    return h->root;
}

/* `t` is not in the heap and t->deadline is set. */
void timer_heap_insert(struct timer_heap *h, struct evloop_timer *t);
/* Does nothing when `t` is not in the heap. */
void timer_heap_remove(struct timer_heap *h, struct evloop_timer *t);

#endif
