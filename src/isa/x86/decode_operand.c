/*
 * Operands: third stage of the decoder. Turns the operand codes of a form (opcode.h) into registers,
 * sizes and immediates.
 */
#include "isa/x86/decoder.h"

/* Sizes by operand type and context: operand size 2, 4, 8; VEX.L; 64-bit mode (size_context()). */
#define FIXED(n)          {n, n, n, n, n, n, n, n, n, n, n, n}
#define BY_OSZ(a, b, c)   {a, b, c, a, b, c, a, b, c, a, b, c}
#define BY_L(a, b)        {a, a, a, b, b, b, a, a, a, b, b, b}
#define BY_MODE(a, b)     {a, a, a, a, a, a, b, b, b, b, b, b}
static const uint16_t size_table[T_COUNT][12] = {
    [T_0] = FIXED(0),
    [T_B] = FIXED(1),
    [T_W] = FIXED(2),
    [T_D] = FIXED(4),
    [T_Q] = FIXED(8),
    [T_T] = FIXED(10),
    [T_DQ] = FIXED(16),
    [T_QQ] = FIXED(32),
    [T_V] = BY_OSZ(2, 4, 8),
    [T_Y] = BY_OSZ(4, 4, 8),
    [T_Z] = BY_OSZ(2, 4, 4),
    [T_P] = BY_OSZ(4, 6, 10),
    [T_A] = BY_OSZ(4, 8, 8),
    [T_S] = BY_MODE(6, 10),
    [T_M] = BY_MODE(4, 8),
    [T_X] = BY_L(16, 32),
    [T_XH] = BY_L(8, 16),
    [T_XQ] = BY_L(4, 8),
    [T_XE] = BY_L(2, 4),
    [T_VW] = FIXED(2),
    [T_DB] = FIXED(1),
    [T_DW] = FIXED(2),
    [T_ENV] = BY_OSZ(14, 28, 28),
    [T_FST] = BY_OSZ(94, 108, 108),
    [T_FX] = FIXED(512),
    [T_DDUP] = BY_L(8, 32),
};

/* Types that differ between a register and memory, as registers. */
static const uint8_t register_type[T_COUNT] = {[T_VW] = T_V, [T_DB] = T_D, [T_DW] = T_D};

/* The low bits of an operand code's access field to enum x86_access: none, RW, NA, W. */
static const uint8_t access_table[4] = {X86_R, X86_RW, 0, X86_W};

static unsigned type_size(const struct decoder *d, unsigned type)
{
    return size_table[type][d->size_ctx];
}

static bool set_reg(struct x86_operand *op, enum x86_opkind kind, unsigned reg)
{
    op->kind = (uint8_t)kind;
    op->reg = (uint8_t)reg;
    return true;
}

/* Without REX, byte registers 4 to 7 are AH CH DH BH. */
static bool set_gpr(struct decoder *d, struct x86_operand *op, unsigned reg)
{
    if (op->size == 1 && reg >= 4 && reg < 8 && !(d->in->prefixes & X86_P_REX))
        reg += X86_GPR_AH - 4;
    return set_reg(op, X86_OP_GPR, reg);
}

static bool set_vector(struct x86_operand *op, unsigned reg)
{
    return set_reg(op, op->size == 32 ? X86_OP_YMM : X86_OP_XMM, reg);
}

static bool set_memory(struct decoder *d, struct x86_operand *op)
{
    op->kind = X86_OP_MEM;
    d->in->mem = (uint8_t)(op - d->in->op);
    return true;
}

/* Fetches an immediate; the second one, if any, goes to imm2. */
static bool set_immediate(struct decoder *d, struct x86_operand *op, bool sign)
{
    struct x86_insn *in = d->in;
    unsigned size = op->size;
    uint64_t v;

    op->kind = X86_OP_IMM;
    if (in->imm_size != 0) {
        in->imm2 = fetch_le(d, size);
    } else {
        in->imm_off = offset(d);
        v = fetch_le(d, size);
        in->imm = sign ? (uint64_t)sign_extend(v, size) : v;
    }
    in->imm_size += (uint8_t)size;
    return true;
}

static bool set_far_pointer(struct decoder *d, struct x86_operand *op)
{
    struct x86_insn *in = d->in;

    op->kind = X86_OP_FAR;
    in->imm_off = offset(d);
    in->imm_size = (uint8_t)op->size;
    in->imm = fetch_le(d, op->size - 2u);
    in->imm2 = fetch_le(d, 2);
    return true;
}

static bool set_moffs(struct decoder *d, struct x86_operand *op)
{
    struct x86_insn *in = d->in;

    in->disp_off = offset(d);
    in->disp_size = in->addrsize;
    in->disp = (int64_t)fetch_le(d, in->addrsize);
    return set_memory(d, op);
}

/* The register in imm8[7:4] of VBLENDV: the byte is the instruction's immediate as well. */
static bool set_is4(struct decoder *d, struct x86_operand *op)
{
    struct x86_insn *in = d->in;

    in->imm_off = offset(d);
    in->imm_size = 1;
    in->imm = fetch8(d);
    return set_vector(op, (unsigned)in->imm >> 4 & (d->m64 ? 15 : 7));
}

static bool set_segment(struct decoder *d, struct x86_operand *op)
{
    unsigned reg = modrm_reg(d);

    /* CS cannot be loaded by MOV. */
    if (reg > X86_SEG_GS || (reg == X86_SEG_CS && op->access == X86_W))
        return false;
    return set_reg(op, X86_OP_SEG, reg);
}

static bool set_control(struct decoder *d, struct x86_operand *op)
{
    unsigned reg = modrm_reg(d) | d->r;

    set_reg(op, X86_OP_CR, reg);
    return reg == 0 || (reg >= 2 && reg <= 4) || reg == 8;
}

static bool set_debug(struct decoder *d, struct x86_operand *op)
{
    unsigned reg = modrm_reg(d) | d->r;

    set_reg(op, X86_OP_DR, reg);
    return reg < 8;
}

/* Gathers address through a vector index, which only a SIB byte can name. */
static bool set_vsib(struct decoder *d, struct x86_operand *op)
{
    struct x86_insn *in = d->in;

    if (!in->has_sib)
        return false;
    /* Doubleword indexes of quadword elements fill half a register: an XMM with either length. */
    in->vsib = (in->opcode & 1) == 0 && in->vex_w ? 16 : (uint8_t)type_size(d, T_X);
    return set_memory(d, op);
}

static bool decode_rm(struct decoder *d, struct x86_operand *op, unsigned type, enum x86_opkind kind)
{
    unsigned reg = modrm_rm(d) | d->b;

    if (!rm_is_reg(d))
        return set_memory(d, op);
    if (register_type[type])
        op->size = (uint16_t)type_size(d, register_type[type]);
    if (kind == X86_OP_GPR)
        return set_gpr(d, op, reg);
    if (kind == X86_OP_MMX)
        return set_reg(op, X86_OP_MMX, modrm_rm(d));
    return set_vector(op, reg);
}

static bool decode_operand(struct decoder *d, struct x86_operand *op, unsigned code)
{
    struct x86_insn *in = d->in;

    op->size = (uint16_t)type_size(d, OP_TYPE(code));
    op->access = access_table[OP_ACCESS(code)];
    switch (OP_METHOD(code)) {
    case M_E:
    case M_R:
    case M_F:
        return decode_rm(d, op, OP_TYPE(code), X86_OP_GPR);
    case M_G:
        return set_gpr(d, op, modrm_reg(d) | d->r);
    case M_M:
        return set_memory(d, op);
    case M_I:
        return set_immediate(d, op, false);
    case M_SI:
        return set_immediate(d, op, true);
    case M_J:
        set_immediate(d, op, true);
        op->kind = X86_OP_REL;
        return true;
    case M_Z:
        return set_gpr(d, op, (in->opcode & 7u) | d->b);
    case M_REG:
        return set_gpr(d, op, OP_FIXED(code));
    case M_ONE:
        op->kind = X86_OP_IMM;
        in->imm = 1;
        return true;
    case M_W:
    case M_U:
        return decode_rm(d, op, OP_TYPE(code), X86_OP_XMM);
    case M_V:
        return set_vector(op, modrm_reg(d) | d->r);
    case M_H:
        return set_vector(op, in->vex_vvvv);
    case M_L:
        return set_is4(d, op);
    case M_B:
        return set_reg(op, X86_OP_GPR, in->vex_vvvv);
    case M_X:
        return set_vsib(d, op);
    case M_P:
        return set_reg(op, X86_OP_MMX, modrm_reg(d));
    case M_Q:
    case M_N:
        return decode_rm(d, op, OP_TYPE(code), X86_OP_MMX);
    case M_ST0:
        return set_reg(op, X86_OP_ST, 0);
    case M_ST:
        return set_reg(op, X86_OP_ST, modrm_rm(d));
    case M_S:
        return set_segment(d, op);
    case M_SREG:
        return set_reg(op, X86_OP_SEG, OP_FIXED(code));
    case M_C:
        return set_control(d, op);
    case M_D:
        return set_debug(d, op);
    case M_A:
        return set_far_pointer(d, op);
    case M_O:
        return set_moffs(d, op);
    default:
        return false;
    }
}

/* Destination, index and mask of a gather must be three registers [SDM 2C VPGATHERDD]. */
static bool gather_is_valid(const struct x86_insn *in)
{
    return in->op[0].reg != in->index && in->op[0].reg != in->op[2].reg &&
           in->op[2].reg != in->index;
}

bool x86_decode_operands(struct decoder *d)
{
    const struct x86_opdesc *desc = d->desc;
    struct x86_insn *in = d->in;

    for (unsigned i = 0; i < 4 && desc->op[i] != 0; i++) {
        if (!decode_operand(d, &in->op[i], desc->op[i]))
            return false;
        in->nops++;
    }
    if (desc->flags & X86_F_VSIB)
        return gather_is_valid(in);
    return true;
}
