/*
 * Between the opcode tables and the decoder: operand codes and opcode maps.
 *
 * Operand codes are spelled as in the opcode maps of [SDM 2D appendix A]: a capital for the addressing
 * method and small letters for the operand type (Eb, Gv, Iz, Wps ...). Each is a number:
 *   bits 0-4 method, 5-9 type, 10-12 register of a fixed operand, 14-15 access (0 read, RW, W, NA).
 */
#ifndef ISA_X86_OPCODE_H
#define ISA_X86_OPCODE_H

#include "isa/x86/opdesc.h"

enum op_method {
    M_NONE,
    M_I,   /* immediate, zero-extended */
    M_SI,  /* immediate, sign-extended */
    M_ONE, /* the constant 1 */
    M_J,   /* relative branch */
    M_A,   /* far pointer in the instruction */
    M_O,   /* absolute address in the instruction (moffs) */
    M_REG, /* fixed GPR */
    M_Z,   /* GPR in the low three bits of the opcode */
    M_SREG, /* fixed segment register */
    M_ST0,
    M_LAST_PLAIN = M_ST0, /* every method below implies a ModRM byte */
    M_E, /* rm: GPR or memory */
    M_G, /* reg: GPR */
    M_M, /* rm: memory only */
    M_R, /* rm: GPR only */
    M_F, /* rm: GPR whatever mod says (MOV to and from CR, DR) */
    M_S, /* reg: segment register */
    M_C, /* reg: control register */
    M_D, /* reg: debug register */
    M_P, /* reg: MMX */
    M_Q, /* rm: MMX or memory */
    M_N, /* rm: MMX only */
    M_V, /* reg: XMM or YMM */
    M_W, /* rm: XMM, YMM or memory */
    M_U, /* rm: XMM or YMM only */
    M_H, /* VEX.vvvv: XMM or YMM */
    M_L, /* imm8[7:4]: XMM or YMM */
    M_B, /* VEX.vvvv: GPR */
    M_X, /* rm: VSIB memory */
    M_ST, /* rm: x87 register */
};

/* Operand types; the sizes are in the table of operand.c. */
enum op_type {
    T_0,   /* no size: not accessed, or known at run time only */
    T_B,   /* byte */
    T_W,   /* word */
    T_D,   /* doubleword */
    T_Q,   /* quadword */
    T_T,   /* ten bytes */
    T_DQ,  /* double quadword */
    T_QQ,  /* quad quadword */
    T_V,   /* 2, 4 or 8 by operand size */
    T_Y,   /* 4 or 8 by operand size */
    T_Z,   /* 2 or 4: 4 for operand size 8 */
    T_P,   /* far pointer: 2 + operand size */
    T_A,   /* BOUND's pair */
    T_S,   /* descriptor table register: 6, or 10 in 64-bit mode */
    T_M,   /* 8 in 64-bit mode, else 4 */
    T_X,   /* 16 or 32 by VEX.L */
    T_XH,  /* half of that */
    T_XQ,  /* a quarter */
    T_XE,  /* an eighth */
    T_VW,  /* register v, memory w */
    T_DB,  /* register d, memory b */
    T_DW,  /* register d, memory w */
    T_ENV, /* x87 environment: 14 or 28 */
    T_FST, /* x87 state: 94 or 108 */
    T_FX,  /* FXSAVE area: 512 */
    T_DDUP, /* MOVDDUP's source: 8 with L = 0, 32 with L = 1 */
    T_COUNT
};

enum op_select { /* how `sub` is indexed */
    SEL_NONE,
    SEL_REG,  /* ModRM.reg: 8 */
    SEL_MOD,  /* memory, register: 2 */
    SEL_RM,   /* ModRM.rm: 8 */
    SEL_REP,  /* mandatory prefix none, 66, F3, F2: 4 */
    SEL_64,   /* outside, in 64-bit mode: 2 */
    SEL_W,    /* REX.W or VEX.W: 2 */
    SEL_L,    /* VEX.L: 2 */
    SEL_X87,  /* 8 memory forms by reg, then 64 register forms by reg and rm */
    SEL_REXB, /* REX.B: 2 */
};

#define OP_METHOD(code)            ((code)&31)
#define OP_TYPE(code)              ((code) >> 5 & 31)
#define OP_FIXED(code)             ((code) >> 10 & 7)
#define OP_ACCESS(code)            ((code) >> 14)
#define OP_MAKE(method, type, reg) ((method) | (type) << 5 | (reg) << 10)

enum { PFX_NONE, PFX_66, PFX_F3, PFX_F2, PFX_COUNT };

/* The opcode maps. Maps with mandatory prefixes have a column a prefix, in VEX.pp order. */
extern const struct x86_opdesc x86_map_1[256];
extern const struct x86_opdesc x86_map_0f[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_0f38[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_0f3a[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_vex_0f[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_vex_0f38[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_vex_0f3a[256][PFX_COUNT];

#endif
