/*
 * Loads and stores, moves between register files, sign injection: bits only, no arithmetic.
 */
#include "isa/riscv/exec_fp.h"

#define SIGN_D (UINT64_C(1) << 63)
#define SIGN_S (UINT64_C(1) << 31)

#define EXEC_LOAD(name, load, as)                                                                  \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        if (!fp_is_dirty(c))                                                                       \
            riscv_fp_touch(c, op, true);                                                           \
        RD = as(load(c, op, RS1 + (uint64_t)op->imm));                                             \
        riscv_next(c, op);                                                                         \
    }

#define EXEC_STORE(name, store, T)                                                                 \
    void riscv_exec_##name(struct riscv_cpu *c, const struct riscv_op *op)                         \
    {                                                                                              \
        if (!fp_is_dirty(c))                                                                       \
            riscv_fp_touch(c, op, false);                                                          \
        store(c, op, RS1 + (uint64_t)op->imm, (T)RS2);                                             \
        riscv_next(c, op);                                                                         \
    }

EXEC_LOAD(flw, riscv_load_u32, AS_S)
EXEC_LOAD(fld, riscv_load_u64, AS_D)
EXEC_STORE(fsw, riscv_store_u32, uint32_t)
EXEC_STORE(fsd, riscv_store_u64, uint64_t)

EXEC_FP_MOVE(fmv_x_w, false, (uint64_t)(int64_t)(int32_t)RS1) /* whatever the box */
EXEC_FP_MOVE(fmv_x_d, false, RS1)
EXEC_FP_MOVE(fmv_w_x, true, riscv_fp_box((uint32_t)RS1))
EXEC_FP_MOVE(fmv_d_x, true, RS1)

EXEC_FP_MOVE(fsgnj_d, true, (RS1 & ~SIGN_D) | (RS2 & SIGN_D))
EXEC_FP_MOVE(fsgnjn_d, true, (RS1 & ~SIGN_D) | (~RS2 & SIGN_D))
EXEC_FP_MOVE(fsgnjx_d, true, RS1 ^ (RS2 & SIGN_D))
EXEC_FP_MOVE(fsgnj_s, true, riscv_fp_box((RS1_S & ~SIGN_S) | (RS2_S & SIGN_S)))
EXEC_FP_MOVE(fsgnjn_s, true, riscv_fp_box((RS1_S & ~SIGN_S) | (~RS2_S & SIGN_S)))
EXEC_FP_MOVE(fsgnjx_s, true, riscv_fp_box(RS1_S ^ (RS2_S & SIGN_S)))
