/*
 * Intrusive doubly linked list. A head is a node linked to itself when empty.
 */
#ifndef DOPPEL_BASE_LIST_H
#define DOPPEL_BASE_LIST_H

#include <stdbool.h>

#include "base/compiler.h"

struct list {
    struct list *next, *prev;
};

static inline void list_init(struct list *h)
{
    h->next = h->prev = h;
}

static inline bool list_empty(const struct list *h)
{
    return h->next == h;
}

static inline void list_push_back(struct list *h, struct list *n)
{
    n->prev = h->prev;
    n->next = h;
    h->prev->next = n;
    h->prev = n;
}

static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}

#define list_for_each(pos, head)                                                                   \
    for (struct list *pos = (head)->next; pos != (head); pos = pos->next)
#define list_for_each_safe(pos, tmp, head)                                                         \
    for (struct list *pos = (head)->next, *tmp = pos->next; pos != (head);                         \
         pos = tmp, tmp = pos->next)

#endif
