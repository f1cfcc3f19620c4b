/*
 * Host CPU features. [SDM 2A CPUID]
 */
#include "engine/dbt/host.h"

#include <cpuid.h>
#include <errno.h>
#include <sys/auxv.h>

#include "base/compiler.h"

#ifndef HWCAP2_FSGSBASE
#define HWCAP2_FSGSBASE (1 << 1) /* <asm/hwcap2.h>: user code may write the GS base */
#endif

enum {
    LEAF1_ECX_FMA = 1 << 12,
    LEAF1_ECX_SSE42 = 1 << 20,
    LEAF1_ECX_OSXSAVE = 1 << 27,
    LEAF1_ECX_AVX = 1 << 28
};
enum { LEAF1_ECX_POPCNT = 1 << 23, LEAF7_EBX_BMI1 = 1 << 3, LEAF81_ECX_LZCNT = 1 << 5 };
enum { LEAF7_EBX_BMI2 = 1 << 8, LEAFD1_EAX_XINUSE = 1 << 2 };

static bool cpuid_bits(unsigned leaf, unsigned subleaf, unsigned reg, unsigned bits)
{
    unsigned r[4];
    return __get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]) && (r[reg] & bits) == bits;
}

bool host_has_avx(void)
{
    return cpuid_bits(1, 0, 2, LEAF1_ECX_OSXSAVE | LEAF1_ECX_AVX);
}

bool host_has_fma(void)
{
    return host_has_avx() && cpuid_bits(1, 0, 2, LEAF1_ECX_FMA);
}

bool host_has_xinuse(void)
{
    return cpuid_bits(1, 0, 2, LEAF1_ECX_OSXSAVE) && cpuid_bits(0xd, 1, 0, LEAFD1_EAX_XINUSE);
}

int host_suits(const struct host_features *f, struct error *err)
{
    if (!f->bmi2)
        return error_set(err, ENOTSUP, "the host CPU lacks BMI2, which translated code needs");
    if (!f->sse42)
        return error_set(err, ENOTSUP, "the host CPU lacks SSE4.2, which translated code needs");
    if (!f->fsgsbase)
        return error_set(err, ENOTSUP,
                         "the host kernel does not let programs set the GS base (FSGSBASE)");
    return 0;
}

int host_check(struct error *err)
{
    struct host_features f = {.bmi2 = cpuid_bits(7, 0, 1, LEAF7_EBX_BMI2),
                              .sse42 = cpuid_bits(1, 0, 2, LEAF1_ECX_SSE42),
                              .fsgsbase = getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE};
    return host_suits(&f, err);
}

int host_check_bits(struct error *err)
{
    int r = host_check(err);
    if (r < 0)
        return r;
    if (!cpuid_bits(7, 0, 1, LEAF7_EBX_BMI1) || !cpuid_bits(1, 0, 2, LEAF1_ECX_POPCNT) ||
        !cpuid_bits(0x80000001, 0, 2, LEAF81_ECX_LZCNT))
        return error_set(err, ENOTSUP,
                         "the host CPU lacks BMI1, POPCNT or LZCNT, which translated code needs");
    return 0;
}
