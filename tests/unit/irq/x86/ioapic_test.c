/* I/O APIC pins, and the fan-out of a wire to PIC and IOAPIC. */
#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "irq/x86/irqroute.h"
#include "unit/fake/machine.h"

struct env {
    struct fake_machine m;
    struct lapic_bus bus;
    struct lapic *cpu[2];
    struct ioapic *io;
    struct pic *pic;
    struct irqroute route;
    struct fake_line intr;
};

static void kick(void *opaque, unsigned cpu, enum lapic_kick what, uint8_t vector)
{
    (void)opaque;
    (void)cpu;
    (void)what;
    (void)vector;
}

static uint64_t tsc(void *opaque, unsigned cpu)
{
    (void)opaque;
    (void)cpu;
    return 0;
}

static uint64_t tsc_to_clock(void *opaque, unsigned cpu, uint64_t v)
{
    (void)opaque;
    (void)cpu;
    return v;
}

static void eoi(void *opaque, uint8_t vector)
{
    ioapic_eoi(((struct env *)opaque)->io, vector);
}

static int extint_ack(void *opaque)
{
    return pic_ack(((struct env *)opaque)->pic);
}

static const struct lapic_ops ops = {kick, tsc, tsc_to_clock, eoi, extint_ack};

static uint32_t io_read(struct env *e, uint8_t reg)
{
    uint64_t v;

    io_space_write(&e->m.mmio, IOAPIC_BASE, 4, reg);
    assert_int_equal(io_space_read(&e->m.mmio, IOAPIC_BASE + 0x10, 4, &v), IO_OK);
    return (uint32_t)v;
}

static void io_write(struct env *e, uint8_t reg, uint32_t v)
{
    io_space_write(&e->m.mmio, IOAPIC_BASE, 4, reg);
    io_space_write(&e->m.mmio, IOAPIC_BASE + 0x10, 4, v);
}

static void redir(struct env *e, unsigned pin, uint8_t dest, uint32_t low)
{
    io_write(e, (uint8_t)(0x11 + pin * 2), (uint32_t)dest << 24);
    io_write(e, (uint8_t)(0x10 + pin * 2), low);
}

static void cpu_eoi(struct lapic *l)
{
    lapic_mmio_write(l, 0xb0, 4, 0);
}

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    e->bus = (struct lapic_bus){.ops = &ops, .opaque = e};
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(lapic_create(&e->cpu[i], &e->m.host, &e->bus), 0);
        lapic_mmio_write(e->cpu[i], 0xf0, 4, 0x1ff);
    }
    assert_int_equal(ioapic_create(&e->io, &e->m.host, &e->bus), 0);
    assert_int_equal(pic_create(&e->pic, &e->m.host, fake_irq(&e->intr)), 0);
    e->route = (struct irqroute){.pic = e->pic, .ioapic = e->io};
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->pic->dev);
    fake_destroy(&e->io->dev);
    for (unsigned i = 0; i < 2; i++)
        fake_destroy(&e->cpu[i]->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void test_registers(void **state)
{
    struct env *e = *state;

    assert_int_equal(io_read(e, 1), 0x00170011);
    io_write(e, 0, 0xffffffff);
    assert_int_equal(io_read(e, 0), 0x0f000000);
    assert_int_equal(io_read(e, 0x10), 0x10000);
    io_write(e, 0x10, 0xffffffff);
    assert_int_equal(io_read(e, 0x10), 0x0001afff); /* status bits are read-only */
    io_write(e, 0x11, 0xffffffff);
    assert_int_equal(io_read(e, 0x11), 0xff000000);
    io_write(e, 0x40, 0xffffffff); /* past the last pin */
    assert_int_equal(io_read(e, 0x40), 0);
}

static void test_edge(void **state)
{
    struct env *e = *state;

    redir(e, 4, 1, 0x44);
    ioapic_set(e->io, 4, true);
    assert_int_equal(lapic_ack(e->cpu[1]), 0x44);
    assert_false(lapic_pending(e->cpu[0]));
    ioapic_set(e->io, 4, true); /* no new edge */
    assert_false(lapic_pending(e->cpu[1]));
    ioapic_set(e->io, 4, false);
    ioapic_set(e->io, 4, true);
    cpu_eoi(e->cpu[1]);
    assert_int_equal(lapic_ack(e->cpu[1]), 0x44);
}

static void test_masked_edge_is_ignored(void **state)
{
    struct env *e = *state;

    redir(e, 4, 0, 0x10044);
    ioapic_set(e->io, 4, true);
    redir(e, 4, 0, 0x44);
    assert_false(lapic_pending(e->cpu[0]));
}

static void test_edge_waits_for_a_cpu(void **state)
{
    struct env *e = *state;

    redir(e, 4, 7, 0x44); /* nobody there */
    ioapic_set(e->io, 4, true);
    ioapic_set(e->io, 4, false);
    redir(e, 4, 0, 0x44);
    assert_int_equal(lapic_ack(e->cpu[0]), 0x44);
}

static void test_level(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    redir(e, 17, 0, 0x8051);
    ioapic_set(e->io, 17, true);
    assert_int_equal(io_read(e, 0x10 + 34), 0xc051); /* remote IRR */
    assert_int_equal(lapic_ack(l), 0x51);
    assert_false(lapic_pending(l));
    cpu_eoi(l);
    assert_int_equal(lapic_ack(l), 0x51); /* still asserted */
    ioapic_set(e->io, 17, false);
    cpu_eoi(l);
    assert_false(lapic_pending(l));
    assert_int_equal(io_read(e, 0x10 + 34), 0x8051);
    redir(e, 17, 0, 0x18051); /* a masked level is remembered by its level */
    ioapic_set(e->io, 17, true);
    assert_false(lapic_pending(l));
    redir(e, 17, 0, 0x8051);
    assert_int_equal(lapic_ack(l), 0x51);
}

static void test_edge_spell_clears_remote_irr(void **state)
{
    struct env *e = *state;

    redir(e, 17, 0, 0x8051);
    ioapic_set(e->io, 17, true);
    assert_int_equal(lapic_ack(e->cpu[0]), 0x51);
    redir(e, 17, 0, 0x10051);
    assert_int_equal(io_read(e, 0x10 + 34), 0x10051);
    redir(e, 17, 0, 0x8051);
    assert_int_equal(io_read(e, 0x10 + 34), 0xc051); /* sent again */
}

static void test_eoi_register(void **state)
{
    struct env *e = *state;

    redir(e, 17, 0, 0x8051);
    ioapic_set(e->io, 17, true);
    ioapic_set(e->io, 17, false);
    io_space_write(&e->m.mmio, IOAPIC_BASE + 0x40, 4, 0x51); /* version 0x11 has none */
    assert_int_equal(io_read(e, 0x10 + 34), 0xc051);
    e->bus.directed_eoi = true;
    assert_int_equal(io_read(e, 1), 0x00170020);
    io_space_write(&e->m.mmio, IOAPIC_BASE + 0x40, 4, 0x51);
    assert_int_equal(io_read(e, 0x10 + 34), 0x8051);
}

static void test_route(void **state)
{
    struct env *e = *state;
    struct irq_line timer = irqroute_line(&e->route, 0), cascade = irqroute_line(&e->route, 2);
    struct irq_line pci = irqroute_line(&e->route, 20);

    redir(e, 2, 0, 0x30);
    redir(e, 0, 0, 0x66);
    irq_line_set(&cascade, true);
    assert_false(lapic_pending(e->cpu[1]));
    irq_line_set(&timer, true);
    assert_true(e->intr.level);
    assert_int_equal(lapic_ack(e->cpu[0]), 0x30);
    redir(e, 20, 1, 0x8080);
    irq_line_set(&pci, true);
    assert_int_equal(lapic_ack(e->cpu[1]), 0x80);
    irqroute_set(&e->route, 99, true); /* nowhere */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_registers),
        T(test_edge),
        T(test_masked_edge_is_ignored),
        T(test_edge_waits_for_a_cpu),
        T(test_level),
        T(test_edge_spell_clears_remote_irr),
        T(test_eoi_register),
        T(test_route),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
