/*
 * Instructions on segment registers and descriptor tables.
 */
#include "isa/x86/align.h"
#include "isa/x86/mmu.h"
#include "isa/x86/seg.h"
#include "isa/x86/stack.h"
#include "isa/x86/system.h"

/* A selector or control word as result: memory takes 16 bits, a register its whole width. */
static void put_word(struct x86_cpu *c, const struct x86_op *op, u64 v)
{
    if (op->flags & OP_MEM0)
        store_u16(c, op_ea(c, op, 2, ACCESS_WRITE), (u16)v);
    else
        put_reg(c, op->dst, op->size, v);
}

/* lower.c puts the segment register's number in imm2; imm says which way. */
EXEC(mov_seg)
{
    if (op->imm) {
        if (op->imm2 == SEG_CS || op->imm2 > SEG_GS)
            x86_raise(c, VEC_UD);
        u16 sel = second_op(c, op, 2);
        x86_load_data_seg(c, op->imm2, sel);
        if (op->imm2 == SEG_SS)
            x86_hold_interrupts(c, X86_SHADOW_SS);
        return end_block(c, op);
    }
    put_word(c, op, c->seg[op->imm2].sel);
    return op + 1;
}
EXEC_ANY(MOV_SEG, mov_seg);

EXEC(push_seg)
{
    /* A 32-bit push writes only the selector's two bytes on every CPU of interest. */
    unsigned write = op->size == 4 ? 2 : op->size;
    store_n(c, stack_linear(c, c->gpr[RSP] - op->size, write, ACCESS_WRITE), write,
            c->seg[op->imm2].sel);
    set_rsp(c, c->gpr[RSP] - op->size);
    return op + 1;
}
EXEC_ANY(PUSH_SEG, push_seg);

EXEC(pop_seg)
{
    u16 sel = pop_at(c, 0, op->size == 4 ? 2 : op->size);
    u64 rsp = c->gpr[RSP] + op->size;
    x86_load_data_seg(c, op->imm2, sel);
    set_rsp(c, rsp);
    if (op->imm2 == SEG_SS)
        x86_hold_interrupts(c, X86_SHADOW_SS);
    return end_block(c, op);
}
EXEC_ANY(POP_SEG, pop_seg);

static const struct x86_op *load_far(struct x86_cpu *c, const struct x86_op *op, unsigned seg)
{
    u64 offset = load_n(c, op_ea(c, op, op->size, ACCESS_READ), op->size);
    u16 sel = load_u16(c, op_ea_at(c, op, op->size, 2, ACCESS_READ));
    x86_load_data_seg(c, seg, sel);
    put_reg(c, op->dst, op->size, offset);
    return end_block(c, op);
}
#define LOAD_FAR(NAME, name, seg)                                                                  \
    EXEC(name)                                                                                     \
    {                                                                                              \
        return load_far(c, op, seg);                                                               \
    }                                                                                              \
    EXEC_ANY(NAME, name);
LOAD_FAR(LDS, lds, SEG_DS)
LOAD_FAR(LES, les, SEG_ES)
LOAD_FAR(LFS, lfs, SEG_FS)
LOAD_FAR(LGS, lgs, SEG_GS)
LOAD_FAR(LSS, lss, SEG_SS)

static void need_protected(struct x86_cpu *c)
{
    if (!x86_protected(c))
        x86_raise(c, VEC_UD);
}

/* UMIP hides the tables from user code [SDM 3A 2.5]. */
static void check_umip(struct x86_cpu *c)
{
    if ((c->cr4 & CR4_UMIP) && c->cpl > 0)
        x86_raise_gp(c, 0);
}

/* Pseudo-descriptors: 16-bit limit and a base of 4 (legacy) or 8 bytes. */
static void load_table(struct x86_cpu *c, const struct x86_op *op, u64 *base, u16 *limit)
{
    need_cpl0(c);
    unsigned size = is_long64(c) ? 8 : 4;
    u16 lim = load_u16(c, op_ea(c, op, 2, ACCESS_READ));
    u64 b = load_n(c, op_ea_at(c, op, 2, size, ACCESS_READ), size);
    if (size == 4 && op->size == 2)
        b &= 0xffffff;
    if (size == 8 && !x86_canonical(b))
        x86_raise_gp(c, 0);
    *base = b;
    *limit = lim;
}
static void store_table(struct x86_cpu *c, const struct x86_op *op, u64 base, u16 limit)
{
    check_umip(c);
    unsigned size = is_long64(c) ? 8 : 4;
    gva_t ea = op_ea(c, op, 2 + size, ACCESS_WRITE);
    u8 image[10];
    memcpy(image, &limit, 2);
    memcpy(image + 2, &base, 8);
    x86_align_check(c, ea, 4);
    c->slow->write(c, ea, image, 2 + size);
}
EXEC(lgdt)
{
    load_table(c, op, &c->gdt_base, &c->gdt_limit);
    return op + 1;
}
EXEC(lidt)
{
    load_table(c, op, &c->idt_base, &c->idt_limit);
    return op + 1;
}
EXEC(sgdt)
{
    store_table(c, op, c->gdt_base, c->gdt_limit);
    return op + 1;
}
EXEC(sidt)
{
    store_table(c, op, c->idt_base, c->idt_limit);
    return op + 1;
}
EXEC_ANY(LGDT, lgdt);
EXEC_ANY(LIDT, lidt);
EXEC_ANY(SGDT, sgdt);
EXEC_ANY(SIDT, sidt);

static void fetch_system(struct x86_cpu *c, u16 sel, struct x86_desc *d)
{
    if (sel & 4)
        x86_raise_gp(c, sel & ~3u);
    x86_desc_fetch(c, sel, x86_long_mode(c), VEC_GP, d);
}

EXEC(lldt)
{
    struct x86_desc d;
    need_protected(c);
    need_cpl0(c);
    u16 sel = first_op(c, op, 2);
    if (!(sel & ~3u)) {
        x86_seg_set_null(&c->ldtr[0], sel);
        return op + 1;
    }
    fetch_system(c, sel, &d);
    if (desc_s(&d) || desc_type(&d) != 2)
        x86_raise_gp(c, sel & ~3u);
    if (!desc_p(&d))
        x86_raise_error(c, VEC_NP, sel & ~3u);
    x86_seg_from_desc(&c->ldtr[0], sel, &d);
    return op + 1;
}
EXEC_ANY(LLDT, lldt);

EXEC(ltr)
{
    struct x86_desc d;
    need_protected(c);
    need_cpl0(c);
    u16 sel = first_op(c, op, 2);
    fetch_system(c, sel, &d);
    bool available = desc_type(&d) == 9 || (desc_type(&d) == 1 && !x86_long_mode(c));
    if (desc_s(&d) || !available)
        x86_raise_gp(c, sel & ~3u);
    if (!desc_p(&d))
        x86_raise_error(c, VEC_NP, sel & ~3u);
    d.raw |= UINT64_C(2) << 40; /* busy */
    x86_sys_store(c, d.at + 5, 1, (d.raw >> 40) & 0xff);
    x86_seg_from_desc(&c->tr[0], sel, &d);
    return op + 1;
}
EXEC_ANY(LTR, ltr);

EXEC(sldt)
{
    need_protected(c);
    check_umip(c);
    put_word(c, op, c->ldtr[0].sel);
    return op + 1;
}
EXEC(str)
{
    need_protected(c);
    check_umip(c);
    put_word(c, op, c->tr[0].sel);
    return op + 1;
}
EXEC(smsw)
{
    check_umip(c);
    put_word(c, op, c->cr0);
    return op + 1;
}
EXEC_ANY(SLDT, sldt);
EXEC_ANY(STR, str);
EXEC_ANY(SMSW, smsw);

static void put_zf(struct x86_cpu *c, bool zf)
{
    c->arith = (c->arith & ~ARITH_ZF) | (zf ? ARITH_ZF : 0);
}

/* Visible to the current and the requested privilege level? */
static bool desc_visible(const struct x86_cpu *c, u16 sel, const struct x86_desc *d)
{
    if (desc_is_code(d) && desc_conforming(d))
        return true;
    return desc_dpl(d) >= c->cpl && desc_dpl(d) >= (sel & 3u);
}

/* System descriptor types that LAR and LSL accept [SDM 2 LAR, LSL]. */
static bool system_type_ok(const struct x86_cpu *c, unsigned type, bool gates)
{
    unsigned legacy = gates ? 0x1a3e : 0x0a0e; /* bit per type */
    unsigned longm = gates ? 0x1a04 : 0x0a04;
    return (x86_long_mode(c) ? longm : legacy) >> type & 1;
}

static bool readable_desc(struct x86_cpu *c, const struct x86_op *op, bool gates,
                          struct x86_desc *d)
{
    need_protected(c);
    u16 sel = second_op(c, op, 2);
    if (!(sel & ~3u) || !x86_desc_read(c, sel, false, d) || !desc_visible(c, sel, d))
        return false;
    return desc_s(d) || system_type_ok(c, desc_type(d), gates);
}

EXEC(lar)
{
    struct x86_desc d;
    bool ok = readable_desc(c, op, true, &d);
    if (ok)
        put_reg(c, op->dst, op->size, (d.raw >> 32) & 0xffff00);
    put_zf(c, ok);
    return op + 1;
}
EXEC_ANY(LAR, lar);

EXEC(lsl)
{
    struct x86_desc d;
    struct x86_segment s;
    bool ok = readable_desc(c, op, false, &d);
    if (ok) {
        x86_seg_from_desc(&s, 0, &d);
        put_reg(c, op->dst, op->size, s.limit);
    }
    put_zf(c, ok);
    return op + 1;
}
EXEC_ANY(LSL, lsl);

static const struct x86_op *verify(struct x86_cpu *c, const struct x86_op *op, bool write)
{
    struct x86_desc d;
    need_protected(c);
    u16 sel = first_op(c, op, 2);
    bool ok =
        (sel & ~3u) && x86_desc_read(c, sel, false, &d) && desc_s(&d) && desc_visible(c, sel, &d);
    if (ok && write)
        ok = !desc_is_code(&d) && (desc_type(&d) & 2);
    else if (ok)
        ok = !desc_is_code(&d) || (desc_type(&d) & 2);
    put_zf(c, ok);
    return op + 1;
}
EXEC(verr)
{
    return verify(c, op, false);
}
EXEC(verw)
{
    return verify(c, op, true);
}
EXEC_ANY(VERR, verr);
EXEC_ANY(VERW, verw);

EXEC(arpl)
{
    need_protected(c);
    bool mem = op->flags & OP_MEM0;
    gva_t ea = mem ? op_ea(c, op, 2, ACCESS_READ) : 0;
    u16 dst = get_op(c, op->dst, mem, ea, 2), src = get_reg(c, op->src, 2);
    bool raise = (dst & 3) < (src & 3);
    if (raise)
        dst = (u16)((dst & ~3u) | (src & 3));
    if (raise && mem)
        store_u16(c, op_ea(c, op, 2, ACCESS_WRITE), dst);
    else if (raise)
        put_reg(c, op->dst, 2, dst);
    put_zf(c, raise);
    return op + 1;
}
EXEC_ANY(ARPL, arpl);
