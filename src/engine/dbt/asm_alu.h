/*
 * Integer instructions of the host that a front end computes with: arithmetic with immediates,
 * shifts, bit manipulation, and registers narrower than 32 bits. Flags are theirs to destroy.
 */
#ifndef DOPPEL_ENGINE_DBT_ASM_ALU_H
#define DOPPEL_ENGINE_DBT_ASM_ALU_H

#include "engine/dbt/asm.h"

/* Two-operand arithmetic: the opcode for "reg, rm" is 8 * n + 3, for an immediate /n. */
enum asm_alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };
/* Shifts by a count in the instruction: /n. */
enum asm_shift { SHIFT_ROL, SHIFT_ROR, SHIFT_SHL = 4, SHIFT_SHR, SHIFT_SAR = 7 };
/* VEX shifts by a register. */
enum asm_shiftx { SHIFTX_SHL = 1, SHIFTX_SAR = 2, SHIFTX_SHR = 3 };
/* The group of one operand, opcode F7: /n. */
enum asm_unary { UNARY_NOT = 2, UNARY_NEG, UNARY_MUL, UNARY_IMUL, UNARY_DIV, UNARY_IDIV };

enum { CC_S = 8, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G };

void asm_alu(struct asm_buf *a, bool w, enum asm_alu op, unsigned reg, unsigned rm);
void asm_alu_load(struct asm_buf *a, bool w, enum asm_alu op, unsigned reg, struct asm_mem m);
void asm_alu_store(struct asm_buf *a, bool w, enum asm_alu op, struct asm_mem m, unsigned reg);
void asm_alu_imm(struct asm_buf *a, bool w, enum asm_alu op, unsigned reg, int32_t imm);
void asm_alu_mem_imm(struct asm_buf *a, bool w, enum asm_alu op, struct asm_mem m, int32_t imm);
void asm_test(struct asm_buf *a, bool w, unsigned reg, unsigned rm);
void asm_shift(struct asm_buf *a, bool w, enum asm_shift op, unsigned reg, unsigned count);
void asm_shiftx(struct asm_buf *a, bool w, enum asm_shiftx op, unsigned dst, unsigned src,
                unsigned count);
/* By CL. */
void asm_rotate_cl(struct asm_buf *a, bool w, enum asm_shift op, unsigned reg);
void asm_unary(struct asm_buf *a, bool w, enum asm_unary op, unsigned reg);
void asm_imul(struct asm_buf *a, bool w, unsigned reg, unsigned rm);
void asm_cqo(struct asm_buf *a, bool w);
/* dst = src & ~not */
void asm_andn(struct asm_buf *a, unsigned dst, unsigned src, unsigned not );
/* F3 0F op: popcnt b8, tzcnt bc, lzcnt bd */
enum asm_count { COUNT_ONES = 0xb8, COUNT_TRAILING = 0xbc, COUNT_LEADING = 0xbd };
void asm_count(struct asm_buf *a, bool w, enum asm_count op, unsigned dst, unsigned src);
void asm_bswap(struct asm_buf *a, unsigned reg);
/* bts ab, btr b3, btc bb, bt a3: reg's bit whose number is in `bit` */
enum asm_bit { BIT_TEST = 0xa3, BIT_SET = 0xab, BIT_RESET = 0xb3, BIT_COMPLEMENT = 0xbb };
void asm_bit(struct asm_buf *a, enum asm_bit op, unsigned reg, unsigned bit);
void asm_bit_imm(struct asm_buf *a, enum asm_bit op, unsigned reg, unsigned bit);
/* 32 bits to 64, from the low byte or word. */
enum asm_extend { EXTEND_ZERO8 = 0xfb6, EXTEND_ZERO16, EXTEND_SIGN8 = 0xfbe, EXTEND_SIGN16 };
void asm_extend(struct asm_buf *a, enum asm_extend how, unsigned dst, unsigned src);
void asm_extend_load(struct asm_buf *a, enum asm_extend how, unsigned dst, struct asm_mem m);
void asm_movsxd(struct asm_buf *a, unsigned dst, unsigned src);
void asm_movsxd_load(struct asm_buf *a, unsigned dst, struct asm_mem m);
void asm_mov32(struct asm_buf *a, unsigned dst, unsigned src);
/* reg = condition, 0 or 1 */
void asm_setcc(struct asm_buf *a, unsigned cc, unsigned reg);
void asm_cmov(struct asm_buf *a, unsigned cc, unsigned dst, unsigned src);
/* The low byte or word; mem = imm, sign-extended. */
void asm_store8(struct asm_buf *a, struct asm_mem m, unsigned src);
void asm_store16(struct asm_buf *a, struct asm_mem m, unsigned src);
void asm_store_imm(struct asm_buf *a, bool w, struct asm_mem m, int32_t imm);
/* lock op [m], reg: with opcode 0fc1 (xadd), 0fb1 (cmpxchg), 01 ..; XCHG (87) locks by itself. */
void asm_locked(struct asm_buf *a, bool w, unsigned opcode, struct asm_mem m, unsigned reg);
/* A three-operand instruction: pp 0 none, 1 66, 2 F3, 3 F2; map 1 0F, 2 0F38, 3 0F3A. */
struct asm_vex {
    uint8_t map, pp, opcode;
    bool w;
};
void asm_vex(struct asm_buf *a, struct asm_vex v, unsigned reg, unsigned vvvv, unsigned rm);
/* NOPs of the longest forms, `n` bytes. */
void asm_nops(struct asm_buf *a, unsigned n);

#endif
