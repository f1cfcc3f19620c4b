/*
 * Instructions with operands of their own: stack, LEA, division.
 */
#include "engine/dbt/x86/xlat.h"

static void move_sp(struct xlat *x, int by)
{
    asm_lea(&x->a, H_RSP, MEM_BASE(H_RSP, by));
}

/* The value to push in a register; it may be r11. */
static unsigned push_value(struct xlat *x, const struct x86_operand *o)
{
    if (!xlat_spilled(o->reg))
        return o->reg;
    asm_load(&x->a, H_R11, xlat_spill_slot(o->reg));
    return H_R11;
}

static void push_memory(struct xlat *x, const struct x86_insn *in)
{
    struct xlat_mem m;
    xlat_address(x, in, &m);
    xlat_check(x, &m, (struct xlat_want){.size = 8, .data = true});
    xlat_access_here(x);
    asm_load(&x->a, H_R11, m.host);
    asm_store(&x->a, HOT(tmp[2]), H_R11);
}

bool xlat_push(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    struct xlat_mem m = {.guest = MEM_BASE(H_RSP, -8)};
    struct asm_buf *a = &x->a;
    if (in->opsize != 8)
        return false;
    bool mem = in->op[0].kind == X86_OP_MEM;
    if (mem)
        push_memory(x, in);
    xlat_check(x, &m, (struct xlat_want){.size = 8, .write = true});
    if (in->op[0].kind == X86_OP_IMM) {
        xlat_access_here(x);
        asm_op_mem(a, true, 0xc7, 0, m.host); /* mov qword [m], imm32 */
        asm_32(a, (uint32_t)in->imm);
    } else {
        unsigned src = H_R11;
        if (mem)
            asm_load(a, H_R11, HOT(tmp[2]));
        else
            src = push_value(x, &in->op[0]);
        xlat_access_here(x);
        asm_store(a, m.host, src);
    }
    move_sp(x, -8);
    return true;
}

/* The operand's address is made with rSP behind the pop [SDM 2 POP]. */
static bool pop_memory(struct xlat *x)
{
    struct x86_insn in = xlat_cur(x)->in;
    struct xlat_mem from = {.guest = MEM_BASE(H_RSP, 0)}, to;
    if (in.disp > INT32_MAX - 2 * (int)GUEST_PAGE_SIZE)
        return false;
    if (in.base == H_RSP)
        in.disp += 8;
    xlat_check(x, &from, (struct xlat_want){.size = 8});
    xlat_access_here(x);
    asm_load(&x->a, H_R11, from.host);
    asm_store(&x->a, HOT(tmp[2]), H_R11);
    xlat_address(x, &in, &to);
    xlat_check(x, &to, (struct xlat_want){.size = 8, .write = true, .data = true});
    asm_load(&x->a, H_R11, HOT(tmp[2]));
    xlat_access_here(x);
    asm_store(&x->a, to.host, H_R11);
    move_sp(x, 8);
    return true;
}

bool xlat_pop(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    struct xlat_mem m = {.guest = MEM_BASE(H_RSP, 0)};
    if (in->opsize != 8)
        return false;
    if (in->op[0].kind != X86_OP_GPR)
        return pop_memory(x);
    unsigned reg = in->op[0].reg, host = xlat_spilled(reg) ? H_R11 : reg;
    xlat_check(x, &m, (struct xlat_want){.size = 8});
    xlat_access_here(x);
    asm_load(&x->a, host, m.host);
    if (xlat_spilled(reg))
        asm_store(&x->a, xlat_spill_slot(reg), H_R11);
    if (reg != H_RSP)
        move_sp(x, 8);
    return true;
}

void xlat_leave(struct xlat *x)
{
    struct xlat_mem m = {.guest = MEM_BASE(H_RBP, 0)};
    xlat_check(x, &m, (struct xlat_want){.size = 8});
    xlat_access_here(x);
    asm_load(&x->a, H_R11, m.host);
    asm_lea(&x->a, H_RSP, MEM_BASE(H_RBP, 8));
    asm_mov(&x->a, H_RBP, H_R11);
}

void xlat_lea(struct xlat *x)
{
    struct x86_insn in = xlat_cur(x)->in;
    struct xlat_mem m;
    unsigned reg = in.op[0].reg, host = xlat_spilled(reg) ? H_R11 : reg;
    in.seg = X86_SEG_DS; /* LEA has no segment */
    if (in.addrsize == 8)
        m.guest = xlat_offset(x, &in);
    else
        xlat_address(x, &in, &m);
    if (in.opsize == 2) {
        if (xlat_spilled(reg)) {
            asm_lea(&x->a, H_R15, m.guest);
            asm_load(&x->a, H_R11, xlat_spill_slot(reg));
            asm_8(&x->a, 0x66);
            asm_op_reg(&x->a, false, 0x89, H_R15, H_R11);
        } else {
            asm_8(&x->a, 0x66);
            asm_lea32(&x->a, host, m.guest);
        }
    } else if (in.opsize == 4) {
        asm_lea32(&x->a, host, m.guest);
    } else {
        asm_lea(&x->a, host, m.guest);
    }
    if (xlat_spilled(reg))
        asm_store(&x->a, xlat_spill_slot(reg), H_R11);
}

/* The divisor in r11. */
static bool load_divisor(struct xlat *x, const struct x86_insn *in)
{
    const struct x86_operand *o = &in->op[0];
    bool wide = in->opsize == 8;
    if (o->kind == X86_OP_GPR) {
        if (xlat_spilled(o->reg))
            asm_op_mem(&x->a, wide, 0x8b, H_R11, xlat_spill_slot(o->reg));
        else
            asm_op_reg(&x->a, wide, 0x89, o->reg, H_R11);
        return true;
    }
    struct xlat_mem m;
    xlat_address(x, in, &m);
    xlat_check(x, &m, (struct xlat_want){.size = in->opsize, .data = true});
    xlat_access_here(x);
    asm_op_mem(&x->a, wide, 0x8b, H_R11, m.host);
    return true;
}

/* A site has one slow tail; `from2` is a second jump there, or 0. */
static void to_slow(struct xlat *x, uint32_t from, uint32_t from2, uint32_t site)
{
    struct xlat_tail *t = xlat_new_tail(x, TAIL_SLOW, from);
    t->from2 = from2;
    t->index = site;
}

/*
 * Division destroys all flags, so the host's #DE can be kept away by comparing first: what might
 * overflow goes to the interpreter. Unsigned: rDX < divisor. Signed: only dividends that are a sign
 * extension, and divisors but 0 and -1.
 */
bool xlat_div(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    struct asm_buf *a = &x->a;
    bool wide = in->opsize == 8;
    if (in->opsize < 4 || xlat_cur(x)->live)
        return false;
    load_divisor(x, in);
    uint32_t site = xlat_new_site(x, 0);
    if (in->iclass == X86_I_DIV) {
        asm_op_reg(a, wide, 0x39, H_R11, H_RDX); /* cmp rdx, r11 */
        to_slow(x, asm_jcc(a, CC_AE), 0, site);
    } else {
        asm_op_mem(a, wide, 0x8d, H_R15, MEM_BASE(H_R11, 1));
        asm_op_reg(a, wide, 0x83, 7, H_R15); /* cmp r15, 1 */
        asm_8(a, 1);
        uint32_t divisor = asm_jcc(a, CC_BE);
        asm_op_reg(a, wide, 0x89, H_RAX, H_R15);
        asm_op_reg(a, wide, 0xc1, 7, H_R15); /* sar r15, 31 or 63 */
        asm_8(a, wide ? 63 : 31);
        asm_op_reg(a, wide, 0x39, H_R15, H_RDX);
        to_slow(x, divisor, asm_jcc(a, CC_NE), site);
    }
    asm_op_reg(a, wide, 0xf7, in->iclass == X86_I_DIV ? 6 : 7, H_R11);
    return true;
}
