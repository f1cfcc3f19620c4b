/*
 * What the processor that runs the workloads offers, by CPUID.
 */
#include <cpuid.h>

#include "workload.h"

/* Whether the system saves the upper halves of the AVX registers: [SDM 1 14.3]. */
static bool avx_enabled(void)
{
    unsigned a, b, c, d, low, high;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_FMA))
        return false;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

unsigned processor_has(void)
{
    unsigned a, b, c, d, has = 0;

    if (__get_cpuid(1, &a, &b, &c, &d)) {
        has |= c & bit_SSSE3 ? NEED_SSSE3 : 0;
        has |= c & bit_SSE4_1 ? NEED_SSE41 : 0;
        has |= c & bit_AES ? NEED_AES : 0;
        has |= c & bit_PCLMUL ? NEED_PCLMUL : 0;
    }
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) {
        has |= (b & bit_AVX2) && avx_enabled() ? NEED_AVX2 : 0;
        has |= (b & bit_BMI2) && (b & bit_ADX) ? NEED_BMI2_ADX : 0;
    }
    return has;
}
