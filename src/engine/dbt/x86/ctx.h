/*
 * Translation context: what, besides its bytes, decides how guest code is translated. A block is
 * good for one context only.
 */
#ifndef DOPPEL_ENGINE_DBT_X86_CTX_H
#define DOPPEL_ENGINE_DBT_X86_CTX_H

#include "isa/x86/cpu.h"

enum ctx_bit {
    CTX_USER = 1 << 0,
    CTX_X87 = 1 << 1,   /* x87 and MMX run natively: allowed, exceptions masked */
    CTX_SSE = 1 << 2,   /* so do legacy-encoded vector instructions, */
    CTX_AVX = 1 << 3,   /* VEX-encoded ones, */
    CTX_TSC = 1 << 5,   /* RDTSC is allowed */
    CTX_PLAIN = 1 << 6, /* no anchors: every access is checked by itself (xlat_anchor.c) */
    CTX_MXCSR = 1 << 4, /* and those that obey MXCSR: its exceptions are masked */
};

uint32_t ctx_of(const struct x86_cpu *c);

#endif
