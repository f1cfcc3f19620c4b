/*
 * From a decoded instruction to an executable one: operands become register offsets, relative
 * addresses become offsets from the block's code base, and the operand form picks the function.
 */
#include <string.h>

#include "isa/x86/exec.h"
#include "isa/x86/exec_table.h"
#include "isa/x86/native.h"
#include "isa/x86/seg.h"

static uint16_t gpr_offset(const struct x86_operand *o)
{
    if (o->reg >= X86_GPR_AH)
        return (uint16_t)(X86_REG_OFF(o->reg - X86_GPR_AH) + 1);
    return X86_REG_OFF(o->reg);
}

static uint16_t address_reg(uint8_t reg)
{
    if (reg == X86_REG_NONE)
        return offsetof(struct x86_cpu, zero);
    if (reg == X86_REG_RIP)
        return offsetof(struct x86_cpu, code_base);
    return X86_REG_OFF(reg);
}

static uint64_t address_mask(unsigned size)
{
    return size == 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
}

static void lower_address(struct x86_op *op, const struct x86_insn *in)
{
    op->ea_mask = address_mask(in->addrsize);
    op->addr_size = in->addrsize;
    op->seg = in->seg;
    op->seg_base = offsetof(struct x86_cpu, zero);
    if (in->mode == X86_MODE_64 && in->seg >= SEG_FS)
        op->seg_base =
            (uint16_t)(offsetof(struct x86_cpu, seg) + in->seg * sizeof(struct x86_segment) +
                       offsetof(struct x86_segment, base));
    op->base = op->index = offsetof(struct x86_cpu, zero);
    if (!x86_is_mem(in))
        return;
    op->base = address_reg(in->base);
    /* A vector index (gathers) is added per element by native.h. */
    op->index = in->vsib ? (uint16_t)offsetof(struct x86_cpu, zero) : address_reg(in->index);
    op->scale = in->vsib ? 0 : in->scale;
    op->disp = in->disp;
    if (in->base == X86_REG_RIP)
        op->disp += op->next;
}

static void lower_operands(struct x86_op *op, const struct x86_insn *in)
{
    uint16_t *regs[3] = {&op->dst, &op->src, &op->third};
    for (unsigned i = 0; i < in->nops; i++) {
        const struct x86_operand *o = &in->op[i];
        if (o->kind == X86_OP_GPR && i < 3)
            *regs[i] = gpr_offset(o);
        else if (o->kind == X86_OP_MEM)
            op->flags |= i == 0 ? OP_MEM0 : OP_MEM1;
        else if (o->kind == X86_OP_IMM || o->kind == X86_OP_REL)
            op->flags |= OP_IMM;
    }
    op->imm = in->imm;
    op->sel = (uint16_t)in->imm2;
    op->imm2 = (uint8_t)in->imm2;
    op->src_size = in->nops > 1 ? (uint8_t)in->op[1].size : 0;
    if (in->nops && in->op[0].kind == X86_OP_REL)
        op->imm += op->next;
}

/* What single classes want beyond their operands; see their exec functions. */
static void lower_special(struct x86_op *op, const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_JCC:
    case X86_I_SETCC:
    case X86_I_CMOVCC:
        op->imm2 = in->opcode & 15;
        break;
    case X86_I_MOV_SEG:
    case X86_I_MOV_CR:
    case X86_I_MOV_DR: {
        bool to = in->op[0].kind != X86_OP_GPR && in->op[0].kind != X86_OP_MEM;
        op->imm = to;
        op->imm2 = in->op[to ? 0 : 1].reg;
        break;
    }
    case X86_I_PUSH_SEG:
    case X86_I_POP_SEG:
        op->imm2 = in->op[0].reg;
        break;
    default:
        break;
    }
}

static bool uses_stack(const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_CALL:
    case X86_I_CALLF:
    case X86_I_ENTER:
    case X86_I_IRET:
    case X86_I_LEAVE:
    case X86_I_POP:
    case X86_I_POPF:
    case X86_I_POP_SEG:
    case X86_I_PUSH:
    case X86_I_PUSHF:
    case X86_I_PUSH_SEG:
    case X86_I_RET:
    case X86_I_RETF:
        return true;
    default:
        return false;
    }
}

static enum x86_form operand_form(const struct x86_insn *in)
{
    unsigned k0 = in->nops > 0 ? in->op[0].kind : X86_OP_NONE;
    unsigned k1 = in->nops > 1 ? in->op[1].kind : X86_OP_NONE;
    bool third_imm = in->nops > 2 && in->op[2].kind == X86_OP_IMM;
    if (k0 == X86_OP_MEM)
        return k1 == X86_OP_GPR   ? FORM_MR
               : k1 == X86_OP_IMM ? FORM_MI
               : in->nops == 1    ? FORM_M
                                  : FORM_COUNT;
    if (k0 != X86_OP_GPR)
        return FORM_COUNT;
    if (third_imm)
        return k1 == X86_OP_MEM ? FORM_MI : FORM_RI;
    return k1 == X86_OP_GPR   ? FORM_RR
           : k1 == X86_OP_MEM ? FORM_RM
           : k1 == X86_OP_IMM ? FORM_RI
           : in->nops == 1    ? FORM_R
                              : FORM_COUNT;
}

static enum x86_form locked_form(enum x86_form f)
{
    switch (f) {
    case FORM_MR:
        return FORM_LMR;
    case FORM_MI:
        return FORM_LMI;
    case FORM_M:
        return FORM_LM;
    default:
        return f;
    }
}

static x86_exec_fn *pick(const struct x86_exec *e, const struct x86_insn *in)
{
    enum x86_form form = operand_form(in);
    unsigned idx = (unsigned)__builtin_ctz(in->opsize | 8u);
    x86_exec_fn *fn = NULL;
    if (form != FORM_COUNT && (in->prefixes & X86_P_LOCK))
        fn = e->f[locked_form(form)][idx];
    else if (form != FORM_COUNT)
        fn = e->f[form][idx];
    if (!fn)
        fn = e->any;
    return fn ? fn : x86_exec_undefined;
}

static const struct x86_op *exec_native(struct x86_cpu *c, const struct x86_op *op)
{
    gva_t ea = 0;
    if (op->flags & (OP_MEM0 | OP_MEM1))
        ea = op_ea(c, op, op->src_size ? op->src_size : 1, (enum x86_access_kind)op->imm2);
    x86_native_run(c, op->aux, ea);
    c->native_count++;
    return op + 1;
}

/* May this form execute on this CPU in this mode at all? */
static bool available(const struct x86_cpu *c, const struct x86_insn *in)
{
    bool vex_or_prot = (in->desc->flags & X86_F_PROT) || (in->prefixes & X86_P_VEX);
    if (vex_or_prot && !x86_protected(c))
        return false;
    return cpuid_has_feature(c->model, in->desc->feature);
}

static void lower_native(struct x86_cpu *c, struct x86_op *op, const struct x86_insn *in)
{
    op->aux = x86_native_prepare(c, in);
    if (!op->aux)
        return;
    op->fn = exec_native;
    if (!x86_is_mem(in))
        return;
    op->src_size = (uint8_t)in->op[in->mem].size;
    op->imm2 = in->op[in->mem].access & X86_W ? ACCESS_WRITE : ACCESS_READ;
}

void x86_lower(struct x86_cpu *c, struct x86_op *op, const struct x86_insn *in, unsigned page_off)
{
    memset(op, 0, sizeof(*op));
    op->len = in->len;
    op->next = (uint16_t)(page_off + in->len);
    op->size = in->opsize;
    op->flags = in->mode == X86_MODE_64 ? 0 : OP_LEGACY;
    op->flags |= in->prefixes & X86_P_LOCK ? OP_LOCK : 0;
    op->flags |= in->prefixes & X86_P_REP ? OP_REP : 0;
    op->flags |= in->prefixes & X86_P_REPNE ? OP_REPNE : 0;
    op->flags |= uses_stack(in) ? OP_STACK : 0;
    op->fn = x86_exec_undefined;
    lower_address(op, in);
    lower_operands(op, in);
    lower_special(op, in);
    if (!available(c, in))
        return;
    const struct x86_exec *e = x86_exec_of(in->iclass);
    if (!e)
        lower_native(c, op, in);
    else if (in->iclass == X86_I_JCC && in->mode == X86_MODE_64)
        op->fn = x86_jcc64[op->imm2];
    else if (in->iclass == X86_I_MOVZX && in->opsize == 4 && in->op[1].size <= 2)
        op->fn = x86_movzx32[in->op[1].size - 1][x86_is_mem(in)];
    else
        op->fn = pick(e, in);
}

static const struct x86_op *exec_too_long(struct x86_cpu *c, const struct x86_op *op)
{
    (void)op;
    x86_raise_gp(c, 0);
}

static const struct x86_op *exec_end(struct x86_cpu *c, const struct x86_op *op)
{
    return end_block(c, op);
}

static void lower_bare(struct x86_cpu *c, struct x86_op *op, unsigned page_off, x86_exec_fn *fn)
{
    memset(op, 0, sizeof(*op));
    op->next = (uint16_t)page_off;
    op->flags = c->code_mode == 64 ? 0 : OP_LEGACY;
    op->fn = fn;
}

void x86_lower_fault(struct x86_cpu *c, struct x86_op *op, unsigned page_off, uint8_t vector)
{
    lower_bare(c, op, page_off, vector == VEC_GP ? exec_too_long : x86_exec_undefined);
}

void x86_lower_end(struct x86_cpu *c, struct x86_op *op, unsigned page_off)
{
    lower_bare(c, op, page_off, exec_end);
}
