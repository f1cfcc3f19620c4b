/*
 * A described integer as it lies in the host's struct: 1, 2, 4 or 8 bytes, host byte order.
 */
#ifndef DOPPEL_STATE_HOST_INT_H
#define DOPPEL_STATE_HOST_INT_H

#include <stdint.h>

static inline uint64_t state_host_load(const uint8_t *p, uint32_t elem)
{
    switch (elem) {
    case 1:
        return *p;
    case 2:
        return *(const uint16_t *)p;
    case 4:
        return *(const uint32_t *)p;
    default:
        return *(const uint64_t *)p;
    }
}

static inline void state_host_store(uint8_t *p, uint32_t elem, uint64_t v)
{
    switch (elem) {
    case 1:
        *p = (uint8_t)v;
        break;
    case 2:
        *(uint16_t *)p = (uint16_t)v;
        break;
    case 4:
        *(uint32_t *)p = (uint32_t)v;
        break;
    default:
        *(uint64_t *)p = v;
    }
}

#endif
