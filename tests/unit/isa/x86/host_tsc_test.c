/* The counter's rate as told and as measured agree. */
#include "unit/cmocka_all.h"

#include "base/evloop.h"
#include "isa/x86/host_tsc.h"

static void test_measured_as_told(void **state)
{
    (void)state;
    double told = (double)host_tsc_hz(), worst = 1;
    for (int i = 0; i < 20; i++) { /* a busy host may stop us in the middle of the first ones */
        double off = (double)host_tsc_measured_hz() / told - 1;
        off = off < 0 ? -off : off;
        worst = off < worst ? off : worst;
    }
    print_message("%.0f Hz, measured to %.1f ppm at best\n", told, worst * 1e6);
    assert_true(told > 1e8 && told < 1e11);
    assert_true(worst < 200e-6);
}

static void test_measuring_ends(void **state)
{
    (void)state;
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < 20; i++) {
        uint64_t start = mono_ns();
        (void)host_tsc_measured_hz();
        uint64_t took = mono_ns() - start;
        best = took < best ? took : best;
    }
    print_message("%.2f ms\n", (double)best / 1e6);
    assert_true(best < 25000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured_as_told),
        cmocka_unit_test(test_measuring_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
