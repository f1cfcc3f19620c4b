/*
 * Where a hart's registers are while translated code runs: those that compilers use most in host
 * registers, the others in struct riscv_cpu, which rbp points into the middle of, so that all of
 * x[] is reached with one byte of displacement. rax, rcx and rdx are scratch between instructions,
 * as are xmm0 and xmm1; rsp is the host's. GS is the space (paged) or the guest's memory (flat).
 */
#ifndef DOPPEL_ENGINE_DBT_RISCV_REGS_H
#define DOPPEL_ENGINE_DBT_RISCV_REGS_H

#include <stddef.h>

#include "engine/dbt/asm_alu.h"
#include "isa/riscv/cpu.h"

/* rbp = the struct + this. */
enum { RBP_BIAS = offsetof(struct riscv_cpu, x) + 16 * 8 };

/* The struct's field at offset `off`. */
#define CPU_AT(off) MEM_BASE(H_RBP, (int32_t)(off) - (int32_t)RBP_BIAS)
#define CPU(field)  CPU_AT(offsetof(struct riscv_cpu, field))
/* The engine's words in it: enum rvx_hot. */
#define HOT_WORD(n) CPU_AT(offsetof(struct riscv_cpu, engine_hot) + 8 * (n))

/* What translated code and stubs keep in riscv_cpu.engine_hot. */
enum rvx_hot {
    RVX_JUMP_MASK,  /* SPACE_JUMP_MASK, or 0: jumps attend; other threads clear it */
    RVX_JUMP_TABLE, /* struct space_jump[] */
    RVX_SLOW,       /* addresses of stubs */
    RVX_LINK,
    RVX_MISS,
    RVX_ATTEND,
    RVX_ARG,        /* of a stub */
    RVX_BOX,        /* the upper half of a boxed float */
    RVX_FP_IN_HOST, /* f registers are in the host's: C sets it with fp_live */
    RVX_HOT_WORDS,
    RVX_GROUP_WORDS = RVX_HOT_WORDS, /* from here on: of groups of accesses */
};
_Static_assert((int)RVX_HOT_WORDS <= (int)RISCV_ENGINE_HOT, "room in struct riscv_cpu");

enum { RVX_IN_MEMORY = -1, RVX_XMM_BOX = 2 };

/* The host register that holds guest register `r`, or RVX_IN_MEMORY. */
static inline int rvx_home(unsigned r)
{
    enum { M = RVX_IN_MEMORY };
    static const int8_t home[32] = {
        M,     M,    H_RBX, M,     M,     M,     M,     M,     /* zero ra sp gp tp t0-t2 */
        H_R8,  H_R9, H_RSI, H_RDI, H_R10, H_R11, H_R12, H_R13, /* s0 s1 a0-a5 */
        H_R14, M,    H_R15, M,     M,     M,     M,     M,     /* a6 a7 s2-s7 */
        M,     M,    M,     M,     M,     M,     M,     M,     /* s8-s11 t3-t6 */
    };
    return home[r];
}

/* The vector register that holds guest f`r`: ft0-ft2 fs0 fa0-fa7. xmm2 has the upper half that
 * boxes a float. */
static inline int rvx_fp_home(unsigned r)
{
    enum { M = RVX_IN_MEMORY };
    static const int8_t home[32] = {
        3,  4,  5, M, M, M, M, M, 6, M, 7, 8, 9,  10, 11, 12,
        13, 14, M, M, M, M, M, M, M, M, M, M, 15, M,  M,  M,
    };
    return home[r];
}

static inline struct asm_mem rvx_slot(unsigned r)
{
    return CPU_AT(offsetof(struct riscv_cpu, x) + 8 * r);
}

static inline struct asm_mem rvx_fp_slot(unsigned r)
{
    return CPU_AT(offsetof(struct riscv_cpu, f) + 8 * r);
}

#endif
