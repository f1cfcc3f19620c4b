/*
 * Loops as compilers make them: a few pointers and indexes that move by constants, accesses through
 * them, a counter or a compare with the end. Some move otherwise, some leave early.
 */
#include "lockstep_emit.h"

#include "isa/x86/regs.h"

enum { MAX_POINTERS = 3, NO_INDEX = 4, ROUNDS = 700 };

struct pointer {
    unsigned base, index, scale;
};

static void byte(struct emitter *e, unsigned v)
{
    uint8_t b = (uint8_t)v;
    emit_bytes(e, &b, 1);
}

static void word(struct emitter *e, int32_t v)
{
    emit_bytes(e, &v, 4);
}

static unsigned some_register(struct emitter *e)
{
    unsigned reg = rng_below(e->r, 16);
    return reg == RSP ? RBX : reg;
}

static int32_t some_step(struct emitter *e)
{
    static const int32_t usual[] = {1, 2, 4, 8, 16, 32, -1, -4, -8, -16, 24, 12, 100, -40, 1024};
    return rng_one_in(e->r, 8) ? (int32_t)rng_below(e->r, 6000) - 3000
                               : usual[rng_below(e->r, sizeof(usual) / sizeof(usual[0]))];
}

/* opcode reg, [pointer + disp] */
static void access(struct emitter *e, const struct pointer *p, unsigned reg)
{
    static const struct {
        uint8_t prefix, escape, opcode;
    } ops[] = {
        {0, 0, 0x8b},       {0, 0, 0x8b},       {0, 0, 0x89},    {0, 0, 0x89},    {0, 0, 0x03},
        {0, 0, 0x01},       {0, 0, 0x88},       {0, 0x0f, 0xb6}, {0, 0x0f, 0x10}, {0, 0x0f, 0x11},
        {0x66, 0x0f, 0x6f}, {0x66, 0x0f, 0xef}, {0, 0, 0x39},    {0, 0, 0x87},    {0xf0, 0, 0x01},
        {0, 0x0f, 0xaf},    {0, 0, 0x13},       {0, 0, 0x8a},    {0, 0, 0x00},
    };
    unsigned n = rng_below(e->r, sizeof(ops) / sizeof(ops[0]));
    unsigned wide = ops[n].escape == 0x0f && ops[n].opcode < 0xa0 ? 0 : rng_below(e->r, 2) * 8;
    if (ops[n].prefix)
        byte(e, ops[n].prefix);
    unsigned rex = wide | (reg >> 3) << 2 | (p->index >> 3) << 1 | p->base >> 3;
    if (rex || rng_one_in(e->r, 2)) /* without one, bytes are AH..BH at times */
        byte(e, 0x40 | rex);
    if (ops[n].escape)
        byte(e, ops[n].escape);
    byte(e, ops[n].opcode);
    byte(e, 0x84 | (reg & 7) << 3);
    byte(e, p->scale << 6 | (p->index & 7) << 3 | (p->base & 7));
    word(e, rng_one_in(e->r, 4) ? (int32_t)rng_below(e->r, 2000) - 1000
                                : (int32_t)rng_below(e->r, 5) * 8);
}

static void move(struct emitter *e, unsigned reg, int32_t by)
{
    unsigned rex = 0x48 | reg >> 3;
    switch (rng_below(e->r, 8)) {
    case 0: /* inc or dec */
        byte(e, rex);
        byte(e, 0xff);
        byte(e, (by < 0 ? 0xc8 : 0xc0) | (reg & 7));
        break;
    case 1: /* lea reg, [reg + by] */
        byte(e, 0x48 | (reg >> 3) * 5);
        byte(e, 0x8d);
        byte(e, 0x84 | (reg & 7) << 3);
        byte(e, 0x20 | (reg & 7));
        word(e, by);
        break;
    case 2: /* sub */
        byte(e, rex);
        byte(e, 0x81);
        byte(e, 0xe8 | (reg & 7));
        word(e, -by);
        break;
    case 3: /* add, 32 bits at times */
        byte(e, rng_one_in(e->r, 3) ? rex & ~8u : rex);
        byte(e, 0x81);
        byte(e, 0xc0 | (reg & 7));
        word(e, by);
        break;
    default:
        byte(e, rex);
        byte(e, 0x81);
        byte(e, 0xc0 | (reg & 7));
        word(e, by);
        break;
    }
}

/* Arithmetic between registers: add, xor, imul; flags stay live at times. */
static void compute(struct emitter *e)
{
    static const uint8_t ops[] = {0x01, 0x31, 0x11, 0x39, 0x85};
    unsigned a = some_register(e), b = some_register(e);
    byte(e, 0x48 | (a >> 3) << 2 | b >> 3);
    byte(e, ops[rng_below(e->r, sizeof(ops))]);
    byte(e, 0xc0 | (a & 7) << 3 | (b & 7));
}

static unsigned pointers(struct emitter *e, struct pointer *p)
{
    unsigned n = 1 + rng_below(e->r, MAX_POINTERS);
    for (unsigned i = 0; i < n; i++) {
        bool indexed = rng_one_in(e->r, 3);
        p[i] = (struct pointer){some_register(e), indexed ? some_register(e) : NO_INDEX,
                                rng_below(e->r, 4)};
        if (indexed)
            emit_mov(e, p[i].index, rng_below(e->r, 8));
        emit_mov(e, p[i].base, emitter_data(e));
    }
    return n;
}

static void body(struct emitter *e, const struct pointer *p, unsigned n)
{
    for (unsigned k = 1 + rng_below(e->r, 6); k; k--) {
        const struct pointer *at = &p[rng_below(e->r, n)];
        if (rng_one_in(e->r, 5))
            compute(e);
        access(e, at, some_register(e));
        if (rng_one_in(e->r, 4))
            move(e, at->base, some_step(e));
    }
    for (unsigned i = 0; i < n; i++) {
        bool index = p[i].index != NO_INDEX && !rng_one_in(e->r, 4);
        move(e, index ? p[i].index : p[i].base, some_step(e));
    }
}

void emit_loop(struct emitter *e)
{
    struct pointer p[MAX_POINTERS];
    unsigned counter = some_register(e), n = pointers(e, p);
    uint32_t exit = 0;
    emit_mov(e, counter, 1 + rng_below(e->r, ROUNDS));
    uint32_t top = e->len;
    body(e, p, n);
    if (rng_one_in(e->r, 4)) {
        byte(e, 0x70 | rng_below(e->r, 16)); /* jcc out of the loop */
        exit = e->len;
        byte(e, 0);
    }
    move(e, p[0].base, some_step(e));
    byte(e, 0x48 | counter >> 3); /* dec counter */
    byte(e, 0xff);
    byte(e, 0xc8 | (counter & 7));
    byte(e, 0x0f); /* jnz, or jg where the counter may have been changed */
    byte(e, rng_one_in(e->r, 2) ? 0x85 : 0x8f);
    word(e, (int32_t)(top - (e->len + 4)));
    if (exit && exit < e->size)
        e->base[exit] = (uint8_t)(e->len - (exit + 1));
}
