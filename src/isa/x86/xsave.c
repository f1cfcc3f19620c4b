/*
 * State images in guest memory: FXSAVE, FXRSTOR, XSAVE, XSAVEOPT, XSAVEC, XRSTOR, and the registers
 * about them: MXCSR, XCR0, the upper halves. [SDM 1 10.5, 11.6, 13; SDM 2 the instructions]
 *
 * struct x86_cpu holds a standard-format image with every component valid; what is in use
 * (XINUSE) is seen from the contents. Only x87, SSE and AVX state exist here, so the compacted
 * format has the same offsets as the standard one.
 */
#include <emmintrin.h>

#include "isa/x86/native_impl.h"
#include "isa/x86/x87.h"

enum {
    XS_ALL = XCR0_X87 | XCR0_SSE | XCR0_AVX,
    XS_HEADER = 512,
    XS_HEADER_SIZE = 64,
    XS_XMM_SIZE = 256,
    XS_YMMH_SIZE = 256,
};
#define XCOMP_COMPACT (UINT64_C(1) << 63)

#define HANDLER(name) static void name(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)

static bool all_zero(const uint8_t *p, unsigned len)
{
    return !p[0] && !memcmp(p, p + 1, len - 1);
}

static bool x87_is_initial(const struct x86_cpu *c)
{
    return xs_fcw(c) == FCW_INIT && all_zero(c->xsave + XS_FSW, XS_MXCSR - XS_FSW) &&
           all_zero(c->xsave + XS_ST, XS_XMM - XS_ST);
}

static uint64_t in_use(const struct x86_cpu *c)
{
    uint64_t v = 0;
    if (!x87_is_initial(c))
        v |= XCR0_X87;
    if (!all_zero(c->xsave + XS_XMM, XS_XMM_SIZE))
        v |= XCR0_SSE;
    if (!all_zero(c->xsave + XS_YMMH, XS_YMMH_SIZE))
        v |= XCR0_AVX;
    return v;
}

/* The first 24 bytes and the registers. Without REX.W pointers are 32 bits and a selector, which
 * is stored as zero (see x87_env.c). */
static void x87_image(const struct x86_cpu *c, bool wide, uint8_t head[XS_MXCSR])
{
    memcpy(head, c->xsave, XS_MXCSR);
    if (!wide) {
        memset(head + XS_FIP + 4, 0, 4);
        memset(head + XS_FDP + 4, 0, 4);
    }
}

static void save_x87(struct x86_cpu *c, gva_t ea, bool wide)
{
    uint8_t head[XS_MXCSR];
    x87_image(c, wide, head);
    c->slow->write(c, ea, head, sizeof(head));
    c->slow->write(c, va_add(c, ea, XS_ST), c->xsave + XS_ST, XS_XMM - XS_ST);
}

static void save_mxcsr(struct x86_cpu *c, gva_t ea)
{
    uint32_t v[2] = {xs_mxcsr(c), c->native->mxcsr_mask};
    c->slow->write(c, va_add(c, ea, XS_MXCSR), v, sizeof(v));
}

static void save_part(struct x86_cpu *c, gva_t ea, unsigned off, unsigned len)
{
    c->slow->write(c, va_add(c, ea, off), c->xsave + off, len);
}

static uint64_t canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16);
}

/* Bring x87 state that came from guest memory into the form the host can hold. */
static void load_x87(struct x86_cpu *c, const uint8_t *head, const uint8_t *st, bool wide)
{
    memcpy(c->xsave, head, XS_MXCSR);
    c->xsave[XS_FTW + 1] = 0;
    xs_set_fip(c, wide ? canonical(xs_fip(c)) : (uint32_t)xs_fip(c));
    xs_set_fdp(c, wide ? xs_fdp(c) : (uint32_t)xs_fdp(c));
    xs_set_fop(c, xs_fop(c) & FOP_BITS);
    xs_set_fcw(c, x87_valid_fcw(xs_fcw(c)));
    xs_set_fsw(c, x87_summary(xs_fcw(c), xs_fsw(c)));
    memset(c->xsave + XS_ST, 0, XS_XMM - XS_ST);
    for (unsigned i = 0; i < 8; i++)
        memcpy(c->xsave + XS_ST + 16 * i, st + 16 * i, 10);
}

static void check_mxcsr(struct x86_cpu *c, uint32_t v)
{
    if (v & ~c->native->mxcsr_mask)
        x86_raise_gp(c, 0);
}

/* Outside 64-bit mode there are registers 0 to 7 only, and nothing touches the others. */
static unsigned half_unless_64(const struct x86_cpu *c, unsigned bytes)
{
    return c->code_mode == 64 ? bytes : bytes / 2;
}

/* #AC looks at doublewords only, #GP at the whole alignment [SDM 2A FXSAVE]. */
static void check_image(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    x86_align_check(c, ea, 4);
    native_check_align(c, t, ea);
}

HANDLER(run_fxsave)
{
    native_check(c, t);
    check_image(c, t, ea);
    uint8_t img[XS_XMM + XS_XMM_SIZE];
    memcpy(img, c->xsave, sizeof(img));
    x87_image(c, t->opsize == 8, img);
    memcpy(img + XS_MXCSR_MASK, &c->native->mxcsr_mask, 4);
    /* All 512 bytes must be writable, though the last 96 are left alone. */
    if ((ea ^ va_add(c, ea, FX_SIZE - 1)) & GUEST_PAGE_MASK)
        c->slow->rmw_ptr(c, va_add(c, ea, FX_SIZE - 1), 1);
    /* Without CR4.OSFXSR neither XMM registers nor MXCSR need be saved; they are. */
    c->slow->write(c, ea, img, XS_XMM + half_unless_64(c, XS_XMM_SIZE));
}

HANDLER(run_fxrstor)
{
    uint8_t img[FX_SIZE];
    uint32_t mxcsr;

    native_check(c, t);
    check_image(c, t, ea);
    c->slow->read(c, ea, img, sizeof(img));
    memcpy(&mxcsr, img + XS_MXCSR, 4);
    check_mxcsr(c, mxcsr);
    xs_set_mxcsr(c, mxcsr);
    load_x87(c, img, img + XS_ST, t->opsize == 8);
    memcpy(c->xsave + XS_XMM, img + XS_XMM, half_unless_64(c, XS_XMM_SIZE));
}

/* The requested-feature bitmap EDX:EAX & XCR0. */
static uint64_t rfbm(const struct x86_cpu *c)
{
    return ((uint32_t)c->gpr[RAX] | c->gpr[RDX] << 32) & c->xcr0 & XS_ALL;
}

/* XSAVE, and XSAVEOPT which leaves components in their initial configuration unwritten. */
static void xsave_standard(struct x86_cpu *c, const struct native_thunk *t, gva_t ea, bool opt)
{
    uint64_t want = rfbm(c), used = in_use(c), write = opt ? want & used : want, bv;

    native_check(c, t);
    check_image(c, t, ea);
    c->slow->read(c, va_add(c, ea, XS_XSTATE_BV), &bv, sizeof(bv));
    bv = (bv & ~want) | (want & used);
    c->slow->write(c, va_add(c, ea, XS_XSTATE_BV), &bv, sizeof(bv));
    if (write & XCR0_X87)
        save_x87(c, ea, t->opsize == 8);
    if (want & (XCR0_SSE | XCR0_AVX))
        save_mxcsr(c, ea);
    if (write & XCR0_SSE)
        save_part(c, ea, XS_XMM, half_unless_64(c, XS_XMM_SIZE));
    if (write & XCR0_AVX)
        save_part(c, ea, XS_YMMH, half_unless_64(c, XS_YMMH_SIZE));
}

HANDLER(run_xsave)
{
    xsave_standard(c, t, ea, false);
}

HANDLER(run_xsaveopt)
{
    xsave_standard(c, t, ea, true);
}

HANDLER(run_xsavec)
{
    uint64_t want = rfbm(c), head[2];

    native_check(c, t);
    check_image(c, t, ea);
    head[0] = want & in_use(c);
    if (xs_mxcsr(c) != MXCSR_DEFAULT)
        head[0] |= want & XCR0_SSE;
    head[1] = want | XCOMP_COMPACT;
    c->slow->write(c, va_add(c, ea, XS_HEADER), head, sizeof(head));
    if (head[0] & XCR0_X87)
        save_x87(c, ea, t->opsize == 8);
    if (head[0] & XCR0_SSE) {
        save_mxcsr(c, ea);
        save_part(c, ea, XS_XMM, half_unless_64(c, XS_XMM_SIZE));
    }
    if (head[0] & XCR0_AVX)
        save_part(c, ea, XS_YMMH, half_unless_64(c, XS_YMMH_SIZE));
}

/* Reserved bits of the header are #GP(0) [SDM 2D XRSTOR]. */
static void check_header(struct x86_cpu *c, const uint64_t head[8])
{
    uint64_t bv = head[0], comp = head[1];
    bool bad = !all_zero((const uint8_t *)&head[2], comp & XCOMP_COMPACT ? 48 : 8);

    if (comp & XCOMP_COMPACT)
        bad |= (comp & ~XCOMP_COMPACT & ~c->xcr0) || (bv & ~comp);
    else
        bad |= comp || (bv & ~c->xcr0);
    if (bad)
        x86_raise_gp(c, 0);
}

/* What XRSTOR reads before it changes anything. */
struct restore {
    uint64_t load, init; /* components */
    bool mxcsr_load, mxcsr_init;
    uint32_t mxcsr;
    uint8_t x87[XS_MXCSR], st[XS_XMM - XS_ST], xmm[XS_XMM_SIZE], ymmh[XS_YMMH_SIZE];
};

static void restore_read(struct x86_cpu *c, struct restore *r, gva_t ea)
{
    if (r->mxcsr_load) {
        c->slow->read(c, va_add(c, ea, XS_MXCSR), &r->mxcsr, sizeof(r->mxcsr));
        check_mxcsr(c, r->mxcsr);
    }
    if (r->load & XCR0_X87) {
        c->slow->read(c, ea, r->x87, sizeof(r->x87));
        c->slow->read(c, va_add(c, ea, XS_ST), r->st, sizeof(r->st));
    }
    if (r->load & XCR0_SSE)
        c->slow->read(c, va_add(c, ea, XS_XMM), r->xmm, sizeof(r->xmm));
    if (r->load & XCR0_AVX)
        c->slow->read(c, va_add(c, ea, XS_YMMH), r->ymmh, sizeof(r->ymmh));
}

static void restore_commit(struct x86_cpu *c, struct restore *r, bool wide)
{
    if (r->load & XCR0_X87)
        load_x87(c, r->x87, r->st, wide);
    if (r->init & XCR0_X87) {
        x87_init(c);
        memset(c->xsave + XS_ST, 0, XS_XMM - XS_ST);
    }
    if ((r->load | r->init) & XCR0_SSE)
        memcpy(c->xsave + XS_XMM, r->xmm, half_unless_64(c, XS_XMM_SIZE));
    if ((r->load | r->init) & XCR0_AVX)
        memcpy(c->xsave + XS_YMMH, r->ymmh, half_unless_64(c, XS_YMMH_SIZE));
    if (r->mxcsr_load || r->mxcsr_init)
        xs_set_mxcsr(c, r->mxcsr_load ? r->mxcsr : MXCSR_DEFAULT);
}

/* The standard format loads MXCSR with AVX or SSE even where the header says "initial"; in the
 * compacted one it belongs to the SSE component. */
HANDLER(run_xrstor)
{
    struct restore r = {0};
    uint64_t head[8], want = rfbm(c);

    native_check(c, t);
    check_image(c, t, ea);
    c->slow->read(c, va_add(c, ea, XS_HEADER), head, sizeof(head));
    check_header(c, head);
    r.load = want & head[0];
    r.init = want & ~head[0];
    if (head[1] & XCOMP_COMPACT) {
        r.mxcsr_load = r.load & XCR0_SSE;
        r.mxcsr_init = r.init & XCR0_SSE;
    } else {
        r.mxcsr_load = want & (XCR0_SSE | XCR0_AVX);
    }
    restore_read(c, &r, ea);
    restore_commit(c, &r, t->opsize == 8);
}

HANDLER(run_ldmxcsr)
{
    native_check(c, t);
    uint32_t v = load_u32(c, ea);
    check_mxcsr(c, v);
    xs_set_mxcsr(c, v);
}

HANDLER(run_stmxcsr)
{
    native_check(c, t);
    store_u32(c, ea, xs_mxcsr(c));
}

HANDLER(run_vzeroupper)
{
    (void)ea;
    native_check(c, t);
    /* Compilers make a slow REP STOS of a memset of this size, and code ends often with this. */
    unsigned size = half_unless_64(c, XS_YMMH_SIZE);
    for (unsigned i = 0; i < size; i += 16) {
        _mm_store_si128((__m128i *)(c->xsave + XS_YMMH + i), _mm_setzero_si128());
        __asm__ volatile("" ::: "memory");
    }
}

HANDLER(run_vzeroall)
{
    run_vzeroupper(c, t, ea);
    memset(c->xsave + XS_XMM, 0, half_unless_64(c, XS_XMM_SIZE));
}

HANDLER(run_xgetbv)
{
    uint32_t index = (uint32_t)c->gpr[RCX];

    (void)ea;
    native_check(c, t);
    if (index > 1)
        x86_raise_gp(c, 0);
    c->gpr[RAX] = (uint32_t)(index ? c->xcr0 & in_use(c) : c->xcr0);
    c->gpr[RDX] = c->xcr0 >> 32;
}

HANDLER(run_xsetbv)
{
    uint64_t v = (uint32_t)c->gpr[RAX] | c->gpr[RDX] << 32;

    (void)ea;
    native_check(c, t);
    if (c->cpl || (uint32_t)c->gpr[RCX] || !(v & XCR0_X87) || (v & ~c->model->xcr0_mask) ||
        (v & ~(uint64_t)XS_ALL) || ((v & XCR0_AVX) && !(v & XCR0_SSE)))
        x86_raise_gp(c, 0);
    c->xcr0 = v;
}

static x86_native_fn *require(struct native_thunk *t, x86_native_fn *fn, uint32_t cr0_bad,
                              uint32_t cr4_need, unsigned align)
{
    t->cr0_bad = cr0_bad;
    t->cr4_need = cr4_need;
    t->xcr0_need = 0;
    t->align_mask = (uint8_t)(align - 1);
    t->flags &= (uint8_t)~NT_EM_UD;
    return fn;
}

x86_native_fn *xsave_handler(const struct x86_insn *in, struct native_thunk *t)
{
    switch (in->iclass) {
    case X86_I_FXSAVE:
        return require(t, run_fxsave, CR0_EM | CR0_TS, 0, 16);
    case X86_I_FXRSTOR:
        return require(t, run_fxrstor, CR0_EM | CR0_TS, 0, 16);
    case X86_I_XSAVE:
        return require(t, run_xsave, CR0_TS, CR4_OSXSAVE, 64);
    case X86_I_XSAVEOPT:
        return require(t, run_xsaveopt, CR0_TS, CR4_OSXSAVE, 64);
    case X86_I_XSAVEC:
        return require(t, run_xsavec, CR0_TS, CR4_OSXSAVE, 64);
    case X86_I_XRSTOR:
        return require(t, run_xrstor, CR0_TS, CR4_OSXSAVE, 64);
    case X86_I_XGETBV:
        return require(t, run_xgetbv, 0, CR4_OSXSAVE, 1);
    case X86_I_XSETBV:
        return require(t, run_xsetbv, 0, CR4_OSXSAVE, 1);
    case X86_I_LDMXCSR:
    case X86_I_VLDMXCSR:
        return run_ldmxcsr;
    case X86_I_STMXCSR:
    case X86_I_VSTMXCSR:
        return run_stmxcsr;
    case X86_I_VZEROUPPER:
        return run_vzeroupper;
    case X86_I_VZEROALL:
        return run_vzeroall;
    default:
        return NULL;
    }
}

void x86_fpu_reset(struct x86_cpu *c)
{
    memset(c->xsave, 0, sizeof(c->xsave));
    xs_set_fcw(c, FCW_ONE);
    xs_set_ftw(c, 0xff);
    xs_set_mxcsr(c, MXCSR_DEFAULT);
    xs_set_xstate_bv(c, XS_ALL);
    c->xcr0 = XCR0_X87;
}

void x86_fpu_sanitize(struct x86_cpu *c)
{
    uint8_t head[XS_MXCSR], st[XS_XMM - XS_ST];

    memcpy(head, c->xsave, sizeof(head));
    memcpy(st, c->xsave + XS_ST, sizeof(st));
    load_x87(c, head, st, true);
    xs_set_mxcsr(c, xs_mxcsr(c) & c->native->mxcsr_mask);
    memset(c->xsave + XS_HEADER, 0, XS_HEADER_SIZE);
    xs_set_xstate_bv(c, XS_ALL);
    c->xcr0 = (c->xcr0 & XS_ALL & c->model->xcr0_mask) | XCR0_X87;
    if (!(c->xcr0 & XCR0_SSE))
        c->xcr0 &= ~(uint64_t)XCR0_AVX;
}
