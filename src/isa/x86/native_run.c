/*
 * Running vector thunks: who may (CR0, CR4, XCR0), where the memory operand is, and SIMD exceptions
 * that the guest has unmasked. [SDM 2 2.4 and 2.5, SDM 3A 14.3]
 */
#include <xmmintrin.h>

#include "isa/x86/native_impl.h"

typedef void thunk_fn(struct x86_cpu *c, void *mem);

void native_denied(struct x86_cpu *c, const struct native_thunk *t)
{
    if ((c->cr0 & CR0_EM) && (t->flags & NT_EM_UD))
        x86_raise(c, VEC_UD);
    if ((~c->cr4 & t->cr4_need) || (~c->xcr0 & t->xcr0_need))
        x86_raise(c, VEC_UD);
    x86_raise(c, VEC_NM);
}

void native_raise_xm(struct x86_cpu *c, uint32_t flags)
{
    xs_set_mxcsr(c, xs_mxcsr(c) | flags);
    x86_raise(c, c->cr4 & CR4_OSXMMEXCPT ? VEC_XM : VEC_UD);
}

static void call(struct x86_cpu *c, const struct native_thunk *t, void *mem)
{
    ((thunk_fn *)t->code)(c, mem);
}

static void run_reg(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    (void)ea;
    native_check(c, t);
    call(c, t, NULL);
}

static void run_load(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    native_check(c, t);
    native_check_align(c, t, ea);
    call(c, t, native_operand(c, t, ea));
}

static void run_store(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    native_check(c, t);
    native_check_align(c, t, ea);
    void *p = tlb_write_ptr(c, ea, t->mem_size);
    if (likely(p != NULL)) {
        call(c, t, p);
        return;
    }
    x86_align_check(c, ea, t->ac_align);
    call(c, t, c->native->bounce);
    c->slow->write(c, ea, c->native->bounce, t->mem_size);
}

static void snapshot_take(struct x86_cpu *c, struct native_snapshot *s)
{
    memcpy(s->xmm, c->xsave + XS_XMM, sizeof(s->xmm));
    memcpy(s->ymmh, c->xsave + XS_YMMH, sizeof(s->ymmh));
    memcpy(s->gpr, c->gpr, sizeof(s->gpr));
    s->arith = c->arith;
}

static void snapshot_restore(struct x86_cpu *c, const struct native_snapshot *s)
{
    memcpy(c->xsave + XS_XMM, s->xmm, sizeof(s->xmm));
    memcpy(c->xsave + XS_YMMH, s->ymmh, sizeof(s->ymmh));
    memcpy(c->gpr, s->gpr, sizeof(s->gpr));
    c->arith = s->arith;
}

enum {
    MX_IE = 1 << 0,
    MX_DE = 1 << 1,
    MX_ZE = 1 << 2,
    MX_UE = 1 << 4,
    MX_PRE = MX_IE | MX_DE | MX_ZE,
    MX_FTZ = 1 << 15
};

/* Run with control bits of `mxcsr`, every exception masked and no flag set; returns the flags it
 * raised. */
static uint32_t run_masked(struct x86_cpu *c, const struct native_thunk *t, void *mem,
                           uint32_t mxcsr)
{
    _mm_setcsr((mxcsr | MXCSR_MASKS) & ~(uint32_t)MXCSR_FLAGS);
    call(c, t, mem);
    uint32_t raised = _mm_getcsr() & MXCSR_FLAGS;
    _mm_setcsr(MXCSR_DEFAULT);
    return raised;
}

/* VCVTPS2PH ignores FTZ. Its result is tiny if it is a denormal half. */
static uint32_t half_underflow(struct x86_cpu *c, const struct native_thunk *t, const void *mem)
{
    uint16_t h[8];

    memcpy(h, mem ? mem : c->xsave + XS_XMM + 16 * t->rm, sizeof(h));
    for (unsigned i = 0; i < t->len / 4u; i++)
        if (!(h[i] & 0x7c00) && (h[i] & 0x3ff))
            return MX_UE;
    return 0;
}

/*
 * A masked underflow sets UE only if the result is inexact as well, an unmasked one whenever it is
 * tiny [SDM 1 4.9.1.5]. Flushing to zero sets UE for every tiny result: so that finds out. An
 * unmasked underflow ignores FTZ.
 */
static uint32_t run_unmasked_underflow(struct x86_cpu *c, const struct native_thunk *t, void *mem,
                                       uint32_t mxcsr)
{
    uint32_t tiny = run_masked(c, t, mem, mxcsr | MX_FTZ) & MX_UE;
    if (t->flags & NT_HALF)
        tiny = half_underflow(c, t, mem);
    snapshot_restore(c, &c->native->snap);
    return run_masked(c, t, mem, mxcsr & ~(uint32_t)MX_FTZ) | tiny;
}

/*
 * The guest wants to hear of some exceptions. An unmasked one found before the computation stops
 * it, so the flags of rounding are not set then [SDM 1 11.5.2, 11.5.3].
 *
 * Known to differ from hardware, in the flags reported with #XM only: with unmasked overflow or
 * underflow PE tells of the masked result's rounding; DPPS and DPPD report the flags of all their
 * steps, not of the one that failed.
 */
static void call_unmasked(struct x86_cpu *c, const struct native_thunk *t, void *mem)
{
    uint32_t mxcsr = xs_mxcsr(c), unmasked = (~mxcsr & MXCSR_MASKS) >> 7, raised;

    snapshot_take(c, &c->native->snap);
    if (unmasked & MX_UE)
        raised = run_unmasked_underflow(c, t, mem, mxcsr);
    else
        raised = run_masked(c, t, mem, mxcsr);
    if (raised & unmasked & MX_PRE)
        raised &= MX_PRE;
    if (raised & unmasked) {
        snapshot_restore(c, &c->native->snap);
        native_raise_xm(c, raised);
    }
    xs_set_mxcsr(c, mxcsr | raised);
}

/*
 * Loading MXCSR around each instruction costs 70 ns. With the control bits that nearly everybody
 * uses the host's own value serves: its flags only must not be set where the guest's are clear, to
 * tell which ones the instruction raises.
 */
static void call_default(struct x86_cpu *c, const struct native_thunk *t, void *mem, uint32_t mxcsr)
{
    if (unlikely(_mm_getcsr() & ~mxcsr))
        _mm_setcsr(MXCSR_DEFAULT);
    call(c, t, mem);
    xs_set_mxcsr(c, mxcsr | (_mm_getcsr() & MXCSR_FLAGS));
}

static void call_fp(struct x86_cpu *c, const struct native_thunk *t, void *mem)
{
    uint32_t mxcsr = xs_mxcsr(c);

    if (likely((mxcsr & ~(uint32_t)MXCSR_FLAGS) == MXCSR_DEFAULT))
        call_default(c, t, mem, mxcsr);
    else if ((mxcsr & MXCSR_MASKS) == MXCSR_MASKS)
        xs_set_mxcsr(c, mxcsr | run_masked(c, t, mem, mxcsr));
    else
        call_unmasked(c, t, mem);
}

static void run_fp_reg(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    (void)ea;
    native_check(c, t);
    call_fp(c, t, NULL);
}

static void run_fp_load(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    native_check(c, t);
    native_check_align(c, t, ea);
    call_fp(c, t, native_operand(c, t, ea));
}

/* VCVTPS2PH to memory: MXCSR changes only if the store succeeds. */
static void run_fp_store(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    uint32_t before = xs_mxcsr(c), after;

    native_check(c, t);
    native_check_align(c, t, ea);
    call_fp(c, t, c->native->bounce);
    after = xs_mxcsr(c);
    xs_set_mxcsr(c, before);
    native_put_operand(c, t, ea, c->native->bounce);
    xs_set_mxcsr(c, after);
}

x86_native_fn *native_vector_runner(const struct native_thunk *t)
{
    static x86_native_fn *const plain[] = {run_reg, run_load, run_store};
    static x86_native_fn *const fp[] = {run_fp_reg, run_fp_load, run_fp_store};
    unsigned shape = !t->mem_size ? 0 : t->mem_access & X86_W ? 2 : 1;
    return t->flags & NT_FP ? fp[shape] : plain[shape];
}
