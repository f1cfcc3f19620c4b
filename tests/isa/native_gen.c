#include "native_gen.h"

#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

static uint64_t seed = 1;

void gen_seed(uint64_t s)
{
    seed = s * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

uint64_t gen_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed * UINT64_C(0x2545f4914f6cdd1d);
}

/* ---- encodings ---- */

static void put(struct gen_insn *g, unsigned byte)
{
    g->bytes[g->len++] = (uint8_t)byte;
}

static void put_legacy(const struct gen_form *f, struct gen_insn *g, unsigned r, unsigned b)
{
    static const uint8_t prefix[4] = {0, 0x66, 0xf3, 0xf2};
    if (f->pp)
        put(g, prefix[f->pp]);
    if (f->w || r || b || gen_below(4) == 0)
        put(g, 0x40 | f->w << 3 | r << 2 | b);
    if (f->map)
        put(g, 0x0f);
    if (f->map > 1)
        put(g, f->map == 2 ? 0x38 : 0x3a);
}

static void put_vex(const struct gen_form *f, struct gen_insn *g, unsigned r, unsigned x,
                    unsigned b, unsigned vvvv)
{
    put(g, 0xc4);
    put(g, (r ? 0 : 0x80) | (x ? 0 : 0x40) | (b ? 0 : 0x20) | f->map);
    put(g, f->w << 7 | (~vvvv & 15) << 3 | f->l << 2 | f->pp);
}

static void encode(const struct gen_form *f, struct gen_insn *g, unsigned vvvv, bool sib)
{
    static const uint8_t bases[] = {3, 5, 6, 7, 8, 9, 11, 13, 14, 15};
    unsigned r = gen_below(2), x = sib ? gen_below(2) : 0, b = gen_below(2), rm = gen_below(8);

    memset(g, 0, sizeof(*g));
    g->index = -1;
    if (f->mem) {
        g->base = bases[gen_below(sizeof(bases))];
        g->disp = (int8_t)gen_random();
        b = g->base >> 3;
        rm = sib ? 4 : g->base & 7;
    }
    if (f->vex)
        put_vex(f, g, r, x, b, vvvv);
    else
        put_legacy(f, g, r, b);
    put(g, f->opcode);
    put(g, (f->mem ? 0x40 : 0xc0) | f->ext << 3 | rm);
    if (sib) {
        unsigned index = gen_below(8);
        g->index = (int)(index | x << 3);
        put(g, gen_below(4) << 6 | index << 3 | (g->base & 7));
    }
    if (f->mem)
        put(g, (uint8_t)g->disp);
    for (unsigned i = 0; i < 4; i++)
        g->bytes[g->len + i] = (uint8_t)gen_random(); /* an immediate, if it has one */
}

/* Is it of those this module is about? Integer forms of the same extensions come along. */
static bool wanted(const ZydisDecodedInstruction *z)
{
    if (z->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
        z->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
        return false;
    switch (z->meta.isa_ext) {
    case ZYDIS_ISA_EXT_X87:
    case ZYDIS_ISA_EXT_MMX:
    case ZYDIS_ISA_EXT_SSE:
    case ZYDIS_ISA_EXT_SSE2:
    case ZYDIS_ISA_EXT_SSE3:
    case ZYDIS_ISA_EXT_SSSE3:
    case ZYDIS_ISA_EXT_SSE4:
    case ZYDIS_ISA_EXT_AVX:
    case ZYDIS_ISA_EXT_AVX2:
    case ZYDIS_ISA_EXT_AVX2GATHER:
    case ZYDIS_ISA_EXT_FMA:
    case ZYDIS_ISA_EXT_F16C:
    case ZYDIS_ISA_EXT_AES:
    case ZYDIS_ISA_EXT_AVXAES:
    case ZYDIS_ISA_EXT_PCLMULQDQ:
    case ZYDIS_ISA_EXT_SHA:
    case ZYDIS_ISA_EXT_XSAVE:
    case ZYDIS_ISA_EXT_XSAVEC:
    case ZYDIS_ISA_EXT_XSAVEOPT:
        return z->mnemonic != ZYDIS_MNEMONIC_XSETBV;
    default:
        return z->mnemonic == ZYDIS_MNEMONIC_FXSAVE || z->mnemonic == ZYDIS_MNEMONIC_FXSAVE64 ||
               z->mnemonic == ZYDIS_MNEMONIC_FXRSTOR || z->mnemonic == ZYDIS_MNEMONIC_FXRSTOR64;
    }
}

static bool decodes(struct gen_insn *g)
{
    ZydisDecoder d;
    ZydisDecodedInstruction z;

    ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&d, NULL, g->bytes, 15, &z)) || !wanted(&z))
        return false;
    g->len = z.length;
    g->name = ZydisMnemonicGetString(z.mnemonic);
    return true;
}

bool gen_encode(const struct gen_form *f, struct gen_insn *g)
{
    encode(f, g, gen_below(16), false);
    if (decodes(g))
        return true;
    if (!f->vex)
        return false;
    encode(f, g, 0, false);
    if (decodes(g))
        return true;
    if (!f->mem)
        return false;
    encode(f, g, gen_below(16), true);
    return decodes(g);
}

static void walk_modrm(struct gen_form f, void (*try)(void *, const struct gen_form *),
                       void *opaque)
{
    for (unsigned i = 0; i < 16; i++) {
        f.ext = i & 7;
        f.mem = i >> 3;
        try(opaque, &f);
    }
}

static void walk_map(bool vex, unsigned map, void (*try)(void *, const struct gen_form *),
                     void *opaque)
{
    for (unsigned i = 0; i < 256 * 4 * 4; i++) {
        struct gen_form f = {.vex = vex, .map = map, .opcode = i >> 4, .pp = i >> 2 & 3};
        f.w = i & 1;
        f.l = i >> 1 & 1;
        if (f.l && !vex)
            continue;
        if (map == 1 && (f.opcode == 0x38 || f.opcode == 0x3a))
            continue; /* escapes to the other maps */
        walk_modrm(f, try, opaque);
    }
}

void gen_walk(void (*try)(void *opaque, const struct gen_form *f), void *opaque)
{
    for (unsigned op = 0xd8; op <= 0xdf; op++)
        for (unsigned pp = 0; pp < 2; pp++)
            for (unsigned i = 0; i < 8; i++) /* rm is random */
                walk_modrm((struct gen_form){.opcode = op, .pp = pp}, try, opaque);
    for (unsigned map = 1; map <= 3; map++) {
        walk_map(false, map, try, opaque);
        walk_map(true, map, try, opaque);
    }
}

/* ---- states ---- */

static uint32_t float_bits(void)
{
    static const uint32_t special[] = {0,          0x80000000, 0x3f800000, 0xbf800000, 0x7f800000,
                                       0xff800000, 0x7fc00000, 0x7f800001, 1,          0x807fffff,
                                       0x00800000, 0x7f7fffff, 0x4b000000, 0xcf000000, 0x42280000};
    if (gen_below(2))
        return special[gen_below(15)];
    return (uint32_t)(gen_random() & 0x807fffff) | (uint32_t)(100 + gen_below(60)) << 23;
}

static uint64_t double_bits(void)
{
    static const uint64_t special[] = {0,
                                       0x8000000000000000,
                                       0x3ff0000000000000,
                                       0xbff0000000000000,
                                       0x7ff0000000000000,
                                       0xfff0000000000000,
                                       0x7ff8000000000000,
                                       0x7ff0000000000001,
                                       1,
                                       0x800fffffffffffff,
                                       0x0010000000000000,
                                       0x7fefffffffffffff,
                                       0x4330000000000000,
                                       0xc3e0000000000000,
                                       0x36a0000000000000};
    if (gen_below(2))
        return special[gen_below(15)];
    return (gen_random() & 0x800fffffffffffff) | (950 + gen_below(160)) << 52;
}

static void fill(uint8_t *p, unsigned len)
{
    unsigned kind = (unsigned)gen_below(5);
    for (unsigned i = 0; i + 4 <= len; i += 4) {
        uint32_t v = kind == 0 ? (uint32_t)gen_random() : kind == 1 ? (uint32_t)gen_below(20) : 0;
        if (kind == 2)
            v = float_bits();
        memcpy(p + i, &v, 4);
    }
    for (unsigned i = 0; kind >= 3 && i + 8 <= len; i += 8) {
        uint64_t v = double_bits();
        memcpy(p + i, &v, 8);
    }
}

static void fill_st(uint8_t *p)
{
    static const uint16_t exps[] = {0,      0x7fff, 0x3fff, 0xbfff, 0xffff, 0x4005,
                                    0x8000, 1,      0x7ffe, 0x403e, 0x3bcc, 0x43fe};
    static const uint64_t mants[] = {0,
                                     0x8000000000000000,
                                     0xc000000000000000,
                                     1,
                                     0xffffffffffffffff,
                                     0xa000000000000000,
                                     0x4000000000000000};
    uint64_t m = gen_below(2) ? mants[gen_below(7)] : gen_random() | 1ull << 63;
    uint16_t e = gen_below(3) ? exps[gen_below(12)] : (uint16_t)(0x3fe0 + gen_below(80));
    memcpy(p, &m, 8);
    memcpy(p + 8, &e, 2);
}

static uint32_t random_mxcsr(void)
{
    switch (gen_below(4)) {
    case 0:
        return 0x1f80;
    case 1:
        return (uint32_t)gen_random() & 0xffff;
    default:
        return 0x1f80 | ((uint32_t)gen_random() & 0xe07f);
    }
}

static void gen_x87(uint8_t *xs)
{
    uint16_t fcw = gen_below(4) ? 0x37f : (uint16_t)(gen_random() & 0x1f3f) | 0x40;
    uint16_t fsw = (uint16_t)gen_random() & (gen_below(4) ? 0x7f40 : 0x7f7f);
    uint64_t ptr = gen_random() & 0x7fffffffffff;
    uint16_t fop = gen_random() & 0x7ff;

    if (fcw != 0x37f && gen_below(3))
        fcw |= 0x300;
    if (fsw & ~fcw & 0x3f && gen_below(8))
        fsw &= 0xffc0;
    if (fsw & ~fcw & 0x3f)
        fsw |= 0x8080;
    memcpy(xs, &fcw, 2);
    memcpy(xs + 2, &fsw, 2);
    xs[4] = gen_below(2) ? 0xff : gen_below(2) ? 0 : (uint8_t)gen_random();
    memcpy(xs + 6, &fop, 2);
    memcpy(xs + 8, &ptr, 8);
    ptr = gen_random() & 0x7fffffffffff;
    memcpy(xs + 16, &ptr, 8);
    for (unsigned i = 0; i < 8; i++)
        fill_st(xs + 32 + 16 * i);
}

/* The image that state-restoring instructions find. */
static void gen_image(uint8_t *p)
{
    uint32_t mxcsr = gen_below(8) ? random_mxcsr() : (uint32_t)gen_random();
    uint64_t head[8] = {gen_below(8)};

    for (unsigned i = 0; i < HOST_XSAVE; i += 32)
        fill(p + i, 32);
    if (gen_below(3) == 0)
        head[1] = 1ull << 63 | head[0] | gen_below(8);
    if (gen_below(10) == 0)
        head[gen_below(8)] |= 1ull << (10 + gen_below(54)); /* of no component the host has */
    memcpy(p + 24, &mxcsr, 4);
    memcpy(p + 512, head, sizeof(head));
}

static void gen_index(struct host_state *s, unsigned reg, bool wide)
{
    for (unsigned i = 0; i < 32; i += wide ? 8 : 4) {
        int64_t v = (int64_t)gen_below(256) - 128;
        memcpy(s->xs + (i < 16 ? 160 : 576 - 16) + 16 * reg + i, &v, wide ? 8 : 4);
    }
}

static void gen_gprs(struct host_state *s, const struct gen_insn *g, const uint8_t *ea)
{
    for (unsigned i = 0; i < 16; i++)
        s->gpr[i] = gen_random();
    if (gen_below(2)) {
        s->gpr[0] = gen_below(20) - 2;
        s->gpr[2] = gen_below(20) - 2;
    }
    if (!strncmp(g->name, "xs", 2) || !strncmp(g->name, "xr", 2))
        s->gpr[0] = gen_below(8) | (gen_random() & ~UINT64_C(0xffff)), s->gpr[2] = 0;
    if (!strcmp(g->name, "xgetbv"))
        s->gpr[1] = gen_below(3);
    s->gpr[7] = (uintptr_t)ea;
    s->gpr[g->base] = (uintptr_t)ea - (uint64_t)(int64_t)g->disp;
    s->rflags = gen_random() & 0x8d5;
}

void gen_state(struct host_state *s, const struct gen_insn *g, uint8_t *ea)
{
    uint32_t mxcsr = random_mxcsr();

    memset(s, 0, sizeof(*s));
    gen_x87(s->xs);
    memcpy(s->xs + 24, &mxcsr, 4);
    for (unsigned i = 0; i < 16; i++) {
        fill(s->xs + 160 + 16 * i, 16);
        fill(s->xs + 576 + 16 * i, 16);
    }
    if (gen_below(8) == 0 && g->name[0] != 'x') /* what is "in use" is up to the host */
        memset(s->xs + 576, 0, 256);
    s->xs[512] = 7;
    if (g->index >= 0)
        gen_index(s, (unsigned)g->index, strstr(g->name, "gatherq") ? gen_below(8) : !gen_below(8));
    gen_gprs(s, g, ea);
    if (!strncmp(g->name, "xrstor", 6) || !strncmp(g->name, "fxrstor", 7)) {
        gen_image(ea);
    } else {
        fill(ea, 32);
        if (strstr(g->name, "ldmxcsr") && gen_below(4)) {
            mxcsr = random_mxcsr();
            memcpy(ea, &mxcsr, 4);
        }
    }
}
