/*
 * Bit fields of 64-bit words. `hi` and `lo` are inclusive bit numbers, as manuals write them.
 */
#ifndef DOPPEL_BASE_BITS_H
#define DOPPEL_BASE_BITS_H

#include <stdbool.h>
#include <stdint.h>

#define BIT64(n) (UINT64_C(1) << (n))

/* The lowest `n` bits set; n may be 0 to 64. */
static inline uint64_t bits_mask(unsigned n)
{
    return n >= 64 ? UINT64_MAX : BIT64(n) - 1;
}

static inline uint64_t bits_get(uint64_t v, unsigned hi, unsigned lo)
{
    return (v >> lo) & bits_mask(hi - lo + 1);
}

static inline uint64_t bits_set(uint64_t v, unsigned hi, unsigned lo, uint64_t field)
{
    uint64_t mask = bits_mask(hi - lo + 1) << lo;
    return (v & ~mask) | ((field << lo) & mask);
}

/* The low `width` bits (1 to 64) of `v` as a signed number. */
static inline int64_t bits_sign_extend(uint64_t v, unsigned width)
{
    return (int64_t)(v << (64 - width)) >> (64 - width);
}

static inline bool bits_is_pow2(uint64_t v)
{
    return v && !(v & (v - 1));
}

/* `align` is a power of two. Rounding up wraps to 0 at the top of the range. */
static inline uint64_t bits_align_down(uint64_t v, uint64_t align)
{
    return v & ~(align - 1);
}

static inline uint64_t bits_align_up(uint64_t v, uint64_t align)
{
    return (v + align - 1) & ~(align - 1);
}

/* The highest bit set; v is not 0. */
static inline unsigned bits_log2(uint64_t v)
{
    return 63 - (unsigned)__builtin_clzll(v);
}

#endif
