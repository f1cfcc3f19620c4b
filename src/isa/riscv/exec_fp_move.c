/*
 * Loads and stores, moves between register files, sign injection: bits only, no arithmetic.
 */
#include "isa/riscv/exec.h"
#include "isa/riscv/exec_fp.h"

#define SIGN_D (UINT64_C(1) << 63)
#define SIGN_S (UINT64_C(1) << 31)

RISCV_EXEC_LOAD_AS(flw, u32, uint32_t, AS_S, fp_is_dirty(c), riscv_fp_touch(c, op, true))
RISCV_EXEC_LOAD_AS(fld, u64, uint64_t, AS_D, fp_is_dirty(c), riscv_fp_touch(c, op, true))
RISCV_EXEC_STORE_AS(fsw, u32, uint32_t, fp_is_dirty(c), riscv_fp_touch(c, op, false))
RISCV_EXEC_STORE_AS(fsd, u64, uint64_t, fp_is_dirty(c), riscv_fp_touch(c, op, false))

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
