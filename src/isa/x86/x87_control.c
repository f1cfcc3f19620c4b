/*
 * x87 instructions about the unit rather than its numbers: control word, status word, environment,
 * initialisation, waiting. Most do not wait for pending exceptions. [SDM 1 8.3.11]
 */
#include "isa/x86/native_impl.h"
#include "isa/x86/x87.h"

enum { FSAVE_REGS = 80 };

#define HANDLER(name) static void name(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)

/* A register in the pieces that the unit itself loads and stores, so that they forward. */
struct st_value {
    uint64_t mantissa;
    uint16_t exponent;
};

static struct st_value st_get(const struct x86_cpu *c, unsigned i)
{
    struct st_value v;
    memcpy(&v.mantissa, c->xsave + XS_ST + 16 * i, 8);
    memcpy(&v.exponent, c->xsave + XS_ST + 16 * i + 8, 2);
    return v;
}

static void st_put(struct x86_cpu *c, unsigned i, struct st_value v)
{
    memcpy(c->xsave + XS_ST + 16 * i, &v.mantissa, 8);
    memcpy(c->xsave + XS_ST + 16 * i + 8, &v.exponent, 2);
}

void x87_set_top(struct x86_cpu *c, unsigned top)
{
    unsigned shift = (top - (xs_fsw(c) >> FSW_TOP_SHIFT)) & 7;
    struct st_value st[8];

    xs_set_fsw(c, (xs_fsw(c) & (uint16_t)~FSW_TOP) | (uint16_t)(top << FSW_TOP_SHIFT));
    if (!shift)
        return;
    for (unsigned i = 0; i < 8; i++)
        st[i] = st_get(c, i);
    for (unsigned i = 0; i < 8; i++)
        st_put(c, i, st[(i + shift) & 7]);
}

void x87_enter_mmx(struct x86_cpu *c)
{
    x87_set_top(c, 0);
    xs_set_ftw(c, 0xff);
}

void x87_init(struct x86_cpu *c)
{
    x87_set_top(c, 0); /* contents stay */
    memset(c->xsave, 0, XS_MXCSR);
    xs_set_fcw(c, FCW_INIT);
}

HANDLER(run_fninit)
{
    (void)ea;
    native_check(c, t);
    x87_init(c);
}

/* FENI, FDISI, FSETPM: no-ops since the 387, which do not wait either. */
HANDLER(run_nop)
{
    (void)ea;
    native_check(c, t);
}

HANDLER(run_fnclex)
{
    (void)ea;
    native_check(c, t);
    xs_set_fsw(c, xs_fsw(c) & (uint16_t) ~(FSW_FLAGS | FSW_ES | FSW_B));
}

HANDLER(run_fnstcw)
{
    native_check(c, t);
    store_u16(c, ea, xs_fcw(c));
}

HANDLER(run_fnstsw_mem)
{
    native_check(c, t);
    store_u16(c, ea, xs_fsw(c));
}

HANDLER(run_fnstsw_ax)
{
    (void)ea;
    native_check(c, t);
    c->gpr[RAX] = (c->gpr[RAX] & ~UINT64_C(0xffff)) | xs_fsw(c);
}

HANDLER(run_fldcw)
{
    native_check(c, t);
    x87_check_pending(c);
    xs_set_fcw(c, x87_valid_fcw(load_u16(c, ea)));
    xs_set_fsw(c, x87_summary(xs_fcw(c), xs_fsw(c)));
}

/* WAIT: CR0.TS matters only together with CR0.MP. [SDM 3A 2.5] */
HANDLER(run_fwait)
{
    (void)t;
    (void)ea;
    if ((c->cr0 & (CR0_TS | CR0_MP)) == (CR0_TS | CR0_MP))
        x86_raise(c, VEC_NM);
    x87_check_pending(c);
}

HANDLER(run_emms)
{
    (void)ea;
    native_check(c, t);
    x87_check_pending(c);
    x87_enter_mmx(c);
    xs_set_ftw(c, 0);
}

static enum x87_layout layout_of(const struct x86_cpu *c, const struct native_thunk *t)
{
    bool real = !(c->cr0 & CR0_PE) || (c->rflags & FL_VM);
    if (t->opsize == 2)
        return real ? X87_REAL16 : X87_PROT16;
    return real ? X87_REAL32 : X87_PROT32;
}

/* Environments and images are made of doublewords, or words with 16-bit operands. */
static void check_image(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    x86_align_check(c, ea, t->opsize == 2 ? 2 : 4);
}

HANDLER(run_fnstenv)
{
    native_check(c, t);
    check_image(c, t, ea);
    c->slow->write(c, ea, c->native->bounce, x87_env_store(c, layout_of(c, t), c->native->bounce));
    xs_set_fcw(c, xs_fcw(c) | FCW_MASKS);
    xs_set_fsw(c, x87_summary(xs_fcw(c), xs_fsw(c)));
}

HANDLER(run_fldenv)
{
    enum x87_layout layout = layout_of(c, t);
    native_check(c, t);
    x87_check_pending(c);
    check_image(c, t, ea);
    c->slow->read(c, ea, c->native->bounce, x87_env_size(layout));
    x87_env_load(c, layout, c->native->bounce);
}

HANDLER(run_fnsave)
{
    uint8_t *p = c->native->bounce;

    native_check(c, t);
    check_image(c, t, ea);
    unsigned n = x87_env_store(c, layout_of(c, t), p);
    for (unsigned i = 0; i < 8; i++)
        memcpy(p + n + 10 * i, c->xsave + XS_ST + 16 * i, 10);
    c->slow->write(c, ea, p, n + FSAVE_REGS);
    x87_init(c);
}

HANDLER(run_frstor)
{
    enum x87_layout layout = layout_of(c, t);
    unsigned n = x87_env_size(layout);
    const uint8_t *p = c->native->bounce;

    native_check(c, t);
    x87_check_pending(c);
    check_image(c, t, ea);
    c->slow->read(c, ea, c->native->bounce, n + FSAVE_REGS);
    x87_env_load(c, layout, p);
    for (unsigned i = 0; i < 8; i++)
        memcpy(c->xsave + XS_ST + 16 * i, p + n + 10 * i, 10);
}

x86_native_fn *x87_control_handler(const struct x86_insn *in, struct native_thunk *t)
{
    (void)t;
    switch (in->iclass) {
    case X86_I_FNINIT:
        return run_fninit;
    case X86_I_FENI:
    case X86_I_FDISI:
    case X86_I_FSETPM:
        return run_nop;
    case X86_I_FNCLEX:
        return run_fnclex;
    case X86_I_FNSTCW:
        return run_fnstcw;
    case X86_I_FNSTSW:
        return x86_is_mem(in) ? run_fnstsw_mem : run_fnstsw_ax;
    case X86_I_FLDCW:
        return run_fldcw;
    case X86_I_FWAIT:
        return run_fwait;
    case X86_I_EMMS:
        return run_emms;
    case X86_I_FNSTENV:
        return run_fnstenv;
    case X86_I_FLDENV:
        return run_fldenv;
    case X86_I_FNSAVE:
        return run_fnsave;
    case X86_I_FRSTOR:
        return run_frstor;
    default:
        return NULL;
    }
}
