/*
 * Guest registers as operands of host instructions, and what is known of their values.
 */
#include "engine/dbt/riscv/xlat.h"

void rvx_emit_known(struct rvx *x, unsigned host, struct rvx_known k)
{
    if (k.kind == KNOWN_VALUE && k.v == 0) {
        asm_alu(&x->a, false, ALU_XOR, host, host);
    } else if (k.kind == KNOWN_VALUE) {
        asm_mov_imm64(&x->a, host, (uint64_t)k.v);
    } else {
        asm_load(&x->a, host, CPU(code_base));
        if (k.v)
            asm_alu_imm(&x->a, true, ALU_ADD, host, (int32_t)k.v);
    }
}

struct rvx_known rvx_pc(const struct rvx *x, int64_t off)
{
    if (rvx_flat(x))
        return (struct rvx_known){KNOWN_VALUE, (int64_t)x->page_va + off};
    return (struct rvx_known){KNOWN_CODE, off};
}

void rvx_load(struct rvx *x, unsigned r, unsigned scratch)
{
    int home = rvx_home(r);
    if (r == 0)
        asm_alu(&x->a, false, ALU_XOR, scratch, scratch);
    else if (home == RVX_IN_MEMORY)
        asm_load(&x->a, scratch, rvx_slot(r));
    else
        asm_mov(&x->a, scratch, (unsigned)home);
}

unsigned rvx_src(struct rvx *x, unsigned r, unsigned scratch)
{
    int home = rvx_home(r);
    if (home != RVX_IN_MEMORY)
        return (unsigned)home;
    rvx_load(x, r, scratch);
    return scratch;
}

unsigned rvx_dst(unsigned r, unsigned scratch)
{
    int home = rvx_home(r);
    return home == RVX_IN_MEMORY ? scratch : (unsigned)home;
}

void rvx_done(struct rvx *x, unsigned r, unsigned host)
{
    int home = rvx_home(r);
    rvx_forget(x, r);
    if (r == 0 || home == (int)host)
        return;
    if (home == RVX_IN_MEMORY)
        asm_store(&x->a, rvx_slot(r), host);
    else
        asm_mov(&x->a, (unsigned)home, host);
}

void rvx_op_src(struct rvx *x, bool w, enum asm_alu op, unsigned reg, unsigned r)
{
    int home = rvx_home(r);
    if (r == 0)
        asm_alu_imm(&x->a, w, op, reg, 0);
    else if (home == RVX_IN_MEMORY)
        asm_alu_load(&x->a, w, op, reg, rvx_slot(r));
    else
        asm_alu(&x->a, w, op, reg, (unsigned)home);
}

void rvx_know(struct rvx *x, unsigned r, enum rvx_known_kind kind, int64_t v)
{
    if (r)
        x->known[r] = (struct rvx_known){kind, v};
}

void rvx_forget(struct rvx *x, unsigned r)
{
    rvx_know(x, r, KNOWN_NOT, 0);
}

static bool fits32(int64_t v)
{
    return v == (int32_t)v;
}

void rvx_put_known(struct rvx *x, unsigned r, struct rvx_known k)
{
    if (r == 0)
        return;
    if (rvx_home(r) == RVX_IN_MEMORY && k.kind == KNOWN_VALUE && fits32(k.v)) {
        asm_store_imm(&x->a, true, rvx_slot(r), (int32_t)k.v);
    } else {
        unsigned d = rvx_dst(r, H_RAX);
        rvx_emit_known(x, d, k);
        rvx_done(x, r, d);
    }
    x->known[r] = k;
}
