/*
 * MXCSR changes hands between the guest and us.
 */
#include "isa/riscv/fp_state.h"

#include <xmmintrin.h>

enum { CSR_FFLAGS = 1, CSR_FRM = 2, CSR_FCSR = 3 };
enum { FFLAGS_MASK = 0x1f, FRM_MASK = 7, FRM_SHIFT = 5 };

#define MSTATUS_FS UINT64_C(0x6000) /* all ones: Dirty */

/* MXCSR: IE DE ZE OE UE PE in bits 0 to 5, their masks in 7 to 12, rounding in 13 and 14.
 * [SDM 1 10.2.3] */
enum {
    MXCSR_DEFAULT = 0x1f80,
    MXCSR_RC_SHIFT = 13,
    MXCSR_IE = 1 << 0,
    MXCSR_ZE = 1 << 2,
    MXCSR_OE = 1 << 3,
    MXCSR_UE = 1 << 4,
    MXCSR_PE = 1 << 5,
};

#define FLAGS_OF(m)                                                                                \
    ((m)&MXCSR_PE ? RISCV_NX : 0) | ((m)&MXCSR_UE ? RISCV_UF : 0) |                                \
        ((m)&MXCSR_OE ? RISCV_OF : 0) | ((m)&MXCSR_ZE ? RISCV_DZ : 0) |                            \
        ((m)&MXCSR_IE ? RISCV_NV : 0)
#define FLAGS_4(m)  FLAGS_OF(m), FLAGS_OF((m) + 1), FLAGS_OF((m) + 2), FLAGS_OF((m) + 3)
#define FLAGS_16(m) FLAGS_4(m), FLAGS_4((m) + 4), FLAGS_4((m) + 8), FLAGS_4((m) + 12)

const uint8_t riscv_fp_flags_of_mxcsr[] = {FLAGS_16(0), FLAGS_16(16), FLAGS_16(32), FLAGS_16(48)};

static uint8_t flags_of(uint32_t mxcsr)
{
    return riscv_fp_flags_of_mxcsr[mxcsr & RISCV_MXCSR_STICKY];
}

/* The mode that MXCSR stands in for frm: dynamic instructions run in it only if it is the same. */
static unsigned host_mode(const struct riscv_cpu *c)
{
    return c->frm <= RISCV_RUP ? c->frm : RISCV_RNE;
}

static uint32_t mxcsr_for(unsigned mode)
{
    static const uint8_t rc[] = {
        [RISCV_RNE] = 0, [RISCV_RDN] = 1, [RISCV_RUP] = 2, [RISCV_RTZ] = 3};

    return MXCSR_DEFAULT | (uint32_t)rc[mode] << MXCSR_RC_SHIFT;
}

uint32_t riscv_fp_mxcsr(uint32_t modes)
{
    for (unsigned mode = RISCV_RNE; mode < RISCV_RUP; mode++) {
        if (modes >> mode & 1)
            return mxcsr_for(mode);
    }
    return mxcsr_for(RISCV_RUP);
}

static void update_modes(struct riscv_cpu *c)
{
    c->fp_modes = 0;
    if ((c->mstatus & MSTATUS_FS) != MSTATUS_FS)
        return;
    c->fp_modes = RISCV_FP_DIRTY;
    if (!c->fp_live)
        return;
    c->fp_modes |= RISCV_FP_HOST | 1 << host_mode(c);
    if (c->frm <= RISCV_RUP)
        c->fp_modes |= RISCV_FP_DYNAMIC;
}

void riscv_fp_enter(struct riscv_cpu *c)
{
    if (!c->fp_live) {
        c->fp_live = true;
        _mm_setcsr(mxcsr_for(host_mode(c)));
    }
    update_modes(c);
}

void riscv_fp_leave(struct riscv_cpu *c)
{
    if (!c->fp_live)
        return;
    c->fflags |= flags_of(_mm_getcsr());
    _mm_setcsr(MXCSR_DEFAULT);
    c->fp_live = false;
    update_modes(c);
}

void riscv_fp_collect(struct riscv_cpu *c)
{
    uint32_t mxcsr;

    if (!c->fp_live)
        return;
    mxcsr = _mm_getcsr();
    if (!(mxcsr & RISCV_MXCSR_STICKY))
        return;
    c->fflags |= flags_of(mxcsr);
    _mm_setcsr(mxcsr & ~(uint32_t)RISCV_MXCSR_STICKY);
}

void riscv_fp_changed(struct riscv_cpu *c)
{
    riscv_fp_leave(c);
    update_modes(c);
}

void riscv_fp_recover(struct riscv_cpu *c, uint32_t mxcsr)
{
    if (c->fp_live)
        _mm_setcsr(mxcsr);
}

uint64_t riscv_fp_csr_read(struct riscv_cpu *c, unsigned csr)
{
    riscv_fp_collect(c);
    switch (csr) {
    case CSR_FFLAGS:
        return c->fflags;
    case CSR_FRM:
        return c->frm;
    default:
        return (uint64_t)c->frm << FRM_SHIFT | c->fflags;
    }
}

void riscv_fp_csr_write(struct riscv_cpu *c, unsigned csr, uint64_t val)
{
    uint8_t frm = c->frm;

    riscv_fp_collect(c);
    if (csr != CSR_FRM)
        c->fflags = val & FFLAGS_MASK;
    if (csr != CSR_FFLAGS)
        frm = (csr == CSR_FCSR ? val >> FRM_SHIFT : val) & FRM_MASK;
    if (frm == c->frm && (c->mstatus & MSTATUS_FS) == MSTATUS_FS)
        return;
    riscv_fp_leave(c); /* before it rounds otherwise */
    c->frm = frm;
    c->mstatus |= MSTATUS_FS;
    update_modes(c);
}
