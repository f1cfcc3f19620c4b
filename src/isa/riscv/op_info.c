/*
 * The generated table of instructions.
 */
#include "isa/riscv/op_info.h"

const struct riscv_op_info riscv_op_info[RISCV_OPS] = {
    [RISCV_OP_ILLEGAL] = {"illegal", "", RISCV_F_END},
#include "isa/riscv/op_info.inc"
};
