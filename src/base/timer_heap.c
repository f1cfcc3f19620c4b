/* The event loop's timers by deadline. */
#include "base/timer_heap.h"

/* Two roots become one tree; NULL is the empty tree. */
static struct evloop_timer *meld(struct evloop_timer *a, struct evloop_timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (b->deadline < a->deadline) {
        struct evloop_timer *later = a;
        a = b;
        b = later;
    }
    b->next = a->child;
    if (b->next)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

static struct evloop_timer *detach_first(struct evloop_timer **siblings)
{
    struct evloop_timer *t = *siblings;
    if (t) {
        *siblings = t->next;
        t->next = t->prev = NULL;
    }
    return t;
}

/* Meld siblings pairwise left to right, then the pairs right to left: what keeps removal
 * logarithmic on average. */
static struct evloop_timer *meld_siblings(struct evloop_timer *siblings)
{
    struct evloop_timer *pairs = NULL, *root = NULL;

    while (siblings) {
        struct evloop_timer *a = detach_first(&siblings);
        struct evloop_timer *pair = meld(a, detach_first(&siblings));
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs)
        root = meld(root, detach_first(&pairs));
    return root;
}

void timer_heap_insert(struct timer_heap *h, struct evloop_timer *t)
{
    t->child = t->next = t->prev = NULL;
    t->armed = true;
    h->root = meld(h->root, t);
}

static void cut_from_parent(struct evloop_timer *t)
{
    if (t->prev->child == t)
        t->prev->child = t->next;
    else
        t->prev->next = t->next;
    if (t->next)
        t->next->prev = t->prev;
}

void timer_heap_remove(struct timer_heap *h, struct evloop_timer *t)
{
    if (!t->armed)
        return;
    struct evloop_timer *below = meld_siblings(t->child);
    if (t == h->root) {
        h->root = below;
    } else {
        cut_from_parent(t);
        h->root = meld(h->root, below);
    }
    t->child = t->next = t->prev = NULL;
    t->armed = false;
}
