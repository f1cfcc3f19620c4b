/*
 * Multiplication and division. Nothing traps: a division by zero has a result, and so has the one
 * that overflows. [RISC-V unpriv M]
 */
#include "engine/dbt/riscv/xlat.h"

static void multiply(struct rvx *x, bool w)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_dst(in->rd, H_RAX), rs1 = in->rs1, rs2 = in->rs2;
    if (rs1 != rs2 && (int)d == rvx_home(rs2)) {
        rs1 = in->rs2;
        rs2 = in->rs1;
    }
    unsigned s = rvx_src(x, rs2, H_RCX);
    if ((int)d != rvx_home(rs1))
        rvx_load(x, rs1, d);
    asm_imul(&x->a, w, d, s);
    if (!w)
        asm_movsxd(&x->a, d, d);
    rvx_done(x, in->rd, d);
}

/* rdx = upper half of rs1 * rs2 */
static void multiply_high(struct rvx *x, enum asm_unary op)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned s = rvx_src(x, in->rs2, H_RCX);
    rvx_load(x, in->rs1, H_RAX);
    asm_unary(&x->a, true, op, s);
    rvx_done(x, in->rd, H_RDX);
}

/* Signed by unsigned: a negative rs1 stands for 2^64 more in the unsigned product. */
static void multiply_high_mixed(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    rvx_load(x, in->rs1, H_RAX);
    asm_mov(a, H_RCX, H_RAX);
    asm_shift(a, true, SHIFT_SAR, H_RCX, 63);
    unsigned s = rvx_src(x, in->rs2, H_RDX);
    asm_alu(a, true, ALU_AND, H_RCX, s);
    asm_unary(a, true, UNARY_MUL, s);
    asm_alu(a, true, ALU_SUB, H_RDX, H_RCX);
    rvx_done(x, in->rd, H_RDX);
}

struct division {
    bool w, is_signed, remainder;
};

/* rcx is 0, or -1 of a signed division: the result to rax. Flags: of rcx. */
static void special(struct asm_buf *a, const struct division *d)
{
    if (d->remainder) {
        /* rs1 % 0 = rs1, rs1 % -1 = 0 */
        uint32_t keep = asm_jcc8(a, CC_E);
        asm_alu(a, false, ALU_XOR, H_RAX, H_RAX);
        asm_here8(a, keep);
        return;
    }
    /* rs1 / -1 = -rs1, rs1 / 0 = -1 */
    uint32_t zero = asm_jcc8(a, CC_E);
    asm_unary(a, d->w, UNARY_NEG, H_RAX);
    uint32_t done = asm_jmp8(a);
    asm_here8(a, zero);
    asm_mov_imm64(a, H_RAX, UINT64_MAX);
    asm_here8(a, done);
}

/* 64-bit operands that fit into 32 bits are divided as such: many hosts are much faster then. */
static void narrow_or_wide(struct asm_buf *a, const struct division *d)
{
    uint32_t narrow = 0;
    if (d->w) {
        asm_mov(a, H_RDX, H_RAX);
        asm_alu(a, true, ALU_OR, H_RDX, H_RCX);
        asm_shift(a, true, SHIFT_SHR, H_RDX, 31);
        narrow = asm_jcc8(a, CC_E);
    }
    if (d->is_signed)
        asm_cqo(a, d->w);
    else
        asm_alu(a, false, ALU_XOR, H_RDX, H_RDX);
    asm_unary(a, d->w, d->is_signed ? UNARY_IDIV : UNARY_DIV, H_RCX);
    if (!d->w)
        return;
    uint32_t done = asm_jmp8(a);
    asm_here8(a, narrow);
    asm_alu(a, false, ALU_XOR, H_RDX, H_RDX);
    asm_unary(a, false, UNARY_DIV, H_RCX);
    asm_here8(a, done);
}

static void divide(struct rvx *x, struct division d)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    rvx_load(x, in->rs1, H_RAX);
    rvx_load(x, in->rs2, H_RCX);
    uint32_t plain;
    if (d.is_signed) {
        asm_lea(a, H_RDX, MEM_BASE(H_RCX, 1));
        asm_alu_imm(a, d.w, ALU_CMP, H_RDX, 1);
        plain = asm_jcc8(a, CC_A);
    } else {
        asm_test(a, d.w, H_RCX, H_RCX);
        plain = asm_jcc8(a, CC_NE);
    }
    if (d.is_signed)
        asm_test(a, d.w, H_RCX, H_RCX);
    special(a, &d);
    uint32_t done = asm_jmp8(a);
    asm_here8(a, plain);
    narrow_or_wide(a, &d);
    if (d.remainder)
        asm_mov(a, H_RAX, H_RDX);
    asm_here8(a, done);
    unsigned to = rvx_dst(in->rd, H_RAX);
    if (!d.w)
        asm_movsxd(a, to, H_RAX);
    rvx_done(x, in->rd, d.w ? H_RAX : to);
}

static bool division(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_DIV:
        divide(x, (struct division){true, true, false});
        return true;
    case RISCV_OP_DIVU:
        divide(x, (struct division){true, false, false});
        return true;
    case RISCV_OP_REM:
        divide(x, (struct division){true, true, true});
        return true;
    case RISCV_OP_REMU:
        divide(x, (struct division){true, false, true});
        return true;
    case RISCV_OP_DIVW:
        divide(x, (struct division){false, true, false});
        return true;
    case RISCV_OP_DIVUW:
        divide(x, (struct division){false, false, false});
        return true;
    case RISCV_OP_REMW:
        divide(x, (struct division){false, true, true});
        return true;
    case RISCV_OP_REMUW:
        divide(x, (struct division){false, false, true});
        return true;
    default:
        return false;
    }
}

bool rvx_mul(struct rvx *x)
{
    const unsigned op = rvx_cur(x)->in.op;
    switch (op) {
    case RISCV_OP_MUL:
        multiply(x, true);
        return true;
    case RISCV_OP_MULW:
        multiply(x, false);
        return true;
    case RISCV_OP_MULH:
        multiply_high(x, UNARY_IMUL);
        return true;
    case RISCV_OP_MULHU:
        multiply_high(x, UNARY_MUL);
        return true;
    case RISCV_OP_MULHSU:
        multiply_high_mixed(x);
        return true;
    default:
        return division(x, op);
    }
}
