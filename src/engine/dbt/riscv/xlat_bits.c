/*
 * Bit manipulation (Zba, Zbb, Zbs) and conditional zeroes (Zicond). [RISC-V unpriv B]
 */
#include "engine/dbt/riscv/xlat.h"

/* rd = rs2 + (rs1 << n), of rs1's lower half if `uw`. */
static void shift_add(struct rvx *x, unsigned n, bool uw)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    unsigned d = rvx_dst(in->rd, H_RAX), index = rvx_src(x, in->rs1, H_RAX);
    if (uw) {
        asm_mov32(a, H_RAX, index);
        index = H_RAX;
    }
    unsigned base = rvx_src(x, in->rs2, H_RCX);
    asm_lea(a, d, (struct asm_mem){(int8_t)base, (int8_t)index, (uint8_t)n, false, 0});
    rvx_done(x, in->rd, d);
}

static void shift_left_uw(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_dst(in->rd, H_RAX);
    asm_mov32(&x->a, d, rvx_src(x, in->rs1, d));
    asm_shift(&x->a, true, SHIFT_SHL, d, (unsigned)in->imm & 63);
    rvx_done(x, in->rd, d);
}

/* rs1 op ~rs2 */
static void with_not(struct rvx *x, enum asm_alu op)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    if (op == ALU_AND) {
        unsigned d = rvx_dst(in->rd, H_RAX);
        unsigned s1 = rvx_src(x, in->rs1, H_RAX), s2 = rvx_src(x, in->rs2, H_RCX);
        asm_andn(a, d, s1, s2);
        rvx_done(x, in->rd, d);
        return;
    }
    rvx_load(x, in->rs2, H_RAX);
    asm_unary(a, true, UNARY_NOT, H_RAX);
    rvx_op_src(x, true, op, H_RAX, in->rs1);
    rvx_done(x, in->rd, H_RAX);
}

/* The result of no bits at all is the width, as LZCNT and TZCNT have it. */
static void count(struct rvx *x, bool w, enum asm_count op)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned s = rvx_src(x, in->rs1, H_RAX), d = rvx_dst(in->rd, H_RAX);
    asm_count(&x->a, w, op, d, s);
    rvx_done(x, in->rd, d);
}

static void extend(struct rvx *x, enum asm_extend how)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned s = rvx_src(x, in->rs1, H_RAX), d = rvx_dst(in->rd, H_RAX);
    asm_extend(&x->a, how, d, s);
    rvx_done(x, in->rd, d);
}

/* The smaller or larger: rs2 replaces rs1 under a condition of cmp rs1, rs2. */
static void choose(struct rvx *x, unsigned cc)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned s2 = rvx_src(x, in->rs2, H_RCX);
    rvx_load(x, in->rs1, H_RAX);
    asm_alu(&x->a, true, ALU_CMP, H_RAX, s2);
    asm_cmov(&x->a, cc, H_RAX, s2);
    rvx_done(x, in->rd, H_RAX);
}

/* rd = rs2 is zero (cc = CC_E) or not ? 0 : rs1 */
static void zero_if(struct rvx *x, unsigned cc)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned s2 = rvx_src(x, in->rs2, H_RCX);
    rvx_load(x, in->rs1, H_RAX);
    asm_alu(&x->a, false, ALU_XOR, H_RDX, H_RDX);
    asm_test(&x->a, true, s2, s2);
    asm_cmov(&x->a, cc, H_RAX, H_RDX);
    rvx_done(x, in->rd, H_RAX);
}

static void rotate(struct rvx *x, bool w, enum asm_shift op)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    rvx_load(x, in->rs1, H_RAX);
    rvx_load(x, in->rs2, H_RCX);
    asm_rotate_cl(&x->a, w, op, H_RAX);
    if (!w)
        asm_movsxd(&x->a, H_RAX, H_RAX);
    rvx_done(x, in->rd, H_RAX);
}

static void rotate_immediate(struct rvx *x, bool w)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_dst(in->rd, H_RAX);
    if ((int)d != rvx_home(in->rs1))
        rvx_load(x, in->rs1, d);
    asm_shift(&x->a, w, SHIFT_ROR, d, (unsigned)in->imm & (w ? 63 : 31));
    if (!w)
        asm_movsxd(&x->a, d, d);
    rvx_done(x, in->rd, d);
}

static void reverse_bytes(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned d = rvx_dst(in->rd, H_RAX);
    if ((int)d != rvx_home(in->rs1))
        rvx_load(x, in->rs1, d);
    asm_bswap(&x->a, d);
    rvx_done(x, in->rd, d);
}

/*
 * Each byte 0 or ff: a byte is zero where (((v & 7f..) + 7f..) | v) has its top bit clear; top
 * bits, shifted down and multiplied by ff, fill their bytes.
 */
static void or_combine(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    struct asm_buf *a = &x->a;
    rvx_load(x, in->rs1, H_RAX);
    asm_mov_imm64(a, H_RCX, UINT64_C(0x7f7f7f7f7f7f7f7f));
    asm_mov(a, H_RDX, H_RAX);
    asm_alu(a, true, ALU_AND, H_RDX, H_RCX);
    asm_alu(a, true, ALU_ADD, H_RDX, H_RCX);
    asm_alu(a, true, ALU_OR, H_RDX, H_RAX);
    asm_unary(a, true, UNARY_NOT, H_RCX);
    asm_alu(a, true, ALU_AND, H_RDX, H_RCX);
    asm_shift(a, true, SHIFT_SHR, H_RDX, 7);
    asm_op_reg(a, true, 0x69, H_RAX, H_RDX); /* imul rax, rdx, 255 */
    asm_32(a, 0xff);
    rvx_done(x, in->rd, H_RAX);
}

static void one_bit(struct rvx *x, enum asm_bit op, bool imm)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    unsigned bit = imm ? 0 : rvx_src(x, in->rs2, H_RCX);
    rvx_load(x, in->rs1, H_RAX);
    if (imm)
        asm_bit_imm(&x->a, op, H_RAX, (unsigned)in->imm & 63);
    else
        asm_bit(&x->a, op, H_RAX, bit);
    if (op == BIT_TEST)
        asm_setcc(&x->a, CC_B, H_RAX);
    rvx_done(x, in->rd, H_RAX);
}

static bool addresses(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_SH1ADD:
        shift_add(x, 1, false);
        return true;
    case RISCV_OP_SH2ADD:
        shift_add(x, 2, false);
        return true;
    case RISCV_OP_SH3ADD:
        shift_add(x, 3, false);
        return true;
    case RISCV_OP_ADD_UW:
        shift_add(x, 0, true);
        return true;
    case RISCV_OP_SH1ADD_UW:
        shift_add(x, 1, true);
        return true;
    case RISCV_OP_SH2ADD_UW:
        shift_add(x, 2, true);
        return true;
    case RISCV_OP_SH3ADD_UW:
        shift_add(x, 3, true);
        return true;
    case RISCV_OP_SLLI_UW:
        shift_left_uw(x);
        return true;
    case RISCV_OP_CZERO_EQZ:
        zero_if(x, CC_E);
        return true;
    case RISCV_OP_CZERO_NEZ:
        zero_if(x, CC_NE);
        return true;
    default:
        return false;
    }
}

static bool basic(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_ANDN:
        with_not(x, ALU_AND);
        return true;
    case RISCV_OP_ORN:
        with_not(x, ALU_OR);
        return true;
    case RISCV_OP_XNOR:
        with_not(x, ALU_XOR);
        return true;
    case RISCV_OP_CLZ:
        count(x, true, COUNT_LEADING);
        return true;
    case RISCV_OP_CTZ:
        count(x, true, COUNT_TRAILING);
        return true;
    case RISCV_OP_CPOP:
        count(x, true, COUNT_ONES);
        return true;
    case RISCV_OP_CLZW:
        count(x, false, COUNT_LEADING);
        return true;
    case RISCV_OP_CTZW:
        count(x, false, COUNT_TRAILING);
        return true;
    case RISCV_OP_CPOPW:
        count(x, false, COUNT_ONES);
        return true;
    case RISCV_OP_SEXT_B:
        extend(x, EXTEND_SIGN8);
        return true;
    case RISCV_OP_SEXT_H:
        extend(x, EXTEND_SIGN16);
        return true;
    case RISCV_OP_ZEXT_H:
        extend(x, EXTEND_ZERO16);
        return true;
    case RISCV_OP_MIN:
        choose(x, CC_G);
        return true;
    case RISCV_OP_MINU:
        choose(x, CC_A);
        return true;
    case RISCV_OP_MAX:
        choose(x, CC_L);
        return true;
    case RISCV_OP_MAXU:
        choose(x, CC_B);
        return true;
    default:
        return false;
    }
}

static bool rotations(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_ROL:
        rotate(x, true, SHIFT_ROL);
        return true;
    case RISCV_OP_ROR:
        rotate(x, true, SHIFT_ROR);
        return true;
    case RISCV_OP_ROLW:
        rotate(x, false, SHIFT_ROL);
        return true;
    case RISCV_OP_RORW:
        rotate(x, false, SHIFT_ROR);
        return true;
    case RISCV_OP_RORI:
        rotate_immediate(x, true);
        return true;
    case RISCV_OP_RORIW:
        rotate_immediate(x, false);
        return true;
    case RISCV_OP_ORC_B:
        or_combine(x);
        return true;
    case RISCV_OP_REV8:
        reverse_bytes(x);
        return true;
    default:
        return false;
    }
}

static bool single_bits(struct rvx *x, unsigned op)
{
    switch (op) {
    case RISCV_OP_BCLR:
        one_bit(x, BIT_RESET, false);
        return true;
    case RISCV_OP_BSET:
        one_bit(x, BIT_SET, false);
        return true;
    case RISCV_OP_BINV:
        one_bit(x, BIT_COMPLEMENT, false);
        return true;
    case RISCV_OP_BEXT:
        one_bit(x, BIT_TEST, false);
        return true;
    case RISCV_OP_BCLRI:
        one_bit(x, BIT_RESET, true);
        return true;
    case RISCV_OP_BSETI:
        one_bit(x, BIT_SET, true);
        return true;
    case RISCV_OP_BINVI:
        one_bit(x, BIT_COMPLEMENT, true);
        return true;
    case RISCV_OP_BEXTI:
        one_bit(x, BIT_TEST, true);
        return true;
    default:
        return false;
    }
}

bool rvx_bits(struct rvx *x)
{
    const unsigned op = rvx_cur(x)->in.op;
    return addresses(x, op) || basic(x, op) || rotations(x, op) || single_bits(x, op);
}
