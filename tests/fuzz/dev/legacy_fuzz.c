/*
 * Every interrupt chip, timer and legacy device of a PC under random register accesses in any
 * order, with time passing, lines moving, states saved, damaged and loaded in between.
 *
 * Must hold: nothing crashes, and no programming makes the host's timers fire faster than bounded.
 *
 * The input is a sequence of operations: a byte that chooses, then its operands; see run_op().
 */
#include <stdlib.h>
#include <string.h>

#include "dev/legacy/debug_exit.h"
#include "dev/legacy/debugcon.h"
#include "dev/legacy/fw_cfg.h"
#include "dev/legacy/i8042.h"
#include "dev/legacy/port92.h"
#include "dev/serial/uart16550.h"
#include "dev/timer/acpi_pm.h"
#include "dev/timer/pit.h"
#include "dev/timer/rtc.h"
#include "irq/x86/irqroute.h"
#include "irq/x86/msi.h"
#include "unit/fake/machine.h"

enum { NCPUS = 2, MAX_DEVS = 16, RAM = 1 << 20, MAX_OPS = 4096 };

struct world {
    struct fake_machine m;
    struct lapic_bus bus;
    struct ioapic *ioapic;
    struct pic *pic;
    struct irqroute route;
    struct chr_backend chr;
    struct dev *devs[MAX_DEVS];
    unsigned ndevs;
    bool quiet;
    const uint8_t *in; /* input not yet used */
    size_t left;
};

/* ---- input ---- */

static uint64_t take(struct world *w, unsigned n)
{
    uint64_t v = 0;

    while (n-- && w->left) {
        v = v << 8 | *w->in++;
        w->left--;
    }
    return v;
}

/* ---- the machine around the chips ---- */

static void kick(void *opaque, unsigned cpu, enum lapic_kick what, uint8_t vector)
{
    (void)opaque;
    (void)vector;
    if (cpu >= NCPUS || what > LAPIC_KICK_SIPI)
        abort();
}

static uint64_t tsc_now(void *opaque, unsigned cpu)
{
    struct world *w = opaque;

    (void)cpu;
    return guest_clock_ns(&w->m.clock) * 3;
}

static uint64_t tsc_to_clock(void *opaque, unsigned cpu, uint64_t tsc)
{
    (void)opaque;
    (void)cpu;
    return tsc / 3; /* rounds down on purpose: the APIC must cope with being early */
}

static void eoi(void *opaque, uint8_t vector)
{
    ioapic_eoi(((struct world *)opaque)->ioapic, vector);
}

static int extint_ack(void *opaque)
{
    return pic_ack(((struct world *)opaque)->pic);
}

static const struct lapic_ops apic_ops = {kick, tsc_now, tsc_to_clock, eoi, extint_ack};

static void pic_output(void *opaque, unsigned n, bool level)
{
    struct world *w = opaque;

    for (unsigned i = 0; i < w->bus.n; i++)
        lapic_lint_set(w->bus.cpu[i], n, level);
}

static void chr_write(struct chr_backend *b, const uint8_t *buf, size_t len)
{
    (void)b;
    if (!len || !buf)
        abort();
}

static void chr_ready(struct chr_backend *b)
{
    (void)b;
}

static const struct chr_backend_ops chr_ops = {
    .name = "fuzz", .write = chr_write, .rx_ready = chr_ready};

static void own(struct world *w, int rc, struct dev *d)
{
    if (rc < 0 || w->ndevs == MAX_DEVS)
        abort();
    w->devs[w->ndevs++] = d;
}

static struct irq_line line(struct world *w, unsigned n)
{
    return irqroute_line(&w->route, n);
}

static void create_irq_chips(struct world *w)
{
    const struct dev_host *host = &w->m.host;
    struct lapic *l = NULL;

    w->bus = (struct lapic_bus){.ops = &apic_ops, .opaque = w};
    for (unsigned i = 0; i < NCPUS; i++) {
        int rc = lapic_create(&l, host, &w->bus);
        own(w, rc, &l->dev);
    }
    int rc = pic_create(&w->pic, host, (struct irq_line){pic_output, w, 0});
    own(w, rc, &w->pic->dev);
    rc = ioapic_create(&w->ioapic, host, &w->bus);
    own(w, rc, &w->ioapic->dev);
    w->route = (struct irqroute){w->pic, w->ioapic};
}

static void create_devices(struct world *w)
{
    const struct dev_host *host = &w->m.host;
    struct pit *pit = NULL;
    struct rtc *rtc = NULL;
    struct acpi_pm *pm = NULL;
    struct uart16550 *uart = NULL;
    struct i8042 *kbd = NULL;
    struct port92 *p92 = NULL;
    struct fw_cfg *fw = NULL;
    struct dev *d = NULL;
    int rc;

    rc = pit_create(&pit, host, line(w, 0), false);
    own(w, rc, &pit->dev);
    rc = rtc_create(&rtc, host, line(w, 8), 1 << 30, 0);
    own(w, rc, &rtc->dev);
    rc = acpi_pm_create(&pm, host, 0x600, line(w, 9));
    own(w, rc, &pm->dev);
    rc = uart16550_create(&uart, host, 0, 0x3f8, line(w, 4), &w->chr);
    own(w, rc, &uart->dev);
    rc = i8042_create(&kbd, host, line(w, 1));
    own(w, rc, &kbd->dev);
    rc = port92_create(&p92, host);
    own(w, rc, &p92->dev);
    rc = fw_cfg_create(&fw, host);
    if (rc == 0)
        rc = fw_cfg_add_file(fw, "etc/x", "0123456789", 10);
    own(w, rc, &fw->dev);
    rc = debug_exit_create(&d, host, DEBUG_EXIT_PORT);
    own(w, rc, d);
    rc = debugcon_create(&d, host, 0xe9, &w->chr);
    own(w, rc, d);
}

/* ---- operations ---- */

static void op_port(struct world *w, bool write)
{
    static const uint16_t ports[] = {0x20,  0x21,  0x40,  0x41,  0x42,  0x43,  0x60,  0x61,  0x64,
                                     0x70,  0x71,  0x80,  0x92,  0xa0,  0xa1,  0xe9,  0xf4,  0x3f8,
                                     0x3f9, 0x3fa, 0x3fb, 0x3fc, 0x3fd, 0x3fe, 0x3ff, 0x4d0, 0x4d1,
                                     0x510, 0x511, 0x514, 0x518, 0x600, 0x602, 0x604, 0x608, 0x60c};
    uint16_t port = ports[take(w, 1) % ARRAY_SIZE(ports)];
    unsigned size = 1u << (take(w, 1) & 3);

    if (write)
        out_size(&w->m, port, size, take(w, size));
    else
        in_size(&w->m, port, size);
}

static void op_lapic(struct world *w, struct lapic *l)
{
    unsigned what = (unsigned)take(w, 1), reg = (unsigned)take(w, 1) & 0x3f;
    uint64_t v;

    switch (what & 7) {
    case 0:
        lapic_mmio_read(l, reg * 16 + (what >> 6), 1u << ((what >> 4) & 3), &v);
        break;
    case 1:
    case 2:
        lapic_mmio_write(l, reg * 16, 4, take(w, 4));
        break;
    case 3:
        lapic_msr_read(l, 0x800 + reg, &v);
        break;
    case 4:
        lapic_msr_write(l, 0x800 + reg, take(w, 8));
        break;
    case 5:
        lapic_msr_write(l, 0x1b, LAPIC_DEFAULT_BASE | take(w, 2));
        break;
    case 6:
        lapic_msr_write(l, 0x6e0, tsc_now(w, 0) + take(w, 3));
        break;
    default:
        lapic_set_cr8(l, reg);
        lapic_tsc_changed(l);
        break;
    }
}

/* What a CPU does: take what is pending, complete some of it. */
static void op_cpu(struct world *w, struct lapic *l)
{
    unsigned eois = (unsigned)take(w, 1) & 3;

    if (lapic_pending(l) && lapic_ack(l) < -1)
        abort();
    while (eois--)
        lapic_mmio_write(l, 0xb0, 4, 0);
    if (take(w, 1) == 0x77)
        lapic_take_init(l);
}

static void op_ioapic(struct world *w)
{
    io_space_write(&w->m.mmio, IOAPIC_BASE, 4, take(w, 1));
    io_space_write(&w->m.mmio, IOAPIC_BASE + 0x10, 4, take(w, 4));
}

/* Timers of two APICs and the PIT are bounded at 50 kHz, the clock's at 8 kHz. */
static void op_time(struct world *w)
{
    uint64_t ns = take(w, 1) << (take(w, 1) % 16);

    if (fake_advance(ns) > ns / 20000 * 4 + 32)
        abort();
}

static void op_outside(struct world *w)
{
    uint8_t bytes[24] = {0};
    unsigned n = (unsigned)take(w, 1);

    if (n & 0x80)
        irqroute_set(&w->route, n & 31, n & 0x40);
    else if (n & 0x40)
        msi_send(&w->bus, 0xfee00000 | take(w, 3), (uint32_t)take(w, 2));
    else if (w->chr.receive(w->chr.opaque, bytes, n % sizeof(bytes)) > 16)
        abort();
}

static void damage(struct world *w, uint8_t *body, size_t len)
{
    size_t at = take(w, 2) % len;

    body[at] ^= (uint8_t)take(w, 1);
}

/* Save a device; load it back as it is, or damaged: refused, or else a state it can live with. */
static void op_state(struct world *w)
{
    struct dev *d = w->devs[take(w, 1) % w->ndevs];
    struct state_writer out = {0};
    struct state_section s;
    size_t pos = 0;
    bool damaged = take(w, 1) & 1;

    if (!d->cls->state)
        return;
    state_save(&out, d->id, d->cls->state, d);
    if (state_next_section(out.buf, out.len, &pos, &s, NULL) != 1)
        abort();
    if (damaged)
        damage(w, (uint8_t *)s.body, s.len);
    if (state_load(s.body, s.len, d->cls->state, d, NULL) < 0) {
        if (!damaged)
            abort();
        fake_reset(d); /* a machine that refused its file does not run */
    }
    if (d->cls->resume && !w->quiet)
        d->cls->resume(d);
    state_writer_free(&out);
}

static void op_pause(struct world *w)
{
    w->quiet = !w->quiet;
    if (w->quiet)
        guest_clock_stop(&w->m.clock);
    else
        guest_clock_start(&w->m.clock);
    for (unsigned i = 0; i < w->ndevs; i++) {
        struct dev *d = w->devs[i];
        void (*fn)(struct dev *) = w->quiet ? d->cls->quiesce : d->cls->resume;

        if (fn)
            fn(d);
    }
}

static void run_op(struct world *w)
{
    unsigned op = (unsigned)take(w, 1);
    struct lapic *l = w->bus.cpu[op >> 7];

    switch (op & 15) {
    case 0 ... 4:
        op_port(w, true);
        break;
    case 5:
        op_port(w, false);
        break;
    case 6 ... 8:
        op_lapic(w, l);
        break;
    case 9:
        op_ioapic(w);
        break;
    case 10:
        op_cpu(w, l);
        break;
    case 11:
    case 12:
        op_time(w);
        break;
    case 13:
        op_outside(w);
        break;
    case 14:
        op_state(w);
        break;
    default:
        if (op & 16)
            op_pause(w);
        else if (op & 32)
            fake_reset(w->devs[take(w, 1) % w->ndevs]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.in = data, .left = size, .chr.ops = &chr_ops};

    fake_machine_init(&w.m);
    if (guest_mem_init(&w.m.mem, RAM, NULL) || guest_mem_add_slot(&w.m.mem, 0, RAM, false, NULL))
        abort();
    create_irq_chips(&w);
    create_devices(&w);
    for (unsigned i = 0; i < MAX_OPS && w.left; i++)
        run_op(&w);
    while (w.ndevs)
        fake_destroy(w.devs[--w.ndevs]);
    guest_mem_destroy(&w.m.mem);
    fake_machine_destroy(&w.m);
    return 0;
}
