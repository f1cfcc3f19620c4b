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
 * Where flags are live, none of these instructions may touch them; rcx lends itself for JRCXZ:
 *     lea   r15, [base + disp]
 *     mov   r11, rcx
 *     pdep  rcx, r15, gs:[low_bits]
 *     jrcxz aligned
 * bad:
 *     jmp   kept
 * aligned:
 *     rorx  rcx, r15, 12
 *     lea   ecx, [rcx + rcx]
 *     mov   rcx, gs:[rcx*8 + table]
 *     jrcxz bad
 *     mov   r15, rcx
 *     mov   rcx, r11
 *     op    [base + disp + r15]
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

struct asm_mem xlat_offset(struct xlat *x, const struct x86_insn *in)
{
    struct asm_mem g = {.index = ASM_NONE, .scale = in->scale, .disp = (int32_t)in->disp};
    if (in->base == X86_REG_RIP) {
        asm_load(&x->a, H_R11, HOT(code_base));
        g.base = H_R11;
        g.disp += (int32_t)xlat_next_off(x);
    } else {
        g.base = reg_value(x, in->base, H_R11);
        g.index = reg_value(x, in->index, H_R15);
    }
    return g;
}

void xlat_address(struct xlat *x, const struct x86_insn *in, struct xlat_mem *m)
{
    struct asm_mem g = xlat_offset(x, in);
    *m = (struct xlat_mem){.guest = g, .r11 = g.base == H_R11};
    if (is_simple(in) || (g.index != ASM_NONE && xlat_anchor_of_next(x)))
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
    asm_store(&x->a, HOT(tmp[0]), H_RAX);
    asm_flags_keep(&x->a);
    asm_store32(&x->a, HOT(tmp[1]), H_RAX);
    asm_load(&x->a, H_RAX, HOT(tmp[0]));
}

void xlat_load_flags(struct asm_buf *a, enum xlat_flags how)
{
    if (how == FLAGS_DEAD)
        return;
    asm_store(a, HOT(tmp[0]), H_RAX);
    asm_load32(a, H_RAX, HOT(tmp[1]));
    asm_flags_load(a);
    asm_load(a, H_RAX, HOT(tmp[0]));
}

unsigned xlat_align_mask(unsigned size)
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
    asm_test8_imm(&x->a, in_r15 ? H_R15 : (unsigned)m->guest.base, xlat_align_mask(want.size));
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
    if (x->held != anchor)
        asm_load(&x->a, H_R15, x->anchors[anchor - 1].stack ? STACK(add) : HOT(anchor[anchor - 1]));
    x->held = m->guest.index == ASM_NONE ? anchor : 0;
    if (m->guest.index == ASM_NONE) {
        m->host = host_operand(m);
        return true;
    }
    asm_lea(&x->a, H_R15, MEM_INDEXED(m->guest.base, H_R15, 0));
    m->host = m->guest;
    m->host.base = H_R15;
    return true;
}

struct asm_mem xlat_table_entry(unsigned index, bool write)
{
    return (struct asm_mem){ASM_NONE, (int8_t)index, 3, true, SPACE_TABLE + (write ? 8 : 0)};
}

/* The flags are dead: r15 = what to add. */
static void look_up(struct xlat *x, struct xlat_mem *m, struct xlat_want want)
{
    struct asm_buf *a = &x->a;
    struct xlat_tail slow = {.kind = TAIL_SLOW,
                             .index = xlat_new_site(x, want.write ? CODE_SITE_WRITE : 0)};
    bool in_r15 = m->guest.base == ASM_NONE || m->guest.disp != 0;
    if (in_r15)
        asm_lea(a, H_R15, m->guest);
    check_alignment(x, m, want, in_r15, &slow);
    asm_rorx(a, H_R15, in_r15 ? H_R15 : (unsigned)m->guest.base, GUEST_PAGE_SHIFT);
    asm_lea32(a, H_R15, MEM_INDEXED(H_R15, H_R15, 0));
    asm_load(a, H_R15, xlat_table_entry(H_R15, want.write));
    asm_op_reg(a, true, 0x85, H_R15, H_R15);
    slow.from = asm_jcc(a, CC_E);
    x->tails[x->ntails++] = slow;
}

/* A jump to the kept tail, reached with rcx other than 0; jrcxz goes on behind it. */
static void bad_unless_zero(struct xlat *x, struct xlat_tail *t)
{
    uint32_t good = asm_jrcxz(&x->a);
    t->from = asm_jmp(&x->a);
    asm_here8(&x->a, good);
}

/* The same where the flags are live. */
static void look_up_keeping(struct xlat *x, struct xlat_mem *m, struct xlat_want want)
{
    struct asm_buf *a = &x->a;
    if (m->r11 && m->guest.disp) {
        asm_lea(a, H_R11, m->guest);
        m->guest = MEM_BASE(H_R11, 0);
    }
    struct xlat_tail t = {.kind = TAIL_KEPT,
                          .index = xlat_new_site(x, want.write ? CODE_SITE_WRITE : 0),
                          .guest = m->guest,
                          .size = want.size,
                          .write = want.write,
                          .rcx = m->r11 ? H_R15 : H_R11};
    bool in_r15 = !m->r11 && (m->guest.base == ASM_NONE || m->guest.disp != 0);
    unsigned at = in_r15 ? H_R15 : m->guest.base == H_RCX ? H_R11 : (unsigned)m->guest.base;
    if (in_r15)
        asm_lea(a, H_R15, m->guest);
    asm_mov(a, t.rcx, H_RCX);
    if (want.size > 1) {
        asm_pdep_gs(a, H_RCX, at,
                    offsetof(struct dbt_hot, low_bits) +
                        8u * (unsigned)__builtin_popcount(xlat_align_mask(want.size)));
        bad_unless_zero(x, &t);
    }
    uint32_t bad = t.from ? t.from - 1 : 0;
    asm_rorx(a, H_RCX, at, GUEST_PAGE_SHIFT);
    asm_lea32(a, H_RCX, MEM_INDEXED(H_RCX, H_RCX, 0));
    asm_load(a, H_RCX, xlat_table_entry(H_RCX, want.write));
    uint32_t none = asm_jrcxz(a);
    if (bad) {
        asm_to8(a, none, bad);
    } else {
        uint32_t good = asm_jmp8(a);
        asm_here8(a, none);
        t.from = asm_jmp(a);
        asm_here8(a, good);
    }
    if (m->r11) {
        asm_op_reg(a, true, 0x87, H_RCX, H_R15); /* xchg */
    } else {
        asm_mov(a, H_R15, H_RCX);
        asm_mov(a, H_RCX, H_R11);
    }
    t.back = want.aligned || want.size == 1 ? 0 : a->len;
    x->tails[x->ntails++] = t;
}

void xlat_check(struct xlat *x, struct xlat_mem *m, struct xlat_want want)
{
    if (anchored(x, m))
        return;
    x->held = 0;
    if (xlat_cur(x)->live)
        look_up_keeping(x, m, want);
    else
        look_up(x, m, want);
    m->host = host_operand(m);
    if (want.data && m->r11) {
        asm_lea(&x->a, H_R15, m->host);
        m->host = MEM_BASE(H_R15, 0);
    }
}

void xlat_access_here(struct xlat *x)
{
    x->sites[x->nsites - 1].access = x->a.len;
}
