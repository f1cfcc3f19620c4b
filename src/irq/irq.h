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

/* Where MSI and MSI-X messages go. Same rules as irq_line.set. */
struct irq_msi {
    void (*send)(void *opaque, uint64_t addr, uint32_t data);
    void *opaque;
};

static inline void irq_msi_send(const struct irq_msi *m, uint64_t addr, uint32_t data)
{
    if (m->send)
        m->send(m->opaque, addr, data);
}

#endif
