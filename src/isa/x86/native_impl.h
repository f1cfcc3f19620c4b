/*
 * Shared by the files that implement native.h.
 */
#ifndef DOPPEL_ISA_X86_NATIVE_IMPL_H
#define DOPPEL_ISA_X86_NATIVE_IMPL_H

#include <string.h>

#include "base/execmem.h"
#include "isa/x86/access.h"
#include "isa/x86/align.h"
#include "isa/x86/native.h"
#include "isa/x86/trap.h"

enum native_flag {
    NT_EM_UD = 1 << 0, /* CR0.EM gives #UD, not #NM */
    NT_FP = 1 << 1,    /* obeys MXCSR */
    NT_MMX = 1 << 2,   /* MMX or x87: touches the x87 unit */
    NT_XMM = 1 << 3,   /* an MMX instruction that names XMM registers, too */
    NT_W = 1 << 4,     /* REX.W or VEX.W */
    NT_HALF = 1 << 5,  /* writes half-precision numbers: VCVTPS2PH */
};

enum { NO_REG = 0xff, MXCSR_MASKS = 0x1f80, MXCSR_FLAGS = 0x3f, MXCSR_DEFAULT = 0x1f80 };
enum { FSW_ES = 0x80, FSW_B = 0x8000, FX_SIZE = 512 };

/* An instruction with its memory operand's address taken out. Compared bytewise: no padding. */
struct native_form {
    uint8_t map, opcode;
    uint8_t prefix; /* 66, F3, F2 or 0 */
    uint8_t vex;    /* bit 0: VEX, bit 1: L */
    uint8_t w;
    uint8_t reg, rm, vvvv; /* as encoded, four bits; rm is NO_REG for memory */
    uint8_t imm, has_imm;
    uint8_t gpr_reg, gpr_rm; /* guest general registers in ModRM.reg and rm, or NO_REG */
    uint8_t index;           /* vector index register, and its scale from bit 4 on */
    uint8_t opsize;
    uint16_t fop;
};

enum { NATIVE_THUNK_MAX = 256 }; /* bytes of the longest thunk, with room to spare */

struct native_code {
    uint8_t bytes[NATIVE_THUNK_MAX];
    unsigned len;
    unsigned op_off; /* of the instruction itself */
    uint16_t fop;    /* x87: its opcode field */
};

/* native_emit.c. Vector thunks are called as code(c, mem); x87 ones as code(c, mem, fx): they leave
 * the new FXSAVE image at fx and take their MXCSR from there. */
void native_emit_vector(struct native_code *k, const struct native_form *f,
                        const struct x86_insn *in);
void native_emit_x87(struct native_code *k, const struct native_form *f, const struct x86_insn *in);
/* native_window.c: the quick form, called as code(c, mem); false: there is none. */
bool native_emit_window(struct native_code *k, const struct native_form *f,
                        const struct x86_insn *in, struct native_thunk *t);

struct native_snapshot {
    uint8_t xmm[256], ymmh[256];
    uint64_t gpr[16];
    uint16_t arith;
};

enum { NATIVE_MAX_THUNKS = 16384, NATIVE_BUCKETS = 8192, NATIVE_CODE_SIZE = 3 << 20 };

struct x86_native {
    _Alignas(64) uint8_t bounce[128]; /* memory operand that is not plain RAM in one page */
    _Alignas(64) uint8_t fx[FX_SIZE]; /* what an x87 thunk leaves */
    uint32_t mxcsr_mask;              /* of the host */
    uint8_t x87_tracks;               /* X87_TRACKS_*, of the host */
    bool has[X86_FEAT_COUNT];         /* the host's features */
    struct native_snapshot snap;
    uint64_t generation;
    struct execmem code;
    unsigned n;
    uint16_t bucket[NATIVE_BUCKETS]; /* index + 1 of the chain's head */
    uint16_t next[NATIVE_MAX_THUNKS];
    struct native_form form[NATIVE_MAX_THUNKS];
    struct native_thunk thunk[NATIVE_MAX_THUNKS];
};

/* native_run.c: how thunks of each shape run. */
x86_native_fn *native_vector_runner(const struct native_thunk *t);
_Noreturn void native_denied(struct x86_cpu *c, const struct native_thunk *t);
/* The guest unmasked a SIMD exception that happened: record `flags` and raise. */
_Noreturn void native_raise_xm(struct x86_cpu *c, uint32_t flags);
/* native_x87.c */
void native_run_x87(struct x86_cpu *c, const struct native_thunk *t, gva_t ea);
/* native_window.c */
void native_run_window(struct x86_cpu *c, const struct native_thunk *t, gva_t ea);
enum { X87_TRACKS_FIP = 1, X87_TRACKS_FOP = 2, X87_TRACKS_FDP = 4 };
uint8_t native_probe_x87_tracks(void);
/* Raise #MF if an unmasked x87 exception is pending: before every waiting instruction. */
void x87_check_pending(struct x86_cpu *c);

/* Handlers in C for `in`, or NULL. They fill the thunk's requirements themselves. */
x86_native_fn *x87_control_handler(const struct x86_insn *in, struct native_thunk *t);
x86_native_fn *xsave_handler(const struct x86_insn *in, struct native_thunk *t);
x86_native_fn *vec_masked_handler(const struct x86_insn *in, struct native_thunk *t);

static inline void native_check(struct x86_cpu *c, const struct native_thunk *t)
{
    if (unlikely((c->cr0 & t->cr0_bad) | (~c->cr4 & t->cr4_need) | (~c->xcr0 & t->xcr0_need)))
        native_denied(c, t);
}

static inline void native_check_align(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    if (unlikely(ea & t->align_mask))
        x86_raise_gp(c, 0);
}

/* Bytes for reading, wherever they are. */
static inline void *native_load(struct x86_cpu *c, gva_t ea, unsigned size)
{
    void *p = tlb_read_ptr(c, ea, size);
    if (likely(p != NULL))
        return p;
    c->slow->read(c, ea, c->native->bounce, size);
    return c->native->bounce;
}

static inline void native_store(struct x86_cpu *c, gva_t ea, const void *buf, unsigned size)
{
    void *p = tlb_write_ptr(c, ea, size);
    if (likely(p != NULL))
        memcpy(p, buf, size);
    else
        c->slow->write(c, ea, buf, size);
}

/* The thunk's memory operand, the same way. */
static inline void *native_operand(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    void *p = tlb_read_ptr(c, ea, t->mem_size);
    if (likely(p != NULL))
        return p;
    x86_align_check(c, ea, t->ac_align);
    c->slow->read(c, ea, c->native->bounce, t->mem_size);
    return c->native->bounce;
}

static inline void native_put_operand(struct x86_cpu *c, const struct native_thunk *t, gva_t ea,
                                      const void *buf)
{
    x86_align_check(c, ea, t->ac_align);
    native_store(c, ea, buf, t->mem_size);
}

/* Fields of the guest's XSAVE image. */
#define XS_FIELD(type, name, off)                                                                  \
    static inline type xs_##name(const struct x86_cpu *c)                                          \
    {                                                                                              \
        type v;                                                                                    \
        memcpy(&v, c->xsave + (off), sizeof(v));                                                   \
        return v;                                                                                  \
    }                                                                                              \
    static inline void xs_set_##name(struct x86_cpu *c, type v)                                    \
    {                                                                                              \
        memcpy(c->xsave + (off), &v, sizeof(v));                                                   \
    }
XS_FIELD(uint16_t, fcw, XS_FCW)
XS_FIELD(uint16_t, fsw, XS_FSW)
XS_FIELD(uint8_t, ftw, XS_FTW)
XS_FIELD(uint16_t, fop, XS_FOP)
XS_FIELD(uint64_t, fip, XS_FIP)
XS_FIELD(uint64_t, fdp, XS_FDP)
XS_FIELD(uint32_t, mxcsr, XS_MXCSR)
XS_FIELD(uint64_t, xstate_bv, XS_XSTATE_BV)

#endif
