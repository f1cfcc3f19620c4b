/*
 * Integer instructions' encoding. [SDM 2 2-4]
 */
#include "engine/dbt/asm_alu.h"

enum { REX = 0x40, REX_W = 8, REX_R = 4, REX_B = 1, PREFIX_GS = 0x65, PREFIX_LOCK = 0xf0 };

static bool fits8(int32_t v)
{
    return v >= -128 && v < 128;
}

void asm_alu(struct asm_buf *a, bool w, enum asm_alu op, unsigned reg, unsigned rm)
{
    asm_op_reg(a, w, 8 * (unsigned)op + 3, reg, rm);
}

void asm_alu_load(struct asm_buf *a, bool w, enum asm_alu op, unsigned reg, struct asm_mem m)
{
    asm_op_mem(a, w, 8 * (unsigned)op + 3, reg, m);
}

void asm_alu_store(struct asm_buf *a, bool w, enum asm_alu op, struct asm_mem m, unsigned reg)
{
    asm_op_mem(a, w, 8 * (unsigned)op + 1, reg, m);
}

static void put_imm(struct asm_buf *a, int32_t imm)
{
    asm_put(a, (uint32_t)imm, fits8(imm) ? 1 : 4);
}

void asm_alu_imm(struct asm_buf *a, bool w, enum asm_alu op, unsigned reg, int32_t imm)
{
    asm_op_reg(a, w, fits8(imm) ? 0x83 : 0x81, op, reg);
    put_imm(a, imm);
}

void asm_alu_mem_imm(struct asm_buf *a, bool w, enum asm_alu op, struct asm_mem m, int32_t imm)
{
    asm_op_mem(a, w, fits8(imm) ? 0x83 : 0x81, op, m);
    put_imm(a, imm);
}

void asm_test(struct asm_buf *a, bool w, unsigned reg, unsigned rm)
{
    asm_op_reg(a, w, 0x85, reg, rm);
}

void asm_shift(struct asm_buf *a, bool w, enum asm_shift op, unsigned reg, unsigned count)
{
    asm_op_reg(a, w, 0xc1, op, reg);
    asm_8(a, count);
}

void asm_rotate_cl(struct asm_buf *a, bool w, enum asm_shift op, unsigned reg)
{
    asm_op_reg(a, w, 0xd3, op, reg);
}

void asm_unary(struct asm_buf *a, bool w, enum asm_unary op, unsigned reg)
{
    asm_op_reg(a, w, 0xf7, op, reg);
}

void asm_imul(struct asm_buf *a, bool w, unsigned reg, unsigned rm)
{
    asm_op_reg(a, w, 0x0faf, reg, rm);
}

void asm_cqo(struct asm_buf *a, bool w)
{
    asm_put(a, w ? 0x9948 : 0x99, w ? 2 : 1);
}

void asm_vex(struct asm_buf *a, struct asm_vex v, unsigned reg, unsigned vvvv, unsigned rm)
{
    uint64_t second = (reg & 8 ? 0 : 0x80) | 0x40 | (rm & 8 ? 0 : 0x20) | v.map;
    uint64_t third = (v.w ? 0x80 : 0) | (~vvvv & 15) << 3 | v.pp;
    uint64_t modrm = 0xc0 | (reg & 7) << 3 | (rm & 7);
    asm_put(a, 0xc4 | second << 8 | third << 16 | (uint64_t)v.opcode << 24 | modrm << 32, 5);
}

void asm_shiftx(struct asm_buf *a, bool w, enum asm_shiftx op, unsigned dst, unsigned src,
                unsigned count)
{
    asm_vex(a, (struct asm_vex){2, (uint8_t)op, 0xf7, w}, dst, count, src);
}

void asm_andn(struct asm_buf *a, unsigned dst, unsigned src, unsigned not )
{
    asm_vex(a, (struct asm_vex){2, 0, 0xf2, true}, dst, not, src);
}

void asm_count(struct asm_buf *a, bool w, enum asm_count op, unsigned dst, unsigned src)
{
    asm_8(a, 0xf3);
    asm_op_reg(a, w, 0x0f00u | (unsigned)op, dst, src);
}

void asm_bswap(struct asm_buf *a, unsigned reg)
{
    unsigned rex = REX | REX_W | (reg & 8 ? REX_B : 0);
    asm_put(a, rex | 0x0f << 8 | (0xc8 | (reg & 7)) << 16, 3);
}

void asm_bit(struct asm_buf *a, enum asm_bit op, unsigned reg, unsigned bit)
{
    asm_op_reg(a, true, 0x0f00u | (unsigned)op, bit, reg);
}

/* 0F BA /4 to /7; the register forms' opcodes are 8 apart in the same order. */
void asm_bit_imm(struct asm_buf *a, enum asm_bit op, unsigned reg, unsigned bit)
{
    asm_op_reg(a, true, 0x0fba, 4 + ((unsigned)op - BIT_TEST) / 8, reg);
    asm_8(a, bit);
}

/* Byte registers 4 to 7 are only what they should be with a REX prefix. */
static void op_byte_reg(struct asm_buf *a, unsigned opcode, unsigned reg, unsigned rm)
{
    if (rm >= H_RSP && rm <= H_RDI && !(reg & 8))
        asm_8(a, REX);
    asm_op_reg(a, false, opcode, reg, rm);
}

void asm_extend(struct asm_buf *a, enum asm_extend how, unsigned dst, unsigned src)
{
    bool sign = how >= EXTEND_SIGN8;
    if (how == EXTEND_ZERO8)
        op_byte_reg(a, how, dst, src);
    else
        asm_op_reg(a, sign, how, dst, src);
}

void asm_extend_load(struct asm_buf *a, enum asm_extend how, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, how >= EXTEND_SIGN8, how, dst, m);
}

void asm_movsxd(struct asm_buf *a, unsigned dst, unsigned src)
{
    asm_op_reg(a, true, 0x63, dst, src);
}

void asm_movsxd_load(struct asm_buf *a, unsigned dst, struct asm_mem m)
{
    asm_op_mem(a, true, 0x63, dst, m);
}

void asm_mov32(struct asm_buf *a, unsigned dst, unsigned src)
{
    asm_op_reg(a, false, 0x89, src, dst);
}

void asm_setcc(struct asm_buf *a, unsigned cc, unsigned reg)
{
    op_byte_reg(a, 0x0f90 | cc, 0, reg);
    asm_extend(a, EXTEND_ZERO8, reg, reg);
}

void asm_cmov(struct asm_buf *a, unsigned cc, unsigned dst, unsigned src)
{
    asm_op_reg(a, true, 0x0f40 | cc, dst, src);
}

void asm_store8(struct asm_buf *a, struct asm_mem m, unsigned src)
{
    if (asm_rex_bits(src, &m) || src < H_RSP) {
        asm_op_mem(a, false, 0x88, src, m);
        return;
    }
    if (m.gs)
        asm_8(a, PREFIX_GS);
    asm_put(a, REX | 0x88 << 8, 2);
    asm_modrm_mem(a, src, &m);
}

void asm_store16(struct asm_buf *a, struct asm_mem m, unsigned src)
{
    asm_8(a, 0x66);
    asm_op_mem(a, false, 0x89, src, m);
}

void asm_store_imm(struct asm_buf *a, bool w, struct asm_mem m, int32_t imm)
{
    asm_op_mem(a, w, 0xc7, 0, m);
    asm_32(a, (uint32_t)imm);
}

void asm_locked(struct asm_buf *a, bool w, unsigned opcode, struct asm_mem m, unsigned reg)
{
    if (opcode != 0x87)
        asm_8(a, PREFIX_LOCK);
    asm_op_mem(a, w, opcode, reg, m);
}

/* [SDM 2B NOP: recommended multi-byte sequences] */
void asm_nops(struct asm_buf *a, unsigned n)
{
    static const uint8_t nops[9][9] = {
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    while (n) {
        unsigned k = n < 9 ? n : 9;
        asm_bytes(a, nops[k - 1], k);
        n -= k;
    }
}
