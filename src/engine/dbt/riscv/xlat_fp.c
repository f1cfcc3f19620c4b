/*
 * Floating-point arithmetic, in the host's SSE with the guest's MXCSR: rounding and flags are as
 * they should be, but for NaNs, which the host hands on with their payloads. [RISC-V unpriv F, D]
 */
#include "engine/dbt/riscv/xlat_fp.h"

unsigned rvx_fp_src(struct rvx *x, unsigned r, unsigned scratch)
{
    int home = rvx_fp_home(r);
    if (home != RVX_IN_MEMORY)
        return (unsigned)home;
    asm_movq_load(&x->a, scratch, rvx_fp_slot(r));
    return scratch;
}

unsigned rvx_fp_dst(unsigned r, unsigned scratch)
{
    int home = rvx_fp_home(r);
    return home == RVX_IN_MEMORY ? scratch : (unsigned)home;
}

void rvx_fp_done(struct rvx *x, unsigned r, unsigned xmm, bool single)
{
    int home = rvx_fp_home(r);
    x->boxed &= ~(UINT32_C(1) << r);
    if (single)
        x->boxed |= UINT32_C(1) << r;
    if (home == RVX_IN_MEMORY)
        asm_movq_store(&x->a, rvx_fp_slot(r), xmm);
    else if (home != (int)xmm)
        asm_movaps(&x->a, (unsigned)home, xmm);
}

void rvx_fp_check_boxed(struct rvx *x, unsigned r)
{
    struct asm_buf *a = &x->a;
    int home = rvx_fp_home(r);
    if (x->boxed >> r & 1)
        return;
    rvx_new_site(x, CODE_SITE_ENDS); /* behind it, nothing may rely on this check */
    if (home == RVX_IN_MEMORY) {
        struct asm_mem upper = rvx_fp_slot(r);
        upper.disp += 4;
        asm_alu_mem_imm(a, false, ALU_CMP, upper, -1);
    } else {
        asm_movq_to(a, true, H_RAX, (unsigned)home);
        asm_shift(a, true, SHIFT_SAR, H_RAX, 32);
        asm_alu_imm(a, false, ALU_CMP, H_RAX, -1);
    }
    rvx_slow_from(x, asm_jcc(a, CC_NE));
    x->boxed |= UINT32_C(1) << r;
}

void rvx_fp_settle_nan(struct rvx *x, unsigned xmm, bool single)
{
    asm_sse(&x->a, single ? SSE_NONE : SSE_66, false, SSE_UNORDERED_COMPARE, xmm, xmm);
    struct rvx_tail *t = rvx_new_tail(x, RVX_TAIL_NAN, asm_jcc(&x->a, CC_P));
    t->index = xmm;
    t->size = single ? 4 : 8;
    t->back = x->a.len;
}

bool rvx_fp_rounds(struct rvx *x)
{
    return x->ctx >> RVX_CTX_FP >> rvx_cur(x)->in.rm & 1;
}

void rvx_fp_box(struct rvx *x, unsigned xmm)
{
    asm_sse(&x->a, SSE_NONE, false, SSE_OR, xmm, RVX_XMM_BOX);
}

/* Where to compute: not over the second operand, which is still needed. */
static unsigned target(const struct riscv_insn *in)
{
    return in->rd == in->rs2 && in->rd != in->rs1 ? XMM0 : rvx_fp_dst(in->rd, XMM0);
}

static void to_target(struct rvx *x, unsigned d, unsigned r)
{
    unsigned s = rvx_fp_src(x, r, d);
    if (s != d)
        asm_movaps(&x->a, d, s);
}

/* rd = rs1 op rs2. The boxed upper half of a single rs1 stays. */
static bool arithmetic(struct rvx *x, enum asm_sse_op op, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = target(in);
    if (!rvx_fp_rounds(x))
        return false;
    if (single) {
        rvx_fp_check_boxed(x, in->rs1);
        rvx_fp_check_boxed(x, in->rs2);
    }
    to_target(x, d, in->rs1);
    int home = rvx_fp_home(in->rs2);
    if (home == RVX_IN_MEMORY)
        asm_sse_mem(&x->a, rvx_fp_prefix(single), op, d, rvx_fp_slot(in->rs2));
    else
        asm_sse(&x->a, rvx_fp_prefix(single), false, op, d,
                in->rs2 == in->rs1 ? d : (unsigned)home);
    rvx_fp_settle_nan(x, d, single);
    rvx_fp_done(x, in->rd, d, single);
    return true;
}

static bool square_root(struct rvx *x, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_fp_dst(in->rd, XMM0);
    if (!rvx_fp_rounds(x))
        return false;
    if (single)
        rvx_fp_check_boxed(x, in->rs1);
    to_target(x, d, in->rs1);
    asm_sse(&x->a, rvx_fp_prefix(single), false, SSE_SQRT, d, d);
    rvx_fp_settle_nan(x, d, single);
    rvx_fp_done(x, in->rd, d, single);
    return true;
}

/* rd = +-(rs1 * rs2) +- rs3. Of a result that is a NaN the host does not tell all: the interpreter
 * computes it anew. */
static bool fused(struct rvx *x, enum asm_fma op, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    if (!x->has_fma || !rvx_fp_rounds(x))
        return false;
    if (single) {
        rvx_fp_check_boxed(x, in->rs1);
        rvx_fp_check_boxed(x, in->rs2);
        rvx_fp_check_boxed(x, in->rs3);
    }
    rvx_new_site(x, 0);
    to_target(x, XMM0, in->rs1);
    unsigned mul = rvx_fp_src(x, in->rs2, XMM1), add = (unsigned)rvx_fp_home(in->rs3);
    if (rvx_fp_home(in->rs3) == RVX_IN_MEMORY && rvx_fp_home(in->rs2) == RVX_IN_MEMORY)
        return false;
    if (rvx_fp_home(in->rs3) == RVX_IN_MEMORY)
        add = rvx_fp_src(x, in->rs3, XMM1);
    asm_fma(a, !single, op, XMM0, mul, add);
    asm_sse(a, single ? SSE_NONE : SSE_66, false, SSE_UNORDERED_COMPARE, XMM0, XMM0);
    rvx_slow_from(x, asm_jcc(a, CC_P));
    rvx_fp_done(x, in->rd, XMM0, single);
    return true;
}

static bool of_single(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_FADD_S:
        return arithmetic(x, SSE_ADD, true);
    case RISCV_OP_FSUB_S:
        return arithmetic(x, SSE_SUB, true);
    case RISCV_OP_FMUL_S:
        return arithmetic(x, SSE_MUL, true);
    case RISCV_OP_FDIV_S:
        return arithmetic(x, SSE_DIV, true);
    case RISCV_OP_FSQRT_S:
        return square_root(x, true);
    case RISCV_OP_FMADD_S:
        return fused(x, FMA_ADD, true);
    case RISCV_OP_FMSUB_S:
        return fused(x, FMA_SUB, true);
    case RISCV_OP_FNMSUB_S:
        return fused(x, FMA_NEG_ADD, true);
    case RISCV_OP_FNMADD_S:
        return fused(x, FMA_NEG_SUB, true);
    default:
        return false;
    }
}

static bool of_double(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_FADD_D:
        return arithmetic(x, SSE_ADD, false);
    case RISCV_OP_FSUB_D:
        return arithmetic(x, SSE_SUB, false);
    case RISCV_OP_FMUL_D:
        return arithmetic(x, SSE_MUL, false);
    case RISCV_OP_FDIV_D:
        return arithmetic(x, SSE_DIV, false);
    case RISCV_OP_FSQRT_D:
        return square_root(x, false);
    case RISCV_OP_FMADD_D:
        return fused(x, FMA_ADD, false);
    case RISCV_OP_FMSUB_D:
        return fused(x, FMA_SUB, false);
    case RISCV_OP_FNMSUB_D:
        return fused(x, FMA_NEG_ADD, false);
    case RISCV_OP_FNMADD_D:
        return fused(x, FMA_NEG_SUB, false);
    default:
        return false;
    }
}

bool rvx_fp(struct rvx *x)
{
    const unsigned op = rvx_cur(x)->in.op;
    if (!rvx_ctx_fp(x->ctx))
        return false;
    return of_double(x, op) || rvx_fp_move(x) || of_single(x, op) || rvx_fp_convert(x) ||
           rvx_fp_select(x) || rvx_fcsr(x);
}
