/*
 * Which flags some later instruction may read. What is behind a block's end is looked ahead at a
 * little, within the page; further on everything counts as live.
 */
#include "engine/dbt/x86/xlat.h"
#include "isa/x86/decode.h"

enum { LIVE_ALL = X86_FL_CF | X86_FL_PF | X86_FL_AF | X86_FL_ZF | X86_FL_SF | X86_FL_OF };
enum { LOOK_AHEAD = 8, LOOK_DEPTH = 1 };

static uint8_t flow_live(struct xlat *x, const struct x86_insn *in, int64_t next, unsigned depth);

/* Live before `in`, given what is live behind it. */
static uint8_t before(const struct x86_insn *in, uint8_t after)
{
    return (uint8_t)((after & ~x86_flags_killed(in)) | (in->desc->flags_read & LIVE_ALL));
}

static bool flows_on(const struct x86_insn *in)
{
    return !(in->desc->flags & X86_F_BRANCH);
}

uint8_t xlat_live_at(struct xlat *x, int64_t off, unsigned depth)
{
    uint8_t open = LIVE_ALL, live = 0;
    if (x->strict)
        return LIVE_ALL;
    for (unsigned i = 0; i < LOOK_AHEAD && open; i++) {
        struct x86_insn in;
        if (off < 0 || off >= (int64_t)GUEST_PAGE_SIZE ||
            x86_decode(&in, x->page + off, GUEST_PAGE_SIZE - (uint64_t)off, X86_MODE_64) < 0)
            return live | open;
        xlat_depends(x, (unsigned)off, in.len);
        live |= in.desc->flags_read & open & LIVE_ALL;
        open &= (uint8_t)~in.desc->flags_read;
        open &= (uint8_t)~x86_flags_killed(&in);
        off += in.len;
        if (!flows_on(&in))
            return live | (open & flow_live(x, &in, off, depth));
    }
    return live | open;
}

/* Live behind a branch that is followed at `next`. */
static uint8_t flow_live(struct xlat *x, const struct x86_insn *in, int64_t next, unsigned depth)
{
    if (depth == 0 || in->nops == 0 || in->op[0].kind != X86_OP_REL)
        return LIVE_ALL;
    uint8_t taken = xlat_live_at(x, next + (int64_t)in->imm, depth - 1);
    switch (in->iclass) {
    case X86_I_JMP:
    case X86_I_CALL:
        return taken;
    case X86_I_JCC:
    case X86_I_JRCXZ:
    case X86_I_LOOP:
        return taken | xlat_live_at(x, next, depth - 1);
    default:
        return LIVE_ALL;
    }
}

void xlat_liveness(struct xlat *x)
{
    const struct xlat_insn *last = &x->insns[x->n - 1];
    int64_t end = last->off + last->in.len;
    uint8_t live = flows_on(&last->in) ? xlat_live_at(x, end, LOOK_DEPTH)
                                       : flow_live(x, &last->in, end, LOOK_DEPTH);
    x->live_out = live;
    for (unsigned i = x->n; i-- > 0;) {
        struct xlat_insn *xi = &x->insns[i];
        if (i + 1 < x->n && xi->in.iclass == X86_I_JCC)
            live |= xlat_live_at(x, xi->off + xi->in.len + (int64_t)xi->in.imm, LOOK_DEPTH);
        live = x->strict ? LIVE_ALL : before(&xi->in, live);
        xi->live = live;
    }
}
