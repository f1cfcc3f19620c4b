/* CPU models: whose processor they claim to be, and what guests find by that. */
#include "unit/cmocka_all.h"

#include <string.h>

#include "isa/x86/cpu.h"
#include "isa/x86/cpuid.h"
#include "isa/x86/regs.h"
#include "isa/x86/system.h"

enum { A, B, C, D, ZEN = 0x00800f12 };

static struct x86_cpu cpu;
static struct cpuid_model model;

static void ask(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
    cpu.model = &model;
    cpuid_query(&cpu, leaf, sub, out);
}

static void check_vendor(const char *name)
{
    uint32_t r[4];
    char found[13] = "";
    ask(0, 0, r);
    memcpy(found, &r[B], 4);
    memcpy(found + 4, &r[D], 4);
    memcpy(found + 8, &r[C], 4);
    assert_string_equal(found, name);
}

static void test_the_default_is_intel(void **state)
{
    static const uint32_t nothing[4];
    uint32_t r[4], last[4];
    (void)state;
    cpuid_model_build(&model, 2, 2000000000);
    check_vendor("GenuineIntel");
    ask(1, 0, r);
    assert_int_equal(r[A], 0x406f1);
    ask(7, 0, r);
    assert_in_range(r[A], 2, UINT32_MAX); /* the highest subleaf */
    assert_true(r[D] >> 29 & 1);          /* ARCH_CAPABILITIES */
    ask(7, 1, r);
    assert_memory_equal(r, nothing, sizeof(r));
    ask(7, 2, r);
    assert_int_equal(r[D], 1u << 4); /* BHI_CTRL */
    ask(0x80000021, 0, r);
    ask(0x16, 0, last);
    assert_memory_equal(r, last, sizeof(r)); /* beyond the end, the highest basic leaf answers */
}

/* What kernels hold against the model must be denied, each by its bit. */
static void test_the_default_denies_its_leaks(void **state)
{
    static const unsigned denied[] = {0, 1, 3, 4, 5, 6, 8, 13, 14, 15, 20, 24, 26, 27, 62};
    uint64_t v;
    (void)state;
    cpuid_model_build(&model, 2, 2000000000);
    cpu.model = &model;
    assert_true(x86_msr_read(&cpu, MSR_ARCH_CAPABILITIES, &v));
    for (unsigned i = 0; i < sizeof(denied) / sizeof(denied[0]); i++)
        assert_true(v >> denied[i] & 1);
    /* IBRS, STIBP and BHI_DIS_S can be set. */
    assert_true(x86_msr_write(&cpu, MSR_SPEC_CTRL, 0x403));
    assert_true(x86_msr_read(&cpu, MSR_SPEC_CTRL, &v));
    assert_int_equal(v, 0x403);
}

static void test_amd(void **state)
{
    static const uint32_t nothing[4];
    uint32_t r[4];
    (void)state;
    cpuid_model_build(&model, 2, 2000000000);
    cpuid_identify(&model, (struct cpuid_identity){CPUID_AMD, ZEN});
    check_vendor("AuthenticAMD");
    ask(1, 0, r);
    assert_int_equal(r[A], ZEN);
    ask(0x80000001, 0, r);
    assert_int_equal(r[A], ZEN);
    ask(7, 0, r);
    assert_int_equal(r[D] >> 29 & 1, 0);
    ask(0x80000000, 0, r);
    assert_int_equal(r[A], 0x80000021);
    ask(0x80000008, 0, r);
    assert_true(r[B] >> 12 & 1); /* IBPB */
    assert_int_equal(r[C], 1);   /* two cores */
    ask(0x80000021, 0, r);
    assert_true(r[A] >> 2 & 1); /* LFENCE serialises */
    ask(0x80000022, 0, r);
    assert_memory_equal(r, nothing, sizeof(r));
    assert_true(model.n <= CPUID_MAX_LEAVES);
}

static void test_the_host_says_who_it_is(void **state)
{
    struct cpuid_identity id;
    (void)state;
    if (!cpuid_host_identity(&id))
        skip(); /* neither Intel nor AMD */
    assert_in_range(id.vendor, CPUID_INTEL, CPUID_AMD);
    assert_int_not_equal(id.signature, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_default_is_intel),
        cmocka_unit_test(test_the_default_denies_its_leaks),
        cmocka_unit_test(test_amd),
        cmocka_unit_test(test_the_host_says_who_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
