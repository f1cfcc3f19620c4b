/*
 * An instruction in executable form: what lower.c makes of a decoded x86_insn, once a block, and
 * what the exec_* functions run.
 *
 * Contract of an exec function
 * 1. It runs on the vCPU's thread with c->op == op.
 * 2. It commits nothing before its last access that may fault: a fault does not return
 *    (x86_raise), and the guest sees the registers as they were.
 * 3. It returns op + 1 to go on in the block. It returns NULL when the block is over; then c->rip
 *    is the next instruction's. A block's last op always returns NULL.
 *
 * Registers are named by their byte offset in struct x86_cpu, so that AH is RAX's offset plus one
 * and "no index register" is a field that is always zero: operands need no case distinction.
 */
#ifndef DOPPEL_ISA_X86_OP_H
#define DOPPEL_ISA_X86_OP_H

#include "isa/x86/cpu.h"
#include "isa/x86/insn.h"

typedef const struct x86_op *x86_exec_fn(struct x86_cpu *c, const struct x86_op *op);

enum x86_op_flag {
    OP_LEGACY = 1 << 0, /* not 64-bit code: segment checks, 32-bit linear addresses */
    OP_LOCK = 1 << 1,
    OP_REP = 1 << 2,   /* F3 */
    OP_REPNE = 1 << 3, /* F2 */
    OP_MEM0 = 1 << 4,  /* the first operand is memory */
    OP_MEM1 = 1 << 5,  /* the second one is */
    OP_IMM = 1 << 6,   /* the last operand is an immediate */
    OP_STACK = 1 << 7, /* accesses the stack besides its operands */
};

struct x86_op {
    x86_exec_fn *fn;
    uint64_t imm;      /* immediate; address of moffs; relative branch: target - code_base */
    int64_t disp;      /* displacement; RIP-relative ones are relative to code_base */
    uint64_t ea_mask;  /* all ones of the address size */
    const void *aux;   /* native thunk */
    uint16_t dst, src; /* byte offsets of the first and second register operand */
    uint16_t third;    /* of the third (VEX and double-shift forms) */
    uint16_t base, index;
    uint16_t seg_base; /* offset of the segment base to add (or of the zero field) */
    uint16_t next;     /* offset of the next instruction from code_base */
    uint8_t scale;     /* shift */
    uint8_t seg;       /* segment of the memory operand */
    uint8_t size;      /* operand size in bytes */
    uint8_t src_size;  /* bytes of the second operand where it differs (MOVZX, CRC32 ...) */
    uint8_t addr_size;
    uint8_t len;
    uint8_t flags;
    uint8_t imm2; /* ENTER level; opcode & 15 (condition) of Jcc SETcc CMOVcc */
    uint16_t sel; /* far pointer: selector */
};

_Static_assert(sizeof(struct x86_op) == 64, "one cache line an op");

/* How the operands of an instruction look: picks one of an exec set's functions. */
enum x86_form {
    FORM_RR, /* register, register */
    FORM_RM, /* register, memory */
    FORM_MR,
    FORM_RI,
    FORM_MI,
    FORM_R, /* one operand */
    FORM_M,
    FORM_LMR, /* LOCK forms */
    FORM_LMI,
    FORM_LM,
    FORM_COUNT
};

/*
 * The functions of one instruction class: by form and by operand size 1, 2, 4, 8 (index 0-3).
 * `any` serves every form when set.
 */
struct x86_exec {
    x86_exec_fn *any;
    x86_exec_fn *f[FORM_COUNT][4];
};

/*
 * Make `op` from `in`, which starts `page_off` bytes into its page. Never fails: what cannot be
 * executed becomes an op that raises #UD.
 */
void x86_lower(struct x86_cpu *c, struct x86_op *op, const struct x86_insn *in, unsigned page_off);

/* An op at `page_off` that raises `vector` (VEC_UD, or VEC_GP for an overlong instruction). */
void x86_lower_fault(struct x86_cpu *c, struct x86_op *op, unsigned page_off, uint8_t vector);
/* The op behind a block's last: goes on at `page_off`. Its len is 0; it is no instruction. */
void x86_lower_end(struct x86_cpu *c, struct x86_op *op, unsigned page_off);

#define X86_REG_OFF(n) ((uint16_t)(offsetof(struct x86_cpu, gpr) + 8 * (n)))

#endif
