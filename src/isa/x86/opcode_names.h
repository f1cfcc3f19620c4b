/*
 * The vocabulary of the opcode tables (decode_tables.c and the tables it includes, nobody else):
 * operand codes by their manual names, short flag names, and the macros a table line is made of.
 */
#ifndef ISA_X86_OPCODE_NAMES_H
#define ISA_X86_OPCODE_NAMES_H

#include "isa/x86/opcode.h"

/* Added to an operand; none means read. */
enum { NA = 1 << 20, RW = 2 << 20, W = 3 << 20 };

#define DEF(name, method, type) name = OP_MAKE(method, type, 0)
enum op_code {
    DEF(Eb, M_E, T_B), DEF(Ew, M_E, T_W), DEF(Ed, M_E, T_D), DEF(Eq, M_E, T_Q), DEF(Ev, M_E, T_V),
    DEF(Ey, M_E, T_Y), DEF(Ep, M_M, T_P), DEF(Evw, M_E, T_VW), DEF(Ezw, M_E, T_ZW), DEF(Edb, M_E, T_DB),
    DEF(Edw, M_E, T_DW), DEF(Em, M_E, T_M), DEF(Ez, M_E, T_Z),
    DEF(Gb, M_G, T_B), DEF(Gw, M_G, T_W), DEF(Gd, M_G, T_D), DEF(Gq, M_G, T_Q), DEF(Gv, M_G, T_V),
    DEF(Gy, M_G, T_Y), DEF(Gz, M_G, T_Z), DEF(Gm, M_G, T_M),
    DEF(Ib, M_I, T_B), DEF(Iw, M_I, T_W), DEF(Iv, M_I, T_V), DEF(sIb, M_SI, T_B), DEF(Iz, M_SI, T_Z),
    DEF(Jb, M_J, T_B), DEF(Jz, M_J, T_Z), DEF(Ap, M_A, T_P), DEF(Ob, M_O, T_B), DEF(Ov, M_O, T_V),
    DEF(M0, M_M, T_0), DEF(Mb, M_M, T_B), DEF(Mw, M_M, T_W), DEF(Md, M_M, T_D), DEF(Mq, M_M, T_Q),
    DEF(Mt, M_M, T_T), DEF(Mdq, M_M, T_DQ), DEF(Mqq, M_M, T_QQ), DEF(Mx, M_M, T_X), DEF(Mv, M_M, T_V),
    DEF(My, M_M, T_Y), DEF(Mp, M_M, T_P), DEF(Ma, M_M, T_A), DEF(Ms, M_M, T_S), DEF(Menv, M_M, T_ENV),
    DEF(Mfst, M_M, T_FST), DEF(Mfx, M_M, T_FX),
    DEF(Rw, M_R, T_W), DEF(Rd, M_R, T_D), DEF(Rv, M_R, T_V), DEF(Ry, M_R, T_Y), DEF(Rmode, M_R, T_M), DEF(Fm, M_F, T_M),
    DEF(Sw, M_S, T_W), DEF(Cm, M_C, T_M), DEF(Dm, M_D, T_M),
    DEF(Zb, M_Z, T_B), DEF(Zv, M_Z, T_V), DEF(Zy, M_Z, T_Y), One = OP_MAKE(M_ONE, T_B, 1),
    DEF(Pq, M_P, T_Q), DEF(Pd, M_P, T_D), DEF(Qq, M_Q, T_Q), DEF(Qd, M_Q, T_D), DEF(Nq, M_N, T_Q),
    DEF(Vx, M_V, T_X), DEF(Vps, M_V, T_X), DEF(Vpd, M_V, T_X), DEF(Vdq, M_V, T_DQ), DEF(Vqq, M_V, T_QQ),
    DEF(Vss, M_V, T_D), DEF(Vsd, M_V, T_Q), DEF(Vd, M_V, T_D), DEF(Vq, M_V, T_Q), DEF(Vxh, M_V, T_XH),
    DEF(Wx, M_W, T_X), DEF(Wps, M_W, T_X), DEF(Wpd, M_W, T_X), DEF(Wdq, M_W, T_DQ), DEF(Wqq, M_W, T_QQ),
    DEF(Wss, M_W, T_D), DEF(Wsd, M_W, T_Q), DEF(Wb, M_W, T_B), DEF(Ww, M_W, T_W), DEF(Wd, M_W, T_D),
    DEF(Wq, M_W, T_Q), DEF(Wxh, M_W, T_XH), DEF(Wxq, M_W, T_XQ), DEF(Wxe, M_W, T_XE),
    DEF(Wddup, M_W, T_DDUP),
    DEF(Ux, M_U, T_X), DEF(Udq, M_U, T_DQ), DEF(Uq, M_U, T_Q), DEF(Uss, M_U, T_D), DEF(Usd, M_U, T_Q),
    DEF(Hx, M_H, T_X), DEF(Hps, M_H, T_X), DEF(Hpd, M_H, T_X), DEF(Hdq, M_H, T_DQ), DEF(Hqq, M_H, T_QQ),
    DEF(Hss, M_H, T_D), DEF(Hsd, M_H, T_Q), DEF(Hxh, M_H, T_XH),
    DEF(Lx, M_L, T_X), DEF(Ldq, M_L, T_DQ), DEF(By, M_B, T_Y), DEF(Xd, M_X, T_D), DEF(Xq, M_X, T_Q),
    DEF(St0, M_ST0, T_T), DEF(Sti, M_ST, T_T),
    DEF(rAL, M_RAX, T_B), DEF(rCL, M_RCX, T_B), DEF(rAX, M_RAX, T_W), DEF(rDX, M_RDX, T_W),
    DEF(rAXv, M_RAX, T_V), DEF(rAXz, M_RAX, T_Z),
    sES = OP_MAKE(M_SREG, T_W, 0), sCS = OP_MAKE(M_SREG, T_W, 1), sSS = OP_MAKE(M_SREG, T_W, 2),
    sDS = OP_MAKE(M_SREG, T_W, 3), sFS = OP_MAKE(M_SREG, T_W, 4), sGS = OP_MAKE(M_SREG, T_W, 5),
#undef DEF
};

enum op_attr {
    LOCK = X86_F_LOCKABLE, BR = X86_F_BRANCH, PRIV = X86_F_PRIV, IOPL = X86_F_IOPL,
    STR = X86_F_STRING, COND = X86_F_FLAGS_COND, PROT = X86_F_PROT, D64 = X86_F_D64,
    F64 = X86_F_F64, I64 = X86_F_I64, O64 = X86_F_O64, BYTE = X86_F_BYTE, MODRM = X86_F_MODRM,
    L0 = X86_F_L0, L1 = X86_F_L1, W0 = X86_F_W0, W1 = X86_F_W1, MIN32 = X86_F_MIN32, MAX32 = (int)X86_F_MAX32,
    F = X86_F_X87 | X86_F_NATIVE,        /* x87; F_ALONE: not natively */
    FSYS = X86_F_X87,
    MM = X86_F_MMX | X86_F_NATIVE,
    MMS = X86_F_MMX | X86_F_SSE | X86_F_NATIVE, /* MMX and XMM registers */
    S = X86_F_SSE | X86_F_NATIVE,        /* no alignment: scalar, or unaligned by definition */
    SA = S | X86_F_ALIGNED,
    SSYS = X86_F_SSE,
    V = X86_F_AVX | X86_F_NATIVE,
    VA = V | X86_F_ALIGNED,
    VG = V | X86_F_VSIB,                 /* gathers */
    VSYS = X86_F_AVX,
    FX = X86_F_FP_MXCSR,
    ALIGN = X86_F_ALIGNED,
};

/* What follows from the operands: derived here so that no line can contradict itself. */
#define OPS_ANY(test, a, b, c, d) (test(a) || test(b) || test(c) || test(d))
#define IS(o, method)             (OP_METHOD(o) == (method))
#define IS_RM(o)                  (OP_HOW(o) == HOW_RM || IS(o, M_X))
#define HAS_MODRM(o)                                                                               \
    (IS_RM(o) || IS(o, M_S) || IS(o, M_C) || IS(o, M_D) ||                                         \
     (OP_HOW(o) == HOW_REG && OP_KIND(o) != 0 && OP_SOURCE(o) <= FROM_RM))
#define MEM_INDEX(a, b, c)        (IS_RM(a) ? 0 : IS_RM(b) ? 1 : IS_RM(c) ? 2 : X86_MEM_NONE)
#define HAS_VVVV(o)               (IS(o, M_H) || IS(o, M_B))
#define IS_MEMONLY(o)             (IS(o, M_M) || IS(o, M_X))
#define IS_REGONLY(o)                                                                              \
    (IS(o, M_R) || IS(o, M_N) || IS(o, M_U) || IS(o, M_ST))
#define IS_ANYMOD(o)              (IS(o, M_F))
#define IS_BYTE(o)                                                                                 \
    (OP_TYPE(o) == T_B &&                                                                          \
     (IS(o, M_E) || IS(o, M_G) || IS(o, M_O) || IS(o, M_RAX) || IS(o, M_Z)))
#define OPS_FLAGS(a, b, c, d)                                                                      \
    ((OPS_ANY(HAS_MODRM, a, b, c, d) ? X86_F_MODRM : 0) |                                          \
     (OPS_ANY(HAS_VVVV, a, b, c, d) ? 0 : X86_F_NOVVVV) |                                            \
     (OPS_ANY(IS_MEMONLY, a, b, c, d) ? X86_F_MEMONLY : 0) |                                       \
     (OPS_ANY(IS_REGONLY, a, b, c, d) ? X86_F_REGONLY : 0) |                                       \
     (OPS_ANY(IS_ANYMOD, a, b, c, d) ? X86_F_MODRM_REG : 0) | (IS_BYTE(a) ? X86_F_BYTE : 0))

#define OPSIZE_CLASS(attr)                                                                         \
    ((attr)&X86_F_F64     ? OPSIZE_F64                                                             \
     : (attr)&X86_F_D64   ? OPSIZE_D64                                                             \
     : (attr)&X86_F_MIN32 ? OPSIZE_MIN32                                                           \
     : (attr)&X86_F_MAX32 ? OPSIZE_MAX32                                                           \
                          : OPSIZE_PLAIN)

/* A form: iclass, CPUID feature, attributes, up to four operands. FORM_READS: with other flags read
 * than all forms of the iclass. */
#define FORM4(reads, name, feat, attr, a, b, c, d, ...)                                            \
    {                                                                                              \
        .iclass = X86_I_##name, .feature = X86_FEAT_##feat,                                        \
        .flags = (uint32_t)(attr) | OPS_FLAGS(a, b, c, d), .op = {a, b, c, d},                     \
        .flags_read = reads, .flags_write = FW_##name, .flags_undef = FU_##name,               \
        .opsize_class = OPSIZE_CLASS(attr), .mem = MEM_INDEX(a, b, c),                             \
        .nops = ((a) != 0) + ((b) != 0) + ((c) != 0) + ((d) != 0),                                 \
    }
#define FORM(name, ...)              FORM4(FR_##name, name, __VA_ARGS__, 0, 0, 0, 0, 0)
#define FORM_READS(reads, name, ...) FORM4(reads, name, __VA_ARGS__, 0, 0, 0, 0, 0)

/* A branch in the table. */
#define SELECT(how, table)                                                                         \
    {                                                                                              \
        .select = SEL_##how, .sub = (table)                                                        \
    }

/* Lines of a map without mandatory prefixes. */
#define OP(opcode, ...)             [opcode] = FORM(__VA_ARGS__),
#define GRP(opcode, how, table)     [opcode] = SELECT(how, table),
/* Sixteen lines, one a condition: O, B, Z, BE, S, P, L, LE and their opposites. */
#define CONDITIONS(opcode, line, ...)                                                              \
    line(opcode + 0, OF, __VA_ARGS__) line(opcode + 2, CF, __VA_ARGS__)                            \
    line(opcode + 4, ZF, __VA_ARGS__) line(opcode + 6, CF | ZF, __VA_ARGS__)                       \
    line(opcode + 8, SF, __VA_ARGS__) line(opcode + 10, PF, __VA_ARGS__)                           \
    line(opcode + 12, SF | OF, __VA_ARGS__) line(opcode + 14, ZF | SF | OF, __VA_ARGS__)
#define OP_CC(opcode, reads, ...)   [opcode ... opcode + 1] = FORM_READS(reads, __VA_ARGS__),
#define ANY_CC(opcode, reads, ...)                                                                 \
    [opcode ... opcode + 1][0 ... 3] = FORM_READS(reads, __VA_ARGS__),
/* Lines of a map with them: any prefix, none, 66, F3, F2, none or 66 (as operand size). */
#define ANY(opcode, ...)            [opcode][0 ... 3] = FORM(__VA_ARGS__),
#define NP(opcode, ...)             [opcode][PFX_NONE] = FORM(__VA_ARGS__),
#define P66(opcode, name, feat, attr, ...)                                                         \
    [opcode][PFX_66] = FORM(name, feat, (attr) | X86_F_MIN32, __VA_ARGS__),
#define PF3(opcode, ...)            [opcode][PFX_F3] = FORM(__VA_ARGS__),
#define PF2(opcode, ...)            [opcode][PFX_F2] = FORM(__VA_ARGS__),
#define OSZ(opcode, ...)            [opcode][0 ... 1] = FORM(__VA_ARGS__),
#define ANYGRP(opcode, how, table)  [opcode][0 ... 3] = SELECT(how, table),
#define NPGRP(opcode, how, table)   [opcode][PFX_NONE] = SELECT(how, table),
#define P66GRP(opcode, how, table)  [opcode][PFX_66] = SELECT(how, table),
#define PF3GRP(opcode, how, table)  [opcode][PFX_F3] = SELECT(how, table),
#define PF2GRP(opcode, how, table)  [opcode][PFX_F2] = SELECT(how, table),

#endif
