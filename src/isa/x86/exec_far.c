/*
 * Control transfers that change segments or privilege: far jumps, calls and returns, IRET, SYSCALL,
 * SYSENTER and their returns. [SDM 3A 5.8, SDM 2]
 *
 * Hardware task switches are not modelled: a TSS or task gate as target raises #GP.
 */
#include "isa/x86/debug.h"
#include "isa/x86/mmu.h"
#include "isa/x86/seg.h"
#include "isa/x86/stack.h"
#include "isa/x86/system.h"

struct far_target {
    u16 sel;
    u64 offset;
};

static struct far_target far_operand(struct x86_cpu *c, const struct x86_op *op)
{
    struct far_target t;
    if (op->flags & OP_MEM0) {
        t.offset = load_n(c, op_ea(c, op, op->size, ACCESS_READ), op->size);
        t.sel = load_u16(c, op_ea_at(c, op, op->size, 2, ACCESS_READ));
    } else {
        t.offset = trunc_size(op->imm, op->size);
        t.sel = op->sel;
    }
    return t;
}

static void far_real(struct x86_cpu *c, struct far_target t)
{
    if (t.offset > c->seg[SEG_CS].limit)
        x86_raise_gp(c, 0);
    x86_seg_set_real(c, SEG_CS, t.sel);
    c->rip = t.offset;
    x86_update_mode(c);
}

/* Code segment as a direct target: same privilege, or conforming and at most as privileged. */
static void check_code_target(struct x86_cpu *c, u16 sel, const struct x86_desc *d)
{
    bool ok =
        desc_conforming(d) ? desc_dpl(d) <= c->cpl : (sel & 3) <= c->cpl && desc_dpl(d) == c->cpl;
    if (!ok || (x86_long_mode(c) && desc_l(d) && desc_db(d)))
        x86_raise_gp(c, sel & ~3u);
    if (!desc_p(d))
        x86_raise_error(c, VEC_NP, sel & ~3u);
}

/* A call gate's target; long mode gates are 16 bytes and lead to 64-bit code only. */
static struct far_target through_gate(struct x86_cpu *c, u16 sel, struct x86_desc *gate,
                                      struct x86_desc *code)
{
    bool wide = x86_long_mode(c);
    unsigned type = desc_type(gate);
    if (desc_s(gate) || !(type == 12 || (type == 4 && !wide)) || desc_dpl(gate) < c->cpl ||
        desc_dpl(gate) < (sel & 3))
        x86_raise_gp(c, sel & ~3u);
    if (!desc_p(gate))
        x86_raise_error(c, VEC_NP, sel & ~3u);
    if (wide)
        x86_desc_fetch(c, sel, true, VEC_GP, gate);
    struct far_target t = {.sel = gate->raw >> 16,
                           .offset = (gate->raw & 0xffff) | ((gate->raw >> 32) & 0xffff0000) |
                                     (u64)gate->high << 32};
    if (type == 4)
        t.offset &= 0xffff;
    x86_desc_fetch(c, t.sel, false, VEC_GP, code);
    if (!desc_is_code(code) || desc_dpl(code) > c->cpl ||
        (wide && (!desc_l(code) || desc_db(code))))
        x86_raise_gp(c, t.sel & ~3u);
    if (!desc_p(code))
        x86_raise_error(c, VEC_NP, t.sel & ~3u);
    return t;
}

EXEC(jmp_far)
{
    struct far_target t = far_operand(c, op);
    struct x86_desc d, code;
    if (!x86_protected(c)) {
        far_real(c, t);
        return NULL;
    }
    x86_desc_fetch(c, t.sel, false, VEC_GP, &d);
    if (desc_is_code(&d)) {
        check_code_target(c, t.sel, &d);
        code = d;
    } else {
        t = through_gate(c, t.sel, &d, &code);
        if (!desc_conforming(&code) && desc_dpl(&code) != c->cpl)
            x86_raise_gp(c, t.sel & ~3u);
    }
    x86_check_rip(c, &code, t.offset);
    x86_desc_mark_accessed(c, &code);
    x86_load_cs(c, t.sel, &code, c->cpl, t.offset);
    return NULL;
}
EXEC_ANY(JMPF, jmp_far);

static void call_real(struct x86_cpu *c, const struct x86_op *op, struct far_target t)
{
    push_at(c, 0, op->size, c->seg[SEG_CS].sel);
    push_at(c, op->size, op->size, op_next_rip(c, op));
    far_real(c, t);
    set_rsp(c, c->gpr[RSP] - 2u * op->size);
}

/* 64-bit code stores where 32-bit code would, and that wraps at 4 GiB. */
static void store_narrow(struct x86_cpu *c, gva_t va, unsigned size, u64 v)
{
    if (va + size - 1 <= UINT32_MAX) {
        store_n(c, va, size, v);
        return;
    }
    c->slow->rmw_ptr(c, va, 1); /* both pages, before a byte of either changes */
    c->slow->rmw_ptr(c, 0, 1);
    for (unsigned i = 0; i < size; i++)
        store_u8(c, (u32)(va + i), (u8)(v >> 8 * i));
}

/* Two slots below rSP, as the target's mode addresses the stack: ESP when 64-bit code calls into
 * compatibility mode. */
static void call_same_level(struct x86_cpu *c, const struct x86_op *op, unsigned size,
                            struct far_target t, struct x86_desc *code)
{
    bool narrow = c->code_mode == 64 && !desc_l(code);
    u64 mask = narrow ? UINT32_MAX : stack_mask(c), rsp = c->gpr[RSP];
    u64 frame[2] = {op_next_rip(c, op), c->seg[SEG_CS].sel};
    for (unsigned i = 2; i-- > 0;) {
        u64 at = (rsp - (2 - i) * size) & mask;
        gva_t va = stack_linear(c, at, size, ACCESS_WRITE);
        if (narrow)
            store_narrow(c, va, size, frame[i]);
        else
            store_n(c, va, size, frame[i]);
    }
    x86_check_rip(c, code, t.offset);
    x86_desc_mark_accessed(c, code);
    set_rsp(c, (rsp - 2 * size) & mask);
    x86_load_cs(c, t.sel, code, c->cpl, t.offset);
}

/* Through a gate to an inner level in long mode: new stack from the TSS, null SS. */
static void call_inner_long(struct x86_cpu *c, const struct x86_op *op, struct far_target t,
                            struct x86_desc *code)
{
    unsigned cpl = desc_dpl(code);
    unsigned at = 4 + 8 * cpl;
    if (c->tr[0].unusable || at + 7 > c->tr[0].limit)
        x86_raise_error(c, VEC_TS, c->tr[0].sel & ~3u);
    u64 rsp = x86_sys_load(c, c->tr[0].base + at, 8);
    u64 frame[4] = {op_next_rip(c, op), c->seg[SEG_CS].sel, c->gpr[RSP], c->seg[SEG_SS].sel};
    if (!x86_canonical(rsp))
        x86_raise_error(c, VEC_SS, 0);
    x86_check_rip(c, code, t.offset);
    x86_desc_mark_accessed(c, code);
    for (unsigned i = 4; i-- > 0;) {
        rsp -= 8;
        x86_sys_store(c, rsp, 8, frame[i]);
    }
    x86_seg_set_null(&c->seg[SEG_SS], (u16)cpl);
    c->seg[SEG_SS].attr = (u16)(cpl << 5);
    c->gpr[RSP] = rsp;
    x86_load_cs(c, t.sel, code, cpl, t.offset);
}

EXEC(call_far)
{
    struct far_target t = far_operand(c, op);
    struct x86_desc d, code;
    if (!x86_protected(c)) {
        call_real(c, op, t);
        return NULL;
    }
    x86_desc_fetch(c, t.sel, false, VEC_GP, &d);
    if (desc_is_code(&d)) {
        check_code_target(c, t.sel, &d);
        call_same_level(c, op, op->size, t, &d);
        return NULL;
    }
    unsigned size = x86_long_mode(c) ? 8 : desc_type(&d) == 4 ? 2 : 4;
    t = through_gate(c, t.sel, &d, &code);
    if (desc_conforming(&code) || desc_dpl(&code) == c->cpl)
        call_same_level(c, op, size, t, &code);
    else if (x86_long_mode(c))
        call_inner_long(c, op, t, &code);
    else
        x86_raise_gp(c, t.sel & ~3u); /* 32-bit inner-level call gates are not modelled */
    return NULL;
}
EXEC_ANY(CALLF, call_far);

/* What a far return or IRET found on the stack. */
struct return_frame {
    u64 rip, rsp, flags;
    u16 cs, ss;
    bool outer; /* rsp and ss are valid */
};

/* Data segments that the outer level may not hold become null [SDM 2 RET]. */
static void drop_inner_segments(struct x86_cpu *c)
{
    static const u8 segs[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    for (unsigned i = 0; i < 4; i++) {
        struct x86_segment *s = &c->seg[segs[i]];
        bool conforming = (s->attr & 12) == 12;
        if (!s->unusable && (s->attr & ATTR_S) && !conforming && ATTR_DPL(s->attr) < c->cpl)
            x86_seg_set_null(s, 0);
    }
}

static void check_return_cs(struct x86_cpu *c, u16 sel, struct x86_desc *d)
{
    unsigned rpl = sel & 3;
    x86_desc_fetch(c, sel, false, VEC_GP, d);
    bool dpl_ok = desc_conforming(d) ? desc_dpl(d) <= rpl : desc_dpl(d) == rpl;
    if (!desc_is_code(d) || rpl < c->cpl || !dpl_ok ||
        (x86_long_mode(c) && desc_l(d) && desc_db(d)))
        x86_raise_gp(c, sel & ~3u);
    if (!desc_p(d))
        x86_raise_error(c, VEC_NP, sel & ~3u);
}

/* SS of an outer-level return; a null one is legal for 64-bit code below CPL 3. */
static bool check_return_ss(struct x86_cpu *c, u16 sel, unsigned cpl, bool to64, struct x86_desc *d)
{
    if (!(sel & ~3u)) {
        if (!to64 || cpl == 3 || (sel & 3) != cpl)
            x86_raise_gp(c, 0);
        return false;
    }
    x86_desc_fetch(c, sel, false, VEC_GP, d);
    if ((sel & 3) != cpl || desc_dpl(d) != cpl || !desc_s(d) || desc_is_code(d) ||
        !(desc_type(d) & 2))
        x86_raise_gp(c, sel & ~3u);
    if (!desc_p(d))
        x86_raise_error(c, VEC_SS, sel & ~3u);
    return true;
}

/* Commit a protected-mode return; `release` bytes of parameters go from both stacks. */
static void return_to(struct x86_cpu *c, const struct return_frame *f, u64 new_rsp, u64 release)
{
    struct x86_desc cs, ss;
    unsigned cpl = f->cs & 3;
    check_return_cs(c, f->cs, &cs);
    bool to64 = x86_long_mode(c) && desc_l(&cs);
    if (!f->outer) {
        x86_check_rip(c, &cs, f->rip);
        set_rsp(c, new_rsp);
        x86_desc_mark_accessed(c, &cs);
        x86_load_cs(c, f->cs, &cs, cpl, f->rip);
        return;
    }
    bool real_ss = check_return_ss(c, f->ss, cpl, to64, &ss);
    x86_check_rip(c, &cs, f->rip); /* behind SS [SDM 2 RET, IRET] */
    x86_desc_mark_accessed(c, &cs);
    if (real_ss) {
        x86_desc_mark_accessed(c, &ss);
        x86_seg_from_desc(&c->seg[SEG_SS], f->ss, &ss);
    } else {
        x86_seg_set_null(&c->seg[SEG_SS], f->ss);
        c->seg[SEG_SS].attr = (u16)(cpl << 5);
    }
    x86_load_cs(c, f->cs, &cs, cpl, f->rip);
    set_rsp(c, f->rsp + release);
    drop_inner_segments(c);
}

EXEC(ret_far)
{
    u64 release = op->flags & OP_IMM ? op->imm : 0;
    struct return_frame f = {.rip = pop_at(c, 0, op->size),
                             .cs = (u16)pop_at(c, op->size, op->size)};
    u64 rsp = c->gpr[RSP] + 2u * op->size + release;
    if (!x86_protected(c)) {
        far_real(c, (struct far_target){f.cs, f.rip});
        set_rsp(c, rsp);
        return NULL;
    }
    if ((f.cs & 3) > c->cpl) {
        f.outer = true;
        f.rsp = pop_at(c, (unsigned)(2u * op->size + release), op->size);
        f.ss = (u16)pop_at(c, (unsigned)(3u * op->size + release), op->size);
    }
    return_to(c, &f, rsp, release);
    return NULL;
}
EXEC_ANY(RETF, ret_far);

/* Which RFLAGS bits IRET may change at this privilege [SDM 2 IRET]. */
static u64 iret_flags_mask(const struct x86_cpu *c, unsigned size)
{
    u64 mask = FL_ARITH | FL_TF | FL_DF | FL_NT | FL_RF | FL_AC | FL_ID;
    if (c->cpl <= (c->rflags & FL_IOPL) >> 12)
        mask |= FL_IF;
    if (c->cpl == 0)
        mask |= FL_IOPL | FL_VIF | FL_VIP;
    return size == 2 ? mask & 0xffff : mask;
}

/* RF matters only to instruction breakpoints: without one it is not kept, so that a return from a
 * fault costs no single step. */
static void iret_flags(struct x86_cpu *c, u64 flags, u64 mask)
{
    if (!(c->watching & X86_WATCH_INSN))
        flags &= ~(u64)FL_RF;
    x86_set_rflags(c, (x86_rflags(c) & ~mask) | (flags & mask));
}

static void iret_real(struct x86_cpu *c, const struct x86_op *op)
{
    unsigned size = op->size;
    if ((c->rflags & FL_VM) && (c->rflags & FL_IOPL) != FL_IOPL)
        x86_raise_gp(c, 0);
    u64 rip = pop_at(c, 0, size), flags = pop_at(c, 2 * size, size);
    u16 cs = pop_at(c, size, size);
    u64 mask = iret_flags_mask(c, size) | (c->rflags & FL_VM ? 0 : FL_IOPL | FL_IF);
    far_real(c, (struct far_target){cs, rip});
    set_rsp(c, c->gpr[RSP] + 3 * size);
    iret_flags(c, flags, size == 2 ? mask & 0xffff : mask);
}

/* Back to virtual-8086 mode: nine words on the stack [SDM 3A 20.2.6]. */
static void iret_to_v86(struct x86_cpu *c, const struct return_frame *f)
{
    static const u8 order[] = {SEG_ES, SEG_DS, SEG_FS, SEG_GS};
    u64 esp = pop_at(c, 12, 4);
    u16 sel[6];
    sel[SEG_SS] = pop_at(c, 16, 4);
    for (unsigned i = 0; i < 4; i++)
        sel[order[i]] = pop_at(c, 20 + 4 * i, 4);
    sel[SEG_CS] = f->cs;
    x86_set_rflags(c, f->flags | FL_VM);
    for (unsigned i = 0; i < 6; i++)
        x86_seg_set_real(c, i, sel[i]);
    c->gpr[RSP] = (u32)esp;
    c->rip = (u16)f->rip;
    x86_update_mode(c);
}

/* Even an IRET that faults ends the blocking of NMIs [SDM 3A 6.7.1]. */
static void unmask_nmi(struct x86_cpu *c)
{
    c->nmi_masked = false;
    if (c->nmi_pending)
        x86_want_attention(c, X86_ATTN_STATE);
}

EXEC(iret)
{
    unsigned size = op->size;
    unmask_nmi(c);
    if (!x86_protected(c)) {
        iret_real(c, op);
        return NULL;
    }
    if ((c->rflags & FL_NT) || (x86_long_mode(c) && (c->rflags & FL_VM)))
        x86_raise_gp(c, 0); /* nested tasks are not modelled */
    struct return_frame f = {.rip = pop_at(c, 0, size),
                             .cs = (u16)pop_at(c, size, size),
                             .flags = pop_at(c, 2 * size, size)};
    if (!x86_long_mode(c) && size == 4 && (f.flags & FL_VM) && c->cpl == 0) {
        iret_to_v86(c, &f);
        return NULL;
    }
    f.outer = c->code_mode == 64 || (f.cs & 3) > c->cpl;
    if (f.outer) {
        f.rsp = pop_at(c, 3 * size, size);
        f.ss = (u16)pop_at(c, 4 * size, size);
    }
    u64 mask = iret_flags_mask(c, size);
    return_to(c, &f, c->gpr[RSP] + 3 * size, 0);
    iret_flags(c, f.flags, mask);
    return NULL;
}
EXEC_ANY(IRET, iret);

/* Flat segments that SYSCALL and SYSENTER load without looking at a table. */
static void flat_cs(struct x86_cpu *c, u16 sel, unsigned cpl, bool long64)
{
    c->seg[SEG_CS] =
        (struct x86_segment){.sel = (u16)((sel & ~3u) | cpl),
                             .attr = (u16)(0x9b | cpl << 5 | ATTR_G | (long64 ? ATTR_L : ATTR_DB)),
                             .limit = UINT32_MAX};
}

static void flat_ss(struct x86_cpu *c, u16 sel, unsigned cpl)
{
    c->seg[SEG_SS] = (struct x86_segment){.sel = (u16)((sel & ~3u) | cpl),
                                          .attr = (u16)(0x93 | cpl << 5 | ATTR_G | ATTR_DB),
                                          .limit = UINT32_MAX};
}

void x86_star_segments(struct x86_cpu *c, unsigned cpl, bool to64)
{
    u16 sel = cpl == 0 ? (c->star >> 32) & 0xfffc : c->star >> 48;
    flat_cs(c, (u16)(sel + (cpl == 3 && to64 ? 16 : 0)), cpl, to64);
    flat_ss(c, (u16)(sel + 8), cpl);
    c->cpl = cpl;
}

/* SYSCALL and SYSRET trap by the TF they leave with, so that FMASK can hold a step back until the
 * return. */
static void step_behind(struct x86_cpu *c)
{
    c->single_step = false;
    if (c->rflags & FL_TF) {
        c->pending_debug |= DR6_BS;
        x86_want_attention(c, X86_ATTN_STATE);
    }
}

/* Where the vendors' processors differ: in long mode Intel's know SYSCALL in 64-bit code only,
 * AMD's have no SYSENTER. (AMD's SYSCALL in legacy mode is not modelled.) */
static bool is_amd(const struct x86_cpu *c)
{
    return c->model->id.vendor == CPUID_AMD;
}

EXEC(syscall)
{
    bool from64 = c->code_mode == 64;
    if (!(c->efer & EFER_SCE) || !x86_protected(c) || !x86_long_mode(c) || !(from64 || is_amd(c)))
        x86_raise(c, VEC_UD);
    c->gpr[RCX] = op_next_rip(c, op);
    c->gpr[R11] = x86_rflags(c) & ~(u64)FL_RF;
    x86_star_segments(c, 0, true);
    c->rip = from64 ? c->lstar : c->cstar;
    x86_set_rflags(c, x86_rflags(c) & ~(c->fmask | FL_RF));
    x86_update_mode(c);
    step_behind(c);
    return NULL;
}
EXEC_ANY(SYSCALL, syscall);

EXEC(sysret)
{
    if (!(c->efer & EFER_SCE) || c->code_mode != 64)
        x86_raise(c, VEC_UD);
    if (c->cpl != 0)
        x86_raise_gp(c, 0);
    u64 rip = c->gpr[RCX];
    bool to64 = op->size == 8;
    if (to64 && !x86_canonical(rip))
        x86_raise_gp(c, 0);
    x86_star_segments(c, 3, to64);
    c->rip = to64 ? rip : (u32)rip;
    x86_set_rflags(c, c->gpr[R11] & 0x3c7fd7);
    x86_update_mode(c);
    step_behind(c);
    return NULL;
}
EXEC_ANY(SYSRET, sysret);

EXEC(sysenter)
{
    if (is_amd(c) && x86_long_mode(c))
        x86_raise(c, VEC_UD);
    if (!(c->cr0 & CR0_PE) || !(c->sysenter_cs & 0xfffc))
        x86_raise_gp(c, 0);
    (void)op;
    bool lm = x86_long_mode(c);
    x86_set_rflags(c, x86_rflags(c) & ~(u64)(FL_VM | FL_IF | FL_RF));
    flat_cs(c, (u16)c->sysenter_cs, 0, lm);
    flat_ss(c, (u16)(c->sysenter_cs + 8), 0);
    c->cpl = 0;
    c->gpr[RSP] = lm ? c->sysenter_esp : (u32)c->sysenter_esp;
    c->rip = lm ? c->sysenter_eip : (u32)c->sysenter_eip;
    x86_update_mode(c);
    return NULL;
}
EXEC_ANY(SYSENTER, sysenter);

EXEC(sysexit)
{
    bool to64 = op->size == 8;
    if (is_amd(c) && x86_long_mode(c))
        x86_raise(c, VEC_UD);
    if (!(c->cr0 & CR0_PE) || c->cpl != 0 || !(c->sysenter_cs & 0xfffc))
        x86_raise_gp(c, 0);
    u64 rip = c->gpr[RDX], rsp = c->gpr[RCX];
    if (to64 && (!x86_canonical(rip) || !x86_canonical(rsp)))
        x86_raise_gp(c, 0);
    u16 sel = (u16)(c->sysenter_cs + (to64 ? 32 : 16));
    flat_cs(c, sel, 3, to64);
    flat_ss(c, (u16)(sel + 8), 3);
    c->cpl = 3;
    c->gpr[RSP] = to64 ? rsp : (u32)rsp;
    c->rip = to64 ? rip : (u32)rip;
    x86_update_mode(c);
    return NULL;
}
EXEC_ANY(SYSEXIT, sysexit);
