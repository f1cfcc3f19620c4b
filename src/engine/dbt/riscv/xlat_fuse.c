/*
 * A few instructions that are one of the host's: an array's element, whose address is computed into
 * the register that it is then loaded into, and the zero-extension of 32 bits.
 *
 * What cannot be done in one go begins anew at the first of them (CODE_SITE_ENDS): nothing of them
 * has happened yet.
 */
#include "engine/dbt/riscv/xlat.h"

/* The k-th instruction behind the current one, if control comes there from nowhere else. */
static const struct riscv_insn *ahead(const struct rvx *x, unsigned k)
{
    for (unsigned i = x->i + 1; i <= x->i + k; i++) {
        if (i >= x->n || x->insns[i].entered || x->single)
            return NULL;
    }
    return &x->insns[x->i + k].in;
}

/* base + index << scale, to be found in `sum`, which may be one of them. */
struct indexed {
    uint8_t base, index, scale, sum;
    uint8_t insns; /* how many make it */
};

static bool is_unknown(const struct rvx *x, unsigned r)
{
    return r && x->known[r].kind == KNOWN_NOT;
}

/* slli sum, index, scale; add sum, sum, base */
static bool find_scaled(const struct rvx *x, const struct riscv_insn *in, struct indexed *e)
{
    const struct riscv_insn *add = ahead(x, 1);
    if (in->op != RISCV_OP_SLLI || in->imm < 1 || in->imm > 3 || !is_unknown(x, in->rs1) || !add ||
        add->op != RISCV_OP_ADD || add->rd != in->rd ||
        (add->rs1 == in->rd) == (add->rs2 == in->rd))
        return false;
    unsigned base = add->rs1 == in->rd ? add->rs2 : add->rs1;
    *e = (struct indexed){(uint8_t)base, in->rs1, (uint8_t)in->imm, in->rd, 2};
    return base && in->rd;
}

static bool find_indexed(const struct rvx *x, const struct riscv_insn *in, struct indexed *e)
{
    if (find_scaled(x, in, e))
        return true;
    *e = (struct indexed){in->rs1, in->rs2, 0, in->rd, 1};
    return in->op == RISCV_OP_ADD && in->rd && in->rs1 && in->rs2;
}

/* Its operand; may use rax and rcx. */
static struct asm_mem operand(struct rvx *x, const struct indexed *e, int32_t disp)
{
    unsigned index = rvx_src(x, e->index, H_RAX), base = rvx_src(x, e->base, H_RCX);
    return (struct asm_mem){(int8_t)base, (int8_t)index, e->scale, false, disp};
}

/* The element is loaded into the register that has its address. */
static bool element(struct rvx *x, const struct indexed *e)
{
    const struct riscv_insn *load = ahead(x, e->insns);
    unsigned size = load ? rvx_load_size(load->op) : 0;
    if (!size || load->rs1 != e->sum || load->rd != e->sum)
        return false;
    struct asm_mem m = rvx_access_at(x, operand(x, e, load->imm), size, CODE_SITE_ENDS);
    rvx_emit_load(x, load->op, load->rd, m);
    x->i += e->insns;
    return true;
}

static bool array(struct rvx *x)
{
    struct indexed e;
    if (!find_indexed(x, &rvx_cur(x)->in, &e))
        return false;
    if (element(x, &e))
        return true;
    if (e.insns == 1)
        return false;
    unsigned d = rvx_dst(e.sum, H_RAX);
    asm_lea(&x->a, d, operand(x, &e, 0));
    rvx_done(x, e.sum, d);
    x->i += e.insns - 1u;
    return true;
}

/* slli rd, rs1, 32; srli rd, rd, n */
static bool zero_extension(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in, *right = ahead(x, 1);
    if (in->op != RISCV_OP_SLLI || in->imm != 32 || !in->rd || !is_unknown(x, in->rs1) || !right ||
        right->op != RISCV_OP_SRLI || right->rd != in->rd || right->rs1 != in->rd)
        return false;
    unsigned d = rvx_dst(in->rd, H_RAX);
    asm_mov32(&x->a, d, rvx_src(x, in->rs1, H_RAX));
    if (right->imm < 32)
        asm_shift(&x->a, true, SHIFT_SHL, d, 32 - (unsigned)right->imm);
    else if (right->imm > 32)
        asm_shift(&x->a, true, SHIFT_SHR, d, (unsigned)right->imm - 32);
    rvx_done(x, in->rd, d);
    x->i++;
    return true;
}

bool rvx_fuse(struct rvx *x)
{
    return zero_extension(x) || array(x);
}
