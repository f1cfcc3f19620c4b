/*
 * Writing x86-64 host instructions into a buffer. Registers are numbered as the instruction set
 * does; a memory operand is base + index << scale + disp, optionally through GS.
 */
#ifndef DOPPEL_ENGINE_DBT_ASM_H
#define DOPPEL_ENGINE_DBT_ASM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/compiler.h"

/* No register; spelled so that its low bits are what SIB has for no index, and no REX bit is set.
 */
enum { ASM_NONE = 16 + 4 };

enum asm_reg {
    H_RAX,
    H_RCX,
    H_RDX,
    H_RBX,
    H_RSP,
    H_RBP,
    H_RSI,
    H_RDI,
    H_R8,
    H_R9,
    H_R10,
    H_R11,
    H_R12,
    H_R13,
    H_R14,
    H_R15
};

struct asm_mem {
    int8_t base, index; /* ASM_NONE: none; index is never RSP */
    uint8_t scale;      /* shift */
    bool gs;
    int32_t disp;
};

/*
 * Overflow sets `full` and drops what does not fit: checked once, at the end. Bytes are stored
 * eight at a time, of which only those up to `len` count.
 */
struct asm_buf {
    uint8_t *bytes;
    uint32_t len, size;
    bool full;
};

#define MEM_GS(off)        ((struct asm_mem){ASM_NONE, ASM_NONE, 0, true, (int32_t)(off)})
#define MEM_BASE(reg, off) ((struct asm_mem){(int8_t)(reg), ASM_NONE, 0, false, (int32_t)(off)})
#define MEM_INDEXED(reg, idx, off)                                                                 \
    ((struct asm_mem){(int8_t)(reg), (int8_t)(idx), 0, false, (int32_t)(off)})

/* The low `n` bytes of `v`, 8 at most. */
static inline void asm_put(struct asm_buf *a, uint64_t v, unsigned n)
{
    if (unlikely(a->size - a->len < sizeof(v))) {
        a->full = true;
        return;
    }
    memcpy(a->bytes + a->len, &v, sizeof(v));
    a->len += n;
}

static inline void asm_8(struct asm_buf *a, unsigned v)
{
    asm_put(a, v, 1);
}

static inline void asm_32(struct asm_buf *a, uint32_t v)
{
    asm_put(a, v, 4);
}

static inline void asm_64(struct asm_buf *a, uint64_t v)
{
    asm_put(a, v, 8);
}

/* One word, and another behind it. */
static inline void asm_put2(struct asm_buf *a, uint64_t v, unsigned n, uint64_t v2, unsigned n2)
{
    if (unlikely(a->size - a->len < 2 * sizeof(v))) {
        a->full = true;
        return;
    }
    memcpy(a->bytes + a->len, &v, sizeof(v));
    memcpy(a->bytes + a->len + n, &v2, sizeof(v2));
    a->len += n + n2;
}

/* `n` bytes, 15 at most, of 16 that may be read. */
static inline void asm_copy(struct asm_buf *a, const uint8_t *p, unsigned n)
{
    if (unlikely(a->size - a->len < 16)) {
        a->full = true;
        return;
    }
    memcpy(a->bytes + a->len, p, 16);
    a->len += n;
}

void asm_bytes(struct asm_buf *a, const uint8_t *p, unsigned n);

/* ModRM, SIB and displacement for a register field and a memory operand; the REX bits it needs are
 * asm_rex_bits(). GS prefixes are the caller's. */
void asm_modrm_mem(struct asm_buf *a, unsigned reg, const struct asm_mem *m);
static inline unsigned asm_rex_bits(unsigned reg, const struct asm_mem *m)
{
    return (reg & 8) >> 1 | (m->index & 8u) >> 2 | (m->base & 8u) >> 3;
}

/* opcode reg, [m]: one opcode byte, or two with `opcode` = 0x0fXX. `w`: 64-bit operand. */
void asm_op_mem(struct asm_buf *a, bool w, unsigned opcode, unsigned reg, struct asm_mem m);
/* opcode reg, rm with registers. */
void asm_op_reg(struct asm_buf *a, bool w, unsigned opcode, unsigned reg, unsigned rm);

void asm_lea(struct asm_buf *a, unsigned dst, struct asm_mem m);
/* lea dst, [base + disp] with a 32-bit displacement whatever its value: of known length. */
void asm_lea_wide(struct asm_buf *a, unsigned dst, unsigned base, int32_t disp);
void asm_lea32(struct asm_buf *a, unsigned dst, struct asm_mem m);
void asm_load(struct asm_buf *a, unsigned dst, struct asm_mem m);
void asm_store(struct asm_buf *a, struct asm_mem m, unsigned src);
void asm_load32(struct asm_buf *a, unsigned dst, struct asm_mem m);
void asm_store32(struct asm_buf *a, struct asm_mem m, unsigned src);
void asm_mov(struct asm_buf *a, unsigned dst, unsigned src);
void asm_mov_imm32(struct asm_buf *a, unsigned dst, uint32_t v); /* zero-extends */
void asm_mov_imm64(struct asm_buf *a, unsigned dst, uint64_t v);
void asm_rorx(struct asm_buf *a, unsigned dst, unsigned src, unsigned count);
void asm_crc32(struct asm_buf *a, unsigned dst, unsigned src);
void asm_pdep_gs(struct asm_buf *a, unsigned dst, unsigned src, uint32_t gs_off);
/* test r8, imm8 */
void asm_test8_imm(struct asm_buf *a, unsigned reg, unsigned imm);
/* Flags to ax and back: LAHF with SETO, ADD AL,7F with SAHF. */
void asm_flags_keep(struct asm_buf *a);
void asm_flags_load(struct asm_buf *a);

/* Jumps with a 32-bit displacement; they return where it stands, for asm_here(). */
uint32_t asm_jcc(struct asm_buf *a, unsigned cc);
uint32_t asm_jmp(struct asm_buf *a);
/* 8-bit ones, for short distances. */
uint32_t asm_jcc8(struct asm_buf *a, unsigned cc);
uint32_t asm_jmp8(struct asm_buf *a);
uint32_t asm_jrcxz(struct asm_buf *a);
/* A jump to the same place as those of `chain` (0: none), which goes on in its displacement until
 * asm_here_all(). Returns the longer chain. */
uint32_t asm_jcc_also(struct asm_buf *a, unsigned cc, uint32_t chain);
void asm_here_all(struct asm_buf *a, uint32_t chain);
/* The displacement at `at` leads to here, or to `to`. */
void asm_here(struct asm_buf *a, uint32_t at);
void asm_here8(struct asm_buf *a, uint32_t at);
void asm_to8(struct asm_buf *a, uint32_t at, uint32_t to);
void asm_to(struct asm_buf *a, uint32_t at, uint32_t to);
void asm_jmp_to(struct asm_buf *a, uint32_t to);
/* jmp [m] */
void asm_jmp_mem(struct asm_buf *a, struct asm_mem m);
/* NOPs, so that the 4 bytes at len + `before` do not cross a multiple of 8. */
void asm_align_field(struct asm_buf *a, unsigned before);

enum { CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A };

#endif
