/*
 * Operands: third stage of the decoder. Turns the operand codes of a form (opcode.h) into
 * registers, sizes and immediates.
 *
 * Registers and memory, by far the most operands, take one straight path; only immediates and the
 * like branch off.
 */
#ifndef ISA_X86_DECODE_OPERAND_H
#define ISA_X86_DECODE_OPERAND_H

#include "isa/x86/decoder.h"

/*
 * Sizes by operand type and context (set_sizes()): operand size 2, 4, 8 (two bits); ModRM.rm is
 * memory; 64-bit mode; VEX.L.
 */
#define OSZ(a, b, c)    a, b, c, 0
#define MODES(reg, mem) reg, mem, reg, mem
#define FIXED(n)        BY_OSZ(n, n, n)
#define BY_OSZ(a, b, c)                                                                            \
    {                                                                                              \
        MODES(OSZ(a, b, c), OSZ(a, b, c)), MODES(OSZ(a, b, c), OSZ(a, b, c))                       \
    }
#define REG_MEM(a, b, c, m)                                                                        \
    {                                                                                              \
        MODES(OSZ(a, b, c), OSZ(m, m, m)), MODES(OSZ(a, b, c), OSZ(m, m, m))                       \
    }
#define BY_L(a, b)                                                                                 \
    {                                                                                              \
        MODES(OSZ(a, a, a), OSZ(a, a, a)), MODES(OSZ(b, b, b), OSZ(b, b, b))                       \
    }
#define BY_MODE_L(a, b) OSZ(a, a, a), OSZ(a, a, a), OSZ(b, b, b), OSZ(b, b, b)
#define BY_MODE(a, b)                                                                              \
    {                                                                                              \
        BY_MODE_L(a, b), BY_MODE_L(a, b)                                                           \
    }
static const uint16_t type_table[T_COUNT][32] = {
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
    [T_VW] = REG_MEM(2, 4, 8, 2),
    [T_ZW] = REG_MEM(2, 4, 4, 2),
    [T_DB] = REG_MEM(4, 4, 4, 1),
    [T_DW] = REG_MEM(4, 4, 4, 2),
    [T_ENV] = BY_OSZ(14, 28, 28),
    [T_FST] = BY_OSZ(94, 108, 108),
    [T_FX] = FIXED(512),
    [T_DDUP] = BY_L(8, 32),
};

/* Fetches an immediate; the second one, if any, goes to imm2. */
HOT void decode_immediate(struct decoder *d, unsigned size, bool sign, bool second)
{
    struct x86_insn *in = d->in;

    if (second) {
        in->imm2 = fetch_unsigned(d, size);
        in->imm_size += (uint8_t)size;
        return;
    }
    in->imm_off = offset(d);
    in->imm_size = (uint8_t)size;
    in->imm = sign ? (uint64_t)fetch_signed(d, size) : fetch_unsigned(d, size);
}

HOT void decode_far_pointer(struct decoder *d, unsigned size)
{
    d->in->imm_off = offset(d);
    d->in->imm_size = (uint8_t)size;
    d->in->imm = fetch_unsigned(d, size - 2);
    d->in->imm2 = fetch_unsigned(d, 2);
}

HOT void decode_moffs(struct decoder *d, unsigned i)
{
    d->mem = (uint8_t)i;
    d->in->disp_off = offset(d);
    d->in->disp_size = d->addrsize;
    d->in->disp = (int64_t)fetch_unsigned(d, d->addrsize);
}

/* The register in imm8[7:4] of VBLENDV: the byte is the instruction's immediate as well. */
HOT void decode_is4(struct decoder *d, struct x86_operand *op)
{
    uint8_t byte = *d->pos;

    decode_immediate(d, 1, false, false);
    op->reg = byte >> 4 & (d->m64 ? 15 : 7);
}

HOT void decode_fixed(struct decoder *d, struct x86_operand *op, unsigned value)
{
    if (op->kind == X86_OP_IMM)
        d->in->imm = value;
    else
        op->reg = (uint8_t)value;
}

/* Segment registers ES to GS, of which CS cannot be loaded; CR0, 2, 3, 4, 8; DR0 to 7. */
HOT bool decode_checked(const struct decoder *d, struct x86_operand *op)
{
    unsigned reg = modrm_reg(d);

    op->reg = (uint8_t)reg;
    if (op->kind == X86_OP_SEG)
        return reg <= X86_SEG_GS && !(reg == X86_SEG_CS && op->access == X86_W);
    op->reg |= rex_r(d);
    if (op->kind == X86_OP_DR)
        return rex_r(d) == 0;
    return rex_r(d) ? reg == 0 : reg == 0 || (reg >= 2 && reg <= 4);
}

/* Gathers address through a vector index, which only a SIB byte can name. */
HOT bool decode_vsib(struct decoder *d)
{
    /* Doubleword indexes of quadword elements fill half a register: an XMM with either length. */
    d->in->vsib = ((d->opcode & 1) == 0 && rex_w(d)) || !d->vex_l ? 16 : 32;
    return d->has_sib;
}

/* Operands that are no plain registers or memory. False: #UD. */
HOT bool decode_other(struct decoder *d, unsigned i, enum op_other other)
{
    struct x86_operand *op = &d->in->op[i];

    switch (other) {
    case OTHER_IMM:
        decode_immediate(d, op->size, false, i > 0 && op[-1].kind == X86_OP_IMM);
        return true;
    case OTHER_SIMM:
        decode_immediate(d, op->size, true, false);
        return true;
    case OTHER_FIXED:
        decode_fixed(d, op, OP_FIXED(d->desc->op[i]));
        return true;
    case OTHER_FAR:
        decode_far_pointer(d, op->size);
        return true;
    case OTHER_MOFFS:
        decode_moffs(d, i);
        return true;
    case OTHER_IS4:
        decode_is4(d, op);
        return true;
    case OTHER_CHECKED:
        return decode_checked(d, op);
    default:
        return decode_vsib(d);
    }
}

/* Without REX, byte registers 4 to 7 are AH CH DH BH. */
HOT unsigned byte_register(const struct decoder *d, unsigned reg)
{
    return !(d->prefixes & X86_P_REX) && (reg & 0x1c) == 4 ? reg - 4 + X86_GPR_AH : reg;
}

/* An operand as if it were a register; `sources` holds their numbers where enum op_source says. */
HOT bool decode_operand(struct decoder *d, unsigned i, uint64_t sources)
{
    struct x86_operand *op = &d->in->op[i];
    uint32_t code = d->desc->op[i];
    unsigned size = type_table[OP_TYPE(code)][d->size_ctx];
    unsigned reg = (uint8_t)(sources >> OP_SOURCE(code));
    uint32_t head;

    if (size == 1 && OP_KIND(code) == X86_OP_GPR)
        reg = byte_register(d, reg);
    head = OP_OPERAND(code) | reg << 8;
    memcpy(op, &head, sizeof(head));
    op->size = (uint16_t)size;
    return !OP_OTHER(code) || decode_other(d, i, OP_SOURCE(code));
}

/* What decode_operand() cannot know: the operand of ModRM.rm is memory. */
HOT void memory_operand(struct decoder *d)
{
    struct x86_operand *op = &d->in->op[d->desc->mem];

    op->kind = X86_OP_MEM;
    op->reg = 0;
    d->mem = d->desc->mem;
}

/* XMM registers of 32 bytes are YMM. */
HOT void widen_vectors(struct decoder *d)
{
    for (unsigned i = 0; i < d->desc->nops; i++) {
        struct x86_operand *op = &d->in->op[i];

        if (op->kind == X86_OP_XMM && op->size == 32)
            op->kind = X86_OP_YMM;
    }
}

/* Destination, index and mask of a gather must be three registers [SDM 2C VPGATHERDD]. */
HOT bool gather_is_valid(const struct decoder *d)
{
    const struct x86_operand *op = d->in->op;

    return op[0].reg != d->index && op[0].reg != op[2].reg && op[2].reg != d->index;
}

/* Decodes the operands of d->desc. False: a combination that is #UD. */
HOT bool decode_operands(struct decoder *d)
{
    unsigned reg = modrm_reg(d), rm = modrm_rm(d), b = rex_b(d);
    uint64_t sources = (reg | rex_r(d)) << FROM_REG | (rm | b) << FROM_RM |
                       ((d->opcode & 7u) | b) << FROM_OPCODE | d->vvvv << FROM_VVVV |
                       (uint64_t)(reg | rm << 8) << FROM_REG3;
    unsigned nops = d->desc->nops;

#pragma GCC unroll 4
    for (unsigned i = 0; i < 4; i++) {
        if (i == nops)
            break;
        if (!decode_operand(d, i, sources))
            return false;
    }
    if (d->rm_is_mem)
        memory_operand(d);
    if (unlikely(d->vex_l))
        widen_vectors(d);
    return !(d->desc->flags & X86_F_VSIB) || gather_is_valid(d);
}

#endif
