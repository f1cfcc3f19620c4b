/*
 * Near control flow. All of these end their block: they set c->rip and return NULL. A not-taken
 * conditional jump ends it too, so that a block has one exit.
 */
#include "isa/x86/exec_table.h"
#include "isa/x86/stack.h"

/* Near branch targets: cut to the operand size, checked against the code segment or canonical form
 * before anything is committed. */
static void set_rip(struct x86_cpu *c, const struct x86_op *op, u64 target)
{
    if (likely(!(op->flags & OP_LEGACY))) {
        if (unlikely(!x86_canonical(target)))
            x86_raise_gp(c, 0);
        c->rip = target;
        return;
    }
    target = op->size == 2 ? (u16)target : (u32)target;
    if (target > c->seg[SEG_CS].limit)
        x86_raise_gp(c, 0);
    c->rip = target;
}

static inline u64 relative_target(const struct x86_cpu *c, const struct x86_op *op)
{
    return c->code_base + op->imm;
}

EXEC(jmp)
{
    if (op->flags & OP_IMM)
        set_rip(c, op, relative_target(c, op));
    else
        set_rip(c, op,
                get_op(c, op->dst, op->flags & OP_MEM0,
                       op->flags & OP_MEM0 ? op_ea(c, op, op->size, ACCESS_READ) : 0, op->size));
    return NULL;
}
EXEC_ANY(JMP, jmp);

EXEC(jcc)
{
    if (arith_cond(c->arith, op->imm2))
        set_rip(c, op, relative_target(c, op));
    else
        c->rip = op_next_rip(c, op);
    return NULL;
}

/* Long-mode Jcc by condition, so that the test is straight code. lower.c picks these. */
#define JCC(cc)                                                                                    \
    EXEC(jcc_##cc)                                                                                 \
    {                                                                                              \
        c->rip = c->code_base + (arith_cond(c->arith, cc) ? op->imm : op->next);                   \
        return NULL;                                                                               \
    }
JCC(0)
JCC(1)
JCC(2)
JCC(3)
JCC(4)
JCC(5)
JCC(6)
JCC(7)
JCC(8)
JCC(9)
JCC(10)
JCC(11)
JCC(12)
JCC(13)
JCC(14)
JCC(15)
x86_exec_fn *const x86_jcc64[16] = {jcc_0, jcc_1, jcc_2,  jcc_3,  jcc_4,  jcc_5,  jcc_6,  jcc_7,
                                    jcc_8, jcc_9, jcc_10, jcc_11, jcc_12, jcc_13, jcc_14, jcc_15};
EXEC_ANY(JCC, jcc);

EXEC(call)
{
    u64 target;
    if (op->flags & OP_IMM)
        target = relative_target(c, op);
    else if (op->flags & OP_MEM0)
        target = load_n(c, op_ea(c, op, op->size, ACCESS_READ), op->size);
    else
        target = get_reg(c, op->dst, op->size);
    u64 back = op_next_rip(c, op);
    push_at(c, 0, op->size, back);
    set_rip(c, op, target);
    set_rsp(c, c->gpr[RSP] - op->size);
    return NULL;
}
EXEC_ANY(CALL, call);

EXEC(ret)
{
    u64 target = pop_at(c, 0, op->size);
    set_rip(c, op, target);
    set_rsp(c, c->gpr[RSP] + op->size + (op->flags & OP_IMM ? op->imm : 0));
    return NULL;
}
EXEC_ANY(RET, ret);

static const struct x86_op *branch_if(struct x86_cpu *c, const struct x86_op *op, bool taken)
{
    if (taken)
        set_rip(c, op, relative_target(c, op));
    else
        c->rip = op_next_rip(c, op);
    return NULL;
}

EXEC(jrcxz)
{
    return branch_if(c, op, (c->gpr[RCX] & op->ea_mask) == 0);
}
EXEC_ANY(JRCXZ, jrcxz);

/* The counter moves only when the branch does not fault. */
static const struct x86_op *loop(struct x86_cpu *c, const struct x86_op *op, bool cond)
{
    u64 count = (c->gpr[RCX] - 1) & op->ea_mask;
    branch_if(c, op, count != 0 && cond);
    put_reg(c, X86_REG_OFF(RCX), op->addr_size, count);
    return NULL;
}
EXEC(loop_always)
{
    return loop(c, op, true);
}
EXEC(loope)
{
    return loop(c, op, c->arith & ARITH_ZF);
}
EXEC(loopne)
{
    return loop(c, op, !(c->arith & ARITH_ZF));
}
EXEC_ANY(LOOP, loop_always);
EXEC_ANY(LOOPE, loope);
EXEC_ANY(LOOPNE, loopne);

/* Software interrupts; rip is the next instruction's while the event is delivered. */
static const struct x86_op *soft_int(struct x86_cpu *c, const struct x86_op *op,
                                     enum x86_event_kind kind, u8 vector)
{
    x86_soft_event(c, op, kind, vector);
    return NULL;
}
EXEC(int_n)
{
    if ((c->rflags & FL_VM) && (c->rflags & FL_IOPL) != FL_IOPL)
        x86_raise_gp(c, 0);
    return soft_int(c, op, EVENT_SOFT_INT, (u8)op->imm);
}
EXEC(int3)
{
    return soft_int(c, op, EVENT_SOFT_INT, VEC_BP);
}
EXEC(int1)
{
    return soft_int(c, op, EVENT_ICEBP, VEC_DB);
}
EXEC(into)
{
    if (!(c->arith & ARITH_OF))
        return op + 1;
    return soft_int(c, op, EVENT_SOFT_INT, VEC_OF);
}
EXEC_ANY(INT, int_n);
EXEC_ANY(INT3, int3);
EXEC_ANY(INT1, int1);
EXEC_ANY(INTO, into);

EXEC(bound)
{
    gva_t low = op_ea(c, op, op->size, ACCESS_READ);
    int64_t i = (int64_t)sext(get_reg(c, op->dst, op->size), op->size);
    /* One after the other: an index below the lower bound never touches the upper one. */
    if (i < (int64_t)sext(load_n(c, low, op->size), op->size))
        x86_raise(c, VEC_BR);
    gva_t high = op_ea_at(c, op, op->size, op->size, ACCESS_READ);
    if (i > (int64_t)sext(load_n(c, high, op->size), op->size))
        x86_raise(c, VEC_BR);
    return op + 1;
}
EXEC_ANY(BOUND, bound);

EXEC(undefined)
{
    (void)op;
    x86_raise(c, VEC_UD);
}
EXEC_ANY(UD0, undefined);
EXEC_ANY(UD1, undefined);
EXEC_ANY(UD2, undefined);
EXEC_ANY(RSM, undefined); /* outside SMM */
x86_exec_fn *const x86_exec_undefined = undefined;

EXEC(salc)
{
    REG(c, X86_REG_OFF(RAX), u8) = c->arith & ARITH_CF ? 0xff : 0;
    return op + 1;
}
EXEC_ANY(SALC, salc);
