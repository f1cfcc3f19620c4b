/*
 * Every compressed instruction, by encoding. Which of them are instructions at all is written down
 * here from the manual's tables, not taken from the decoder. [RISC-V unpriv 26.8]
 */
#include "snippet.h"

enum { RUNS = 4 };

static unsigned full_rd(unsigned c)
{
    return c >> 7 & 31;
}

static enum compressed_kind quadrant0(unsigned c)
{
    switch (c >> 13) {
    case 0: /* C.ADDI4SPN */
        return c >> 5 & 0xff ? COMPRESSED_PLAIN : COMPRESSED_RESERVED;
    case 4:
        return COMPRESSED_RESERVED;
    default:
        return COMPRESSED_MEMORY;
    }
}

/* C.SRLI to C.ADDW: only the upper half of the last row is reserved. */
static enum compressed_kind arithmetic(unsigned c)
{
    return (c >> 10 & 7) == 7 && c & 1 << 6 ? COMPRESSED_RESERVED : COMPRESSED_PLAIN;
}

static enum compressed_kind quadrant1(unsigned c)
{
    switch (c >> 13) {
    case 1: /* C.ADDIW */
        return full_rd(c) ? COMPRESSED_PLAIN : COMPRESSED_RESERVED;
    case 3: /* C.LUI, C.ADDI16SP: not with an immediate of 0 */
        return c & (1 << 12 | 31 << 2) ? COMPRESSED_PLAIN : COMPRESSED_RESERVED;
    case 4:
        return arithmetic(c);
    case 5:
    case 6:
    case 7:
        return COMPRESSED_BRANCH;
    default:
        return COMPRESSED_PLAIN;
    }
}

static enum compressed_kind quadrant2(unsigned c)
{
    bool rs2 = c >> 2 & 31;

    switch (c >> 13) {
    case 0:
        return COMPRESSED_PLAIN;
    case 2: /* C.LWSP, C.LDSP */
    case 3:
        return full_rd(c) ? COMPRESSED_MEMORY_SP : COMPRESSED_RESERVED;
    case 4:
        if (rs2)
            return COMPRESSED_PLAIN; /* C.MV, C.ADD */
        if (!full_rd(c) || full_rd(c) > 29)
            return COMPRESSED_RESERVED; /* C.EBREAK too; x30 and x31 are ours */
        return COMPRESSED_JUMP;
    default:
        return COMPRESSED_MEMORY_SP;
    }
}

enum compressed_kind compressed_kind(unsigned c)
{
    switch (c & 3) {
    case 0:
        return quadrant0(c);
    case 1:
        return quadrant1(c);
    case 2:
        return quadrant2(c);
    default:
        return COMPRESSED_RESERVED;
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

static bool runnable(unsigned c, enum compressed_kind kind)
{
    int off;

    if (kind == COMPRESSED_RESERVED)
        return false;
    if (kind != COMPRESSED_BRANCH)
        return true;
    off = branch_target(c);
    return off != 0 && off != -2 && off != 4; /* itself, and half of a jump */
}

static void aim(struct encoded *e, struct state *s, enum compressed_kind kind)
{
    if (kind == COMPRESSED_MEMORY || kind == COMPRESSED_MEMORY_SP) {
        e->memory = data_pointer();
        s->x[kind == COMPRESSED_MEMORY ? 8 + (e->bits >> 7 & 7) : 2] = e->memory;
    } else if (kind == COMPRESSED_JUMP) {
        s->x[full_rd(e->bits)] = (uint64_t)place(e->code, 1) + (uint64_t)jump_offset(1);
    }
}

/* The immediates reach 504 bytes up from the pointer. */
static uint64_t memory_hash(const struct encoded *e, uint64_t h)
{
    return e->memory ? hash(h, (uint64_t *)(e->memory & -8ul), 65) : h;
}

static void run(struct encoded *e, struct state *s, long line, long shown)
{
    enum compressed_kind kind = compressed_kind(e->bits);
    uint64_t h = 0;

    for (unsigned i = 0; i < RUNS; i++) {
        aim(e, s, kind);
        h = memory_hash(e, run_encoded(e, s, h, line == shown));
    }
    if (shown < 0)
        put_line("c", e, h);
}

/* The next ones after `c`, at most SHORTS, placed if they need no slides. */
static unsigned next_batch(struct encoded *batch, unsigned *c)
{
    unsigned n = 0;

    for (; n < SHORTS && *c < 1 << 16; ++*c) {
        enum compressed_kind kind = compressed_kind(*c);
        if (!runnable(*c, kind))
            continue;
        batch[n] = (struct encoded){.bits = *c, .code = {(uint16_t)*c}, .halves = 1};
        if (kind != COMPRESSED_BRANCH && kind != COMPRESSED_JUMP)
            batch[n].at = place_short(n, (uint16_t)*c);
        n++;
    }
    code_written();
    return n;
}

void compressed(long shown)
{
    static struct encoded batch[SHORTS];
    static struct state s;
    unsigned c = 0, n;

    for (long line = 0; (n = next_batch(batch, &c)) != 0; line += n) {
        fill_state(&s);
        for (unsigned i = 0; i < n; i++)
            run(&batch[i], &s, line + i, shown);
    }
}
