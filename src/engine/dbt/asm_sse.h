/*
 * Scalar floating-point instructions of the host, SSE2 and FMA3. [SDM 2 2.1, 4]
 */
#ifndef DOPPEL_ENGINE_DBT_ASM_SSE_H
#define DOPPEL_ENGINE_DBT_ASM_SSE_H

#include "engine/dbt/asm.h"

/* Mandatory prefixes; F2 and F3 say double and single precision of scalar operations. */
enum asm_prefix { SSE_NONE = 0, SSE_66 = 0x66, SSE_DOUBLE = 0xf2, SSE_SINGLE = 0xf3 };
/* opcode, behind 0F, of "xmm, xmm/m" */
enum asm_sse_op {
    SSE_SQRT = 0x51,
    SSE_AND = 0x54,
    SSE_ANDN = 0x55,
    SSE_OR = 0x56,
    SSE_XOR = 0x57,
    SSE_ADD = 0x58,
    SSE_MUL = 0x59,
    SSE_CONVERT = 0x5a, /* single <-> double */
    SSE_SUB = 0x5c,
    SSE_MIN = 0x5d,
    SSE_DIV = 0x5e,
    SSE_MAX = 0x5f,
    SSE_FROM_INT = 0x2a,
    SSE_TO_INT_TRUNCATED = 0x2c,
    SSE_TO_INT = 0x2d,
    SSE_UNORDERED_COMPARE = 0x2e,
    SSE_ORDERED_COMPARE = 0x2f,
};

/* With a general register as reg or rm where the instruction says so; `w`: which is 64 bits. */
void asm_sse(struct asm_buf *a, enum asm_prefix p, bool w, unsigned op, unsigned reg, unsigned rm);
void asm_sse_mem(struct asm_buf *a, enum asm_prefix p, unsigned op, unsigned reg, struct asm_mem m);
/* All 128 bits. */
void asm_movaps(struct asm_buf *a, unsigned dst, unsigned src);
/* 64 bits; loads clear the rest. */
void asm_movq_load(struct asm_buf *a, unsigned xmm, struct asm_mem m);
void asm_movq_store(struct asm_buf *a, struct asm_mem m, unsigned xmm);
void asm_movd_load(struct asm_buf *a, unsigned xmm, struct asm_mem m);
void asm_movd_store(struct asm_buf *a, struct asm_mem m, unsigned xmm);
/* Between general registers and vectors, 64 or 32 bits. */
void asm_movq_from(struct asm_buf *a, bool w, unsigned xmm, unsigned reg);
void asm_movq_to(struct asm_buf *a, bool w, unsigned reg, unsigned xmm);
/* dst = +-(dst * mul) +- add: 213 forms */
enum asm_fma { FMA_ADD = 0xa9, FMA_SUB = 0xab, FMA_NEG_ADD = 0xad, FMA_NEG_SUB = 0xaf };
void asm_fma(struct asm_buf *a, bool is_double, enum asm_fma op, unsigned dst, unsigned mul,
             unsigned add);
/* ldmxcsr, stmxcsr */
void asm_ldmxcsr(struct asm_buf *a, struct asm_mem m);
void asm_stmxcsr(struct asm_buf *a, struct asm_mem m);

#endif
