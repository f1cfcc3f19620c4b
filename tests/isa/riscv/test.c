/*
 * insn GROUP [LINE]: run the group's instructions, a line of output for each encoding; with LINE,
 * the registers before and after that line's runs instead.
 */
#include "snippet.h"

enum { ENCODINGS = 24, RUNS = 48, JUMP_RUNS = 4 };

uint64_t data[DATA / 8 + 8] __attribute__((aligned(4096)));

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static bool begins(const char *text, const char *with)
{
    while (*with && *text == *with)
        text++, with++;
    return !*with;
}

static void put_reg(char file, unsigned n, uint64_t before, uint64_t after)
{
    char name[] = {' ', file, (char)('0' + n / 10), (char)('0' + n % 10), ' ', 0};

    put(name);
    put_hex(before, 16);
    if (before != after) {
        put(" -> ");
        put_hex(after, 16);
    }
    put("\n");
}

/* What the fields of the encoding may name, and what has changed. */
static void dump(const struct encoded *e, const struct state *a, const struct state *b)
{
    uint32_t named = 1u << (e->bits >> 7 & 31) | 1u << (e->bits >> 15 & 31) |
                     1u << (e->bits >> 20 & 31) | 1u << (e->bits >> 27 & 31);

    put("run\n");
    for (unsigned i = 1; i < 31; i++) {
        if ((named >> i & 1) || a->x[i] != b->x[i])
            put_reg('x', i, a->x[i], b->x[i]);
    }
    for (unsigned i = 0; i < 32; i++) {
        if ((named >> i & 1) || a->f[i] != b->f[i])
            put_reg('f', i, a->f[i], b->f[i]);
    }
    put_reg('c', 3, a->fcsr, b->fcsr);
}

uint64_t run_encoded(const struct encoded *e, struct state *s, uint64_t h, bool shown)
{
    const void *at = e->at ? e->at : place(e->code, e->halves);
    struct state before;

    s->x[30] = (uint64_t)at;
    s->fcsr = rnd() % 5 << 5 | (rnd() & 31);
    s->warm = rnd() & 3;
    if (shown)
        before = *s;
    snippet_run(s, at);
    if (shown)
        dump(e, &before, s);
    h = hash(h, s->x + 1, 30);
    h = hash(h, s->f, 33);
    if (e->memory)
        h = hash(h, (uint64_t *)((e->memory & ~7ul) - 8), 4);
    return h;
}

void put_line(const char *name, const struct encoded *e, uint64_t h)
{
    put(name);
    put(" ");
    put_hex(e->bits, 8);
    put(" ");
    put_hex(h, 16);
    put("\n");
}

/* Somewhere in the slides: not where the slot's own halves, or half of a jump, are. */
int64_t jump_offset(unsigned halves)
{
    int64_t off;

    do
        off = (int64_t)(rnd() % SLIDE) * 2 - SLIDE;
    while ((off >= 0 && off < 2 * (int64_t)halves) || off == 2 * (int64_t)halves + 2 || off == -2 ||
           off == -SLIDE);
    return off;
}

static uint32_t immediate(uint32_t flags, uint32_t *bits)
{
    uint32_t v = rnd() & 3 ? (uint32_t)rnd() : (uint32_t)value_x();

    if (flags & IMM_I)
        *bits |= v << 20;
    if (flags & IMM_S)
        *bits |= (v >> 5 & 0x7f) << 25 | (v & 31) << 7;
    if (flags & IMM_U)
        *bits |= v << 12;
    if (flags & SH5)
        *bits |= (v & 31) << 20;
    if (flags & SH6)
        *bits |= (v & 63) << 20;
    return v;
}

static void branch_offset(uint32_t flags, uint32_t *bits)
{
    uint32_t off = (uint32_t)jump_offset(2);

    if (flags & IMM_B)
        *bits |= (off >> 12 & 1) << 31 | (off >> 5 & 0x3f) << 25 | (off >> 1 & 15) << 8 |
                 (off >> 11 & 1) << 7;
    if (flags & IMM_J)
        *bits |= (off >> 20 & 1) << 31 | (off >> 1 & 0x3ff) << 21 | (off >> 11 & 1) << 20 |
                 (off >> 12 & 0xff) << 12;
}

static uint32_t registers(uint32_t flags)
{
    static const uint8_t modes[] = {0, 1, 2, 3, 4, 7, 7, 7};
    uint32_t bits = 0;

    if (flags & (D | FD))
        bits |= (rnd() & 31) << 7;
    if (flags & S1)
        bits |= (flags & PTR ? 1 + rnd() % 29 : rnd() & 31) << 15;
    if (flags & S2)
        bits |= (rnd() & 31) << 20;
    if (flags & S3)
        bits |= (rnd() & 31) << 27;
    if (flags & RM)
        bits |= (uint32_t)modes[rnd() & 7] << 12;
    if (flags & AQRL)
        bits |= (rnd() & 3) << 25;
    return bits;
}

struct encoded encode(const struct form *f, int32_t *imm)
{
    struct encoded e = {.bits = *f->code | registers(f->flags)};
    uint32_t lr = 0x1000202f | (e.bits & 0x1000) | (e.bits & 31 << 15);

    *imm = (int32_t)(immediate(f->flags, &e.bits) << 20) >> 20;
    branch_offset(f->flags, &e.bits);
    if (f->flags & PAIR) {
        e.code[e.halves++] = (uint16_t)lr;
        e.code[e.halves++] = (uint16_t)(lr >> 16);
    }
    e.code[e.halves++] = (uint16_t)e.bits;
    e.code[e.halves++] = (uint16_t)(e.bits >> 16);
    return e;
}

uint64_t data_pointer(void)
{
    return (uint64_t)data + 2048 + rnd() % 8192;
}

static void aim(const struct form *f, struct encoded *e, struct state *s, int32_t imm)
{
    uint64_t *base = &s->x[e->bits >> 15 & 31];

    if (f->flags & JUMP) {
        *base = (uint64_t)place(e->code, e->halves) + (uint64_t)jump_offset(2) - (uint64_t)imm +
                (rnd() & 1);
        return;
    }
    *base = data_pointer() & (f->flags & EVEN ? -8ul : -1ul);
    e->memory = *base + (f->flags & EVEN ? 0 : (uint64_t)imm);
}

/* New operands; the other registers keep what the last run left. */
static void operands(const struct encoded *e, struct state *s)
{
    static const uint8_t at[] = {15, 20, 27};

    for (unsigned i = 0; i < sizeof(at); i++) {
        unsigned reg = e->bits >> at[i] & 31;
        if (reg)
            s->x[reg] = value_x();
        s->f[reg] = value_f();
    }
}

static void run_line(const struct form *f, struct state *s, bool shown, bool quiet)
{
    int32_t imm;
    struct encoded e = encode(f, &imm);
    unsigned runs = f->flags & JUMP ? JUMP_RUNS : RUNS;
    uint64_t h = 0;

    fill_state(s);
    for (unsigned i = 0; i < runs; i++) {
        operands(&e, s);
        if (f->flags & NONZERO)
            s->x[e.bits >> 15 & 31] |= 1;
        if (f->flags & PTR)
            aim(f, &e, s, imm);
        h = run_encoded(&e, s, h, shown);
    }
    if (!quiet)
        put_line(f->name, &e, h);
}

/* What forms_own must yield. [Zicond 3; Zbb 2.6] */
static uint64_t own_result(unsigned form, uint64_t a, uint64_t b)
{
    switch (form) {
    case 0: /* CZERO.EQZ */
        return b ? a : 0;
    case 1: /* CZERO.NEZ */
        return b ? 0 : a;
    default: /* CTZW */
        for (unsigned n = 0; n < 32; n++) {
            if (a >> n & 1)
                return n;
        }
        return 32;
    }
}

/* What there is no judge for. */
static void check_own(struct state *s)
{
    fill_state(s);
    for (unsigned i = 0; i < 6000; i++) {
        const struct form *f = &forms_own[i % 3];
        int32_t imm;
        struct encoded e = encode(f, &imm);
        unsigned rd = e.bits >> 7 & 31, rs1 = e.bits >> 15 & 31, rs2 = e.bits >> 20 & 31;
        uint64_t want;
        operands(&e, s);
        s->x[rnd() & 1 ? rs1 : rs2] &= rnd() & 1 ? 0 : -1ul << 32;
        if (rd == 0 || rd >= 30 || rs1 >= 30 || rs2 >= 30)
            continue;
        s->x[0] = 0;
        want = own_result(i % 3, s->x[rs1], s->x[rs2]);
        run_encoded(&e, s, 0, false);
        if (s->x[rd] != want) {
            put("wrong: ");
            put_line(f->name, &e, s->x[rd]);
            return;
        }
    }
    put("own ok\n");
}

static const struct form *group(const char *name)
{
    static const struct {
        const char *name;
        const struct form *forms;
    } groups[] = {
        {"i", forms_i}, {"m", forms_m}, {"a", forms_a},     {"zb", forms_zb},
        {"f", forms_f}, {"d", forms_d}, {"csr", forms_csr},
    };

    for (unsigned i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (same(name, groups[i].name))
            return groups[i].forms;
    }
    return NULL;
}

static long number(const char *text)
{
    long v = 0;

    for (; *text; text++)
        v = 10 * v + (*text - '0');
    return v;
}

int test_main(long argc, char **argv)
{
    const struct form *f = argc > 1 ? group(argv[1]) : NULL;
    long shown = argc > 2 ? number(argv[2]) : -1, line = 0;
    static struct state s;

    for (unsigned i = 0; i < DATA / 8; i++)
        data[i] = rnd();
    if (argc > 1 && same(argv[1], "own"))
        check_own(&s);
    else if (argc > 1 && same(argv[1], "c"))
        compressed(shown);
    else if (argc > 1 && begins(argv[1], "sequence"))
        sequences((uint64_t)number(argv[1] + 8), shown);
    else if (!f)
        put("usage: insn i|m|a|zb|own|f|d|csr|c|sequence[SEED]|own [LINE]\n");
    for (; f && f->name; f++) {
        for (unsigned i = 0; i < ENCODINGS; i++, line++)
            run_line(f, &s, line == shown, shown >= 0);
    }
    flush();
    return 0;
}
