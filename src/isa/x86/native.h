/*
 * SIMD, crypto and x87 instructions of the guest, run by the host CPU itself on the guest's own
 * vector state. A thunk is a few host instructions: load the registers an instruction names from
 * the XSAVE image, the instruction, store what it wrote. What cannot run like that (state images,
 * gathers, masked stores, x87 environment) has a handler in C behind the same interface.
 *
 * Invariants
 * 1. A thunk encodes everything but the memory operand's address: register numbers, immediate and
 *    general registers are part of its key. It reads and writes struct x86_cpu and nothing else.
 * 2. Nothing is committed before the last access that may fault; x86_raise() leaves the instruction
 *    undone, but for what the manual wants done (gathers keep finished elements, #XM keeps flags).
 * 3. The host never takes an FP exception: SIMD runs with all exceptions masked and unmasked ones
 *    are found in the flags; x87 exceptions stay pending in the image and the host's unit is
 *    initialised before another waiting instruction could report them.
 * 4. Outside this module the host's MXCSR is 1F80h but for its flags, which mean nothing; its x87
 *    unit is empty and initialised, its upper halves are clean.
 * 5. MXCSR and FCW in the image never hold what the host would refuse to load.
 * 6. The image's XSTATE_BV is all ones for what XCR0 can hold: every component in it is valid.
 * 7. Thunks live until the cache is full; then all go at once, inside x86_native_prepare(), and the
 *    generation changes. Whoever holds thunks compares it after each prepare.
 */
#ifndef DOPPEL_ISA_X86_NATIVE_H
#define DOPPEL_ISA_X86_NATIVE_H

#include <stdint.h>

#include "base/addr.h"
#include "base/compiler.h"
#include "base/error.h"
#include "isa/x86/cpu.h"
#include "isa/x86/insn.h"

struct native_thunk;
typedef void x86_native_fn(struct x86_cpu *c, const struct native_thunk *t, gva_t ea);

struct native_thunk {
    x86_native_fn *run;
    void *window;          /* x87: the quick thunk (native_window.c), or NULL */
    void *code;            /* the thunk; NULL for handlers in C */
    uint64_t op_addr;      /* where the instruction stands in it: what the host's x87 FIP shows */
    uint32_t cr0_bad;      /* any of these CR0 bits set, */
    uint32_t cr4_need;     /* or one of these CR4 bits clear, */
    uint8_t xcr0_need;     /* or of these in XCR0: #UD or #NM */
    uint8_t mem_size;      /* bytes of the memory operand; 0: none, or the handler's matter */
    uint8_t mem_access;    /* enum x86_access */
    uint8_t align_mask;    /* these address bits must be zero, else #GP(0) */
    uint8_t ac_align;      /* alignment whose lack raises #AC where that is checked; 1: none */
    uint8_t flags;         /* native_impl.h */
    uint8_t reg, rm, vvvv; /* register numbers, for handlers in C */
    uint8_t index, scale;  /* of a gather */
    uint8_t len;           /* vector length in bytes */
    uint8_t opsize;
    uint8_t opcode; /* of handlers that serve several */
    uint8_t modrm;
    uint16_t fop, host_fop; /* x87 opcode as the guest should see it, and as the thunk has it */
    uint16_t cc;            /* window: condition codes it sets */
    uint8_t full, empty;    /* window: ST(i) that must be so */
    uint8_t pops;
};

/* One per vCPU, touched by its thread only. */
int x86_native_create(struct x86_native **out, struct error *err) must_check;
void x86_native_destroy(struct x86_native *n);

/*
 * The thunk for `in`, made now or found. NULL: not an instruction of this module, or the host lacks
 * its feature, or (never after x86_native_create succeeded) no memory: raise #UD. Whether the
 * guest's CPUID offers the feature, and that VEX forms are #UD in real and virtual-8086 mode, is
 * the caller's to check. Called at decode time on the vCPU's thread.
 */
const struct native_thunk *x86_native_prepare(struct x86_cpu *c, const struct x86_insn *in);

/* Changes when all thunks handed out before have become invalid. */
uint64_t x86_native_generation(const struct x86_native *n);

/*
 * Execute. `ea` is the linear address of the memory operand (of base and displacement alone where
 * the index is a vector), 0 without one. c->op is the instruction. May raise and not return.
 */
static inline void x86_native_run(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    t->run(c, t, ea);
}

/* x87, SSE and AVX state as RESET leaves it [SDM 3A table 10-1]. */
void x86_fpu_reset(struct x86_cpu *c);
/* Make a loaded image satisfy invariants 5 and 6, whatever was in the file. */
void x86_fpu_sanitize(struct x86_cpu *c);

#endif
