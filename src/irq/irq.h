/*
 * Interrupt wires and messages. A wire is a value that a device holds; what is at its other end is
 * the board's choice.
 */
#ifndef DOPPEL_IRQ_IRQ_H
#define DOPPEL_IRQ_IRQ_H

#include <stdbool.h>
#include <stdint.h>

/* `set` may be called from any thread and under the device's lock; it takes only irq chip locks. */
struct irq_line {
    void (*set)(void *opaque, unsigned n, bool level);
    void *opaque;
    unsigned n;
};

static inline void irq_line_set(const struct irq_line *l, bool level)
{
    if (l->set)
        l->set(l->opaque, l->n, level);
}

/* Where MSI and MSI-X messages go. */
struct irq_msi {
    /* Same rules as irq_line.set. */
    void (*send)(void *opaque, uint64_t addr, uint32_t data);
    void *opaque;
    /*
     * From now on a write to eventfd `fd` sends this message, whoever writes it (KVM irqfd); called
     * again, another message. -errno: it does not, and never will with what `fd` was routed to
     * before. Both any thread, also under the device's lock; both NULL where there is no such
     * thing.
     */
    int (*route)(void *opaque, int fd, uint64_t addr, uint32_t data);
    /* No longer. What was written before has been delivered when this returns. */
    void (*unroute)(void *opaque, int fd);
};

static inline void irq_msi_send(const struct irq_msi *m, uint64_t addr, uint32_t data)
{
    if (m->send)
        m->send(m->opaque, addr, data);
}

#endif
