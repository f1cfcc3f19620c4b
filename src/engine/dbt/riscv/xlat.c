/*
 * One block: decode ahead, emit.
 */
#include "engine/dbt/riscv/xlat.h"

#include <string.h>

#include "isa/riscv/op_info.h"

bool rvx_ends_block(const struct riscv_insn *in)
{
    switch (in->op) {
    case RISCV_OP_BEQ:
    case RISCV_OP_BNE:
    case RISCV_OP_BLT:
    case RISCV_OP_BGE:
    case RISCV_OP_BLTU:
    case RISCV_OP_BGEU:
        return false;
    default:
        return (riscv_op_info[in->op].flags & RISCV_F_END) && !rvx_is_fcsr(in);
    }
}

bool rvx_straddles(const uint8_t *page, unsigned off)
{
    return off == GUEST_PAGE_SIZE - 2 && (page[off] & 3) == 3;
}

static void depends(struct rvx *x, unsigned off, unsigned len)
{
    unsigned last = off + len - 1;
    last = last < GUEST_PAGE_SIZE ? last : (unsigned)GUEST_PAGE_SIZE - 1;
    x->lines |= UINT64_C(1) << (off / 64) | UINT64_C(1) << (last / 64);
}

static int decode_at(struct rvx *x, const uint8_t *bytes, unsigned off)
{
    struct rvx_insn *xi = &x->insns[x->n];
    uint32_t bits;
    memcpy(&bits, bytes, sizeof(bits));
    *xi = (struct rvx_insn){.off = (uint16_t)off};
    return riscv_decode(&xi->in, bits);
}

static void decode_block(struct rvx *x, unsigned off)
{
    while (x->n < (x->single ? 1 : RVX_INSNS) && off < GUEST_PAGE_SIZE) {
        depends(x, off, 2);
        if (rvx_straddles(x->page, off) || decode_at(x, x->page + off, off) < 0)
            return; /* an entry of its own, or the interpreter's to raise */
        const struct riscv_insn *in = &x->insns[x->n++].in;
        depends(x, off, in->len);
        off += in->len;
        if (rvx_ends_block(in))
            return;
    }
}

static void decode_straddler(struct rvx *x, unsigned off, const uint8_t *more)
{
    memcpy(x->straddler, x->page + off, 2);
    memcpy(x->straddler + 2, more, 2);
    if (decode_at(x, x->straddler, off) == 0)
        x->n = 1;
}

static bool translate(struct rvx *x)
{
    return rvx_fuse(x) || rvx_int(x) || rvx_mem(x) || rvx_flow(x) || rvx_mul(x) || rvx_bits(x) ||
           rvx_atomic(x) || rvx_fp(x);
}

static void forget_all(struct rvx *x)
{
    memset(x->known, 0, sizeof(x->known));
    x->known[0] = (struct rvx_known){KNOWN_VALUE, 0};
    x->boxed = 0;
}

/* What the current instruction had emitted is void: the interpreter does it, whole. */
static void take_back(struct rvx *x, uint32_t len, uint32_t nsites, uint32_t ntails)
{
    x->a.len = len;
    x->nsites = nsites;
    x->ntails = ntails;
    rvx_whole(x);
    forget_all(x);
}

/* Sites of the instruction just done go on behind it, where nothing relies on more. */
static void set_resume(struct rvx *x, uint32_t first)
{
    bool leave = x->ended || rvx_inside_group(x);
    for (uint32_t s = first; s < x->nsites && !leave; s++)
        x->sites[s].resume = x->sites[s].flags & CODE_SITE_ENDS ? 0 : x->a.len;
}

static void emit_block(struct rvx *x)
{
    for (x->i = 0; x->i < x->n && !x->ended; x->i++) {
        struct rvx_insn *xi = rvx_cur(x);
        uint32_t first = x->nsites, ntails = x->ntails;
        if (xi->entered)
            forget_all(x);
        xi->label = x->a.len;
        asm_here_all(&x->a, xi->joins);
        if (!translate(x))
            take_back(x, xi->label, first, ntails);
        set_resume(x, first);
    }
    if (x->ended)
        return;
    x->i = x->n - 1;
    rvx_jump(x, rvx_next_off(x));
}

/* What does not even decode: the interpreter raises its fault. */
static void emit_undecodable(struct rvx *x, unsigned off)
{
    x->insns[0] = (struct rvx_insn){.off = (uint16_t)off};
    x->i = 0;
    rvx_to_slow(x, rvx_new_site(x, CODE_SITE_WHOLE | CODE_SITE_ENDS));
}

static void fill_draft(const struct rvx *x, struct code_draft *d, unsigned off)
{
    const struct rvx_insn *last = x->n ? &x->insns[x->n - 1] : NULL;
    d->ctx = x->ctx;
    d->lines = x->lines;
    d->bytes = x->bytes;
    d->len = x->a.len;
    d->sites = x->sites;
    d->links = x->links;
    d->nsites = x->nsites;
    d->nlinks = x->nlinks;
    d->site_fix = x->site_fix;
    d->link_fix = x->link_fix;
    d->ninsns = (uint16_t)x->n;
    d->guest_bytes = last ? (uint16_t)(last->off + last->in.len - off) : 0;
}

void rvx_block(struct rvx *x, struct code_draft *d, unsigned off, const uint8_t *more)
{
    *d = (struct code_draft){0};
    x->a = (struct asm_buf){.bytes = x->bytes, .size = sizeof(x->bytes)};
    x->n = x->i = 0;
    x->nsites = x->nlinks = x->ntails = 0;
    x->ended = false;
    x->lines = 0;
    depends(x, off, 2);
    forget_all(x);
    if (more)
        decode_straddler(x, off, more);
    else
        decode_block(x, off);
    rvx_note_joins(x);
    rvx_plan_groups(x);
    rvx_entry(x, off);
    if (x->n)
        emit_block(x);
    else
        emit_undecodable(x, off);
    rvx_emit_tails(x);
    fill_draft(x, d, off);
}
