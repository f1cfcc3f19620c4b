/* 8254: modes, reading back, interrupts of channel 0, calibration with channel 2. */
#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "dev/timer/pit.h"
#include "unit/fake/machine.h"

struct env {
    struct fake_machine m;
    struct pit *pit;
    struct fake_line irq;
};

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    assert_int_equal(pit_create(&e->pit, &e->m.host, fake_irq(&e->irq), false), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->pit->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void program(struct env *e, unsigned channel, unsigned mode, uint16_t count)
{
    outb(&e->m, 0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
    outb(&e->m, (uint16_t)(0x40 + channel), (uint8_t)count);
    outb(&e->m, (uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static unsigned read16(struct env *e, uint16_t port)
{
    unsigned low = inb(&e->m, port);

    return low | (unsigned)inb(&e->m, port) << 8;
}

static void test_silent_at_power_on(void **state)
{
    struct env *e = *state;

    assert_int_equal(fake_advance(1000 * MS), 0);
    assert_int_equal(e->irq.rises, 0);
}

static void test_periodic(void **state)
{
    struct env *e = *state;

    program(e, 0, 2, 11932); /* 100 Hz */
    fake_advance(1000 * MS);
    assert_in_range(e->irq.rises, 99, 101);
    e->irq.rises = 0;
    program(e, 0, 3, 0); /* 65536: 18.2 Hz */
    fake_advance(1000 * MS);
    assert_in_range(e->irq.rises, 18, 20);
    program(e, 0, 0, 0xffff);
    e->irq.rises = 0;
    fake_advance(1000 * MS);
    assert_int_equal(e->irq.rises, 1);
}

static void test_storm_is_bounded(void **state)
{
    struct env *e = *state;

    program(e, 0, 2, 1);
    assert_in_range(fake_advance(10 * MS), 100, 501);
}

static void test_one_shot(void **state)
{
    struct env *e = *state;

    program(e, 0, 0, 1193); /* 1 ms */
    assert_false(e->irq.level);
    fake_advance(MS - 2000);
    assert_false(e->irq.level);
    fake_advance(2000);
    assert_true(e->irq.level);
    assert_int_equal(fake_timers_armed(), 0);
    fake_advance(MS);
    assert_int_equal(e->irq.rises, 1);
    program(e, 0, 4, 1193); /* software strobe: edges too */
    fake_advance(2 * MS);
    assert_int_equal(e->irq.rises, 2);
}

static void test_counter_reads(void **state)
{
    struct env *e = *state;
    unsigned v;

    program(e, 2, 0, 0xffff);
    outb(&e->m, 0x61, 1);
    fake_advance(MS);
    outb(&e->m, 0x43, 0x80); /* latch */
    fake_advance(10 * MS);
    v = read16(e, 0x42);
    assert_in_range(0xffff - v, 1192, 1194);
    v = read16(e, 0x42); /* no longer latched */
    assert_in_range(0xffff - v, 13124, 13126);
    outb(&e->m, 0x43, 0xe8); /* read back: status of channel 2 */
    assert_int_equal(inb(&e->m, 0x42), 0x30);
    outb(&e->m, 0x43, 0xc8); /* both: status first */
    assert_int_equal(inb(&e->m, 0x42), 0x30);
    v = read16(e, 0x42);
    assert_in_range(0xffff - v, 13124, 13126);
    outb(&e->m, 0x43, 0x31); /* channel 0, BCD */
    outb(&e->m, 0x40, 0x34);
    outb(&e->m, 0x40, 0x12);
    assert_int_equal(read16(e, 0x40), 0x1234);
}

/* The way kernels time their TSC: mode 0 on channel 2, wait for its output. */
static void test_calibration(void **state)
{
    struct env *e = *state;

    outb(&e->m, 0x61, 0);
    program(e, 2, 0, 11932); /* 10 ms, held by the gate */
    fake_advance(50 * MS);
    assert_int_equal(inb(&e->m, 0x61) & 0x20, 0);
    outb(&e->m, 0x61, 1);
    fake_advance(5 * MS);
    outb(&e->m, 0x61, 0); /* held half way */
    fake_advance(50 * MS);
    assert_int_equal(inb(&e->m, 0x61) & 0x21, 0);
    outb(&e->m, 0x61, 1);
    fake_advance(5 * MS - 2000);
    assert_int_equal(inb(&e->m, 0x61) & 0x20, 0);
    fake_advance(4000);
    assert_int_equal(inb(&e->m, 0x61) & 0x21, 0x21);
}

static void test_gate_triggers(void **state)
{
    struct env *e = *state;

    program(e, 2, 1, 1193);
    assert_int_equal(inb(&e->m, 0x61) & 0x20, 0x20);
    outb(&e->m, 0x61, 1);
    assert_int_equal(inb(&e->m, 0x61) & 0x20, 0);
    fake_advance(MS + 1000);
    assert_int_equal(inb(&e->m, 0x61) & 0x20, 0x20);
}

static void test_refresh_toggles(void **state)
{
    struct env *e = *state;
    uint8_t was = inb(&e->m, 0x61) & 0x10;

    fake_advance(15000);
    assert_int_not_equal(inb(&e->m, 0x61) & 0x10, was);
}

static void test_quiesce(void **state)
{
    struct env *e = *state;

    program(e, 0, 0, 1193);
    guest_clock_stop(&e->m.clock);
    e->pit->dev.cls->quiesce(&e->pit->dev);
    assert_int_equal(fake_advance(10 * MS), 0);
    guest_clock_start(&e->m.clock);
    e->pit->dev.cls->resume(&e->pit->dev);
    fake_advance(MS);
    assert_int_equal(e->irq.rises, 1);
    e->pit->dev.cls->resume(&e->pit->dev); /* once only */
    assert_int_equal(fake_advance(100 * MS), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_silent_at_power_on), T(test_periodic),        T(test_storm_is_bounded),
        T(test_one_shot),           T(test_counter_reads),   T(test_calibration),
        T(test_gate_triggers),      T(test_refresh_toggles), T(test_quiesce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
