/*
 * Where a device's interrupt wire ends on a PC: at both the PIC and the IOAPIC. Whichever the
 * kernel programs delivers; the other stays masked.
 *
 * Line n is ISA IRQ n for 0-15 (the PIC's input n, and the IOAPIC's pin n but for the timer, which
 * is on pin 2 and needs an interrupt source override in the MADT), and IOAPIC pin n for 16-23.
 */
#ifndef DOPPEL_IRQ_X86_IRQROUTE_H
#define DOPPEL_IRQ_X86_IRQROUTE_H

#include "irq/irq.h"
#include "irq/x86/ioapic.h"
#include "irq/x86/pic.h"

enum { IRQROUTE_LINES = IOAPIC_PINS, IRQROUTE_TIMER_PIN = 2 };

/* Owned by the board; both chips outlive every line. */
struct irqroute {
    struct pic *pic;
    struct ioapic *ioapic;
};

/* struct irq_line.set with opaque = struct irqroute. */
void irqroute_set(void *route, unsigned n, bool level);
struct irq_line irqroute_line(struct irqroute *route, unsigned n);

#endif
