/*
 * FMIN, FMAX and FCLASS, which the C library's fmin() and fmax() are made of. NaNs, infinities and
 * subnormals are the interpreter's.
 */
#include "engine/dbt/riscv/xlat_fp.h"

/* The host's MIN and MAX are right for two different numbers. Equal ones are the same bits, but for
 * zeros: of those the one with the sign is the lesser. */
static bool extreme(struct rvx *x, enum asm_sse_op op, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    const unsigned prefix = rvx_fp_prefix(single);
    if (single) {
        rvx_fp_check_boxed(x, in->rs1);
        rvx_fp_check_boxed(x, in->rs2);
    }
    rvx_new_site(x, 0);
    unsigned s = rvx_fp_src(x, in->rs1, XMM0), b = rvx_fp_src(x, in->rs2, XMM1);
    if (s != XMM0)
        asm_movaps(a, XMM0, s);
    asm_sse(a, single ? SSE_NONE : SSE_66, false, SSE_UNORDERED_COMPARE, XMM0, b);
    rvx_slow_from(x, asm_jcc(a, CC_P));
    uint32_t differ = asm_jcc8(a, CC_NE);
    asm_sse(a, SSE_NONE, false, op == SSE_MIN ? SSE_OR : SSE_AND, XMM0, b);
    uint32_t done = asm_jmp8(a);
    asm_here8(a, differ);
    asm_sse(a, prefix, false, op, XMM0, b);
    asm_here8(a, done);
    rvx_fp_done(x, in->rd, XMM0, single);
    return true;
}

enum {
    POSITIVE_NORMAL = 1 << 6,
    NEGATIVE_NORMAL = 1 << 1,
    POSITIVE_ZERO = 1 << 4,
    NEGATIVE_ZERO = 1 << 3
};

/* Its class, for a normal number and for zero. */
static bool classify(struct rvx *x, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    const int32_t exp_max = single ? 0xff : 0x7ff;
    if (single)
        rvx_fp_check_boxed(x, in->rs1);
    rvx_new_site(x, 0);
    asm_movq_to(a, !single, H_RAX, rvx_fp_src(x, in->rs1, XMM0));
    asm_mov(a, H_RCX, H_RAX);
    asm_shift(a, !single, SHIFT_SHR, H_RCX, single ? 23 : 52);
    asm_alu_imm(a, false, ALU_AND, H_RCX, exp_max);
    asm_alu_imm(a, false, ALU_SUB, H_RCX, 1);
    asm_alu_imm(a, false, ALU_CMP, H_RCX, exp_max - 1);
    asm_mov_imm32(a, H_RCX, POSITIVE_NORMAL);
    asm_mov_imm32(a, H_RDX, NEGATIVE_NORMAL);
    uint32_t normal = asm_jcc8(a, CC_B);
    asm_mov(a, H_RCX, H_RAX);
    asm_alu(a, !single, ALU_ADD, H_RCX, H_RCX);
    rvx_slow_from(x, asm_jcc(a, CC_NE));
    asm_mov_imm32(a, H_RCX, POSITIVE_ZERO);
    asm_mov_imm32(a, H_RDX, NEGATIVE_ZERO);
    asm_here8(a, normal);
    asm_test(a, !single, H_RAX, H_RAX);
    asm_cmov(a, CC_S, H_RCX, H_RDX);
    rvx_done(x, in->rd, H_RCX);
    return true;
}

bool rvx_fp_select(struct rvx *x)
{
    switch (rvx_cur(x)->in.op) {
    case RISCV_OP_FMIN_S:
        return extreme(x, SSE_MIN, true);
    case RISCV_OP_FMAX_S:
        return extreme(x, SSE_MAX, true);
    case RISCV_OP_FMIN_D:
        return extreme(x, SSE_MIN, false);
    case RISCV_OP_FMAX_D:
        return extreme(x, SSE_MAX, false);
    case RISCV_OP_FCLASS_S:
        return classify(x, true);
    case RISCV_OP_FCLASS_D:
        return classify(x, false);
    default:
        return false;
    }
}
