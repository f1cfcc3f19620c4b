/* Local APIC timer: one-shot, periodic, TSC deadline, pausing. */
#include "unit/irq/x86/lapic_env.h"

static void test_one_shot(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    wr(l, O_DIVIDE, 0x3); /* by 16 */
    wr(l, O_TIMER, 0xef);
    wr(l, O_INITIAL, 1000); /* 16 us */
    assert_int_equal(rd(l, O_CURRENT), 1000);
    fake_advance(8000);
    assert_int_equal(rd(l, O_CURRENT), 500);
    assert_false(lapic_pending(l));
    fake_advance(8000);
    assert_int_equal(lapic_ack(l), 0xef);
    assert_int_equal(rd(l, O_CURRENT), 0);
    assert_int_equal(fake_timers_armed(), 0);
    wr(l, O_EOI, 0);
    wr(l, O_DIVIDE, 0xb);
    wr(l, O_INITIAL, 1); /* the shortest must still fire */
    fake_advance(1);
    assert_int_equal(lapic_ack(l), 0xef);
    wr(l, O_EOI, 0);
    wr(l, O_INITIAL, 1000);
    wr(l, O_TIMER, 0x100ef); /* expires unseen ... */
    assert_int_equal(fake_timers_armed(), 0);
    fake_advance(2000);
    wr(l, O_TIMER, 0xef); /* ... and does not come later */
    fake_advance(MS);
    assert_false(lapic_pending(l));
}

static void test_periodic(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    wr(l, O_DIVIDE, 0xb);
    wr(l, O_TIMER, 0x200ef);
    wr(l, O_INITIAL, MS);
    for (unsigned i = 0; i < 10; i++) {
        fake_advance(MS);
        assert_int_equal(lapic_ack(l), 0xef);
        wr(l, O_EOI, 0);
    }
    wr(l, O_INITIAL, 1); /* a storm is bounded */
    assert_in_range(fake_advance(MS), 1, 50);
    wr(l, O_INITIAL, 0);
    assert_int_equal(fake_timers_armed(), 0);
}

static void test_deadline(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];
    uint64_t v, tsc = tsc_now(e, 0);

    assert_true(lapic_msr_write(l, M_DEADLINE, tsc + 2000)); /* not in that mode: ignored */
    assert_true(lapic_msr_read(l, M_DEADLINE, &v));
    assert_int_equal(v, 0);
    wr(l, O_TIMER, 0x400ee);
    wr(l, O_INITIAL, 5); /* ignored */
    assert_int_equal(rd(l, O_CURRENT), 0);
    assert_true(lapic_msr_write(l, M_DEADLINE, tsc + 2001));
    fake_advance(1000);
    assert_true(lapic_msr_read(l, M_DEADLINE, &v));
    assert_int_equal(v, tsc + 2001);
    fake_advance(500); /* half a ns early the first time: asked again */
    assert_int_equal(lapic_ack(l), 0xee);
    assert_true(lapic_msr_read(l, M_DEADLINE, &v));
    assert_int_equal(v, 0);
    wr(l, O_EOI, 0);
    assert_true(lapic_msr_write(l, M_DEADLINE, 1)); /* in the past: at once */
    fake_advance(0);
    assert_int_equal(lapic_ack(l), 0xee);
    assert_true(lapic_msr_write(l, M_DEADLINE, tsc + 2 * MS));
    wr(l, O_TIMER, 0xee); /* leaving the mode disarms */
    assert_int_equal(fake_timers_armed(), 0);
}

static void test_quiesce(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[0];

    wr(l, O_TIMER, 0xef);
    wr(l, O_DIVIDE, 0xb);
    wr(l, O_INITIAL, MS);
    guest_clock_stop(&e->m.clock);
    l->dev.cls->quiesce(&l->dev);
    assert_int_equal(fake_advance(5 * MS), 0);
    guest_clock_start(&e->m.clock);
    l->dev.cls->resume(&l->dev);
    assert_int_equal(rd(l, O_CURRENT), MS);
    fake_advance(MS);
    assert_int_equal(lapic_ack(l), 0xef);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAPIC_TEST(test_one_shot),
        LAPIC_TEST(test_periodic),
        LAPIC_TEST(test_deadline),
        LAPIC_TEST(test_quiesce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
