#include "insn_pardon.h"

#include <string.h>

#include "isa/x86/decode.h"

#define USER_END UINT64_C(0x7ffffffff000) /* where Linux ends the addresses of programs */

/* Entering the signal handler, IRET turns a null selector's RPL to 0. [SDM 2 IRET] */
static void clear_null_selectors(struct insn_regs *r)
{
    uint16_t *sel[] = {&r->ds, &r->es, &r->fs, &r->gs};
    for (unsigned i = 0; i < 4; i++) {
        if (!(*sel[i] & ~3u))
            *sel[i] = 0;
    }
}

/* Flags that the manual leaves undefined and that hosts set by encoding, so that no execution of
 * another encoding can copy them. */
static uint64_t free_flags(const struct x86_insn *in)
{
    bool by_imm = in->opcode == 0xc0 || in->opcode == 0xc1;
    switch (in->iclass) {
    case X86_I_ROL:
    case X86_I_ROR: /* OF with a count but 1: C0 and C1 keep it, D2 and D3 compute it (Intel) */
        return by_imm && (in->imm & (in->opsize == 8 ? 63 : 31)) != 1 ? FL_OF : 0;
    case X86_I_IRET: /* RF lasts for one instruction: a single step behind IRET sees it, we drop it
                      */
        return FL_RF;
    default:
        return 0;
    }
}

/* Stores under a mask: where they fault, and whether with an empty mask, is the CPU's affair. [SDM
 * 2 MASKMOVDQU] */
static bool masked_store(const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_MASKMOVQ:
    case X86_I_MASKMOVDQU:
    case X86_I_VMASKMOVDQU:
    case X86_I_VMASKMOVPS:
    case X86_I_VMASKMOVPD:
    case X86_I_VPMASKMOVD:
    case X86_I_VPMASKMOVQ:
        return true;
    default:
        return false;
    }
}

/* Intel's CPUs make several accesses for MOVBE's store and x87's long operands, and report the
 * first page of one that leaves the canonical addresses. */
static bool piecewise(const struct x86_insn *in, const struct insn_end *h)
{
    return (in->iclass == X86_I_MOVBE || (in->desc->flags & X86_F_X87)) && h->vector == VEC_PF &&
           h->cr2 >= USER_END && !(h->cr2 >> 47);
}

static bool is_fault(const struct insn_end *h)
{
    return h->vector == VEC_PF || h->vector == VEC_GP || h->vector == VEC_SS || h->vector == VEC_AC;
}

/* The CPU does not check the alignment of a MOVBE with both 66 and REX.W. */
static bool unaligned_movbe(const struct x86_insn *in, const struct insn_end *h)
{
    return in->iclass == X86_I_MOVBE && in->opsize == 8 && (in->prefixes & X86_P_OPSIZE) &&
           (h->regs.rflags & FL_AC);
}

static bool incomparable(const struct insn_code *code, const struct insn_end *h)
{
    const struct x86_insn *in = &code->insn;
    if (!code->decoded)
        return false;
    /* A single-stepped gather that faults half way may trap for what it has done so far. */
    if (in->vsib && h->vector == VEC_DB)
        return true;
    if (unaligned_movbe(in, h))
        return true;
    return is_fault(h) && (masked_store(in) || piecewise(in, h));
}

/* Stores in two pieces, of which the first may stay when the second one faults. */
static bool two_stores(const struct x86_insn *in)
{
    return in->iclass == X86_I_FBSTP || in->iclass == X86_I_FSTP || in->iclass == X86_I_MOVBE;
}

/*
 * How far a vector or x87 instruction comes before its fault, where no manual says it and a handler
 * cannot tell: the flags of SIMD arithmetic beside an unmasked one; whether a segment fault
 * precedes the change to MMX state, an x87 exception or #AC of an image; what a gather that will go
 * on has cleared; the byte of a long operand that is named in CR2 (in parts it wraps at the address
 * size); alignment or canonical form first.
 */
static void pardon_vectors(const struct insn_code *code, struct insn_end *h, struct insn_end *g)
{
    const struct x86_insn *in = &code->insn;
    bool fault = is_fault(h) && is_fault(g);
    bool segment = code->mode != 64 && (h->vector == VEC_GP || g->vector == VEC_GP);
    bool image = in->iclass == X86_I_FXSAVE || in->iclass == X86_I_FXRSTOR;
    if ((h->vector == VEC_XM && g->vector == VEC_XM) ||
        (fault && (in->desc->flags & X86_F_FP_MXCSR)))
        memcpy(g->xs + XS_MXCSR, h->xs + XS_MXCSR, 4);
    bool late = (in->desc->flags & (X86_F_MMX | X86_F_X87)) || (image && h->vector == VEC_AC);
    if (segment && late && x86_is_mem(in))
        *g = *h;
    if (fault && in->vsib)
        memcpy(g->xs + XS_XMM, h->xs + XS_XMM, XS_SIZE - XS_XMM);
    bool aligned = (in->desc->flags & X86_F_ALIGNED) || image;
    if (h->vector == VEC_SS && g->vector == VEC_GP && aligned)
        g->vector = h->vector;
    if (!((h->cr2 ^ g->cr2) & ~UINT64_C(0xfff)) || (uint32_t)(h->cr2 - g->cr2) < 512)
        g->cr2 = h->cr2;
}

static void pardon_all(const struct insn_code *code, struct insn_end *h, struct insn_end *g)
{
    uint64_t flags = code->decoded ? free_flags(&code->insn) : 0;
    h->regs.rflags |= flags;
    g->regs.rflags |= flags;
    clear_null_selectors(&h->regs);
    clear_null_selectors(&g->regs);
    if (code->decoded && is_fault(h) && is_fault(g) && two_stores(&code->insn)) {
        g->nchanges = h->nchanges;
        g->hash = h->hash;
    }
    /* Outside 64-bit mode the upper halves of registers are undefined. [SDM 1 3.4.1.1] */
    if (h->regs.cs == SEL_USER32_CS && g->regs.cs == SEL_USER32_CS) {
        h->regs.gpr[RSP] = (uint32_t)h->regs.gpr[RSP];
        g->regs.gpr[RSP] = (uint32_t)g->regs.gpr[RSP];
    }
    /* Linux tells user programs that every kernel page is present, so as not to say which are. */
    if (h->vector == VEC_PF && h->cr2 >= USER_END && g->cr2 >= USER_END) {
        h->error |= PFERR_P;
        g->error |= PFERR_P;
    }
}

bool pardon(const struct insn_code *code, bool vectors, struct insn_end *host,
            struct insn_end *guest)
{
    if (incomparable(code, host))
        return false;
    pardon_all(code, host, guest);
    if (vectors)
        pardon_vectors(code, host, guest);
    return true;
}

static bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

void pardon_translation(const struct insn_code *code, const struct insn_end *host,
                        struct insn_end *guest)
{
    const struct x86_insn *in = &code->insn;
    memcpy(guest->xs + XS_FOP, host->xs + XS_FOP, XS_MXCSR - XS_FOP);
    if (!code->decoded || code->mode != 64)
        return;
    if ((in->desc->flags & X86_F_BRANCH) && host->vector == VEC_GP && guest->vector == VEC_GP &&
        !is_canonical(guest->regs.rip)) {
        *guest = *host;
        return;
    }
    uint8_t free = is_fault(host) || host->vector == VEC_AC ? x86_flags_killed(in) : 0;
    if (in->iclass == X86_I_DIV || in->iclass == X86_I_IDIV)
        free |= in->desc->flags_undef;
    uint64_t mask = (free & 0xd5u) | (free & X86_FL_OF ? FL_OF : 0);
    guest->regs.rflags = (guest->regs.rflags & ~mask) | (host->regs.rflags & mask);
}
