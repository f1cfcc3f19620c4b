#include "insn_vectors.h"

#include <string.h>

#include "insn_random.h"

enum { FCW_MASKED = 0x37f, MXCSR_MASKED = 0x1f80, ST_BYTES = 16, XMM_BYTES = 256 };

static void put16(uint8_t *at, unsigned v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

/* Numbers, mostly: integers, floats near 1 or near each other in size, or anything. */
static uint64_t lane(struct rng *r)
{
    uint64_t v = rng_next(r);
    switch (rng_below(r, 6)) {
    case 0:
        return v >> rng_below(r, 64);
    case 1: /* two floats */
        return (v & UINT64_C(0x83ffffff83ffffff)) | UINT64_C(0x3c0000003c000000);
    case 2: /* a double */
        return (v & UINT64_C(0x807fffffffffffff)) | UINT64_C(0x3f80000000000000);
    case 3:
        return (uint64_t) - (int64_t)rng_below(r, 3);
    default:
        return v;
    }
}

static void make_lanes(struct rng *r, uint8_t *at, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i += 8) {
        uint64_t v = lane(r);
        memcpy(at + i, &v, 8);
    }
}

static void make_x87(struct rng *r, uint8_t *xs)
{
    unsigned exponents = 0x3fff;
    put16(xs + XS_FCW, rng_one_in(r, 8) ? FCW_MASKED & ~rng_below(r, 64) : FCW_MASKED);
    put16(xs + XS_FSW, rng_below(r, 8) << 11 | (rng_below(r, 8) << 8));
    xs[XS_FTW] = rng_one_in(r, 4) ? (uint8_t)rng_next(r) : rng_one_in(r, 2) ? 0xff : 0;
    for (unsigned i = 0; i < 8; i++) {
        uint8_t *st = xs + XS_ST + ST_BYTES * i;
        uint64_t m = rng_next(r) | UINT64_C(1) << 63;
        memcpy(st, &m, 8);
        put16(st + 8, (exponents + rng_below(r, 64) - 32) | rng_below(r, 2) << 15);
    }
}

void vectors_make(uint64_t seed, uint8_t xs[XS_SIZE])
{
    struct rng r = {seed};
    uint32_t mxcsr = MXCSR_MASKED | rng_below(&r, 4) << 13;
    if (rng_one_in(&r, 8))
        mxcsr &= ~(rng_below(&r, 64) << 7);
    memset(xs, 0, XS_MXCSR);
    make_x87(&r, xs);
    memcpy(xs + XS_MXCSR, &mxcsr, 4);
    make_lanes(&r, xs + XS_XMM, XMM_BYTES);
    make_lanes(&r, xs + XS_YMMH, XMM_BYTES);
}

unsigned vectors_compare(FILE *f, const uint8_t host[XS_SIZE], const uint8_t guest[XS_SIZE])
{
    static const struct {
        const char *what;
        unsigned off, len;
    } part[] = {{"FCW", XS_FCW, 2},         {"FSW", XS_FSW, 2}, {"FTW", XS_FTW, 1},
                {"FOP", XS_FOP, 2},         {"FIP", XS_FIP, 8}, {"FDP", XS_FDP, 8},
                {"MXCSR", XS_MXCSR, 4},     {"ST", XS_ST, 128}, {"XMM", XS_XMM, XMM_BYTES},
                {"YMM", XS_YMMH, XMM_BYTES}};
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
        unsigned step = part[i].len > 8 ? 16 : part[i].len;
        for (unsigned o = part[i].off; o < part[i].off + part[i].len; o += step) {
            uint64_t h[2] = {0}, g[2] = {0};
            memcpy(h, host + o, step);
            memcpy(g, guest + o, step);
            if (!memcmp(h, g, sizeof(h)))
                continue;
            n++;
            if (f)
                fprintf(f, "    %s%u: host %llx:%016llx, guest %llx:%016llx\n", part[i].what,
                        (o - part[i].off) / step, (unsigned long long)h[1],
                        (unsigned long long)h[0], (unsigned long long)g[1],
                        (unsigned long long)g[0]);
        }
    }
    return n;
}
