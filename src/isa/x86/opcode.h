/*
 * Between the opcode tables and the decoder: operand codes and opcode maps.
 *
 * Operand codes are spelled as in the opcode maps of [SDM 2D appendix A]: a capital for the
 * addressing method and small letters for the operand type (Eb, Gv, Iz, Wps ...). Each is a number
 * that holds all the decoder needs of method and type, so that a register takes no branch, in the
 * layout of struct x86_operand:
 *   byte 0: operand kind
 *   byte 1: operand type, where the register number will be
 *   byte 2: bits 0-1 access, 2-4 a fixed value, 5 any mod or signed, 6 memory if ModRM.rm says so
 *   byte 3: bits 0-5 source, or enum op_other if bit 6 is set
 */
#ifndef ISA_X86_OPCODE_H
#define ISA_X86_OPCODE_H

#include "isa/x86/insn.h"

/* Where the register number stands in `sources` of decode_operands(). */
enum op_source {
    FROM_REG = 0,     /* ModRM.reg */
    FROM_RM = 8,      /* ModRM.rm */
    FROM_OPCODE = 16, /* low bits of the opcode */
    FROM_VVVV = 24,   /* VEX.vvvv */
    FROM_REG3 = 32,   /* ModRM.reg without its extension: MMX */
    FROM_RM3 = 40,    /* ModRM.rm without its extension: MMX, x87 */
};

enum op_other {
    OTHER_IMM,     /* immediate, zero-extended */
    OTHER_SIMM,    /* immediate, sign-extended; relative branch */
    OTHER_FIXED,   /* a fixed register, or the constant 1 */
    OTHER_FAR,     /* far pointer in the instruction */
    OTHER_MOFFS,   /* absolute address in the instruction */
    OTHER_IS4,     /* register in imm8[7:4] */
    OTHER_CHECKED, /* segment, control or debug register in ModRM.reg: not all exist */
    OTHER_VSIB,    /* memory addressed by a vector of indexes */
};

#define METHOD(kind, source)      (X86_OP_##kind | (source) << 24)
#define METHOD_RM(kind, source)   (METHOD(kind, source) | 1 << 22)
#define METHOD_OTHER(kind, other) (METHOD(kind, other) | 1 << 30)
#define METHOD_VARIANT            (1 << 21)

enum op_method {
    M_NONE,
    M_I = METHOD_OTHER(IMM, OTHER_IMM),
    M_SI = METHOD_OTHER(IMM, OTHER_SIMM),
    M_ONE = METHOD_OTHER(IMM, OTHER_FIXED),
    M_J = METHOD_OTHER(REL, OTHER_SIMM),
    M_A = METHOD_OTHER(FAR, OTHER_FAR),
    M_O = METHOD_OTHER(MEM, OTHER_MOFFS),
    M_REG = METHOD_OTHER(GPR, OTHER_FIXED), /* fixed GPR */
    M_Z = METHOD(GPR, FROM_OPCODE),
    M_SREG = METHOD_OTHER(SEG, OTHER_FIXED),
    M_ST0 = METHOD_OTHER(ST, OTHER_FIXED),
    M_E = METHOD_RM(GPR, FROM_RM),
    M_G = METHOD(GPR, FROM_REG),
    M_M = METHOD_RM(MEM, FROM_RM), /* memory only */
    M_R = METHOD(GPR, FROM_RM),    /* register only */
    M_F = M_R | METHOD_VARIANT,    /* register whatever mod says: MOV to and from CR, DR */
    M_S = METHOD_OTHER(SEG, OTHER_CHECKED),
    M_C = METHOD_OTHER(CR, OTHER_CHECKED),
    M_D = METHOD_OTHER(DR, OTHER_CHECKED),
    M_P = METHOD(MMX, FROM_REG3),
    M_Q = METHOD_RM(MMX, FROM_RM3),
    M_N = METHOD(MMX, FROM_RM3),
    M_V = METHOD(XMM, FROM_REG),
    M_W = METHOD_RM(XMM, FROM_RM),
    M_U = METHOD(XMM, FROM_RM),
    M_H = METHOD(XMM, FROM_VVVV),
    M_B = METHOD(GPR, FROM_VVVV),
    M_L = METHOD_OTHER(XMM, OTHER_IS4),
    M_X = METHOD_OTHER(MEM, OTHER_VSIB),
    M_ST = METHOD(ST, FROM_RM3),
};

/* Operand types; the sizes are in the table of decode_operand.h. */
enum op_type {
    T_0,    /* no size: not accessed, or known at run time only */
    T_B,    /* byte */
    T_W,    /* word */
    T_D,    /* doubleword */
    T_Q,    /* quadword */
    T_T,    /* ten bytes */
    T_DQ,   /* double quadword */
    T_QQ,   /* quad quadword */
    T_V,    /* 2, 4 or 8 by operand size */
    T_Y,    /* 4 or 8 by operand size */
    T_Z,    /* 2 or 4: 4 for operand size 8 */
    T_P,    /* far pointer: 2 + operand size */
    T_A,    /* BOUND's pair */
    T_S,    /* descriptor table register: 6, or 10 in 64-bit mode */
    T_M,    /* 8 in 64-bit mode, else 4 */
    T_X,    /* 16 or 32 by VEX.L */
    T_XH,   /* half of that */
    T_XQ,   /* a quarter */
    T_XE,   /* an eighth */
    T_VW,   /* register v, memory w */
    T_ZW,   /* register z, memory w */
    T_DB,   /* register d, memory b */
    T_DW,   /* register d, memory w */
    T_ENV,  /* x87 environment: 14 or 28 */
    T_FST,  /* x87 state: 94 or 108 */
    T_FX,   /* FXSAVE area: 512 */
    T_DDUP, /* MOVDDUP's source: 8 with L = 0, 32 with L = 1 */
    T_COUNT
};

/* How `sub` is indexed. */
enum op_select {
    SEL_NONE,
    SEL_REG,  /* ModRM.reg: 8 */
    SEL_MOD,  /* memory, register: 2 */
    SEL_RM,   /* ModRM.rm: 8 */
    SEL_REP,  /* mandatory prefix none, 66, F3, F2: 4 */
    SEL_64,   /* outside, in 64-bit mode: 2 */
    SEL_W,    /* REX.W or VEX.W: 2 */
    SEL_W64,  /* the same, but 0 outside 64-bit mode: 2 */
    SEL_L,    /* VEX.L: 2 */
    SEL_X87,  /* 8 memory forms by reg, then 64 register forms by reg and rm */
    SEL_REXB, /* REX.B: 2 */
};

/* How prefixes and mode make the operand size; from the flags D64, F64, MIN32, MAX32. */
enum opsize_class {
    OPSIZE_PLAIN,
    OPSIZE_D64,
    OPSIZE_F64,
    OPSIZE_MIN32,
    OPSIZE_MAX32,
    OPSIZE_COUNT
};

#define OP_KIND(code)   ((code)&0xff)
#define OP_TYPE(code)   ((code) >> 8 & 0xff)
#define OP_FIXED(code)  ((code) >> 18 & 7)
#define OP_IS_RM(code)  ((code) >> 22 & 1)
#define OP_SOURCE(code) ((code) >> 24 & 63)
#define OP_OTHER(code)  ((code) >> 30)
#define OP_METHOD(code) ((code)&0x7f6000ff)
/* What of it is part of struct x86_operand: kind and access. */
#define OP_OPERAND(code) ((code)&0x300ff)

#define OP_MAKE(method, type, fixed) ((method) | (type) << 8 | (fixed) << 18)

enum { PFX_NONE, PFX_66, PFX_F3, PFX_F2, PFX_COUNT };

/* The opcode maps. Maps with mandatory prefixes have a column a prefix, in VEX.pp order. */
#pragma GCC visibility push(hidden)
extern const struct x86_opdesc x86_map_1[256];
extern const struct x86_opdesc x86_map_0f[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_0f38[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_0f3a[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_vex_0f[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_vex_0f38[256][PFX_COUNT];
extern const struct x86_opdesc x86_map_vex_0f3a[256][PFX_COUNT];
#pragma GCC visibility pop

#endif
