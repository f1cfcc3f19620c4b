/* See lapic_env.h. */
#include "unit/irq/x86/lapic_env.h"

#include <stdlib.h>

static void kick(void *opaque, unsigned cpu, enum lapic_kick what, uint8_t vector)
{
    struct env *e = opaque;

    e->kicks[cpu][what]++;
    if (what == LAPIC_KICK_SIPI)
        e->sipi = vector;
}

uint64_t tsc_now(void *opaque, unsigned cpu)
{
    struct env *e = opaque;

    (void)cpu;
    return guest_clock_ns(&e->m.clock) * 2;
}

static uint64_t tsc_to_clock(void *opaque, unsigned cpu, uint64_t tsc)
{
    (void)opaque;
    (void)cpu;
    return tsc / 2;
}

static void eoi(void *opaque, uint8_t vector)
{
    struct env *e = opaque;

    e->eois++;
    e->eoi_vector = vector;
}

static int extint_ack(void *opaque)
{
    return ((struct env *)opaque)->pic_vector;
}

static const struct lapic_ops ops = {kick, tsc_now, tsc_to_clock, eoi, extint_ack};

uint32_t rd(struct lapic *l, unsigned off)
{
    uint64_t v;

    assert_int_equal(lapic_mmio_read(l, off, 4, &v), IO_OK);
    return (uint32_t)v;
}

void wr(struct lapic *l, unsigned off, uint32_t v)
{
    assert_int_equal(lapic_mmio_write(l, off, 4, v), IO_OK);
}

void clear_kicks(struct env *e)
{
    for (unsigned i = 0; i < NCPUS; i++)
        for (unsigned what = 0; what < 4; what++)
            e->kicks[i][what] = 0;
}

int lapic_setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    e->bus = (struct lapic_bus){.ops = &ops, .opaque = e};
    for (unsigned i = 0; i < NCPUS; i++) {
        assert_int_equal(lapic_create(&e->cpu[i], &e->m.host, &e->bus), 0);
        wr(e->cpu[i], O_SVR, 0x1ff);
    }
    clear_kicks(e);
    *state = e;
    return 0;
}

int lapic_teardown(void **state)
{
    struct env *e = *state;

    for (unsigned i = 0; i < NCPUS; i++)
        fake_destroy(&e->cpu[i]->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

bool send(struct env *e, uint32_t dest, uint8_t vector, bool level)
{
    return lapic_bus_deliver(&e->bus,
                             &(struct lapic_msg){.dest = dest, .vector = vector, .level = level});
}

unsigned mask_of(struct env *e, unsigned what)
{
    unsigned mask = 0;

    for (unsigned i = 0; i < NCPUS; i++)
        mask |= (e->kicks[i][what] != 0) << i;
    clear_kicks(e);
    return mask;
}
