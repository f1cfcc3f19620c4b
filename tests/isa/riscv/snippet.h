/*
 * Instruction tests that run as Linux programs (static, system calls write and exit only) and on
 * the bare board, under doppel and under an emulator that judges it: each line of output is an
 * instruction and a hash of what it did to registers and memory, so the two outputs must be equal.
 *
 * An instruction is written, with random fields, into a snippet of code that is entered with random
 * registers and left by a jump to snippet_done.
 */
#ifndef TESTS_ISA_RISCV_SNIPPET_H
#define TESTS_ISA_RISCV_SNIPPET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* snippet.S knows the offsets. */
struct state {
    uint64_t x[32]; /* x[30] is the snippet's address on entry, x[31] the state's */
    uint64_t f[32];
    uint64_t fcsr;
    uint64_t warm; /* floating point is used under this fcsr before the snippet, too */
};

_Static_assert(offsetof(struct state, f) == 256 && offsetof(struct state, fcsr) == 512 &&
                   offsetof(struct state, warm) == 520,
               "snippet.S");

void snippet_run(struct state *s, const void *code);
extern const char snippet_done[];

/* Which fields of a form are random, and what it needs. */
enum form_flag {
    D = 1 << 0,  /* rd is an integer register */
    FD = 1 << 1, /* a floating-point register */
    S1 = 1 << 2,
    S2 = 1 << 3,
    S3 = 1 << 4,
    RM = 1 << 5,    /* a rounding mode */
    IMM_I = 1 << 6, /* immediates by format */
    IMM_S = 1 << 7,
    IMM_B = 1 << 8,
    IMM_J = 1 << 9,
    IMM_U = 1 << 10,
    SH5 = 1 << 11,
    SH6 = 1 << 12,
    PTR = 1 << 13,  /* rs1 points to data */
    EVEN = 1 << 14, /* aligned to 8 */
    JUMP = 1 << 15, /* control goes elsewhere: into slides of C.ADDI x30, 1 */
    PAIR = 1 << 16, /* a LR of the same width and address comes first */
    AQRL = 1 << 17,
    NONZERO = 1 << 18, /* rs1: QEMU before 8.0 has CTZW of zero wrong */
};

struct form {
    const char *name;
    const uint32_t *code; /* assembled with all fields zero */
    uint32_t flags;
};

/* Of one group, ended by a NULL name. */
extern const struct form forms_i[], forms_m[], forms_a[], forms_zb[], forms_own[], forms_f[],
    forms_d[], forms_csr[];

/* kit.c */
void seed_rnd(uint64_t seed);
uint64_t rnd(void);
void put(const char *text);
void put_hex(uint64_t v, unsigned digits);
void flush(void);
uint64_t value_x(void);
uint64_t value_f(void);
void fill_state(struct state *s);
uint64_t hash(uint64_t h, const uint64_t *v, unsigned n);

enum { SLIDE = 4096, DATA = 12288, SHORTS = 64 };

/*
 * Write `n` halfwords into the slot and the way out behind them, and make them visible to fetches.
 * Returns the slot. SLIDE bytes on either side of it are C.ADDI x30, 1, followed by a way out:
 * where a jump went shows in x30.
 */
void *place(const uint16_t *insns, unsigned n);
/* One of SHORTS places for a single halfword, without slides; to be followed by code_written(). */
const void *place_short(unsigned index, uint16_t insn);
void code_written(void);

/* bare.c */
extern bool bare; /* there is no Linux */
void bare_write(const char *text, size_t n);
void bare_main(uint8_t *fdt);

/* test.c */
struct encoded {
    uint32_t bits; /* of the instruction under test */
    uint16_t code[128];
    unsigned halves;
    const void *at;  /* where it is placed already, or NULL */
    uint64_t memory; /* the address it uses, or 0 */
};

uint64_t data_pointer(void);
/* Whence a jump from the slot may go, which holds `halves` halfwords. */
int64_t jump_offset(unsigned halves);
/* One run, and the hash of what came out, added to h. */
uint64_t run_encoded(const struct encoded *e, struct state *s, uint64_t h, bool shown);
void put_line(const char *name, const struct encoded *e, uint64_t h);
int test_main(long argc, char **argv);

/* One of the form with random fields, its 12-bit immediate in *imm. */
struct encoded encode(const struct form *f, int32_t *imm);

/* compressed.c */
enum compressed_kind {
    COMPRESSED_RESERVED,
    COMPRESSED_PLAIN,
    COMPRESSED_MEMORY, /* at rs1' */
    COMPRESSED_MEMORY_SP,
    COMPRESSED_BRANCH,
    COMPRESSED_JUMP,
};

enum compressed_kind compressed_kind(unsigned c);
/* Every 16-bit instruction. `shown`: the line whose states are shown instead, or -1. */
void compressed(long shown);

/* sequence.c: those that the seed makes. */
void sequences(uint64_t seed, long shown);

#endif
