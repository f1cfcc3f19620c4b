/*
 * Little- and big-endian loads and stores at any alignment, whatever the host's order.
 */
#ifndef DOPPEL_BASE_ENDIAN_H
#define DOPPEL_BASE_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define ENDIAN_ACCESSORS(order, bits)                                                              \
    static inline uint##bits##_t order##_load##bits(const void *p)                                 \
    {                                                                                              \
        uint##bits##_t v;                                                                          \
        memcpy(&v, p, sizeof(v));                                                                  \
        return order##bits##toh(v);                                                                \
    }                                                                                              \
    static inline void order##_store##bits(void *p, uint##bits##_t v)                              \
    {                                                                                              \
        v = hto##order##bits(v);                                                                   \
        memcpy(p, &v, sizeof(v));                                                                  \
    }

ENDIAN_ACCESSORS(le, 16)
ENDIAN_ACCESSORS(le, 32)
ENDIAN_ACCESSORS(le, 64)
ENDIAN_ACCESSORS(be, 16)
ENDIAN_ACCESSORS(be, 32)
ENDIAN_ACCESSORS(be, 64)

#undef ENDIAN_ACCESSORS

/* `size` bytes (1 to 8), least significant first. */
static inline uint64_t le_load(const void *p, unsigned size)
{
    const uint8_t *b = p;
    uint64_t v = 0;
    while (size--)
        v = v << 8 | b[size];
    return v;
}

static inline void le_store(void *p, unsigned size, uint64_t v)
{
    uint8_t *b = p;
    for (unsigned i = 0; i < size; i++, v >>= 8)
        b[i] = (uint8_t)v;
}

#endif
