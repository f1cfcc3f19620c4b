/*
 * The stack: PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE, LAHF SAHF and the flag bits one by one.
 */
#include "isa/x86/align.h"
#include "isa/x86/stack.h"
#include "isa/x86/system.h"

/* 64-bit code pushing and popping whole registers: no size, no segment. */
EXEC(push_r64)
{
    u64 rsp = c->gpr[RSP] - 8;
    store_u64(c, rsp, REG(c, op->dst, u64));
    c->gpr[RSP] = rsp;
    return op + 1;
}

EXEC(pop_r64)
{
    u64 v = load_u64(c, c->gpr[RSP]);
    c->gpr[RSP] += 8;
    REG(c, op->dst, u64) = v; /* POP RSP: the popped value wins */
    return op + 1;
}

EXEC(push_any)
{
    u64 v;
    if (op->flags & OP_IMM)
        v = op->imm;
    else if (op->flags & OP_MEM0)
        v = load_n(c, op_ea(c, op, op->size, ACCESS_READ), op->size);
    else
        v = get_reg(c, op->dst, op->size);
    push(c, op->size, v);
    return op + 1;
}

/* POP to memory computes its address with rSP already moved [SDM 2 POP]. */
static void pop_mem(struct x86_cpu *c, const struct x86_op *op, u64 v)
{
    u64 rsp = c->gpr[RSP];
    set_rsp(c, rsp + op->size);
    u64 offset = op_offset(c, op);
    c->gpr[RSP] = rsp;
    store_n(c, seg_addr(c, op, offset, op->size, ACCESS_WRITE), op->size, v);
    set_rsp(c, rsp + op->size);
}

EXEC(pop_any)
{
    u64 v = pop_at(c, 0, op->size);
    if (op->flags & OP_MEM0) {
        pop_mem(c, op, v);
    } else {
        set_rsp(c, c->gpr[RSP] + op->size);
        put_reg(c, op->dst, op->size, v);
    }
    return op + 1;
}

/* FORM_R, size 8 exists in 64-bit code only, so it needs no segment checks. */
const struct x86_exec x86_exec_PUSH = {.any = push_any, .f = {[FORM_R] = {0, 0, 0, push_r64}}};
const struct x86_exec x86_exec_POP = {.any = pop_any, .f = {[FORM_R] = {0, 0, 0, pop_r64}}};

EXEC(pusha)
{
    for (unsigned i = 0; i < 8; i++)
        push_at(c, i * op->size, op->size, c->gpr[i]);
    set_rsp(c, c->gpr[RSP] - 8u * op->size);
    return op + 1;
}
EXEC_ANY(PUSHA, pusha);

EXEC(popa)
{
    /* A fault in the middle leaves the registers popped so far, as on hardware; it starts over. */
    for (unsigned i = 0; i < 8; i++) {
        u64 v = pop_at(c, i * op->size, op->size);
        if (7 - i != RSP)
            put_reg(c, X86_REG_OFF(7 - i), op->size, v);
    }
    set_rsp(c, c->gpr[RSP] + 8u * op->size);
    return op + 1;
}
EXEC_ANY(POPA, popa);

EXEC(enter)
{
    unsigned level = op->imm2 & 31, size = op->size, depth = 0;
    u64 frame;
    push_at(c, depth, size, c->gpr[RBP]);
    depth += size;
    frame = c->gpr[RSP] - depth;
    for (unsigned i = 1; i < level; i++) {
        u64 link = c->gpr[RBP] - i * size;
        push_at(c, depth, size, load_n(c, stack_linear(c, link, size, ACCESS_READ), size));
        depth += size;
    }
    if (level) {
        push_at(c, depth, size, frame);
        depth += size;
    }
    /* The final stack pointer must be writable, or nothing happens [SDM 2 ENTER]. */
    u64 rsp = c->gpr[RSP] - depth - (u16)op->imm;
    gva_t probe = stack_linear(c, rsp, size, ACCESS_WRITE);
    x86_align_check(c, probe, size);
    if (!tlb_write_ptr(c, probe, 1))
        c->slow->rmw_ptr(c, probe, 1);
    put_reg(c, X86_REG_OFF(RBP), size, frame);
    set_rsp(c, rsp);
    return op + 1;
}
EXEC_ANY(ENTER, enter);

EXEC(leave)
{
    u64 frame = c->gpr[RBP];
    u64 v = load_n(c, stack_linear(c, frame, op->size, ACCESS_READ), op->size);
    set_rsp(c, frame + op->size);
    put_reg(c, X86_REG_OFF(RBP), op->size, v);
    return op + 1;
}
EXEC_ANY(LEAVE, leave);

static unsigned iopl(const struct x86_cpu *c)
{
    return (c->rflags & FL_IOPL) >> 12;
}

/* Virtual-8086 mode below IOPL 3 (without VME) traps flag instructions [SDM 3A 20.2.7]. */
static void check_v86_iopl(struct x86_cpu *c)
{
    if ((c->rflags & FL_VM) && iopl(c) < 3)
        x86_raise_gp(c, 0);
}

EXEC(pushf)
{
    check_v86_iopl(c);
    push(c, op->size, x86_rflags(c) & ~(u64)(FL_VM | FL_RF));
    return op + 1;
}
EXEC_ANY(PUSHF, pushf);

EXEC(popf)
{
    check_v86_iopl(c);
    u64 v = pop(c, op->size);
    u64 may = FL_ARITH | FL_TF | FL_DF | FL_NT | FL_AC | FL_ID;
    if (c->cpl == 0)
        may |= FL_IOPL;
    if (c->cpl <= iopl(c))
        may |= FL_IF;
    if (op->size == 2)
        may &= 0xffff;
    x86_set_rflags(c, ((x86_rflags(c) & ~may) | (v & may)) & ~(u64)FL_RF);
    return end_block(c, op);
}
EXEC_ANY(POPF, popf);

EXEC(lahf)
{
    REG(c, X86_REG_OFF(RAX) + 1, u8) = c->arith >> 8;
    return op + 1;
}
EXEC_ANY(LAHF, lahf);

EXEC(sahf)
{
    u8 ah = REG(c, X86_REG_OFF(RAX) + 1, u8);
    c->arith = (c->arith & ARITH_OF) | (u16)((ah & 0xd5) | 2) << 8;
    return op + 1;
}
EXEC_ANY(SAHF, sahf);

EXEC(clc)
{
    c->arith &= ~ARITH_CF;
    return op + 1;
}
EXEC(stc)
{
    c->arith |= ARITH_CF;
    return op + 1;
}
EXEC(cmc)
{
    c->arith ^= ARITH_CF;
    return op + 1;
}
EXEC(cld)
{
    c->rflags &= ~(u64)FL_DF;
    return op + 1;
}
EXEC(std)
{
    c->rflags |= FL_DF;
    return op + 1;
}
EXEC_ANY(CLC, clc);
EXEC_ANY(STC, stc);
EXEC_ANY(CMC, cmc);
EXEC_ANY(CLD, cld);
EXEC_ANY(STD, std);

EXEC(cli)
{
    if (c->cpl > iopl(c))
        x86_raise_gp(c, 0);
    c->rflags &= ~(u64)FL_IF;
    return op + 1;
}
EXEC_ANY(CLI, cli);

/* Interrupts stay off for one more instruction [SDM 2 STI]. */
EXEC(sti)
{
    if (c->cpl > iopl(c))
        x86_raise_gp(c, 0);
    if (!(c->rflags & FL_IF))
        x86_hold_interrupts(c, X86_SHADOW_STI);
    c->rflags |= FL_IF;
    return end_block(c, op);
}
EXEC_ANY(STI, sti);
