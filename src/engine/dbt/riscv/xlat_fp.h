/*
 * Floating-point registers as operands, and what the three files about floating point share. All of
 * it is only for a context whose MXCSR is the guest's; elsewhere the interpreter does it, which
 * changes the context.
 */
#ifndef DOPPEL_ENGINE_DBT_RISCV_XLAT_FP_H
#define DOPPEL_ENGINE_DBT_RISCV_XLAT_FP_H

#include "engine/dbt/asm_sse.h"
#include "engine/dbt/riscv/xlat.h"

enum { XMM0, XMM1 }; /* scratch */

/* The vector register with f`r`: its own, or `scratch` after loading it. */
unsigned rvx_fp_src(struct rvx *x, unsigned r, unsigned scratch);
/* Where to compute a result, then done; `single`: it is boxed. */
unsigned rvx_fp_dst(unsigned r, unsigned scratch);
void rvx_fp_done(struct rvx *x, unsigned r, unsigned xmm, bool single);
/* A single operand must be boxed right, or else the interpreter takes over. Uses rax. */
void rvx_fp_check_boxed(struct rvx *x, unsigned r);
/* A result that is a NaN becomes the canonical one. */
void rvx_fp_settle_nan(struct rvx *x, unsigned xmm, bool single);
/* May the current instruction run in MXCSR's rounding mode? */
bool rvx_fp_rounds(struct rvx *x);
/* Put boxing's upper half onto a single. */
void rvx_fp_box(struct rvx *x, unsigned xmm);

static inline enum asm_prefix rvx_fp_prefix(bool single)
{
    return single ? SSE_SINGLE : SSE_DOUBLE;
}

bool rvx_fp_move(struct rvx *x);    /* xlat_fp_move.c */
bool rvx_fp_convert(struct rvx *x); /* xlat_fp_convert.c */
bool rvx_fp_select(struct rvx *x);  /* xlat_fp_select.c */
bool rvx_fcsr(struct rvx *x);       /* xlat_fcsr.c */

#endif
