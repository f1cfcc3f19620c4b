/*
 * Floating-point conversions and comparisons. The host's conversions to integers say "the least
 * integer" for all that is out of range; those results are the interpreter's to make.
 */
#include "engine/dbt/riscv/xlat_fp.h"
#include "isa/riscv/fp.h"

/* Flags of comparing rs1 with rs2, or the other way round, into rd. */
static bool compare(struct rvx *x, enum asm_sse_op op, unsigned cc, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    bool swap = op == SSE_ORDERED_COMPARE; /* so that the unordered outcome is false */
    if (single) {
        rvx_fp_check_boxed(x, in->rs1);
        rvx_fp_check_boxed(x, in->rs2);
    }
    unsigned s1 = rvx_fp_src(x, swap ? in->rs2 : in->rs1, XMM0);
    unsigned s2 = rvx_fp_src(x, swap ? in->rs1 : in->rs2, XMM1);
    asm_sse(a, single ? SSE_NONE : SSE_66, false, op, s1, s2);
    unsigned d = rvx_dst(in->rd, H_RAX);
    if (!swap) {
        asm_setcc(a, CC_NP, H_RCX); /* MOVZX leaves the flags */
        asm_setcc(a, cc, d);
        asm_alu(a, false, ALU_AND, d, H_RCX);
    } else {
        asm_setcc(a, cc, d);
    }
    rvx_done(x, in->rd, d);
    return true;
}

/* To a signed integer. */
static bool to_signed(struct rvx *x, bool wide, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    bool chop = in->rm == RISCV_RTZ;
    if (!chop && !rvx_fp_rounds(x))
        return false;
    if (single)
        rvx_fp_check_boxed(x, in->rs1);
    rvx_new_site(x, 0);
    asm_sse(a, rvx_fp_prefix(single), wide, chop ? SSE_TO_INT_TRUNCATED : SSE_TO_INT, H_RAX,
            rvx_fp_src(x, in->rs1, XMM0));
    asm_alu_imm(a, wide, ALU_CMP, H_RAX, 1); /* overflows for the least integer only */
    rvx_slow_from(x, asm_jcc(a, CC_O));
    unsigned d = rvx_dst(in->rd, H_RAX);
    if (!wide)
        asm_movsxd(a, d, H_RAX);
    rvx_done(x, in->rd, wide ? H_RAX : d);
    return true;
}

/* To an unsigned one, towards zero: the operand's bits must be less than those of the limit, which
 * a negative one's are not. For 64 bits the limit is 2^63, and the signed conversion will do. */
static bool to_unsigned(struct rvx *x, bool wide, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    const uint64_t limit =
        single ? (wide ? UINT64_C(0x5f000000) : UINT64_C(0x4f800000))
               : (wide ? UINT64_C(0x43e0000000000000) : UINT64_C(0x41f0000000000000));
    if (in->rm != RISCV_RTZ)
        return false;
    if (single)
        rvx_fp_check_boxed(x, in->rs1);
    rvx_new_site(x, 0);
    unsigned s = rvx_fp_src(x, in->rs1, XMM0);
    asm_movq_to(a, !single, H_RAX, s);
    asm_mov_imm64(a, H_RCX, limit);
    asm_alu(a, !single, ALU_CMP, H_RAX, H_RCX);
    rvx_slow_from(x, asm_jcc(a, CC_AE));
    asm_sse(a, rvx_fp_prefix(single), true, SSE_TO_INT_TRUNCATED, H_RAX, s);
    if (!wide)
        asm_movsxd(a, H_RAX, H_RAX);
    rvx_done(x, in->rd, H_RAX);
    return true;
}

/* What is exact needs no mode, but a dynamic one must be valid. */
static bool exact_runs(struct rvx *x)
{
    return rvx_cur(x)->in.rm != RISCV_RM_DYN || rvx_fp_rounds(x);
}

/* From an integer; unsigned ones of 64 bits only if they are not negative. */
static bool from_int(struct rvx *x, enum riscv_fp_int kind, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    const bool exact = !single && (kind == RISCV_INT_W || kind == RISCV_INT_WU);
    unsigned d = rvx_fp_dst(in->rd, XMM0), s = H_RAX;
    if (exact ? !exact_runs(x) : !rvx_fp_rounds(x))
        return false;
    if (kind == RISCV_INT_WU)
        asm_mov32(a, H_RAX, rvx_src(x, in->rs1, H_RAX));
    else
        s = rvx_src(x, in->rs1, H_RAX);
    if (kind == RISCV_INT_LU) {
        rvx_new_site(x, 0);
        asm_test(a, true, s, s);
        rvx_slow_from(x, asm_jcc(a, CC_S));
    }
    asm_sse(a, SSE_NONE, false, SSE_XOR, d, d);
    asm_sse(a, rvx_fp_prefix(single), kind != RISCV_INT_W, SSE_FROM_INT, d, s);
    if (single)
        rvx_fp_box(x, d);
    rvx_fp_done(x, in->rd, d, single);
    return true;
}

/* To the other format. */
static bool change_format(struct rvx *x, bool to_single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    if (to_single ? !rvx_fp_rounds(x) : !exact_runs(x))
        return false;
    if (!to_single)
        rvx_fp_check_boxed(x, in->rs1);
    asm_sse(a, rvx_fp_prefix(!to_single), false, SSE_CONVERT, XMM0, rvx_fp_src(x, in->rs1, XMM0));
    if (to_single)
        rvx_fp_box(x, XMM0);
    rvx_fp_settle_nan(x, XMM0, to_single);
    rvx_fp_done(x, in->rd, XMM0, to_single);
    return true;
}

static bool of_single(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_FEQ_S:
        return compare(x, SSE_UNORDERED_COMPARE, CC_E, true);
    case RISCV_OP_FLT_S:
        return compare(x, SSE_ORDERED_COMPARE, CC_A, true);
    case RISCV_OP_FLE_S:
        return compare(x, SSE_ORDERED_COMPARE, CC_AE, true);
    case RISCV_OP_FCVT_W_S:
        return to_signed(x, false, true);
    case RISCV_OP_FCVT_L_S:
        return to_signed(x, true, true);
    case RISCV_OP_FCVT_WU_S:
        return to_unsigned(x, false, true);
    case RISCV_OP_FCVT_LU_S:
        return to_unsigned(x, true, true);
    case RISCV_OP_FCVT_S_W:
        return from_int(x, RISCV_INT_W, true);
    case RISCV_OP_FCVT_S_WU:
        return from_int(x, RISCV_INT_WU, true);
    case RISCV_OP_FCVT_S_L:
        return from_int(x, RISCV_INT_L, true);
    case RISCV_OP_FCVT_S_LU:
        return from_int(x, RISCV_INT_LU, true);
    case RISCV_OP_FCVT_S_D:
        return change_format(x, true);
    default:
        return false;
    }
}

static bool of_double(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_FEQ_D:
        return compare(x, SSE_UNORDERED_COMPARE, CC_E, false);
    case RISCV_OP_FLT_D:
        return compare(x, SSE_ORDERED_COMPARE, CC_A, false);
    case RISCV_OP_FLE_D:
        return compare(x, SSE_ORDERED_COMPARE, CC_AE, false);
    case RISCV_OP_FCVT_W_D:
        return to_signed(x, false, false);
    case RISCV_OP_FCVT_L_D:
        return to_signed(x, true, false);
    case RISCV_OP_FCVT_WU_D:
        return to_unsigned(x, false, false);
    case RISCV_OP_FCVT_LU_D:
        return to_unsigned(x, true, false);
    case RISCV_OP_FCVT_D_W:
        return from_int(x, RISCV_INT_W, false);
    case RISCV_OP_FCVT_D_WU:
        return from_int(x, RISCV_INT_WU, false);
    case RISCV_OP_FCVT_D_L:
        return from_int(x, RISCV_INT_L, false);
    case RISCV_OP_FCVT_D_LU:
        return from_int(x, RISCV_INT_LU, false);
    case RISCV_OP_FCVT_D_S:
        return change_format(x, false);
    default:
        return false;
    }
}

bool rvx_fp_convert(struct rvx *x)
{
    const unsigned op = rvx_cur(x)->in.op;
    return of_double(x, op) || of_single(x, op);
}
