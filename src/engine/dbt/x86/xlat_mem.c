/*
 * Memory operands: the guest's address, the look-up in the space's table, and the access.
 *
 * The look-up of [base + disp], with r15 as scratch:
 *     lea   r15, [base + disp]
 *     test  r15b, size - 1          aligned: does not reach into the next page
 *     jnz   misaligned
 *     rorx  r15, r15, 12
 *     lea   r15d, [r15 + r15]       entries are 16 bytes: for reading, for writing
 *     mov   r15, gs:[r15*8 + table]
 *     test  r15, r15
 *     jz    slow
 *     op    [base + disp + r15]
 * Where flags are live they are kept in r11 or the hot page meanwhile.
 */
#include "engine/dbt/x86/xlat.h"

struct asm_mem xlat_spill_slot(unsigned guest_reg)
{
    return guest_reg == 11 ? HOT(reg[0]) : HOT(reg[1]);
}

uint32_t xlat_new_site(struct xlat *x, unsigned flags)
{
    const struct xlat_insn *xi = xlat_cur(x);
    uint32_t n = x->nsites++;
    x->site_fix[n] = 0;
    if (xlat_in_anchor(x))
        flags |= CODE_SITE_PLAIN;
    x->sites[n] = (struct code_site){.off = xi->off, .len = xi->in.len, .flags = (uint8_t)flags};
    return n;
}

/* A guest register's value in a host register: its own, or `scratch`. */
static int8_t reg_value(struct xlat *x, unsigned reg, unsigned scratch)
{
    if (reg == X86_REG_NONE)
        return ASM_NONE;
    if (!xlat_spilled(reg))
        return (int8_t)reg;
    asm_load(&x->a, scratch, xlat_spill_slot(reg));
    return (int8_t)scratch;
}

static bool is_simple(const struct x86_insn *in)
{
    return in->seg < X86_SEG_FS && in->addrsize == 8 && in->index == X86_REG_NONE &&
           !xlat_spilled(in->base);
}

static void add_segment(struct xlat *x, const struct x86_insn *in)
{
    asm_load(&x->a, H_R15, in->seg == X86_SEG_FS ? HOT(seg_base[0]) : HOT(seg_base[1]));
    asm_lea(&x->a, H_R11, MEM_INDEXED(H_R11, H_R15, 0));
}

void xlat_address(struct xlat *x, const struct x86_insn *in, struct xlat_mem *m)
{
    struct asm_mem g = {.index = ASM_NONE, .scale = in->scale, .disp = (int32_t)in->disp};
    if (in->index != X86_REG_NONE && xlat_anchor_of_next(x)) {
        g.base = (int8_t)in->base;
        g.index = (int8_t)in->index;
        *m = (struct xlat_mem){.guest = g};
        return;
    }
    if (in->base == X86_REG_RIP) {
        asm_load(&x->a, H_R11, HOT(code_base));
        g.base = H_R11;
        g.disp += (int32_t)xlat_next_off(x);
    } else {
        g.base = reg_value(x, in->base, H_R11);
        g.index = reg_value(x, in->index, H_R15);
    }
    m->guest = g;
    m->r11 = g.base == H_R11;
    if (is_simple(in))
        return;
    if (in->addrsize == 8)
        asm_lea(&x->a, H_R11, g);
    else
        asm_lea32(&x->a, H_R11, g);
    if (in->seg >= X86_SEG_FS)
        add_segment(x, in);
    m->guest = MEM_BASE(H_R11, 0);
    m->r11 = true;
}

void xlat_keep_flags(struct xlat *x, enum xlat_flags how)
{
    if (how == FLAGS_DEAD)
        return;
    if (how == FLAGS_IN_R11)
        asm_mov(&x->a, H_R11, H_RAX);
    else
        asm_store(&x->a, HOT(tmp[0]), H_RAX);
    asm_flags_keep(&x->a);
    if (how == FLAGS_IN_R11) {
        asm_op_reg(&x->a, true, 0x87, H_R11, H_RAX); /* xchg */
    } else {
        asm_store32(&x->a, HOT(tmp[1]), H_RAX);
        asm_load(&x->a, H_RAX, HOT(tmp[0]));
    }
}

void xlat_load_flags(struct asm_buf *a, enum xlat_flags how)
{
    if (how == FLAGS_DEAD)
        return;
    if (how == FLAGS_IN_R11) {
        asm_op_reg(a, true, 0x87, H_R11, H_RAX);
        asm_flags_load(a);
        asm_mov(a, H_RAX, H_R11);
        return;
    }
    asm_store(a, HOT(tmp[0]), H_RAX);
    asm_load32(a, H_RAX, HOT(tmp[1]));
    asm_flags_load(a);
    asm_load(a, H_RAX, HOT(tmp[0]));
}

static unsigned align_mask(unsigned size)
{
    unsigned m = 1;
    while (m < size)
        m *= 2;
    return m - 1;
}

/*
 * An unaligned access may reach into the next page. `shape` is the access's slow tail, which comes
 * right after the one made here: what does reach there falls through.
 */
static void check_alignment(struct xlat *x, const struct xlat_mem *m, struct xlat_want want,
                            bool in_r15, struct xlat_tail *shape)
{
    if (want.size == 1)
        return;
    asm_test8_imm(&x->a, in_r15 ? H_R15 : (unsigned)m->guest.base, align_mask(want.size));
    uint32_t from = asm_jcc(&x->a, CC_NE);
    if (want.aligned) {
        shape->from2 = from;
        return;
    }
    struct xlat_tail *t = xlat_new_tail(x, TAIL_MISALIGNED, from);
    t->guest = m->guest;
    t->size = want.size;
    t->in_r15 = in_r15;
    t->back = x->a.len;
}

static struct asm_mem host_operand(const struct xlat_mem *m)
{
    if (m->guest.base == ASM_NONE)
        return MEM_BASE(H_R15, m->guest.disp);
    return MEM_INDEXED(m->guest.base, H_R15, m->guest.disp);
}

static enum xlat_flags flags_care(const struct xlat *x, const struct xlat_mem *m)
{
    if (!x->insns[x->i].live)
        return FLAGS_DEAD;
    return m->r11 ? FLAGS_IN_TMP : FLAGS_IN_R11;
}

/* The access relies on an anchor: no check, but a site, should the host fault. */
static bool anchored(struct xlat *x, struct xlat_mem *m)
{
    unsigned anchor = xlat_anchor_of_next(x);
    x->naccesses++;
    if (!anchor)
        return false;
    xlat_new_site(x, 0);
    if (x->anchors[anchor - 1].reg) {
        m->host = xlat_kept_operand(&x->anchors[anchor - 1], m->guest);
        return true;
    }
    asm_load(&x->a, H_R15, HOT(anchor[anchor - 1]));
    if (m->guest.index == ASM_NONE) {
        m->host = host_operand(m);
        return true;
    }
    asm_lea(&x->a, H_R15, MEM_INDEXED(m->guest.base, H_R15, 0));
    m->host = m->guest;
    m->host.base = H_R15;
    return true;
}

void xlat_check(struct xlat *x, struct xlat_mem *m, struct xlat_want want)
{
    struct asm_buf *a = &x->a;
    if (anchored(x, m))
        return;
    struct xlat_tail slow = {.kind = TAIL_SLOW,
                             .index = xlat_new_site(x, want.write ? CODE_SITE_WRITE : 0),
                             .flags = flags_care(x, m)};
    bool in_r15 = m->guest.base == ASM_NONE || m->guest.disp != 0;
    xlat_keep_flags(x, slow.flags);
    if (in_r15)
        asm_lea(a, H_R15, m->guest);
    check_alignment(x, m, want, in_r15, &slow);
    asm_rorx(a, H_R15, in_r15 ? H_R15 : (unsigned)m->guest.base, GUEST_PAGE_SHIFT);
    asm_lea32(a, H_R15, MEM_INDEXED(H_R15, H_R15, 0));
    asm_load(a, H_R15,
             (struct asm_mem){ASM_NONE, H_R15, 3, true, SPACE_TABLE + (want.write ? 8 : 0)});
    asm_op_reg(a, true, 0x85, H_R15, H_R15);
    slow.from = asm_jcc(a, CC_E);
    x->tails[x->ntails++] = slow;
    xlat_load_flags(a, slow.flags);
    m->host = host_operand(m);
    if (want.data && m->r11) {
        asm_lea(a, H_R15, m->host);
        m->host = MEM_BASE(H_R15, 0);
    }
}

void xlat_access_here(struct xlat *x)
{
    x->sites[x->nsites - 1].access = x->a.len;
}
