/*
 * The guest's x87 unit while it lives in the host's, and the vector registers' image.
 *
 * Translated code runs x87 instructions on the host's unit. C here never uses it, so it stays there
 * across calls; it is put into struct x86_cpu before anything reads or changes it there. The
 * pointers to the last instruction would be the host's: they are dropped. (On later CPUs they are
 * only kept for unmasked exceptions, which the interpreter runs.)
 */
#ifndef DOPPEL_ENGINE_DBT_X86_FPU_H
#define DOPPEL_ENGINE_DBT_X86_FPU_H

#include <string.h>

#include "isa/x86/cpu.h"

static inline void fpu_save(struct x86_cpu *c)
{
    uint8_t area[512] __attribute__((aligned(16)));
    /* The interpreter's thunks expect the unit as the ABI has it: nothing on its stack. */
    __asm__ volatile("fxsave64 %0\n\tfninit" : "=m"(area));
    /* FCW FSW FTW, and the registers; not FOP FIP FDP, MXCSR, XMM. */
    memcpy(c->xsave, area, 6);
    memset(c->xsave + 6, 0, 18);
    memcpy(c->xsave + XS_ST, area + 32, 128);
}

static inline void fpu_load(const struct x86_cpu *c)
{
    uint8_t area[512] __attribute__((aligned(16)));
    uint32_t mxcsr = 0x1f80;
    memcpy(area, c->xsave, sizeof(area));
    memcpy(area + XS_MXCSR, &mxcsr, sizeof(mxcsr));
    __asm__ volatile("fxrstor64 %0"
                     :
                     : "m"(area)
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory");
}

/* Does any vector register's upper half differ from zero? */
static inline bool fpu_upper_used(const struct x86_cpu *c)
{
    uint64_t any = 0;
    for (unsigned i = 0; i < 32; i++) {
        uint64_t v;
        memcpy(&v, c->xsave + XS_YMMH + 8 * i, sizeof(v));
        any |= v;
    }
    return any;
}

#endif
