/*
 * Random instructions in a row: what one leaves the next finds, whoever keeps registers, constants
 * or flags where. Forward branches skip an instruction here and there; some sequences are loops.
 *
 * x9 points to data throughout, x29 counts a loop.
 */
#include "snippet.h"

enum { SEQUENCES = 500, LENGTH = 24, RUNS = 6, TURNS = 3, POINTER = 9, COUNTER = 29 };

/* Of doubles and singles more: they have more forms, and modes. */
static const struct form *const groups[] = {forms_i, forms_i, forms_m, forms_a, forms_zb,
                                            forms_f, forms_d, forms_f, forms_d, forms_csr};

static bool is_reservation(uint32_t code)
{
    return (code & 0x7f) == 0x2f && code >> 28 == 1; /* LR and SC: they may fail at will */
}

/* To what is no mode, too. */
static bool writes_frm(const struct form *f)
{
    return (*f->code & 0x7f) == 0x73 && *f->code >> 20 != 1 && (f->flags & S1);
}

static bool usable(const struct form *f)
{
    return !(f->flags & (JUMP | NONZERO)) && *f->code != 0x100f /* FENCE.I */ &&
           !is_reservation(*f->code) && !writes_frm(f);
}

static const struct form *random_form(void)
{
    const struct form *group = groups[rnd() % (sizeof(groups) / sizeof(groups[0]))], *f;
    unsigned n = 0;

    while (group[n].name)
        n++;
    do
        f = &group[rnd() % n];
    while (!usable(f));
    return f;
}

static bool is_ours(unsigned reg)
{
    return reg == POINTER || reg == COUNTER || reg == 30;
}

static uint32_t random_insn(void)
{
    const struct form *f = random_form();
    int32_t imm;
    uint32_t bits;

    do
        bits = encode(f, &imm).bits;
    while ((f->flags & D) && is_ours(bits >> 7 & 31));
    if (f->flags & PTR)
        bits = (bits & ~(31u << 15)) | POINTER << 15;
    return bits;
}

/* One that computes, or loads and stores at x9. */
static uint16_t random_compressed(void)
{
    for (;;) {
        uint16_t c = (uint16_t)rnd();
        enum compressed_kind kind = compressed_kind(c);
        unsigned rd = (c & 3) == 0 ? 8 + (c >> 2 & 7) : c >> 7 & 31;
        if ((c & 3) == 1 && c >> 13 == 4)
            rd = 8 + (c >> 7 & 7);
        if (kind == COMPRESSED_MEMORY)
            c = (uint16_t)((c & ~(7u << 7)) | (POINTER - 8) << 7);
        if ((kind == COMPRESSED_PLAIN || kind == COMPRESSED_MEMORY) && !is_ours(rd))
            return c;
    }
}

static void append(struct encoded *e, uint32_t bits)
{
    e->code[e->halves++] = (uint16_t)bits;
    if ((bits & 3) == 3)
        e->code[e->halves++] = (uint16_t)(bits >> 16);
}

static void append_random(struct encoded *e)
{
    append(e, rnd() % 4 ? random_insn() : random_compressed());
}

/* A branch over `bytes` behind it, of any condition and registers; or back, over -bytes. */
static uint32_t branch(uint32_t condition, int32_t off)
{
    uint32_t o = (uint32_t)off;

    return 0x63 | condition << 12 | (o >> 12 & 1) << 31 | (o >> 5 & 0x3f) << 25 |
           (o >> 1 & 15) << 8 | (o >> 11 & 1) << 7;
}

static void append_skip(struct encoded *e)
{
    static const uint8_t conditions[] = {0, 1, 4, 5, 6, 7};
    unsigned at = e->halves;
    uint32_t bits;

    append(e, branch(0, 0));
    append_random(e);
    bits = branch(conditions[rnd() % 6], 2 * (int32_t)(e->halves - at)) | (rnd() & 31) << 15 |
           (rnd() & 31) << 20;
    e->code[at] = (uint16_t)bits;
    e->code[at + 1] = (uint16_t)(bits >> 16);
}

static struct encoded random_sequence(void)
{
    struct encoded e = {0};
    bool loop = rnd() & 1;
    unsigned start;

    append(&e, 0x00000013 | TURNS << 20 | COUNTER << 7); /* li x29, TURNS */
    start = e.halves;
    for (unsigned i = 0; i < LENGTH; i++) {
        if (rnd() % 5)
            append_random(&e);
        else
            append_skip(&e);
    }
    if (loop) {
        append(&e, 0xfff00013 | COUNTER << 15 | COUNTER << 7); /* addi x29, x29, -1 */
        append(&e, branch(1, 2 * ((int32_t)start - (int32_t)e.halves)) | COUNTER << 15);
    }
    return e;
}

static void show(const struct encoded *e)
{
    put("code");
    for (unsigned i = 0; i < e->halves; i++) {
        put(" ");
        put_hex(e->code[i], 4);
    }
    put("\n");
}

void sequences(uint64_t seed, long shown)
{
    static struct state s;

    seed_rnd(seed);
    for (long line = 0; line < SEQUENCES; line++) {
        struct encoded e = random_sequence();
        uint64_t h = 0;
        if (line == shown)
            show(&e);
        for (unsigned i = 0; i < RUNS; i++) {
            fill_state(&s);
            s.x[POINTER] = data_pointer() & -8ul;
            h = run_encoded(&e, &s, h, line == shown);
            h = hash(h, (uint64_t *)(s.x[POINTER] - 2048), 2 * 2048 / 8 + 1);
        }
        e.bits = (uint32_t)line;
        if (shown < 0)
            put_line("sequence", &e, h);
    }
}
