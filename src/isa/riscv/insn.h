/*
 * A decoded RISC-V instruction, engine-free: what decode.c makes of 16 or 32 bits of code, and what
 * the interpreter's lowering, the translator and the disassembler start from.
 */
#ifndef DOPPEL_ISA_RISCV_INSN_H
#define DOPPEL_ISA_RISCV_INSN_H

#include <stdint.h>

/* RISCV_OP_ADDI, ...: one for each line of the pattern files, but for compressed forms, which
 * decode to the instruction that they abbreviate. Generated. */
#include "isa/riscv/op_names.h"

struct riscv_insn {
    uint16_t op; /* enum riscv_op_id */
    uint8_t len; /* 2 or 4 */
    uint8_t rd, rs1, rs2, rs3;
    uint8_t rm;   /* rounding mode of floating point; aq and rl (bits 1 and 0) of atomics */
    int32_t imm;  /* immediate, sign-extended; shift amount; of CSR instructions: the immediate */
    uint16_t csr; /* number */
    uint32_t raw; /* the instruction's bits, of a compressed one the 16 */
};

/* `bits`: at least the first 16 are valid, all 32 unless the lowest two say that it is a short one.
 * 0, or -1: illegal (in->len and in->raw are set). */
int riscv_decode(struct riscv_insn *in, uint32_t bits);

static inline unsigned riscv_insn_len(uint16_t first)
{
    return (first & 3) == 3 ? 4 : 2;
}

#endif
