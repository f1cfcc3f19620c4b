/*
 * Which flags some later instruction may read. What is behind a block's end is looked ahead at a
 * little, within the page; further on everything counts as live.
 */
#include "engine/dbt/x86/xlat.h"
#include "isa/x86/decode.h"

enum { LIVE_ALL = X86_FL_CF | X86_FL_PF | X86_FL_AF | X86_FL_ZF | X86_FL_SF | X86_FL_OF };
enum { LOOK_AHEAD = 8, LOOK_DEPTH = 1 };

static bool is_peeked(const struct xlat *x, unsigned off)
{
    return x->peeked[off / 64] >> (off % 64) & 1;
}

static enum xlat_flow flow_of(const struct x86_insn *in)
{
    if (!(in->desc->flags & X86_F_BRANCH))
        return FLOW_ON;
    if (in->nops == 0 || in->op[0].kind != X86_OP_REL)
        return FLOW_AWAY;
    switch (in->iclass) {
    case X86_I_JMP:
    case X86_I_CALL:
        return FLOW_TO;
    case X86_I_JCC:
    case X86_I_JRCXZ:
    case X86_I_LOOP:
        return FLOW_EITHER;
    default:
        return FLOW_AWAY;
    }
}

void xlat_note_peek(struct xlat *x, unsigned off, const struct x86_insn *in)
{
    if (is_peeked(x, off))
        return;
    x->peeked[off / 64] |= UINT64_C(1) << (off % 64);
    x->peeks[off] = (struct xlat_peek){
        .len = in->len,
        .read = in->desc->flags_read & LIVE_ALL,
        .killed = x86_flags_killed(in),
        .flow = (uint8_t)flow_of(in),
        .target = (int32_t)(off + in->len + (int64_t)in->imm),
    };
}

const struct xlat_peek *xlat_peek_at(struct xlat *x, unsigned off)
{
    struct x86_insn in;
    if (is_peeked(x, off))
        return &x->peeks[off];
    if (x86_decode(&in, x->page + off, GUEST_PAGE_SIZE - off, X86_MODE_64) == 0) {
        xlat_note_peek(x, off, &in);
    } else {
        x->peeked[off / 64] |= UINT64_C(1) << (off % 64);
        x->peeks[off].len = 0;
    }
    return &x->peeks[off];
}

static uint8_t flow_live(struct xlat *x, const struct xlat_peek *p, int64_t next, unsigned depth);

uint8_t xlat_live_at(struct xlat *x, int64_t off, unsigned depth)
{
    uint8_t open = LIVE_ALL, live = 0;
    if (x->strict || x->now) /* what is not checked may change */
        return LIVE_ALL;
    for (unsigned i = 0; i < LOOK_AHEAD && open; i++) {
        if (off < 0 || off >= (int64_t)GUEST_PAGE_SIZE)
            return live | open;
        const struct xlat_peek *p = xlat_peek_at(x, (unsigned)off);
        if (!p->len)
            return live | open;
        xlat_depends(x, (unsigned)off, p->len);
        live |= p->read & open;
        open &= (uint8_t) ~(p->read | p->killed);
        off += p->len;
        if (p->flow != FLOW_ON)
            return live | (open ? open & flow_live(x, p, off, depth) : 0);
    }
    return live | open;
}

/* Live behind a branch that is followed at `next`. */
static uint8_t flow_live(struct xlat *x, const struct xlat_peek *p, int64_t next, unsigned depth)
{
    if (depth == 0 || p->flow == FLOW_AWAY)
        return LIVE_ALL;
    uint8_t taken = xlat_live_at(x, p->target, depth - 1);
    return p->flow == FLOW_TO ? taken : taken | xlat_live_at(x, next, depth - 1);
}

/* The instruction may be in two pages: it has no peek then. */
static struct xlat_peek peek_of(const struct xlat *x, const struct xlat_insn *xi)
{
    if (is_peeked(x, xi->off) && x->peeks[xi->off].len)
        return x->peeks[xi->off];
    return (struct xlat_peek){.read = xi->in.desc->flags_read & LIVE_ALL,
                              .killed = x86_flags_killed(&xi->in),
                              .flow = (uint8_t)flow_of(&xi->in),
                              .target = (int32_t)(xi->off + xi->in.len + (int64_t)xi->in.imm)};
}

void xlat_liveness(struct xlat *x)
{
    const struct xlat_insn *last = &x->insns[x->n - 1];
    const struct xlat_peek at_end = peek_of(x, last);
    int64_t end = last->off + last->in.len;
    uint8_t live = at_end.flow == FLOW_ON ? xlat_live_at(x, end, LOOK_DEPTH)
                                          : flow_live(x, &at_end, end, LOOK_DEPTH);
    x->live_out = live;
    for (unsigned i = x->n; i-- > 0;) {
        struct xlat_insn *xi = &x->insns[i];
        const struct xlat_peek p = peek_of(x, xi);
        unsigned join = xlat_join_of(x, i);
        if (join)
            live |= x->insns[join].live;
        else if (i + 1 < x->n && p.flow == FLOW_EITHER)
            live |= xlat_live_at(x, p.target, LOOK_DEPTH);
        live = (uint8_t)((live & ~p.killed) | p.read);
        xi->live = x->strict ? LIVE_ALL : live;
    }
}
