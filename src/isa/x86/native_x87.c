/*
 * Running x87 and MMX thunks. The thunk loads the guest's whole x87 state, executes, and leaves the
 * new state in x86_native.fx; only here is it committed, after a store has succeeded.
 *
 * Exceptions: the guest's FCW is in force on the host, so the host does what the manual says for
 * unmasked ones (operands unchanged, ES set) and the thunk ends before a waiting instruction could
 * report it. The guest's next waiting instruction does, here. With CR0.NE = 0 a machine would see
 * FERR# on IRQ 13; that is not modelled, the exception is ignored as with IGNNE# asserted.
 * [SDM 1 8.7, SDM 3A 6.15 interrupt 16]
 */
#include "isa/x86/native_impl.h"
#include "isa/x86/x87.h"

typedef void thunk_fn(struct x86_cpu *c, void *mem, void *fx);

#define FX16(p, off) (*(uint16_t *)((p) + (off)))
#define FX32(p, off) (*(uint32_t *)((p) + (off)))
#define FX64(p, off) (*(uint64_t *)((p) + (off)))

_Static_assert(offsetof(struct x86_cpu, xsave) % 16 == 0, "FXRSTOR wants 16-byte alignment");

uint16_t x87_summary(uint16_t fcw, uint16_t fsw)
{
    if (fsw & ~fcw & FCW_MASKS)
        return fsw | FSW_ES | FSW_B;
    return fsw & (uint16_t) ~(FSW_ES | FSW_B);
}

void x87_check_pending(struct x86_cpu *c)
{
    if (unlikely(xs_fsw(c) & FSW_ES) && (c->cr0 & CR0_NE))
        x86_raise(c, VEC_MF);
}

/* MXCSR for the thunk: only MMX conversions look at it. */
static void set_mxcsr(struct x86_cpu *c, const struct native_thunk *t)
{
    uint32_t v = MXCSR_DEFAULT;
    if (t->flags & NT_FP)
        v = (xs_mxcsr(c) | MXCSR_MASKS) & ~(uint32_t)MXCSR_FLAGS;
    FX32(c->native->fx, XS_MXCSR) = v;
}

/* With CR0.NE = 0 and an exception pending: run with all masked. */
static void run_ignoring_pending(struct x86_cpu *c, const struct native_thunk *t, void *mem)
{
    uint8_t *fx = c->native->fx;
    uint16_t fcw = xs_fcw(c), fsw = xs_fsw(c);

    xs_set_fcw(c, fcw | FCW_MASKS);
    xs_set_fsw(c, x87_summary(0xffff, fsw));
    ((thunk_fn *)t->code)(c, mem, fx);
    xs_set_fcw(c, fcw);
    xs_set_fsw(c, fsw);
    FX16(fx, XS_FCW) = fcw;
    FX16(fx, XS_FSW) = x87_summary(fcw, FX16(fx, XS_FSW));
}

static void execute(struct x86_cpu *c, const struct native_thunk *t, void *mem)
{
    memcpy(c->native->fx, c->xsave, XS_MXCSR); /* AMD: FXSAVE writes pointers only with ES set */
    set_mxcsr(c, t);
    if (unlikely(xs_fsw(c) & FSW_ES))
        run_ignoring_pending(c, t, mem);
    else
        ((thunk_fn *)t->code)(c, mem, c->native->fx);
}

/*
 * The host's pointers become the guest's: where they show the thunk and its operand, the guest
 * sees its own instruction and offset. Whether this CPU records them at all (FDP only with
 * unmasked exceptions, FOP likewise) is left to it, as CPUID says.
 */
static void translate_pointers(struct x86_cpu *c, const struct native_thunk *t, const void *mem)
{
    uint8_t *fx = c->native->fx;

    if (FX64(fx, XS_FIP) == t->op_addr)
        FX64(fx, XS_FIP) = op_rip(c, c->op);
    if (mem && FX64(fx, XS_FDP) == (uintptr_t)mem)
        FX64(fx, XS_FDP) = op_offset(c, c->op);
    if (FX16(fx, XS_FOP) == t->host_fop &&
        (xs_fop(c) != t->host_fop || (FX16(fx, XS_FSW) & FSW_ES)))
        FX16(fx, XS_FOP) = t->fop;
}

/* An unmasked SIMD exception of CVTPI2PS and its kin: of all it does only the transition to MMX
 * stands, which the host made unless the MMX operand was memory. */
static void check_simd(struct x86_cpu *c, uint32_t raised)
{
    uint32_t unmasked = (~xs_mxcsr(c) & MXCSR_MASKS) >> 7, pre = 7;
    if (raised & unmasked & pre)
        raised &= pre;
    if (raised & unmasked) {
        if (c->native->fx[XS_FTW] == 0xff && !(FX16(c->native->fx, XS_FSW) & FSW_TOP))
            x87_enter_mmx(c);
        native_raise_xm(c, raised);
    }
    xs_set_mxcsr(c, xs_mxcsr(c) | raised);
}

static void commit(struct x86_cpu *c, const struct native_thunk *t, const void *mem)
{
    uint8_t *fx = c->native->fx;

    if (t->flags & NT_FP)
        check_simd(c, FX32(fx, XS_MXCSR) & MXCSR_FLAGS);
    translate_pointers(c, t, mem);
    memcpy(c->xsave, fx, XS_MXCSR);
    memcpy(c->xsave + XS_ST, fx + XS_ST, XS_XMM - XS_ST);
    if (t->flags & NT_XMM)
        memcpy(c->xsave + XS_XMM, fx + XS_XMM, 256);
}

/*
 * Did a store take place? An unmasked exception other than inexact result, and a stack fault
 * (which is an invalid operation), prevents it [SDM 1 8.5].
 */
static bool stored(const struct x86_cpu *c)
{
    const uint8_t *fx = c->native->fx;
    uint16_t unmasked = FX16(fx, XS_FSW) & ~FX16(fx, XS_FCW) & FCW_MASKS;
    return !(unmasked & ~FSW_PE);
}

void native_run_x87(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    void *mem = NULL;

    native_check(c, t);
    x87_check_pending(c);
    if (t->mem_size) {
        native_check_align(c, t, ea);
        mem = t->mem_access & X86_W ? c->native->bounce : native_operand(c, t, ea);
    }
    execute(c, t, mem);
    if (mem && (t->mem_access & X86_W) && stored(c)) {
        if (t->flags & NT_MMX)
            x87_set_top(c, 0); /* even if the store faults */
        native_put_operand(c, t, ea, mem);
    }
    commit(c, t, mem);
}
