#include "engine/dbt/x86/ctx.h"

#include <string.h>

enum { FCW_MASKS = 0x3f, MXCSR_MASKS = 0x1f80 };

static bool x87_masked(const struct x86_cpu *c)
{
    uint16_t fcw, fsw;
    memcpy(&fcw, c->xsave + XS_FCW, sizeof(fcw));
    memcpy(&fsw, c->xsave + XS_FSW, sizeof(fsw));
    return (fcw & FCW_MASKS) == FCW_MASKS && !(fsw & 0x80);
}

static bool simd_masked(const struct x86_cpu *c)
{
    uint32_t mxcsr;
    memcpy(&mxcsr, c->xsave + XS_MXCSR, sizeof(mxcsr));
    return (mxcsr & MXCSR_MASKS) == MXCSR_MASKS;
}

uint32_t ctx_of(const struct x86_cpu *c)
{
    const uint64_t avx = XCR0_SSE | XCR0_AVX;
    uint32_t ctx = c->cpl == 3 ? CTX_USER : 0;
    ctx |= c->cpl == 0 || !(c->cr4 & CR4_TSD) ? CTX_TSC : 0;
    if (c->cr0 & CR0_TS)
        return ctx;
    if (!(c->cr0 & CR0_EM)) {
        ctx |= x87_masked(c) ? CTX_X87 : 0;
        ctx |= c->cr4 & CR4_OSFXSR ? CTX_SSE : 0;
    }
    ctx |= (c->cr4 & CR4_OSXSAVE) && (c->xcr0 & avx) == avx ? CTX_AVX : 0;
    return ctx | (simd_masked(c) ? CTX_MXCSR : 0);
}
