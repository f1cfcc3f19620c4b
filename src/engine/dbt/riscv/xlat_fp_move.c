/*
 * Floating-point loads, stores, moves and sign injection: no rounding, no flags.
 */
#include "engine/dbt/riscv/xlat_fp.h"

static bool load(struct rvx *x, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_mem m = rvx_access(x, in->rs1, in->imm, single ? 4 : 8, false);
    unsigned d = rvx_fp_dst(in->rd, XMM0);
    rvx_access_here(x);
    if (single) {
        asm_movd_load(&x->a, d, m);
        rvx_fp_box(x, d);
    } else {
        asm_movq_load(&x->a, d, m);
    }
    rvx_fp_done(x, in->rd, d, single);
    return true;
}

static bool store(struct rvx *x, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned s = rvx_fp_src(x, in->rs2, XMM0);
    struct asm_mem m = rvx_access(x, in->rs1, in->imm, single ? 4 : 8, true);
    rvx_access_here(x);
    if (single)
        asm_movd_store(&x->a, m, s);
    else
        asm_movq_store(&x->a, m, s);
    return true;
}

/* x register = bits */
static bool to_integer(struct rvx *x, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_dst(in->rd, H_RAX), s = rvx_fp_src(x, in->rs1, XMM0);
    asm_movq_to(&x->a, !single, d, s);
    if (single)
        asm_movsxd(&x->a, d, d);
    rvx_done(x, in->rd, d);
    return true;
}

static bool from_integer(struct rvx *x, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_fp_dst(in->rd, XMM0), s = rvx_src(x, in->rs1, H_RAX);
    asm_movq_from(&x->a, !single, d, s);
    if (single)
        rvx_fp_box(x, d);
    rvx_fp_done(x, in->rd, d, single);
    return true;
}

enum sign { SIGN_TAKE, SIGN_NEGATE, SIGN_XOR };

static uint64_t sign_bit(bool single)
{
    return single ? UINT64_C(1) << 31 : UINT64_C(1) << 63;
}

/* Both operands are the same register: move, negate, absolute value. */
static void inject_own(struct rvx *x, enum sign how, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    unsigned s = rvx_fp_src(x, in->rs1, XMM0);
    if (how == SIGN_TAKE) {
        rvx_fp_done(x, in->rd, s, single);
        return;
    }
    asm_mov_imm64(a, H_RAX, sign_bit(single));
    asm_movq_from(a, true, XMM1, H_RAX);
    asm_sse(a, SSE_NONE, false, how == SIGN_NEGATE ? SSE_XOR : SSE_ANDN, XMM1, s);
    rvx_fp_done(x, in->rd, XMM1, single);
}

static bool inject(struct rvx *x, enum sign how, bool single)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    if (single) {
        rvx_fp_check_boxed(x, in->rs1);
        rvx_fp_check_boxed(x, in->rs2);
    }
    if (in->rs1 == in->rs2) {
        inject_own(x, how, single);
        return true;
    }
    asm_movq_to(a, true, H_RCX, rvx_fp_src(x, in->rs2, XMM0));
    asm_movq_to(a, true, H_RAX, rvx_fp_src(x, in->rs1, XMM0));
    asm_mov_imm64(a, H_RDX, sign_bit(single));
    if (how == SIGN_NEGATE)
        asm_unary(a, true, UNARY_NOT, H_RCX);
    asm_alu(a, true, ALU_AND, H_RCX, H_RDX);
    if (how == SIGN_XOR) {
        asm_alu(a, true, ALU_XOR, H_RAX, H_RCX);
    } else {
        asm_andn(a, H_RAX, H_RAX, H_RDX);
        asm_alu(a, true, ALU_OR, H_RAX, H_RCX);
    }
    unsigned d = rvx_fp_dst(in->rd, XMM0);
    asm_movq_from(a, true, d, H_RAX);
    rvx_fp_done(x, in->rd, d, single);
    return true;
}

bool rvx_fp_move(struct rvx *x)
{
    switch (rvx_cur(x)->in.op) {
    case RISCV_OP_FLW:
        return load(x, true);
    case RISCV_OP_FLD:
        return load(x, false);
    case RISCV_OP_FSW:
        return store(x, true);
    case RISCV_OP_FSD:
        return store(x, false);
    case RISCV_OP_FMV_X_W:
        return to_integer(x, true);
    case RISCV_OP_FMV_X_D:
        return to_integer(x, false);
    case RISCV_OP_FMV_W_X:
        return from_integer(x, true);
    case RISCV_OP_FMV_D_X:
        return from_integer(x, false);
    case RISCV_OP_FSGNJ_S:
        return inject(x, SIGN_TAKE, true);
    case RISCV_OP_FSGNJN_S:
        return inject(x, SIGN_NEGATE, true);
    case RISCV_OP_FSGNJX_S:
        return inject(x, SIGN_XOR, true);
    case RISCV_OP_FSGNJ_D:
        return inject(x, SIGN_TAKE, false);
    case RISCV_OP_FSGNJN_D:
        return inject(x, SIGN_NEGATE, false);
    case RISCV_OP_FSGNJX_D:
        return inject(x, SIGN_XOR, false);
    default:
        return false;
    }
}
