/*
 * The decoded form of one x86 instruction: what x86_decode() (decode.h) hands to the interpreter
 * and to the translators.
 *
 * One iclass stands for one operation. Where the manual documents several names on one page that
 * differ only by operand size or condition, they are one iclass:
 *   MOVS CMPS SCAS LODS STOS INS OUTS   by opsize (1, 2, 4, 8)
 *   CBW (CWDE, CDQE)  CWD (CDQ, CQO)  PUSHA POPA PUSHF POPF IRET SYSRET SYSEXIT   by opsize
 *   FXSAVE FXRSTOR XSAVE* XRSTOR*       64-bit format when opsize is 8
 *   JRCXZ (JCXZ, JECXZ)  LOOP*          counter width is addrsize
 *   JCC SETCC CMOVCC                    condition is opcode & 15
 * and MOV is split by what it moves: MOV, MOV_SEG, MOV_CR, MOV_DR; PUSH_SEG and POP_SEG likewise.
 *
 * Not listed as operands: the registers and memory of string instructions, XLAT, MASKMOV*, MONITOR
 * (`seg` holds their segment after overrides, `addrsize` their address width); stack memory; rAX,
 * rDX and rCX where the opcode implies them (MUL, CWD, CMPXCHG, RDMSR ...). Shifts by one carry an
 * immediate operand of value 1.
 */
#ifndef ISA_X86_INSN_H
#define ISA_X86_INSN_H

#include <stdbool.h>
#include <stdint.h>

#include "isa/x86/opdesc.h"

/* Size of the code being decoded. Real and virtual-8086 mode decode as 16-bit code; the forms that
 * do not exist there (X86_F_PROT, all VEX) are for the caller to refuse. */
enum x86_mode { X86_MODE_16 = 16, X86_MODE_32 = 32, X86_MODE_64 = 64 };

enum x86_opkind {
    X86_OP_NONE,
    X86_OP_GPR,
    X86_OP_MEM,
    X86_OP_IMM,
    X86_OP_REL, /* relative branch: target = next instruction + (int64_t)imm, cut to opsize */
    X86_OP_SEG,
    X86_OP_CR,
    X86_OP_DR,
    X86_OP_MMX,
    X86_OP_XMM,
    X86_OP_YMM,
    X86_OP_ST,
    X86_OP_FAR, /* ptr16:16/32: offset in imm, selector in imm2 */
};

enum x86_access {
    X86_R = 1,
    X86_W = 2,
    X86_RW = 3
}; /* 0: named, not accessed (LEA, NOP, INVLPG) */

enum x86_seg_id { X86_SEG_ES, X86_SEG_CS, X86_SEG_SS, X86_SEG_DS, X86_SEG_FS, X86_SEG_GS };

enum { X86_REG_RIP = 16, X86_REG_NONE = 17 };                 /* in base and index */
enum { X86_GPR_AH = 16, X86_GPR_CH, X86_GPR_DH, X86_GPR_BH }; /* in op[].reg, only with size 1 */

enum x86_prefix {
    X86_P_LOCK = 1 << 0,
    X86_P_REP = 1 << 1,   /* F3 is the last of F2 and F3 */
    X86_P_REPNE = 1 << 2, /* F2 is the last of F2 and F3 */
    X86_P_OPSIZE = 1 << 3,
    X86_P_ADDRSIZE = 1 << 4,
    X86_P_SEG = 1 << 5, /* an override that counts: in 64-bit mode FS and GS only */
    X86_P_REX = 1 << 6,
    X86_P_VEX = 1 << 7,
};

struct x86_operand {
    uint8_t kind;   /* enum x86_opkind */
    uint8_t reg;    /* register number; a GPR of size 1 may be 16..19 = AH CH DH BH */
    uint8_t access; /* enum x86_access */
    /* Bytes the instruction uses of the register or memory (4 or 8 of a scalar's XMM; whether the
     * rest of the register is kept is the instruction's matter); bytes encoded of an immediate;
     * 0: not accessed, or decided at run time (XSAVE). */
    uint16_t size;
};

struct x86_insn {
    const struct x86_opdesc *desc;
    int64_t disp;             /* sign-extended; for moffs the absolute address, zero-extended */
    uint64_t imm;             /* extended to 64 bits as the instruction needs */
    uint64_t imm2;            /* ENTER's level, a far pointer's selector */
    uint16_t iclass;          /* enum x86_iclass */
    uint16_t prefixes;        /* enum x86_prefix */
    uint8_t len;              /* 1..15 */
    uint8_t mode;             /* enum x86_mode */
    uint8_t map, opcode;      /* 0 one-byte, 1 0F, 2 0F38, 3 0F3A */
    uint8_t opsize, addrsize; /* effective, bytes; opsize is 1 for byte operations */
    uint8_t seg;              /* enum x86_seg, of the memory operand */
    uint8_t base, index;      /* 0..15, X86_REG_RIP, X86_REG_NONE; a vector register with VSIB */
    uint8_t scale;            /* a shift, 0..3 */
    uint8_t vsib;             /* bytes of the index vector register (16, 32), else 0 */
    uint8_t rex;              /* 0, or the byte; with VEX the equivalent W R X B bits */
    uint8_t vex_l, vex_w, vex_pp, vex_vvvv; /* vvvv as a register number */
    uint8_t modrm, sib;
    bool has_modrm, has_sib;
    /* Where the parts stand, as byte offsets from the start; the last three are 0 when absent.
     * escape_off is the first byte after legacy prefixes and REX: an escape, a VEX prefix or the
     * opcode; opcode_off is the byte `opcode`, after all of them. */
    uint8_t escape_off, opcode_off, modrm_off, disp_off, imm_off;
    uint8_t disp_size, imm_size; /* bytes encoded; imm_size is the sum of both immediates */
    uint8_t nops;
    uint8_t mem; /* index in op[] of the memory operand, X86_MEM_NONE if there is none */
    struct x86_operand op[4]; /* the explicit operands in Intel order */
};

enum { X86_MEM_NONE = 0xff };

static inline bool x86_is_mem(const struct x86_insn *in)
{
    return in->mem != X86_MEM_NONE;
}

/* Flags whose old value nobody can see after this instruction: defined or undefined by it whatever
 * its operands are, and not read by it. */
uint8_t x86_flags_killed(const struct x86_insn *in);

#endif
