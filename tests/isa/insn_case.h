/*
 * What the two sides of insn_test are given and what they give back: an instruction's bytes, a
 * start state, and the state in which it ended.
 *
 * Every case ends in an exception: the code area is filled with INT3, so the instruction after the
 * tested one, or whatever place it went to, is one. The exception's frame is the result.
 */
#ifndef TESTS_ISA_INSN_CASE_H
#define TESTS_ISA_INSN_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "isa/x86/insn.h"
#include "isa/x86/regs.h"

/* Both sides map the same pages at the same addresses; around them nothing is mapped. */
enum {
    PAGE = 4096,
    CODE_VA = 0x10000000, /* executable, not writable */
    CODE_PAGES = 2,
    DATA_VA = 0x20000000, /* writable but the last page, which is read-only; not executable */
    DATA_RW_PAGES = 3,
    DATA_PAGES = 4,
    CODE_SIZE = CODE_PAGES * PAGE,
    DATA_SIZE = DATA_PAGES * PAGE,
};
#define HIGH_VA UINT64_C(0x5a5a20000000) /* the data pages once more */
#define TOP_VA  UINT64_C(0xfffff000)     /* the first of them, where 32-bit addresses end */

/* Linux's descriptors, so that far transfers and LAR see the same on both sides. */
enum {
    SEL_KERNEL_CS = 0x10,
    SEL_KERNEL_DS = 0x18,
    SEL_USER32_CS = 0x23,
    SEL_USER_DS = 0x2b,
    SEL_USER_CS = 0x33,
};

struct insn_regs {
    uint64_t gpr[16], rip, rflags, fs_base, gs_base;
    uint16_t cs, ss, ds, es, fs, gs;
};

struct insn_code {
    uint8_t bytes[16];
    uint8_t len;
    uint8_t mode;    /* enum x86_mode: 64 or 32 */
    uint16_t offset; /* in the code area */
    bool decoded;    /* `insn` is valid; else both sides must raise #UD */
    struct x86_insn insn;
};

enum { PATCH_MAX = 48, CHANGES_MAX = 8 };

struct insn_case {
    struct insn_regs regs;
    uint32_t code;      /* index into the batch's codes */
    uint16_t patch_off; /* bytes put into the data area before the case runs */
    uint16_t patch_len;
    uint8_t patch[PATCH_MAX];
    uint64_t seed;    /* of the group that the case belongs to */
    uint64_t vectors; /* seed of the vector and x87 state, 0: left alone (insn_vectors.h) */
};

struct insn_change {
    uint32_t offset; /* of a quadword of the data area that differs from what was there */
    uint64_t value;
};

struct insn_end {
    struct insn_regs regs;
    uint32_t vector, error; /* error is 0 for vectors that have none */
    uint64_t cr2;           /* of page faults, else 0 */
    uint32_t nchanges;      /* `change` holds the first ones, `hash` covers all */
    struct insn_change change[CHANGES_MAX];
    uint64_t hash;
    uint8_t xs[XS_SIZE]; /* with insn_case.vectors */
};

enum { BATCH_CODES = 128, BATCH_CASES = 1024 };

struct insn_batch {
    uint32_t ncodes, ncases;
    struct insn_code codes[BATCH_CODES];
    struct insn_case cases[BATCH_CASES];
    uint8_t pristine[DATA_SIZE]; /* the data area before each case, without its patch */
};

/* Put the patch of `t` into the data area. */
void insn_memory_prepare(const struct insn_batch *b, const struct insn_case *t, uint8_t *data);
/* Note what changed in the data area, and undo it. */
void insn_memory_collect(const struct insn_batch *b, const struct insn_case *t, uint8_t *data,
                         struct insn_end *end);
/* The bytes of `code` into the code area, INT3 everywhere else; `was` (may be NULL) is there. */
void insn_code_place(uint8_t *area, const struct insn_code *code);
bool insn_vector_has_error(unsigned vector);

#endif
