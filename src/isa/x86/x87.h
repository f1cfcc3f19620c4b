/*
 * What the files that execute x87 instructions share: control and status word, the images that
 * FSTENV and FSAVE leave. [SDM 1 8.1]
 */
#ifndef DOPPEL_ISA_X86_X87_H
#define DOPPEL_ISA_X86_X87_H

#include <stdint.h>

struct x86_cpu;

enum {
    FCW_MASKS = 0x3f,
    FCW_ONE = 0x40,     /* reads as one */
    FCW_VALID = 0x1f3f, /* writable: masks, precision, rounding, infinity */
    FCW_INIT = 0x037f,
    FSW_PE = 0x20,
    FSW_FLAGS = 0x7f, /* exceptions and stack fault */
    FSW_TOP_SHIFT = 11,
    FSW_TOP = 7 << FSW_TOP_SHIFT,
    FOP_BITS = 0x7ff,
};

/* fsw with ES and B as they must be for these masks. */
uint16_t x87_summary(uint16_t fcw, uint16_t fsw);
/* The control word as the unit would hold it after loading `v`. */
static inline uint16_t x87_valid_fcw(uint16_t v)
{
    return (v & FCW_VALID) | FCW_ONE;
}
/* Registers have physical numbers, the image has them by stack position: moving TOP rotates it. */
void x87_set_top(struct x86_cpu *c, unsigned top);
/* What every MMX instruction does first: TOP = 0, all tags valid. [SDM 1 9.5] */
void x87_enter_mmx(struct x86_cpu *c);
/* FINIT. */
void x87_init(struct x86_cpu *c);

enum x87_layout { X87_PROT32, X87_PROT16, X87_REAL32, X87_REAL16 };

/* FSTENV's image of the current state at p: 28 or 14 bytes, which is returned. */
unsigned x87_env_store(const struct x86_cpu *c, enum x87_layout layout, uint8_t *p);
/* Load it back. */
void x87_env_load(struct x86_cpu *c, enum x87_layout layout, const uint8_t *p);
static inline unsigned x87_env_size(enum x87_layout layout)
{
    return layout == X87_PROT32 || layout == X87_REAL32 ? 28 : 14;
}

#endif
