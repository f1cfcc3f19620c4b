/*
 * Groups: accesses through one base register that stays the same, [sp], [sp + 8] and so on. With
 * page tables, the page of the whole range is looked up once, at the first of them, and what to add
 * is kept in the hart's struct; the others need no check.
 *
 * If the range crosses a page, or has no entry, the block goes on in its plain translation
 * (RVX_CTX_PLAIN), in which every access is checked by itself. C may take entries away, so behind a
 * slow path inside a group the block is left (CODE_SITE_ENDS).
 */
#include "engine/dbt/riscv/xlat.h"
#include "isa/riscv/op_info.h"

enum { LONGEST_RANGE = 1024 };

/* Bytes that the instruction accesses at rs1 + imm; 0: none, or it is not for groups. */
static unsigned size_of(const struct rvx *x, unsigned op)
{
    bool fp = rvx_ctx_fp(x->ctx);
    switch (op) {
    case RISCV_OP_SB:
        return 1;
    case RISCV_OP_SH:
        return 2;
    case RISCV_OP_SW:
        return 4;
    case RISCV_OP_SD:
        return 8;
    case RISCV_OP_FLW:
    case RISCV_OP_FSW:
        return fp ? 4 : 0;
    case RISCV_OP_FLD:
    case RISCV_OP_FSD:
        return fp ? 8 : 0;
    default:
        return rvx_load_size(op);
    }
}

/* Behind it nothing is known of page table entries: C runs always, or control comes from elsewhere.
 */
static bool parts(const struct rvx *x, unsigned op)
{
    uint32_t flags = riscv_op_info[op].flags;
    if (flags & RISCV_F_FP && !rvx_ctx_fp(x->ctx))
        return true;
    return rvx_ends_block(&(struct riscv_insn){.op = (uint16_t)op}) ||
           ((flags & (RISCV_F_LOAD | RISCV_F_STORE)) && !size_of(x, op));
}

/* Groups by base register that may still grow: number + 1. */
struct open {
    uint8_t of[32];
};

static bool may_grow(const struct rvx_group *g, int32_t lo, int32_t hi)
{
    lo = MIN(lo, g->lo);
    hi = MAX(hi, g->hi);
    return hi - lo <= LONGEST_RANGE;
}

static void add(struct rvx *x, struct open *o, unsigned i, unsigned size)
{
    const struct riscv_insn *in = &x->insns[i].in;
    const bool write = riscv_op_info[in->op].flags & RISCV_F_STORE;
    const int32_t lo = in->imm, hi = in->imm + (int32_t)size;
    unsigned n = o->of[in->rs1];
    if (!n || !may_grow(&x->groups[n - 1], lo, hi)) {
        if (x->ngroups == RVX_GROUPS)
            return;
        n = ++x->ngroups;
        o->of[in->rs1] = (uint8_t)n;
        x->groups[n - 1] = (struct rvx_group){.lo = lo, .hi = hi, .first = (uint8_t)i};
    }
    struct rvx_group *g = &x->groups[n - 1];
    g->lo = MIN(lo, g->lo);
    g->hi = MAX(hi, g->hi);
    g->write |= write;
    g->last = (uint8_t)i;
    x->insns[i].group = (uint8_t)n;
}

/* Those of several accesses get a word each, as far as there are some. */
static void give_words(struct rvx *x)
{
    unsigned word = RVX_GROUP_WORDS;
    for (unsigned i = 0; i < x->ngroups; i++) {
        struct rvx_group *g = &x->groups[i];
        g->word = g->last > g->first && word < RISCV_ENGINE_HOT ? (uint8_t)word++ : 0;
    }
}

void rvx_plan_groups(struct rvx *x)
{
    struct open o = {0};
    x->ngroups = 0;
    if (rvx_flat(x) || x->single || (x->ctx & RVX_CTX_PLAIN))
        return;
    for (unsigned i = 0; i < x->n; i++) {
        const struct riscv_insn *in = &x->insns[i].in;
        unsigned size = size_of(x, in->op);
        if (x->insns[i].entered || parts(x, in->op))
            o = (struct open){0};
        if (size && in->rs1)
            add(x, &o, i, size);
        if (!(riscv_op_info[in->op].flags & RISCV_F_FD))
            o.of[in->rd] = 0; /* of stores and branches it is x0 */
    }
    give_words(x);
}

const struct rvx_group *rvx_group_of(const struct rvx *x)
{
    unsigned n = x->insns[x->i].group;
    const struct rvx_group *g = n ? &x->groups[n - 1] : NULL;
    return g && g->word ? g : NULL;
}

bool rvx_inside_group(const struct rvx *x)
{
    for (unsigned i = 0; i < x->ngroups; i++) {
        const struct rvx_group *g = &x->groups[i];
        if (g->word && x->i >= g->first && x->i < g->last)
            return true;
    }
    return false;
}

/* The look-up for all; rcx = where the range starts, rax = what to add. */
static void first_access(struct rvx *x, const struct rvx_group *g, unsigned rs1)
{
    struct asm_buf *a = &x->a;
    asm_lea(a, H_RCX, MEM_BASE(rvx_src(x, rs1, H_RCX), g->lo));
    asm_mov32(a, H_RAX, H_RCX);
    asm_alu_imm(a, false, ALU_AND, H_RAX, (int32_t)GUEST_PAGE_SIZE - 1);
    asm_alu_imm(a, false, ALU_CMP, H_RAX, (int32_t)GUEST_PAGE_SIZE - (g->hi - g->lo));
    uint32_t crosses = asm_jcc(a, CC_A);
    rvx_table_lookup(a, g->write);
    struct rvx_tail *t = rvx_new_tail(x, RVX_TAIL_PLAIN, asm_jcc(a, CC_E));
    t->back = crosses;
    t->index = rvx_plain_link(x);
    asm_store(a, HOT_WORD(g->word), H_RAX);
}

struct asm_mem rvx_group_access(struct rvx *x, const struct rvx_group *g, unsigned rs1, int32_t imm,
                                unsigned flags)
{
    if (x->i == g->first) {
        first_access(x, g, rs1);
        rvx_new_site(x, flags);
        return MEM_INDEXED(H_RCX, H_RAX, imm - g->lo);
    }
    rvx_new_site(x, flags);
    asm_load(&x->a, H_RAX, HOT_WORD(g->word));
    return MEM_INDEXED(rvx_src(x, rs1, H_RCX), H_RAX, imm);
}
