/*
 * What the opcode tables know about an instruction form, independent of the bytes of one instance.
 * A decoded instruction points at its form (struct x86_insn, insn.h); engines read the flags here
 * to choose how to execute or translate it.
 */
#ifndef ISA_X86_OPDESC_H
#define ISA_X86_OPDESC_H

#include <stdint.h>

enum x86_iclass {
    X86_I_INVALID,
#define X(name) X86_I_##name,
#include "isa/x86/iclass.inc"
    X86_I_COUNT
};

/* The CPUID feature that makes a form exist. The decoder ignores what a guest is offered: whoever
 * executes must raise #UD for a form whose feature the guest's CPUID denies. */
enum x86_feature {
#define X(name) X86_FEAT_##name,
#include "isa/x86/feature.inc"
    X86_FEAT_COUNT
};

enum x86_opdesc_flag {
    X86_F_NATIVE = 1u << 0, /* runs as is on guest vector/x87 state (GPR, memory operands apart) */
    X86_F_X87 = 1u << 1,    /* #NM by CR0.EM/TS, may report a pending #MF */
    X86_F_MMX = 1u << 2,    /* touches MMX registers, so the x87 tag word too */
    X86_F_SSE = 1u << 3,    /* legacy-encoded XMM instruction: needs CR4.OSFXSR, #NM by CR0.TS */
    X86_F_AVX = 1u << 4,    /* VEX-encoded vector instruction: needs XCR0.AVX, #NM by CR0.TS */
    X86_F_FP_MXCSR = 1u << 5, /* obeys MXCSR and may raise #XM */
    X86_F_ALIGNED = 1u << 6,  /* memory operand must be aligned to its size, else #GP(0) */
    X86_F_LOCKABLE = 1u << 7, /* LOCK is legal when op[0] is memory */
    X86_F_BRANCH = 1u << 8,   /* may go elsewhere than the next instruction: ends a block */
    X86_F_PRIV = 1u << 9,     /* #GP(0) unless CPL = 0 */
    X86_F_IOPL = 1u << 10,    /* #GP(0), or the I/O bitmap, when CPL > IOPL */
    X86_F_STRING = 1u << 11,  /* string instruction: implicit [rSI]/[rDI], repeatable by F3/F2 */
    X86_F_FLAGS_COND =
        1u << 12,             /* may leave the flags alone (count 0): flags_write kills nothing */
    X86_F_VSIB = 1u << 13,    /* gather: the index is a vector register */
    X86_F_PROT = 1u << 14,    /* #UD in real and virtual-8086 mode (every VEX form is, too) */
    X86_F_D64 = 1u << 15,     /* 64-bit mode: operand size 8 by default, 66 makes it 2, no 4 */
    X86_F_F64 = 1u << 16,     /* 64-bit mode: operand size is 8, 66 ignored */
    X86_F_I64 = 1u << 17,     /* #UD in 64-bit mode */
    X86_F_O64 = 1u << 18,     /* #UD outside 64-bit mode */
    X86_F_BYTE = 1u << 19,    /* operand size 1 although no explicit operand says so */
    X86_F_L0 = 1u << 21,      /* VEX.L must be 0 */
    X86_F_L1 = 1u << 22,      /* VEX.L must be 1 */
    X86_F_W0 = 1u << 23,      /* VEX.W must be 0 */
    X86_F_W1 = 1u << 24,      /* VEX.W must be 1 */
    X86_F_MODRM = 1u << 25,   /* has a ModRM byte */
    X86_F_NOVVVV = 1u << 26,  /* VEX.vvvv names no operand and must be 1111b */
    X86_F_MEMONLY = 1u << 27, /* an operand is memory only: #UD with mod = 3 */
    X86_F_REGONLY = 1u << 28, /* an operand is register only: #UD with mod < 3 */
    X86_F_MIN32 = 1u << 29,   /* operand size is 4 or 8, 66 is no operand-size prefix */
    X86_F_MAX32 = 1u << 31,   /* operand size is 2 or 4: REX.W does not make it 8 */
};

/* Status flags as SAHF holds them; OF, DF and the system flags in the places SAHF leaves free. */
enum x86_flag_bit {
    X86_FL_CF = 0x01,
    X86_FL_OF = 0x02,
    X86_FL_PF = 0x04,
    X86_FL_DF = 0x08,
    X86_FL_AF = 0x10,
    X86_FL_SYS = 0x20, /* IF TF IOPL NT RF VM AC VIF VIP ID */
    X86_FL_ZF = 0x40,
    X86_FL_SF = 0x80,
};

struct x86_opdesc {
    uint16_t iclass;
    uint8_t feature;
    uint8_t select; /* decoder's own: how to index `sub`; 0 in every form a caller sees */
    uint32_t flags; /* X86_F_* */
    uint32_t op[4]; /* decoder's own operand codes (opcode.h) */
    uint8_t flags_read, flags_write, flags_undef; /* X86_FL_*; write and undef are disjoint */
    uint8_t nops;
    uint8_t mem;                 /* which operand may be memory by ModRM */
    uint8_t opsize_class;        /* decoder's own */
    uint8_t modrm_len, modrm_or; /* decoder's own: 0 or 1; C0h to make rm a register */
    const struct x86_opdesc *sub;
};

#endif
