/*
 * Random operands, code placement and output of the instruction tests.
 */
#include "snippet.h"

static struct {
    uint64_t seed;
    char out[1 << 16];
    unsigned used;
} kit = {.seed = 88172645463325252};

/* The compiler calls these two. */
void *memset(void *to, int byte, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = (uint8_t)byte;
    return to;
}

void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((uint8_t *)to)[i] = ((const uint8_t *)from)[i];
    return to;
}

void seed_rnd(uint64_t seed)
{
    kit.seed = 88172645463325252 + seed * 0x9e3779b97f4a7c15;
}

uint64_t rnd(void)
{
    uint64_t v = kit.seed;

    v ^= v >> 12;
    v ^= v << 25;
    v ^= v >> 27;
    kit.seed = v;
    return v * 0x2545f4914f6cdd1d;
}

static long write_out(const void *buf, size_t len)
{
    if (bare) {
        bare_write(buf, len);
        return (long)len;
    }
    register long a0 __asm__("a0") = 1;
    register const void *a1 __asm__("a1") = buf;
    register size_t a2 __asm__("a2") = len;
    register long a7 __asm__("a7") = 64; /* write */

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a1), "r"(a2), "r"(a7) : "memory");
    return a0;
}

void flush(void)
{
    for (unsigned at = 0; at < kit.used;) {
        long n = write_out(kit.out + at, kit.used - at);
        if (n <= 0)
            break;
        at += (unsigned)n;
    }
    kit.used = 0;
}

void put(const char *text)
{
    for (; *text; text++) {
        if (kit.used == sizeof(kit.out))
            flush();
        kit.out[kit.used++] = *text;
    }
}

void put_hex(uint64_t v, unsigned digits)
{
    char text[17];

    text[digits] = 0;
    for (; digits; v >>= 4)
        text[--digits] = "0123456789abcdef"[v & 15];
    put(text);
}

uint64_t hash(uint64_t h, const uint64_t *v, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        h = (h ^ v[i]) * 0x9e3779b97f4a7c15;
        h ^= h >> 32;
    }
    return h;
}

uint64_t value_x(void)
{
    static const uint64_t specials[] = {
        0,
        1,
        2,
        3,
        7,
        -1ul,
        -2ul,
        -7ul,
        0x7f,
        0x80,
        0xff80,
        0x7fff,
        0x8000,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0xffffffff80000000,
        0xffffffff7fffffff,
        0x100000000,
        0x7fffffffffffffff,
        0x8000000000000000,
        0x8000000000000001,
        0x5555555555555555,
        0xaaaaaaaaaaaaaaaa,
        0x00ff00ff00ff00ff,
        0x0100000000000080,
    };
    uint64_t how = rnd(), v = rnd();

    switch (how & 7) {
    case 0:
    case 1:
    case 2:
        return specials[v % (sizeof(specials) / sizeof(specials[0]))];
    case 3:
        return (uint64_t)(int32_t)v;
    case 4:
        return v >> (how >> 58);
    case 5:
        return (1ul << (how >> 58)) - (v & 1);
    default:
        return v;
    }
}

static const uint64_t doubles[] = {
    0x0000000000000000, 0x8000000000000000, 0x0000000000000001, 0x8000000000000001,
    0x000fffffffffffff, 0x0010000000000000, 0x8010000000000000, 0x001fffffffffffff,
    0x3ca0000000000000, 0x3fdfffffffffffff, 0x3fe0000000000000, 0xbfe0000000000000,
    0x3fefffffffffffff, 0x3ff0000000000000, 0x3ff0000000000001, 0xbff0000000000000,
    0x3ff8000000000000, 0xbff8000000000000, 0x4004000000000000, 0x41dfffffffc00000,
    0x41dfffffffe00000, 0xc1e0000000000000, 0xc1e0000000100000, 0xc1e0000000200000,
    0x41efffffffe00000, 0x41effffffff00000, 0x41f0000000000000, 0x43dfffffffffffff,
    0x43e0000000000000, 0xc3e0000000000000, 0xc3e0000000000001, 0x43efffffffffffff,
    0x43f0000000000000, 0x36a0000000000000, 0x3690000000000000, 0x380fffffffffffff,
    0x380ffffff0000000, 0x47efffffe0000000, 0x47efffffefffffff, 0x47effffff0000000,
    0x7fdfffffffffffff, 0x7fefffffffffffff, 0xffefffffffffffff, 0x7ff0000000000000,
    0xfff0000000000000, 0x7ff0000000000001, 0x7ff8000000000000, 0xfff8000000000123,
    0xfff7ffffffffffff,
};

static const uint32_t singles[] = {
    0x00000000, 0x80000000, 0x00000001, 0x80000001, 0x007fffff, 0x00800000, 0x80800000, 0x00ffffff,
    0x33800000, 0x3effffff, 0x3f000000, 0xbf000000, 0x3f7fffff, 0x3f800000, 0x3f800001, 0xbf800000,
    0x3fc00000, 0xbfc00000, 0x40200000, 0x4effffff, 0x4f000000, 0xcf000000, 0xcf000001, 0x4f7fffff,
    0x4f800000, 0x5effffff, 0x5f000000, 0xdf000000, 0x5f7fffff, 0x5f800000, 0x7effffff, 0x7f7fffff,
    0xff7fffff, 0x7f800000, 0xff800000, 0x7f800001, 0x7fc00000, 0xffc00123, 0xffbfffff,
};

/* Of exponents close to each other, with few digits or many: where ties and cancellation are. */
static uint64_t near_one(bool single, uint64_t how, uint64_t v)
{
    unsigned frac = single ? 23 : 52;
    uint64_t exp = (single ? 127 : 1023) + (how >> 8) % 5 - 2;
    uint64_t sign = (how >> 16 & 1) << (single ? 31 : 63);

    if (how & 1 << 17)
        v = (v & 7) << (frac - 3 - (how >> 20) % 4) | (how >> 24 & 1);
    return sign | exp << frac | (v & ((1ul << frac) - 1));
}

uint64_t value_f(void)
{
    const uint64_t box = 0xffffffff00000000;
    uint64_t how = rnd(), v = rnd();

    switch (how >> 60) {
    case 0:
    case 1:
    case 2:
    case 3:
        return doubles[v % (sizeof(doubles) / sizeof(doubles[0]))];
    case 4:
    case 5:
    case 6:
    case 7:
        return box | singles[v % (sizeof(singles) / sizeof(singles[0]))];
    case 8:
    case 9:
        return near_one(false, how, v);
    case 10:
    case 11:
        return box | near_one(true, how, v);
    case 12:
        return box | v;
    case 13: /* near the least numbers */
        return (v & 1ul << 63) | (v << 11 >> 11) >> (how & 63);
    case 14:
        return box | (v & 1 << 31) | (uint32_t)v << 8 >> 8 >> (how & 31);
    default:
        return v;
    }
}

void fill_state(struct state *s)
{
    for (unsigned i = 1; i < 30; i++)
        s->x[i] = value_x();
    for (unsigned i = 0; i < 32; i++)
        s->f[i] = value_f();
}

/* The slides, the slot between them and a jump to snippet_done behind each slide. */
__attribute__((section(".slides,\"awx\",@progbits#"), aligned(4096))) struct {
    uint16_t before[SLIDE / 2];
    uint8_t slot[264];
    uint16_t after[SLIDE / 2];
    uint16_t shorts[SHORTS][4];
} code;

/* JAL x0 from `from` to snippet_done. */
static uint32_t jump_out(const void *from)
{
    uint32_t off = (uint32_t)(snippet_done - (const char *)from);

    return 0x6f | (off >> 20 & 1) << 31 | (off >> 1 & 0x3ff) << 21 | (off >> 11 & 1) << 20 |
           (off >> 12 & 0xff) << 12;
}

static void put_jump(uint16_t *at)
{
    uint32_t jump = jump_out(at);

    at[0] = (uint16_t)jump;
    at[1] = (uint16_t)(jump >> 16);
}

enum { C_ADDI_X30_1 = 0x0f05 };

static void make_slides(void)
{
    for (unsigned i = 0; i < SLIDE / 2; i++)
        code.before[i] = code.after[i] = C_ADDI_X30_1;
    for (unsigned i = 0; i < sizeof(code.slot) / 2; i++)
        ((uint16_t *)code.slot)[i] = C_ADDI_X30_1;
    put_jump(&code.before[SLIDE / 2 - 2]);
    put_jump(&code.after[SLIDE / 2 - 2]);
}

static bool is_placed(const uint16_t *insns, unsigned n)
{
    const uint16_t *slot = (uint16_t *)code.slot;

    for (unsigned i = 0; i < n; i++) {
        if (slot[i] != insns[i])
            return false;
    }
    return true;
}

void code_written(void)
{
    __asm__ volatile("fence.i" ::: "memory");
}

void *place(const uint16_t *insns, unsigned n)
{
    uint16_t *slot = (uint16_t *)code.slot;

    if (is_placed(insns, n)) /* a translator may take long over FENCE.I */
        return slot;
    if (code.after[0] != C_ADDI_X30_1)
        make_slides();
    for (unsigned i = 0; i < n; i++)
        slot[i] = insns[i];
    put_jump(slot + n);
    code_written();
    return slot;
}

const void *place_short(unsigned index, uint16_t insn)
{
    uint16_t *at = code.shorts[index];

    at[0] = insn;
    put_jump(at + 1);
    return at;
}
