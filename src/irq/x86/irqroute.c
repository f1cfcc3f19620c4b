/* See irqroute.h. */
#include "irq/x86/irqroute.h"

void irqroute_set(void *route, unsigned n, bool level)
{
    struct irqroute *r = route;

    if (n < 16)
        pic_set(r->pic, n, level);
    if (n != IRQROUTE_TIMER_PIN) /* that pin is the timer's; the PIC's input 2 is its cascade */
        ioapic_set(r->ioapic, n ? n : IRQROUTE_TIMER_PIN, level);
}

struct irq_line irqroute_line(struct irqroute *route, unsigned n)
{
    return (struct irq_line){.set = irqroute_set, .opaque = route, .n = n};
}
