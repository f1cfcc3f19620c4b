/*
 * Interrupt chips, timers and the legacy ports.
 */
#include <errno.h>
#include <string.h>

#include "board/pc/layout.h"
#include "board/pc/memmap.h"
#include "board/pc/pc_impl.h"
#include "dev/legacy/debug_exit.h"
#include "dev/legacy/debugcon.h"
#include "dev/legacy/fw_cfg.h"
#include "dev/legacy/i8042.h"
#include "dev/legacy/port92.h"
#include "dev/serial/uart16550.h"
#include "dev/timer/rtc.h"
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

static int engine_msi_route(void *opaque, int fd, uint64_t addr, uint32_t data)
{
    struct pc *pc = opaque;
    return pc->vm->engine->msi_route(pc->vm, fd, addr, data);
}

static void engine_msi_unroute(void *opaque, int fd)
{
    struct pc *pc = opaque;
    pc->vm->engine->msi_unroute(pc->vm, fd);
}

static struct irq_msi message_way(struct pc *pc)
{
    struct irq_msi msi = {.send = msi_send, .opaque = &pc->apics};
    if (!pc->apics.in_engine)
        return msi;
    msi = (struct irq_msi){.send = engine_msi, .opaque = pc};
    if (pc->vm->engine->msi_route) {
        msi.route = engine_msi_route;
        msi.unroute = engine_msi_unroute;
    }
    return msi;
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
    pc->vm->host.msi = message_way(pc);
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

static int create_rtc(struct pc *pc, struct error *err)
{
    struct rtc *rtc;
    int r = rtc_create(&rtc, &pc->vm->host, pc_irq(pc, PC_IRQ_RTC), pc_ram_low(pc->cfg.ram),
                       pc_ram_high(pc->cfg.ram));
    return add(pc, r, r < 0 ? NULL : &rtc->dev, "clock", err);
}

static int create_uart(struct pc *pc, struct error *err)
{
    struct uart16550 *uart;
    int r = uart16550_create(&uart, &pc->vm->host, 0, PC_PORT_COM1, pc_irq(pc, PC_IRQ_COM1),
                             pc->console);
    return add(pc, r, r < 0 ? NULL : &uart->dev, "serial line", err);
}

static int create_i8042(struct pc *pc, struct error *err)
{
    struct i8042 *kbd;
    int r = i8042_create(&kbd, &pc->vm->host, pc_irq(pc, PC_IRQ_KBD));
    return add(pc, r, r < 0 ? NULL : &kbd->dev, "keyboard controller", err);
}

static int create_port92(struct pc *pc, struct error *err)
{
    struct port92 *port;
    int r = port92_create(&port, &pc->vm->host);
    return add(pc, r, r < 0 ? NULL : &port->dev, "system control port", err);
}

static int create_debug_exit(struct pc *pc, struct error *err)
{
    struct dev *d;
    int r = debug_exit_create(&d, &pc->vm->host, PC_PORT_DEBUG_EXIT);
    return add(pc, r, d, "debug exit port", err);
}

static int create_debugcon(struct pc *pc, struct error *err)
{
    struct dev *d;
    if (!pc->cfg.debugcon)
        return 0;
    int r = chr_open(&pc->debugcon, pc->cfg.debugcon, pc->vm->loop, err);
    if (r < 0)
        return r;
    r = debugcon_create(&d, &pc->vm->host, PC_PORT_DEBUGCON, pc->debugcon);
    return add(pc, r, d, "debug console", err);
}

/* Keys of items that are no files [QEMU docs/specs/fw_cfg]. */
enum { FW_CFG_RAM_SIZE = 0x03, FW_CFG_NB_CPUS = 0x05, FW_CFG_CMDLINE_DATA = 0x15 };

/* What small kernels and firmware look up there. */
static int fill_fw_cfg(struct pc *pc, struct fw_cfg *f)
{
    uint16_t cpus = (uint16_t)pc->vm->nvcpus;
    uint64_t ram = pc->cfg.ram;
    const char *cmdline = pc->cfg.cmdline ? pc->cfg.cmdline : "";
    int r = fw_cfg_add_item(f, FW_CFG_NB_CPUS, &cpus, sizeof(cpus));
    if (r == 0)
        r = fw_cfg_add_item(f, FW_CFG_RAM_SIZE, &ram, sizeof(ram));
    if (r == 0)
        r = fw_cfg_add_item(f, FW_CFG_CMDLINE_DATA, cmdline, (uint32_t)strlen(cmdline) + 1);
    return r;
}

static int create_fw_cfg(struct pc *pc, struct error *err)
{
    struct fw_cfg *f;
    int r = fw_cfg_create(&f, &pc->vm->host);
    if (r == 0) {
        vm_add_device(pc->vm, &f->dev);
        r = fill_fw_cfg(pc, f);
    }
    return r < 0 ? error_set(err, -r, "cannot create the firmware configuration device") : 0;
}

int pc_create_chips(struct pc *pc, struct error *err)
{
    static int (*const steps[])(struct pc * pc, struct error * err) = {
        create_interrupt_chips, create_timers,     create_rtc,      create_uart,   create_i8042,
        create_port92,          create_debug_exit, create_debugcon, create_fw_cfg,
    };
    for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
        int r = steps[i](pc, err);
        if (r < 0)
            return r;
    }
    return 0;
}
