/* MC146818: time of day, setting it, the three interrupts, memory sizes. */
#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "dev/timer/rtc.h"
#include "dev/timer/rtc_time.h"
#include "unit/fake/machine.h"

#define SEC (1000 * MS)
/* 2024-02-29 23:59:50 UTC, a Thursday */
#define START UINT64_C(1709251190)

struct env {
    struct fake_machine m;
    struct rtc *rtc;
    struct fake_line irq;
};

static uint8_t rd(struct env *e, unsigned reg)
{
    outb(&e->m, 0x70, (uint8_t)reg);
    return inb(&e->m, 0x71);
}

static void wr(struct env *e, unsigned reg, uint8_t val)
{
    outb(&e->m, 0x70, (uint8_t)reg);
    outb(&e->m, 0x71, val);
}

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    assert_int_equal(rtc_create(&e->rtc, &e->m.host, fake_irq(&e->irq), UINT64_C(0xc0000000),
                                UINT64_C(0x140000000)),
                     0);
    e->rtc->wall_base = START * SEC - guest_clock_ns(&e->m.clock);
    fake_reset(&e->rtc->dev);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->rtc->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void test_time(void **state)
{
    struct env *e = *state;

    assert_int_equal(rd(e, RTC_SECONDS), 0x50);
    assert_int_equal(rd(e, RTC_MINUTES), 0x59);
    assert_int_equal(rd(e, RTC_HOURS), 0x23);
    assert_int_equal(rd(e, RTC_DAY), 0x29);
    assert_int_equal(rd(e, RTC_MONTH), 0x02);
    assert_int_equal(rd(e, RTC_YEAR), 0x24);
    assert_int_equal(rd(e, RTC_CENTURY), 0x20);
    assert_int_equal(rd(e, RTC_WEEKDAY), 5);
    assert_int_equal(rd(e, RTC_D), 0x80);
    fake_advance(10 * SEC);
    assert_int_equal(rd(e, RTC_MONTH), 0x03);
    assert_int_equal(rd(e, RTC_DAY), 0x01);
    assert_int_equal(rd(e, RTC_HOURS), 0);
    wr(e, RTC_B, RTC_B_BINARY); /* 12 hours, binary */
    assert_int_equal(rd(e, RTC_HOURS), 12);
    fake_advance(13 * 3600 * SEC);
    assert_int_equal(rd(e, RTC_HOURS), 0x81);
}

static void test_update_in_progress(void **state)
{
    struct env *e = *state;

    assert_int_equal(rd(e, RTC_A), 0x26);
    fake_advance(SEC - 100000);
    assert_int_equal(rd(e, RTC_A), 0xa6);
    fake_advance(100000);
    assert_int_equal(rd(e, RTC_A), 0x26);
}

static void test_set(void **state)
{
    struct env *e = *state;

    wr(e, RTC_B, 0x82);
    wr(e, RTC_SECONDS, 0x00);
    wr(e, RTC_MINUTES, 0x30);
    wr(e, RTC_HOURS, 0x12);
    wr(e, RTC_DAY, 0x31);
    wr(e, RTC_MONTH, 0x12);
    wr(e, RTC_YEAR, 0x99);
    wr(e, RTC_CENTURY, 0x19);
    fake_advance(100 * SEC); /* frozen */
    assert_int_equal(rd(e, RTC_SECONDS), 0x00);
    wr(e, RTC_B, 0x02);
    fake_advance(5 * SEC);
    assert_int_equal(rd(e, RTC_SECONDS), 0x05);
    assert_int_equal(rd(e, RTC_MINUTES), 0x30);
    assert_int_equal(rd(e, RTC_YEAR), 0x99);
    wr(e, RTC_MINUTES, 0x45); /* without SET: at once */
    assert_int_equal(rd(e, RTC_MINUTES), 0x45);
    assert_int_equal(rd(e, RTC_SECONDS), 0x05);
    for (unsigned r = 0; r < 10; r++) /* senseless values are survived */
        wr(e, r, 0xff);
    rd(e, RTC_YEAR);
}

static void test_update_interrupt(void **state)
{
    struct env *e = *state;

    assert_int_equal(fake_advance(3 * SEC), 0); /* nobody asked: no timer */
    assert_int_equal(rd(e, RTC_C), 0x10 | 0x40);
    wr(e, RTC_B, 0x12);
    fake_advance(SEC);
    assert_true(e->irq.level);
    assert_int_equal(fake_advance(10 * SEC), 0); /* not acknowledged: no more timers */
    assert_int_equal(rd(e, RTC_C) & 0x90, 0x90);
    assert_false(e->irq.level);
    fake_advance(SEC);
    assert_int_equal(e->irq.rises, 2);
}

static void test_periodic_interrupt(void **state)
{
    struct env *e = *state;
    unsigned ticks = 0;

    wr(e, RTC_B, 0x42);
    for (unsigned i = 0; i < 1000; i++) {
        fake_advance(MS);
        if (e->irq.level) {
            ticks++;
            assert_int_equal(rd(e, RTC_C) & 0xc0, 0xc0);
        }
    }
    assert_in_range(ticks, 990, 1000); /* 1024 Hz seen once a ms at most */
    wr(e, RTC_A, 0x23);                /* the fastest: 8192 Hz */
    ticks = 0;
    for (unsigned i = 0; i < 10000; i++) {
        fake_advance(100000);
        if (e->irq.level) {
            ticks++;
            rd(e, RTC_C);
        }
    }
    assert_in_range(ticks, 8100, 8193);
    wr(e, RTC_A, 0x20);
    rd(e, RTC_C);
    assert_int_equal(fake_advance(SEC), 0);
}

static void test_alarm(void **state)
{
    struct env *e = *state;

    wr(e, RTC_HOURS_ALARM, 0x00);
    wr(e, RTC_MINUTES_ALARM, 0x01);
    wr(e, RTC_SECONDS_ALARM, 0x05);
    wr(e, RTC_B, 0x22);
    fake_advance(74 * SEC);
    assert_false(e->irq.level);
    fake_advance(1 * SEC);
    assert_true(e->irq.level);
    assert_int_equal(rd(e, RTC_C) & 0xa0, 0xa0);
    wr(e, RTC_HOURS_ALARM, 0xff); /* every hour */
    fake_advance(3599 * SEC);
    assert_false(e->irq.level);
    fake_advance(SEC);
    assert_true(e->irq.level);
    rd(e, RTC_C);
    wr(e, RTC_MINUTES_ALARM, 0x99); /* never */
    assert_int_equal(fake_advance(86400 * SEC), 0);
}

static void test_next_alarm_is_exact(void **state)
{
    uint8_t cmos[RTC_CMOS] = {[RTC_B] = RTC_B_24H | RTC_B_BINARY};

    (void)state;
    cmos[RTC_HOURS_ALARM] = 23;
    cmos[RTC_MINUTES_ALARM] = 59;
    cmos[RTC_SECONDS_ALARM] = 59;
    assert_int_equal(rtc_next_alarm(cmos, 0), 86399);
    assert_int_equal(rtc_next_alarm(cmos, 86399), 86399);
    assert_int_equal(rtc_next_alarm(cmos, 86400), 2 * 86400 - 1);
    cmos[RTC_HOURS_ALARM] = 0xc0;
    assert_int_equal(rtc_next_alarm(cmos, 3600), 7199);
    cmos[RTC_MINUTES_ALARM] = cmos[RTC_SECONDS_ALARM] = 0xff;
    assert_int_equal(rtc_next_alarm(cmos, 12345), 12345);
    cmos[RTC_SECONDS_ALARM] = 60;
    assert_true(rtc_next_alarm(cmos, 0) == UINT64_MAX);
}

static void test_memory(void **state)
{
    struct env *e = *state;

    assert_int_equal(rd(e, 0x15) | rd(e, 0x16) << 8, 640);
    assert_int_equal(rd(e, 0x30) | rd(e, 0x31) << 8, 0xffff);
    assert_int_equal(rd(e, 0x34) | rd(e, 0x35) << 8, (0xc0000000 - 0x1000000) >> 16);
    assert_int_equal(rd(e, 0x5b) | rd(e, 0x5c) << 8 | rd(e, 0x5d) << 16, 0x14000);
    wr(e, 0x0f, 0x0a);
    fake_reset(&e->rtc->dev);
    assert_int_equal(rd(e, 0x8f), 0x0a); /* the battery keeps it; bit 7 of the index is NMI's */
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_time),
        T(test_update_in_progress),
        T(test_set),
        T(test_update_interrupt),
        T(test_periodic_interrupt),
        T(test_alarm),
        T(test_next_alarm_is_exact),
        T(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
