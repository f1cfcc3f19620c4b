/*
 * Raising and delivering exceptions and interrupts. [SDM 3A 6]
 *
 * Delivery is transactional: it reads the gate, the code segment and the TSS, writes the new stack,
 * and only then changes registers. A fault in between is raised like any other and combined with
 * the event under delivery in x86_deliver_pending().
 */
#include <setjmp.h>
#include <string.h>

#include "isa/x86/debug.h"
#include "isa/x86/mmu.h"
#include "isa/x86/seg.h"
#include "isa/x86/stack.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"

uint64_t x86_rflags(const struct x86_cpu *c)
{
    return (c->rflags & ~(uint64_t)FL_ARITH) | FL_ONE | arith_to_rflags(c->arith);
}

void x86_set_rflags(struct x86_cpu *c, uint64_t v)
{
    uint64_t changed = c->rflags ^ v;
    c->rflags = (v & 0x3f7fd5 & ~(uint64_t)FL_ARITH) | FL_ONE;
    c->arith = arith_from_rflags(v);
    if (changed & (FL_AC | FL_VM))
        x86_update_mode(c);
    /* A held-back interrupt may go now; a trap flag wants single steps. */
    if ((changed & v & FL_IF) || (v & FL_TF))
        x86_want_attention(c, X86_ATTN_STATE);
}

void x86_update_mode(struct x86_cpu *c)
{
    const struct x86_segment *cs = &c->seg[SEG_CS];
    if (!(c->cr0 & CR0_PE))
        c->cpl = 0;
    else if (c->rflags & FL_VM)
        c->cpl = 3;
    if (x86_long_mode(c) && (cs->attr & ATTR_L))
        c->code_mode = 64;
    else
        c->code_mode = cs->attr & ATTR_DB ? 32 : 16;
    /* Protection and virtual-8086 mode decide which instructions exist, CPL which pages execute. */
    x86_mmu_update_ctx(c);
    c->exec_ctx = c->code_mode;
    c->exec_ctx |= c->cr0 & CR0_PE ? X86_CTX_PE : 0;
    c->exec_ctx |= c->rflags & FL_VM ? X86_CTX_VM : 0;
    c->exec_ctx |= c->cpl == 3 ? X86_CTX_USER : 0;
    c->exec_ctx |= c->align.on ? X86_CTX_ALIGN : 0;
}

static _Noreturn void unwind(struct x86_cpu *c)
{
    if (c->op)
        c->rip = op_rip(c, c->op);
    if (c->exclusive)
        c->slow->unlock(c);
    x86_mmu_update_ctx(c);
    longjmp(c->unwind, 1);
}

void x86_raise(struct x86_cpu *c, uint8_t vector)
{
    c->exc_vector = vector;
    c->exc_has_error = false;
    unwind(c);
}

void x86_raise_error(struct x86_cpu *c, uint8_t vector, uint32_t error)
{
    c->exc_vector = vector;
    c->exc_has_error = true;
    c->exc_error = error;
    unwind(c);
}

void x86_raise_gp(struct x86_cpu *c, uint32_t error)
{
    x86_raise_error(c, VEC_GP, error);
}

void x86_raise_pf(struct x86_cpu *c, uint64_t va, uint32_t error)
{
    c->exc_cr2 = va;
    x86_raise_error(c, VEC_PF, error);
}

/* Is `va` in the executing instruction's memory operand (16 bytes cover every operand that ends a
 * page)? */
static bool in_operand(const struct x86_cpu *c, const struct x86_op *op, uint64_t va)
{
    return (op->flags & (OP_MEM0 | OP_MEM1)) &&
           va - op_offset(c, op) - REG(c, op->seg_base, const uint64_t) < 16;
}

void x86_raise_noncanonical(struct x86_cpu *c, uint64_t va)
{
    const struct x86_op *op = c->op;
    bool mem = op && (op->flags & (OP_MEM0 | OP_MEM1));
    bool stack = mem && op->seg == SEG_SS;
    if (op && (op->flags & OP_STACK) && !in_operand(c, op, va))
        stack = true;
    x86_raise_error(c, stack ? VEC_SS : VEC_GP, 0);
}

struct event {
    enum x86_event_kind kind;
    uint8_t vector;
    bool has_error;
    uint32_t error;
};

struct gate {
    unsigned type, dpl, ist;
    uint16_t sel;
    uint64_t offset;
};

/* Error code of faults met while delivering: the vector as IDT index, EXT for hardware events. */
static uint32_t idt_error(const struct event *e)
{
    return e->vector * 8u + 2 + (e->kind != EVENT_SOFT_INT);
}

static uint32_t sel_error(const struct event *e, uint16_t sel)
{
    return (sel & ~3u) + (e->kind != EVENT_SOFT_INT);
}

static void read_gate(struct x86_cpu *c, const struct event *e, struct gate *g)
{
    unsigned size = x86_long_mode(c) ? 16 : 8;
    gva_t at = c->idt_base + e->vector * size;
    if (e->vector * size + size - 1 > c->idt_limit)
        x86_raise_gp(c, idt_error(e));
    uint64_t raw = x86_sys_load(c, at, 8);
    uint64_t high = size == 16 ? (uint32_t)x86_sys_load(c, at + 8, 4) : 0;
    *g = (struct gate){.type = (raw >> 40) & 31,
                       .dpl = (raw >> 45) & 3,
                       .ist = size == 16 ? (raw >> 32) & 7 : 0,
                       .sel = (raw >> 16) & 0xffff,
                       .offset = (raw & 0xffff) | ((raw >> 32) & 0xffff0000) | high << 32};
    bool gate32 = g->type == 14 || g->type == 15, gate16 = g->type == 6 || g->type == 7;
    if (!gate32 && !(gate16 && size == 8))
        x86_raise_gp(c, idt_error(e));
    if (gate16)
        g->offset &= 0xffff;
    if (e->kind == EVENT_SOFT_INT && g->dpl < c->cpl)
        x86_raise_gp(c, idt_error(e));
    if (!((raw >> 47) & 1))
        x86_raise_error(c, VEC_NP, idt_error(e));
}

/* The handler's code segment; returns the new CPL. */
static unsigned handler_segment(struct x86_cpu *c, const struct event *e, const struct gate *g,
                                struct x86_desc *cs)
{
    uint32_t error = sel_error(e, g->sel);
    if (!(g->sel & ~3u))
        x86_raise_gp(c, e->kind != EVENT_SOFT_INT);
    if (!x86_desc_read(c, g->sel, false, cs) || !desc_is_code(cs) || desc_dpl(cs) > c->cpl)
        x86_raise_gp(c, error);
    if (x86_long_mode(c) && (!desc_l(cs) || desc_db(cs)))
        x86_raise_gp(c, error);
    if (!desc_p(cs))
        x86_raise_error(c, VEC_NP, error);
    if (!x86_rip_ok(c, cs, g->offset))
        x86_raise_gp(c, e->kind != EVENT_SOFT_INT);
    x86_desc_mark_accessed(c, cs);
    return desc_conforming(cs) ? c->cpl : desc_dpl(cs);
}

/* RFLAGS image to push: faults set RF so that a breakpoint does not hit twice; INT n comes behind
 * itself [SDM 3B 18.3.1.1]. */
static uint64_t flags_image(const struct x86_cpu *c, const struct event *e)
{
    uint64_t f = x86_rflags(c);
    if (e->kind == EVENT_EXCEPTION)
        return e->vector != VEC_DB ? f | FL_RF : f;
    return e->kind == EVENT_SOFT_INT || e->kind == EVENT_ICEBP ? f & ~(uint64_t)FL_RF : f;
}

static void enter_handler(struct x86_cpu *c, const struct gate *g, struct x86_desc *cs,
                          unsigned cpl)
{
    uint64_t clear = FL_TF | FL_NT | FL_RF | FL_VM;
    if (!(g->type & 1))
        clear |= FL_IF;
    c->rflags &= ~clear;
    x86_load_cs(c, g->sel, cs, cpl, g->offset);
}

static uint64_t tss64_stack(struct x86_cpu *c, unsigned offset, const struct event *e)
{
    const struct x86_segment *tr = &c->tr[0];
    if (tr->unusable || offset + 7 > tr->limit)
        x86_raise_error(c, VEC_TS, sel_error(e, tr->sel));
    uint64_t rsp = x86_sys_load(c, tr->base + offset, 8);
    if (!x86_canonical(rsp))
        x86_raise_error(c, VEC_SS, e->kind != EVENT_SOFT_INT);
    return rsp;
}

/* [SDM 3A 6.14] */
static void deliver_long(struct x86_cpu *c, const struct event *e)
{
    struct gate g;
    struct x86_desc cs;
    read_gate(c, e, &g);
    unsigned cpl = handler_segment(c, e, &g, &cs);
    uint64_t rsp = c->gpr[RSP];
    if (g.ist)
        rsp = tss64_stack(c, 28 + 8 * g.ist, e);
    else if (cpl != c->cpl)
        rsp = tss64_stack(c, 4 + 8 * cpl, e);
    rsp &= ~UINT64_C(15);

    uint64_t frame[6] = {e->error,          c->rip,      c->seg[SEG_CS].sel,
                         flags_image(c, e), c->gpr[RSP], c->seg[SEG_SS].sel};
    unsigned first = e->has_error ? 0 : 1;
    for (unsigned i = 6; i-- > first;) {
        rsp -= 8;
        /* The frame is written with the handler's privilege. */
        if (cpl == 3)
            store_u64(c, rsp, frame[i]);
        else
            x86_sys_store(c, rsp, 8, frame[i]);
    }
    if (cpl != c->cpl) {
        x86_seg_set_null(&c->seg[SEG_SS], (uint16_t)cpl);
        c->seg[SEG_SS].attr = (uint16_t)(cpl << 5);
    }
    c->gpr[RSP] = rsp;
    enter_handler(c, &g, &cs, cpl);
}

/* A stack for legacy delivery: SS and ESP of the inner level, as a segment to write through. */
struct inner_stack {
    struct x86_segment ss;
    uint64_t esp;
    uint32_t error; /* of the #SS when it is too small */
};

static void tss32_stack(struct x86_cpu *c, const struct event *e, unsigned cpl,
                        struct inner_stack *out)
{
    const struct x86_segment *tr = &c->tr[0];
    bool tss32 = tr->attr & 8;
    unsigned at = tss32 ? 4 + 8 * cpl : 2 + 4 * cpl;
    struct x86_desc d;
    if (tr->unusable || at + (tss32 ? 7 : 3) > tr->limit)
        x86_raise_error(c, VEC_TS, sel_error(e, tr->sel));
    out->esp = x86_sys_load(c, tr->base + at, tss32 ? 4 : 2);
    uint16_t sel = x86_sys_load(c, tr->base + at + (tss32 ? 4 : 2), 2);
    if (!(sel & ~3u) || !x86_desc_read(c, sel, false, &d) || (sel & 3) != cpl ||
        desc_dpl(&d) != cpl || !desc_s(&d) || desc_is_code(&d) || !(desc_type(&d) & 2))
        x86_raise_error(c, VEC_TS, sel_error(e, sel));
    if (!desc_p(&d))
        x86_raise_error(c, VEC_SS, sel_error(e, sel));
    x86_desc_mark_accessed(c, &d);
    x86_seg_from_desc(&out->ss, sel, &d);
    out->error = sel_error(e, sel);
}

static void push_inner(struct x86_cpu *c, struct inner_stack *st, unsigned size, unsigned cpl,
                       uint64_t v)
{
    uint64_t mask = st->ss.attr & ATTR_DB ? UINT32_MAX : UINT16_MAX;
    st->esp = (st->esp & ~mask) | ((st->esp - size) & mask);
    if (st->ss.unusable || !x86_seg_in_limit(&st->ss, st->esp & mask, size))
        x86_raise_error(c, VEC_SS, st->error);
    gva_t va = (uint32_t)(st->ss.base + (st->esp & mask));
    if (cpl == 3)
        store_n(c, va, size, v);
    else
        x86_sys_store(c, va, size, v);
}

/* 32-bit protected mode and virtual-8086 mode [SDM 3A 6.12, 20.3]. */
static void deliver_protected(struct x86_cpu *c, const struct event *e)
{
    struct gate g;
    struct x86_desc cs;
    read_gate(c, e, &g);
    unsigned cpl = handler_segment(c, e, &g, &cs), size = g.type & 8 ? 4 : 2;
    bool v86 = c->rflags & FL_VM, inner = cpl != c->cpl;
    struct inner_stack st = {c->seg[SEG_SS], c->gpr[RSP], e->kind != EVENT_SOFT_INT};
    if (v86 && cpl != 0)
        x86_raise_gp(c, sel_error(e, g.sel));
    if (inner)
        tss32_stack(c, e, cpl, &st);
    if (v86) {
        static const uint8_t order[] = {SEG_GS, SEG_FS, SEG_DS, SEG_ES};
        for (unsigned i = 0; i < 4; i++)
            push_inner(c, &st, size, cpl, c->seg[order[i]].sel);
    }
    if (inner) {
        push_inner(c, &st, size, cpl, c->seg[SEG_SS].sel);
        push_inner(c, &st, size, cpl, c->gpr[RSP]);
    }
    push_inner(c, &st, size, cpl, flags_image(c, e));
    push_inner(c, &st, size, cpl, c->seg[SEG_CS].sel);
    push_inner(c, &st, size, cpl, c->rip);
    if (e->has_error)
        push_inner(c, &st, size, cpl, e->error);
    if (v86) {
        for (unsigned s = 0; s < 6; s++) {
            if (s != SEG_CS && s != SEG_SS)
                x86_seg_set_null(&c->seg[s], 0);
        }
    }
    c->seg[SEG_SS] = st.ss;
    c->gpr[RSP] = st.ss.attr & ATTR_DB ? (uint32_t)st.esp : st.esp;
    enter_handler(c, &g, &cs, cpl);
}

/* The interrupt vector table [SDM 3A 20.1.4]. */
static void deliver_real(struct x86_cpu *c, const struct event *e)
{
    if (e->vector * 4u + 3 > c->idt_limit)
        x86_raise_gp(c, 0);
    uint32_t vec = (uint32_t)x86_sys_load(c, c->idt_base + e->vector * 4u, 4);
    push_at(c, 0, 2, x86_rflags(c));
    push_at(c, 2, 2, c->seg[SEG_CS].sel);
    push_at(c, 4, 2, c->rip);
    set_rsp(c, c->gpr[RSP] - 6);
    c->rflags &= ~(uint64_t)(FL_IF | FL_TF | FL_AC | FL_RF);
    x86_seg_set_real(c, SEG_CS, vec >> 16);
    c->rip = vec & 0xffff;
    x86_update_mode(c);
}

static void deliver(struct x86_cpu *c, const struct event *e)
{
    if (e->vector == VEC_PF && e->kind == EVENT_EXCEPTION)
        c->cr2 = c->exc_cr2;
    if (e->kind == EVENT_NMI)
        c->nmi_masked = true;
    if (!(c->cr0 & CR0_PE))
        deliver_real(c, e);
    else if (x86_long_mode(c))
        deliver_long(c, e);
    else
        deliver_protected(c, e);
    if (e->vector == VEC_DB && e->kind != EVENT_SOFT_INT)
        c->dr[7] &= ~(uint64_t)DR7_GD;
}

static bool contributory(uint8_t vector)
{
    return vector == VEC_DE || (vector >= VEC_TS && vector <= VEC_GP);
}

/* What becomes of `second`, met while delivering `first` [SDM 3A table 6-5]. */
static struct event combine(const struct event *first, const struct event *second)
{
    if (first->kind != EVENT_EXCEPTION)
        return *second;
    bool df =
        (contributory(first->vector) && contributory(second->vector)) ||
        (first->vector == VEC_PF && (contributory(second->vector) || second->vector == VEC_PF));
    if (df)
        return (struct event){EVENT_EXCEPTION, VEC_DF, true, 0};
    return *second;
}

static struct event raised(const struct x86_cpu *c)
{
    return (struct event){EVENT_EXCEPTION, c->exc_vector, c->exc_has_error, c->exc_error};
}

/* Deliver `first` and whatever comes of it. c->op is NULL: nested faults keep c->rip. */
static bool deliver_all(struct x86_cpu *c, struct event first)
{
    jmp_buf outer;
    struct event volatile e = first;
    memcpy(outer, c->unwind, sizeof(outer));
    c->op = NULL;
    bool volatile ok = true;
    if (setjmp(c->unwind)) {
        struct event was = e, now = raised(c);
        /* The CPU loads CR2 when it meets the page fault, even if a double fault comes of it. */
        if (now.vector == VEC_PF)
            c->cr2 = c->exc_cr2;
        if (was.kind == EVENT_EXCEPTION && was.vector == VEC_DF)
            ok = false;
        else
            e = combine(&was, &now);
    }
    if (ok) {
        struct event now = e;
        deliver(c, &now);
    }
    memcpy(c->unwind, outer, sizeof(outer));
    return ok;
}

bool x86_deliver_pending(struct x86_cpu *c)
{
    return deliver_all(c, raised(c));
}

bool x86_deliver(struct x86_cpu *c, enum x86_event_kind kind, uint8_t vector)
{
    return deliver_all(c, (struct event){kind, vector, false, 0});
}

void x86_soft_event(struct x86_cpu *c, const struct x86_op *op, enum x86_event_kind kind,
                    uint8_t vector)
{
    struct event e = {kind, vector, false, 0};
    c->rip = op_next_rip(c, op);
    c->single_step = false; /* TF is cleared on the way in, before a step could trap */
    deliver(c, &e);         /* a fault in here is the instruction's own: rip goes back to it */
}
