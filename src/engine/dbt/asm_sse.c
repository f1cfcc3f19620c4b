/*
 * Scalar floating point's encoding. [SDM 2 2.1-2.3]
 */
#include "engine/dbt/asm_sse.h"

#include "engine/dbt/asm_alu.h"

void asm_sse(struct asm_buf *a, enum asm_prefix p, bool w, unsigned op, unsigned reg, unsigned rm)
{
    if (p)
        asm_8(a, p);
    asm_op_reg(a, w, 0x0f00 | op, reg, rm);
}

void asm_sse_mem(struct asm_buf *a, enum asm_prefix p, unsigned op, unsigned reg, struct asm_mem m)
{
    if (p)
        asm_8(a, p);
    asm_op_mem(a, false, 0x0f00 | op, reg, m);
}

void asm_movaps(struct asm_buf *a, unsigned dst, unsigned src)
{
    asm_sse(a, SSE_NONE, false, 0x28, dst, src);
}

void asm_movq_load(struct asm_buf *a, unsigned xmm, struct asm_mem m)
{
    asm_sse_mem(a, SSE_SINGLE, 0x7e, xmm, m);
}

void asm_movq_store(struct asm_buf *a, struct asm_mem m, unsigned xmm)
{
    asm_sse_mem(a, SSE_66, 0xd6, xmm, m);
}

void asm_movd_load(struct asm_buf *a, unsigned xmm, struct asm_mem m)
{
    asm_sse_mem(a, SSE_66, 0x6e, xmm, m);
}

void asm_movd_store(struct asm_buf *a, struct asm_mem m, unsigned xmm)
{
    asm_sse_mem(a, SSE_66, 0x7e, xmm, m);
}

void asm_movq_from(struct asm_buf *a, bool w, unsigned xmm, unsigned reg)
{
    asm_sse(a, SSE_66, w, 0x6e, xmm, reg);
}

void asm_movq_to(struct asm_buf *a, bool w, unsigned reg, unsigned xmm)
{
    asm_sse(a, SSE_66, w, 0x7e, xmm, reg);
}

void asm_fma(struct asm_buf *a, bool is_double, enum asm_fma op, unsigned dst, unsigned mul,
             unsigned add)
{
    asm_vex(a, (struct asm_vex){2, 1, (uint8_t)op, is_double}, dst, mul, add);
}

void asm_ldmxcsr(struct asm_buf *a, struct asm_mem m)
{
    asm_op_mem(a, false, 0x0fae, 2, m);
}

void asm_stmxcsr(struct asm_buf *a, struct asm_mem m)
{
    asm_op_mem(a, false, 0x0fae, 3, m);
}
