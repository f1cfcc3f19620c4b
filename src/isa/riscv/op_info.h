/*
 * What the pattern files say about each instruction besides its bits.
 */
#ifndef DOPPEL_ISA_RISCV_OP_INFO_H
#define DOPPEL_ISA_RISCV_OP_INFO_H

#include <stdint.h>

#include "isa/riscv/op_names.h"

/* As insn32.pat explains them. */
enum riscv_insn_flag {
    RISCV_F_END = 1 << 0,
    RISCV_F_LOAD = 1 << 1,
    RISCV_F_STORE = 1 << 2,
    RISCV_F_FP = 1 << 3,
    /* This operand is a floating-point register. */
    RISCV_F_FD = 1 << 4,
    RISCV_F_F1 = 1 << 5,
    RISCV_F_F2 = 1 << 6,
    RISCV_F_F3 = 1 << 7,
};

struct riscv_op_info {
    const char *name;     /* "amoadd.w" */
    const char *operands; /* "xd, x2, (x1), aqrl": insn32.pat */
    uint32_t flags;
};

extern const struct riscv_op_info riscv_op_info[RISCV_OPS];

#endif
