/*
 * Arithmetic flags, computed by the host's own ALU.
 *
 * On a same-ISA host the cheapest exact way to get a guest instruction's flags is to execute it and
 * keep what LAHF and SETO say: SF ZF AF PF CF in bits 15-8 and OF in bit 0 of a uint16_t. It is
 * also right for the flags that the manual leaves undefined: the guest sees what this CPU does.
 */
#ifndef DOPPEL_ISA_X86_FLAGS_H
#define DOPPEL_ISA_X86_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    ARITH_OF = 1 << 0,
    ARITH_CF = 1 << 8,
    ARITH_PF = 1 << 10,
    ARITH_AF = 1 << 12,
    ARITH_ZF = 1 << 14,
    ARITH_SF = 1 << 15
};

/* In asm text: flags from ax into the host's, and back. Clobbers only ax. */
#define ASM_FLAGS_LOAD "addb $0x7f, %%al\n\tsahf\n\t"
#define ASM_FLAGS_KEEP "\n\tlahf\n\tseto %%al"

static inline uint32_t arith_to_rflags(uint16_t a)
{
    return ((a >> 8) & 0xd5) | (uint32_t)(a & 1) << 11;
}

static inline uint16_t arith_from_rflags(uint64_t f)
{
    return (uint16_t)((f & 0xd5) << 8) | 0x200 | ((f >> 11) & 1);
}

/* Condition code `cc` of Jcc, SETcc, CMOVcc [SDM 1 B.1]. */
static inline bool arith_cond(uint16_t a, unsigned cc)
{
    bool sf_ne_of = (a >> 15) != (a & 1);
    bool r;
    switch (cc >> 1) {
    case 0:
        r = a & ARITH_OF;
        break;
    case 1:
        r = a & ARITH_CF;
        break;
    case 2:
        r = a & ARITH_ZF;
        break;
    case 3:
        r = a & (ARITH_CF | ARITH_ZF);
        break;
    case 4:
        r = a & ARITH_SF;
        break;
    case 5:
        r = a & ARITH_PF;
        break;
    case 6:
        r = sf_ne_of;
        break;
    default:
        r = sf_ne_of || (a & ARITH_ZF);
        break;
    }
    return r != (cc & 1);
}

#endif
