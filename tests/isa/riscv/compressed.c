/*
 * Every compressed instruction, by encoding. Which of them are instructions at all is written down
 * here from the manual's tables, not taken from the decoder. [RISC-V unpriv 26.8]
 */
#include "snippet.h"

enum { RUNS = 4 };

enum kind { RESERVED, PLAIN, MEMORY, MEMORY_SP, BRANCH, JUMP_TO };

static unsigned full_rd(unsigned c)
{
    return c >> 7 & 31;
}

static enum kind quadrant0(unsigned c)
{
    switch (c >> 13) {
    case 0: /* C.ADDI4SPN */
        return c >> 5 & 0xff ? PLAIN : RESERVED;
    case 4:
        return RESERVED;
    default:
        return MEMORY;
    }
}

/* C.SRLI to C.ADDW: only the upper half of the last row is reserved. */
static enum kind arithmetic(unsigned c)
{
    return (c >> 10 & 7) == 7 && c & 1 << 6 ? RESERVED : PLAIN;
}

static enum kind quadrant1(unsigned c)
{
    switch (c >> 13) {
    case 1: /* C.ADDIW */
        return full_rd(c) ? PLAIN : RESERVED;
    case 3: /* C.LUI, C.ADDI16SP: not with an immediate of 0 */
        return c & (1 << 12 | 31 << 2) ? PLAIN : RESERVED;
    case 4:
        return arithmetic(c);
    case 5:
    case 6:
    case 7:
        return BRANCH;
    default:
        return PLAIN;
    }
}

static enum kind quadrant2(unsigned c)
{
    bool rs2 = c >> 2 & 31;

    switch (c >> 13) {
    case 0:
        return PLAIN;
    case 2: /* C.LWSP, C.LDSP */
    case 3:
        return full_rd(c) ? MEMORY_SP : RESERVED;
    case 4:
        if (rs2)
            return PLAIN; /* C.MV, C.ADD */
        if (!full_rd(c) || full_rd(c) > 29)
            return RESERVED; /* C.EBREAK too; x30 and x31 are ours */
        return JUMP_TO;
    default:
        return MEMORY_SP;
    }
}

static enum kind kind_of(unsigned c)
{
    switch (c & 3) {
    case 0:
        return quadrant0(c);
    case 1:
        return quadrant1(c);
    case 2:
        return quadrant2(c);
    default:
        return RESERVED;
    }
}

/* Of C.J and C.BEQZ. */
static int branch_target(unsigned c)
{
    if (c >> 13 == 5)
        return (int)((c >> 3 & 7) << 1 | (c >> 11 & 1) << 4 | (c >> 2 & 1) << 5 |
                     (c >> 7 & 1) << 6 | (c >> 6 & 1) << 7 | (c >> 9 & 3) << 8 |
                     (c >> 8 & 1) << 10) -
               (int)((c >> 12 & 1) << 11);
    return (int)((c >> 3 & 3) << 1 | (c >> 10 & 3) << 3 | (c >> 2 & 1) << 5 | (c >> 5 & 3) << 6) -
           (int)((c >> 12 & 1) << 8);
}

static bool runnable(unsigned c, enum kind kind)
{
    int off;

    if (kind == RESERVED)
        return false;
    if (kind != BRANCH)
        return true;
    off = branch_target(c);
    return off != 0 && off != -2 && off != 4; /* itself, and half of a jump */
}

static void aim(struct encoded *e, struct state *s, enum kind kind)
{
    if (kind == MEMORY || kind == MEMORY_SP) {
        e->memory = data_pointer();
        s->x[kind == MEMORY ? 8 + (e->bits >> 7 & 7) : 2] = e->memory;
        e->memory += 0;
    } else if (kind == JUMP_TO) {
        s->x[full_rd(e->bits)] = (uint64_t)place(e->code, 1) + (uint64_t)jump_offset(1);
    }
}

/* The immediates reach 504 bytes up from the pointer. */
static uint64_t memory_hash(const struct encoded *e, uint64_t h)
{
    return e->memory ? hash(h, (uint64_t *)(e->memory & -8ul), 65) : h;
}

void compressed(long shown)
{
    static struct state s;
    long line = 0;

    for (unsigned c = 0; c < 1 << 16; c++) {
        enum kind kind = kind_of(c);
        struct encoded e = {.bits = c, .code = {(uint16_t)c}, .halves = 1};
        uint64_t h = 0;
        if (!runnable(c, kind))
            continue;
        if (c % 64 < 4)
            fill_state(&s);
        for (unsigned i = 0; i < RUNS; i++) {
            aim(&e, &s, kind);
            h = memory_hash(&e, run_encoded(&e, &s, h, line == shown));
        }
        if (shown < 0)
            put_line("c", &e, h);
        line++;
    }
}
