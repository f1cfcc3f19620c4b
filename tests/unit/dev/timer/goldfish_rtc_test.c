/* The Goldfish clock: reading, setting, the alarm. */
#include "unit/cmocka_all.h"

#include <stdlib.h>
#include <time.h>

#include "dev/timer/goldfish_rtc.h"
#include "unit/fake/machine.h"

enum { BASE = 0x101000 };

struct env {
    struct fake_machine m;
    struct goldfish_rtc *r;
    struct fake_line irq;
};

static uint32_t rd(struct env *e, uint32_t off)
{
    uint64_t v;

    assert_int_equal(io_space_read(&e->m.mmio, BASE + off, 4, &v), IO_OK);
    return (uint32_t)v;
}

static void wr(struct env *e, uint32_t off, uint32_t val)
{
    assert_int_equal(io_space_write(&e->m.mmio, BASE + off, 4, val), IO_OK);
}

static uint64_t rd_time(struct env *e)
{
    uint32_t low = rd(e, 0);

    return (uint64_t)rd(e, 4) << 32 | low;
}

static void wr_pair(struct env *e, uint32_t off, uint64_t val)
{
    wr(e, off + 4, (uint32_t)(val >> 32));
    wr(e, off, (uint32_t)val);
}

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    assert_int_equal(goldfish_rtc_create(&e->r, &e->m.host, BASE, fake_irq(&e->irq)), 0);
    fake_reset(&e->r->dev);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->r->dev);
    assert_int_equal(fake_timers_armed(), 0);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void tells_utc(void **state)
{
    struct env *e = *state;
    uint64_t t = rd_time(e);

    assert_in_range(t / 1000000000, (uint64_t)time(NULL) - 2, (uint64_t)time(NULL) + 2);
    fake_advance(5 * MS);
    assert_int_equal(rd_time(e) - t, 5 * MS);
}

static void is_set(void **state)
{
    struct env *e = *state;

    wr_pair(e, 0, UINT64_C(0x123456789abcdef));
    assert_int_equal(rd_time(e), UINT64_C(0x123456789abcdef));
    fake_reset(&e->r->dev); /* the battery keeps it */
    assert_int_equal(rd_time(e), UINT64_C(0x123456789abcdef));
}

static void alarm_rings(void **state)
{
    struct env *e = *state;

    wr(e, 0x10, 1);
    wr_pair(e, 8, rd_time(e) + 10 * MS);
    assert_int_equal(rd(e, 0x18), 1);
    fake_advance(9 * MS);
    assert_false(e->irq.level);
    fake_advance(1 * MS);
    assert_true(e->irq.level);
    assert_int_equal(rd(e, 0x18), 0);
    wr(e, 0x1c, 1);
    assert_false(e->irq.level);
}

static void alarm_is_cleared(void **state)
{
    struct env *e = *state;

    wr(e, 0x10, 1);
    wr_pair(e, 8, rd_time(e) + 10 * MS);
    wr(e, 0x14, 1);
    fake_advance(20 * MS);
    assert_false(e->irq.level);
    wr_pair(e, 8, 1); /* long past: at once */
    assert_true(e->irq.level);
    wr(e, 0x10, 0);
    assert_false(e->irq.level);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(tells_utc), TEST(is_set), TEST(alarm_rings),
                                       TEST(alarm_is_cleared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
