/*
 * Vector and x87 state of the vector passes: made from a seed on both sides, so that a case does
 * not carry it, and kept whole when the case has ended.
 */
#ifndef TESTS_ISA_INSN_VECTORS_H
#define TESTS_ISA_INSN_VECTORS_H

#include <stdint.h>
#include <stdio.h>

#include "isa/x86/regs.h"

/* `xs` is an XSAVE image in standard form; writes its x87, SSE and AVX parts, nothing else. */
void vectors_make(uint64_t seed, uint8_t xs[XS_SIZE]);
/* Number of parts that differ; told to `f` unless NULL. */
unsigned vectors_compare(FILE *f, const uint8_t host[XS_SIZE], const uint8_t guest[XS_SIZE]);

#endif
