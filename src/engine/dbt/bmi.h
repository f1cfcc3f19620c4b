/*
 * PDEP and CRC32 for host code that computes what translated code does.
 */
#ifndef DOPPEL_ENGINE_DBT_BMI_H
#define DOPPEL_ENGINE_DBT_BMI_H

#include <stdint.h>

static inline uint64_t bmi_pdep(uint64_t v, uint64_t mask)
{
    uint64_t r;
    __asm__("pdep %2, %1, %0" : "=r"(r) : "r"(v), "r"(mask));
    return r;
}

static inline uint64_t bmi_crc32(uint64_t v)
{
    uint64_t r = 0;
    __asm__("crc32q %1, %0" : "+r"(r) : "r"(v));
    return r;
}

#endif
