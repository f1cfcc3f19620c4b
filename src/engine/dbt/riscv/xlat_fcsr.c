/*
 * The floating-point CSRs as compilers use them: FRFLAGS and FSFLAGS around every comparison that
 * must be quiet, and every inlined sqrt(); FRRM. Others are the interpreter's. [RISC-V unpriv 20.2]
 */
#include "engine/dbt/riscv/regs.h"
#include "engine/dbt/riscv/xlat_fp.h"

enum { CSR_FFLAGS = 1, CSR_FRM = 2, FFLAGS_MASK = 0x1f };

static bool reads_only(const struct riscv_insn *in)
{
    return in->op == RISCV_OP_CSRRS && in->rs1 == 0 &&
           (in->csr == CSR_FFLAGS || in->csr == CSR_FRM);
}

static bool replaces_flags(const struct riscv_insn *in)
{
    return in->op == RISCV_OP_CSRRW && in->rd == 0 && in->csr == CSR_FFLAGS;
}

bool rvx_is_fcsr(const struct riscv_insn *in)
{
    return reads_only(in) || replaces_flags(in);
}

/* rax = fflags: what the struct has, and what is gathered in MXCSR. Uses rcx. */
static void read_flags(struct rvx *x)
{
    struct asm_buf *a = &x->a;
    asm_stmxcsr(a, HOT_WORD(RVX_ARG)); /* whose own use is on the way to stubs */
    asm_load32(a, H_RAX, HOT_WORD(RVX_ARG));
    asm_alu_imm(a, false, ALU_AND, H_RAX, RISCV_MXCSR_STICKY);
    asm_mov_imm64(a, H_RCX, (uintptr_t)riscv_fp_flags_of_mxcsr);
    asm_extend_load(a, EXTEND_ZERO8, H_RAX, MEM_INDEXED(H_RCX, H_RAX, 0));
    asm_extend_load(a, EXTEND_ZERO8, H_RCX, CPU(fflags));
    asm_alu(a, false, ALU_OR, H_RAX, H_RCX);
}

/* The struct gets them, MXCSR has none. */
static void replace_flags(struct rvx *x, unsigned rs1)
{
    struct asm_buf *a = &x->a;
    rvx_load(x, rs1, H_RAX);
    asm_alu_imm(a, false, ALU_AND, H_RAX, FFLAGS_MASK);
    asm_store8(a, CPU(fflags), H_RAX);
    asm_store_imm(a, false, HOT_WORD(RVX_ARG), (int32_t)riscv_fp_mxcsr(x->ctx >> RVX_CTX_FP));
    asm_ldmxcsr(a, HOT_WORD(RVX_ARG));
}

bool rvx_fcsr(struct rvx *x)
{
    const struct riscv_insn *in = &rvx_cur(x)->in;
    if (replaces_flags(in)) {
        replace_flags(x, in->rs1);
        return true;
    }
    if (!reads_only(in))
        return false;
    if (in->csr == CSR_FFLAGS)
        read_flags(x);
    else
        asm_extend_load(&x->a, EXTEND_ZERO8, H_RAX, CPU(frm));
    if (in->rd)
        rvx_done(x, in->rd, H_RAX);
    return true;
}
