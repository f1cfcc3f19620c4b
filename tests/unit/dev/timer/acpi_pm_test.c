/* ACPI fixed hardware: power off, power button, PM timer, reset. */
#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "dev/timer/acpi_pm.h"
#include "unit/fake/machine.h"

enum { BASE = 0x600, STS = BASE, EN = BASE + 2, CNT = BASE + 4, TMR = BASE + 8, RST = BASE + 12 };

struct env {
    struct fake_machine m;
    struct acpi_pm *pm;
    struct fake_line sci;
};

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    assert_int_equal(acpi_pm_create(&e->pm, &e->m.host, BASE, fake_irq(&e->sci)), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->pm->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void test_power_off(void **state)
{
    struct env *e = *state;

    assert_int_equal(in_size(&e->m, CNT, 2), 1); /* SCI_EN */
    out_size(&e->m, CNT, 2, 5 << 10);
    assert_int_equal(e->m.events[MACHINE_POWER_OFF], 0);
    out_size(&e->m, CNT, 2, 3 << 10 | 1 << 13); /* not S5 */
    assert_int_equal(e->m.events[MACHINE_POWER_OFF], 0);
    out_size(&e->m, CNT, 2, 5 << 10 | 1 << 13);
    assert_int_equal(e->m.events[MACHINE_POWER_OFF], 1);
    assert_int_equal(in_size(&e->m, CNT, 2), 5 << 10 | 1);
}

static void test_power_button(void **state)
{
    struct env *e = *state;

    assert_false(acpi_pm_power_button_enabled(e->pm));
    acpi_pm_power_button(e->pm);
    assert_false(e->sci.level);
    out_size(&e->m, EN, 2, 1 << 8);
    assert_true(acpi_pm_power_button_enabled(e->pm));
    assert_true(e->sci.level);
    assert_int_equal(in_size(&e->m, STS, 2), 1 << 8);
    out_size(&e->m, STS, 2, 1 << 8);
    assert_false(e->sci.level);
    assert_int_equal(in_size(&e->m, STS, 4), 1u << 24);
}

static void test_timer(void **state)
{
    struct env *e = *state;
    uint64_t a = in_size(&e->m, TMR, 4);

    fake_advance(1000 * MS);
    assert_int_equal(in_size(&e->m, TMR, 4) - a, 3579545);
    out_size(&e->m, TMR, 4, 0); /* read-only */
    assert_int_equal(in_size(&e->m, TMR, 4) - a, 3579545);
    fake_advance(1200000 * MS); /* more than 2^32 ticks */
    assert_int_equal(in_size(&e->m, TMR, 4) - a, (uint32_t)(UINT64_C(3579545) * 1201));
    assert_int_equal(in_size(&e->m, STS, 2) & 1, 1); /* without any host timer */
    assert_int_equal(fake_timers_armed(), 0);
}

static void test_timer_interrupt(void **state)
{
    struct env *e = *state;

    out_size(&e->m, EN, 2, 1);
    fake_advance(599900 * MS);
    assert_false(e->sci.level);
    fake_advance(100 * MS);
    assert_true(e->sci.level);
    assert_int_equal(fake_timers_armed(), 0); /* until acknowledged */
    out_size(&e->m, STS, 2, 1);
    assert_false(e->sci.level);
    fake_advance(599941 * MS);
    assert_true(e->sci.level);
}

static void test_reset_register(void **state)
{
    struct env *e = *state;

    acpi_pm_reset_write(e->pm, 0x02);
    assert_int_equal(e->m.events[MACHINE_RESET], 0);
    acpi_pm_reset_write(e->pm, ACPI_PM_RESET_VALUE);
    assert_int_equal(e->m.events[MACHINE_RESET], 1);
    assert_int_equal(acpi_pm_reset_read(e->pm), 6);
    fake_reset(&e->pm->dev);
    outb(&e->m, RST, ACPI_PM_RESET_VALUE);
    assert_int_equal(e->m.events[MACHINE_RESET], 2);
}

static void test_gpe_is_empty(void **state)
{
    struct env *e = *state;

    out_size(&e->m, BASE + 32, 4, 0xffffffff);
    assert_int_equal(in_size(&e->m, BASE + 32, 4), 0);
    assert_false(e->sci.level);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_power_off),       T(test_power_button),   T(test_timer),
        T(test_timer_interrupt), T(test_reset_register), T(test_gpe_is_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
