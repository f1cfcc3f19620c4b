/*
 * Immediates that are read when the instruction runs. Where a block that checks itself was found
 * with one set of bytes after the other, it is translated once more so that what mostly changes
 * there, 4 and 8 byte immediates, displacements of LEA and the targets of jumps, is neither
 * compared nor part of the host code, but loaded from the guest's page:
 *     mov    r15, host address of the immediate
 *     movsxd r15, [r15]
 *     add    rax, r15
 * Only for instructions without sites: those are decoded from the block's copy of the bytes.
 */
#include <string.h>

#include "engine/dbt/x86/xlat.h"

/* Operations in the order of their opcodes [SDM 2 A.4.2, group 1]. */
static bool is_group1(const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_ADD:
    case X86_I_OR:
    case X86_I_ADC:
    case X86_I_SBB:
    case X86_I_AND:
    case X86_I_SUB:
    case X86_I_XOR:
    case X86_I_CMP:
        return true;
    default:
        return false;
    }
}

/* A register of the host's own and an immediate. */
static bool takes_immediate(const struct x86_insn *in)
{
    return in->nops == 2 && in->op[0].kind == X86_OP_GPR && in->op[1].kind == X86_OP_IMM &&
           !xlat_spilled(in->op[0].reg) && in->opsize >= 4 &&
           (in->imm_size == 4 || (in->iclass == X86_I_MOV && in->imm_size == 8));
}

static bool is_own(unsigned reg)
{
    return reg == X86_REG_NONE || (reg < 16 && !xlat_spilled(reg));
}

static bool takes_displacement(const struct x86_insn *in)
{
    return in->iclass == X86_I_LEA && in->disp_size == 4 && in->opsize >= 4 && in->addrsize == 8 &&
           is_own(in->base) && is_own(in->index) && !xlat_spilled(in->op[0].reg);
}

/* Where the instruction's changing field stands, and its size; 0: it has none. */
static unsigned field_of(const struct x86_insn *in, unsigned *size)
{
    bool jump = in->iclass == X86_I_JMP && in->op[0].kind == X86_OP_REL && in->imm_size == 4;
    *size = 4;
    if (takes_displacement(in))
        return in->disp_off;
    *size = in->imm_size;
    bool has = jump || ((is_group1(in) || in->iclass == X86_I_MOV) && takes_immediate(in));
    return has ? in->imm_off : 0;
}

void xlat_loose_mask(struct xlat *x)
{
    for (unsigned i = 0; i < x->n; i++) {
        unsigned size, field = field_of(&x->insns[i].in, &size);
        if (field)
            memset(x->mask + (x->insns[i].off - x->insns[0].off) + field, 0, size);
    }
}

/* The field's value, sign-extended, or `wide`: the 8 bytes. */
static void load_field(struct xlat *x, unsigned dst, unsigned field, bool wide)
{
    unsigned at = xlat_cur(x)->off - x->insns[0].off + field;
    asm_mov_imm64(&x->a, H_R15, (uintptr_t)x->now + at);
    asm_op_mem(&x->a, true, wide ? 0x8b : 0x63, dst, MEM_BASE(H_R15, 0)); /* mov, or movsxd */
}

static void loose_lea(struct xlat *x, const struct x86_insn *in)
{
    void (*lea)(struct asm_buf *, unsigned, struct asm_mem) = in->opsize == 8 ? asm_lea : asm_lea32;
    struct asm_mem m = MEM_BASE(H_R15, 0);
    if (in->base != X86_REG_NONE)
        asm_lea(&x->a, H_R15, MEM_INDEXED(in->base, H_R15, 0));
    if (in->index != X86_REG_NONE) {
        m.index = (int8_t)in->index;
        m.scale = in->scale;
    }
    lea(&x->a, in->op[0].reg, m);
}

static void loose_jump(struct xlat *x)
{
    asm_load(&x->a, H_R11, HOT(code_base));
    asm_lea(&x->a, H_R11, MEM_INDEXED(H_R11, H_R15, xlat_next_off(x)));
    xlat_jump_r11(x);
    x->ended = true;
}

/* op reg, r15: opcodes 03, 0b, 13 ... */
static void loose_group1(struct xlat *x, const struct x86_insn *in)
{
    unsigned n = in->has_modrm ? in->modrm >> 3 & 7 : in->opcode >> 3;
    asm_op_reg(&x->a, in->opsize == 8, 0x03 + 8 * n, in->op[0].reg, H_R15);
}

bool xlat_loose(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    unsigned size, field = x->loose ? field_of(in, &size) : 0;
    if (!field)
        return false;
    load_field(x, H_R15, field, size == 8);
    if (in->iclass == X86_I_LEA)
        loose_lea(x, in);
    else if (in->iclass == X86_I_JMP)
        loose_jump(x);
    else if (in->iclass == X86_I_MOV)
        asm_op_reg(&x->a, in->opsize == 8, 0x8b, in->op[0].reg, H_R15);
    else
        loose_group1(x, in);
    return true;
}
