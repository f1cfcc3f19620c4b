/* The guest's time runs, stands still, and converts. */
#include "unit/cmocka_all.h"

#include <time.h>

#include "base/evloop.h"
#include "base/guest_clock.h"

static void nap(long ns)
{
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

static void stands_still_until_started(void **state)
{
    (void)state;
    struct guest_clock c;
    guest_clock_init(&c, 1000, 0);
    nap(1000000);
    assert_int_equal(guest_clock_ns(&c), 1000);
    assert_true(guest_clock_to_host(&c, 2000) == UINT64_MAX);
    guest_clock_start(&c);
    assert_true(guest_clock_running(&c));
    nap(1000000);
    assert_true(guest_clock_ns(&c) >= 1001000);
    guest_clock_stop(&c);
    uint64_t t = guest_clock_ns(&c);
    nap(1000000);
    assert_int_equal(guest_clock_ns(&c), t);
    guest_clock_start(&c);
    guest_clock_start(&c);
    assert_true(guest_clock_ns(&c) >= t);
    assert_true(guest_clock_ns(&c) < t + 1000000000);
}

static void converts(void **state)
{
    (void)state;
    struct guest_clock c;
    guest_clock_init(&c, 0, 0);
    guest_clock_start(&c);
    uint64_t before = mono_ns();
    uint64_t host = guest_clock_to_host(&c, guest_clock_ns(&c) + 5000000);
    assert_true(host >= before + 5000000);
    assert_true(host <= mono_ns() + 5000000);
    assert_true(guest_clock_to_host(&c, UINT64_MAX) == UINT64_MAX);
}

/* A machine saved after months, resumed on a host that booted just now. */
static void guest_older_than_host(void **state)
{
    (void)state;
    struct guest_clock c;
    const uint64_t year = UINT64_C(31557600) * 1000000000;
    guest_clock_init(&c, 10 * year, 0);
    guest_clock_start(&c);
    assert_true(guest_clock_ns(&c) - 10 * year < 1000000000);
    assert_int_equal(guest_clock_to_host(&c, 5), 0);
    uint64_t host = guest_clock_to_host(&c, 10 * year + 1000);
    assert_true(host <= mono_ns() + 1000 && host + 1000000000 > mono_ns());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stands_still_until_started),
        cmocka_unit_test(converts),
        cmocka_unit_test(guest_older_than_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
