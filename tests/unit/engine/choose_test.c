/*
 * Which engine `auto` takes on hosts of all kinds.
 */
#include "unit/cmocka_all.h"

#include <string.h>

#include "engine/choose.h"
#include "engine/dbt/host.h"
#include "isa/isa.h"

enum { FAST_KIPS = 2000000, EMULATED_KIPS = 900 };

static const struct error no_kvm = {.text = "no /dev/kvm"};
static const struct error no_bmi = {.text = "the host CPU lacks BMI2"};

static void expect(const struct engine_host *host, const struct engine_ops *engine,
                   const char *line)
{
    char why[300];
    assert_ptr_equal(engine_pick(host, why, sizeof(why)), engine);
    assert_string_equal(why, line);
}

static void kvm_at_full_speed_wins(void **state)
{
    (void)state;
    struct engine_host host = {.kvm_kips = FAST_KIPS};
    expect(&host, &engine_kvm, "engine: kvm");
    host.dbt = no_bmi;
    expect(&host, &engine_kvm, "engine: kvm");
}

static void translation_is_second(void **state)
{
    (void)state;
    struct engine_host host = {.kvm = no_kvm};
    expect(&host, &engine_dbt, "engine: dbt (no /dev/kvm)");
    host = (struct engine_host){.kvm_kips = EMULATED_KIPS};
    expect(&host, &engine_dbt,
           "engine: dbt (KVM here runs kernel code at 0.9 MIPS: it is emulated)");
}

static void the_interpreter_runs_anywhere(void **state)
{
    (void)state;
    struct engine_host host = {.kvm = no_kvm, .dbt = no_bmi};
    expect(&host, &engine_interp, "engine: interp (no /dev/kvm; the host CPU lacks BMI2)");
    host.kvm = (struct error){0};
    expect(&host, &engine_interp,
           "engine: interp (KVM here runs kernel code at 0.0 MIPS: it is emulated; "
           "the host CPU lacks BMI2)");
}

static void long_reasons_are_cut(void **state)
{
    (void)state;
    struct engine_host host = {0};
    char why[200];
    memset(host.kvm.text, 'x', sizeof(host.kvm.text) - 1);
    memset(host.dbt.text, 'y', sizeof(host.dbt.text) - 1);
    assert_ptr_equal(engine_pick(&host, why, sizeof(why)), &engine_interp);
    assert_int_equal(strlen(why), sizeof(why) - 1);
}

static void each_missing_feature_is_named(void **state)
{
    (void)state;
    struct error err = {0};
    struct host_features f = {.bmi2 = true, .sse42 = true, .fsgsbase = true};
    assert_int_equal(host_suits(&f, &err), 0);
    f.bmi2 = false;
    assert_true(host_suits(&f, &err) < 0);
    assert_non_null(strstr(err.text, "BMI2"));
    f = (struct host_features){.bmi2 = true, .fsgsbase = true};
    assert_true(host_suits(&f, &err) < 0);
    assert_non_null(strstr(err.text, "SSE4.2"));
    f = (struct host_features){.bmi2 = true, .sse42 = true};
    assert_true(host_suits(&f, &err) < 0);
    assert_non_null(strstr(err.text, "FSGSBASE"));
}

static void names(void **state)
{
    (void)state;
    const struct engine_ops *engine = NULL;
    struct error err = {0};
    char why[300];
    assert_int_equal(engine_choose("interp", &isa_x86, &engine, why, sizeof(why), &err), 0);
    assert_ptr_equal(engine, &engine_interp);
    assert_string_equal(why, "engine: interp");
    assert_true(engine_choose("warp", &isa_x86, &engine, why, sizeof(why), &err) < 0);
    assert_non_null(strstr(err.text, "warp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kvm_at_full_speed_wins),        cmocka_unit_test(translation_is_second),
        cmocka_unit_test(the_interpreter_runs_anywhere), cmocka_unit_test(long_reasons_are_cut),
        cmocka_unit_test(each_missing_feature_is_named), cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
