/*
 * Interrupt chips, timers and the legacy ports.
 */
#include <errno.h>

#include "board/pc/layout.h"
#include "board/pc/pc_impl.h"
#include "dev/serial/uart16550.h"
#include "irq/x86/msi.h"

/* The PIC's output reaches every CPU's LINT0. */
static void pic_output(void *opaque, unsigned n, bool level)
{
    struct pc *pc = opaque;
    (void)n;
    for (unsigned i = 0; i < pc->apics.n; i++)
        lapic_lint_set(pc->apics.cpu[i], 0, level);
}

static void engine_irq(void *opaque, unsigned gsi, bool level)
{
    struct pc *pc = opaque;
    pc->vm->engine->irq_set(pc->vm, gsi, level);
}

static void engine_msi(void *opaque, uint64_t addr, uint32_t data)
{
    struct pc *pc = opaque;
    pc->vm->engine->msi_send(pc->vm, addr, data);
}

struct irq_line pc_irq(struct pc *pc, unsigned gsi)
{
    if (pc->apics.in_engine)
        return (struct irq_line){engine_irq, pc, gsi};
    return irqroute_line(&pc->route, gsi);
}

static int add(struct pc *pc, int r, struct dev *d, const char *what, struct error *err)
{
    if (r < 0)
        return error_set(err, -r, "cannot create the machine's %s", what);
    vm_add_device(pc->vm, d);
    return 0;
}

static int create_interrupt_chips(struct pc *pc, struct error *err)
{
    const struct dev_host *host = &pc->vm->host;
    struct irq_line out = {pic_output, pc, 0};
    int r = pic_create(&pc->pic, host, out);
    r = add(pc, r, r < 0 ? NULL : &pc->pic->dev, "PIC", err);
    if (r < 0)
        return r;
    r = ioapic_create(&pc->ioapic, host, &pc->apics);
    r = add(pc, r, r < 0 ? NULL : &pc->ioapic->dev, "IOAPIC", err);
    pc->route = (struct irqroute){pc->pic, pc->ioapic};
    if (pc->apics.in_engine)
        pc->vm->host.msi = (struct irq_msi){engine_msi, pc};
    else
        pc->vm->host.msi = (struct irq_msi){msi_send, &pc->apics};
    return r;
}

static int create_timers(struct pc *pc, struct error *err)
{
    const struct dev_host *host = &pc->vm->host;
    int r = pit_create(&pc->pit, host, pc_irq(pc, PC_IRQ_PIT), pc->apics.in_engine);
    r = add(pc, r, r < 0 ? NULL : &pc->pit->dev, "PIT", err);
    if (r < 0)
        return r;
    r = acpi_pm_create(&pc->pm, host, PC_PORT_PM1_EVT, pc_irq(pc, PC_IRQ_SCI));
    return add(pc, r, r < 0 ? NULL : &pc->pm->dev, "power management block", err);
}

int pc_create_chips(struct pc *pc, struct error *err)
{
    struct uart16550 *uart;
    int r = create_interrupt_chips(pc, err);
    if (r == 0)
        r = create_timers(pc, err);
    if (r < 0)
        return r;
    r = uart16550_create(&uart, &pc->vm->host, 0, PC_PORT_COM1, pc_irq(pc, PC_IRQ_COM1),
                         pc->console);
    return add(pc, r, r < 0 ? NULL : &uart->dev, "serial line", err);
}
