/*
 * One block: decode ahead, find out which flags are live, emit.
 */
#include "engine/dbt/x86/xlat.h"

#include <string.h>

#include "isa/x86/cpuid.h"
#include "isa/x86/decode.h"

enum {
    LOCKSTEP_LINE = 63,
};

/* Moves out of segment and control registers change nothing that others depend on. */
static bool reads_system(const struct x86_insn *in)
{
    return (in->iclass == X86_I_MOV_SEG && in->op[0].kind != X86_OP_SEG) ||
           (in->iclass == X86_I_MOV_CR && in->op[0].kind == X86_OP_GPR);
}

/* Behind these the context may differ, or interrupts may have to be looked at. */
static bool ends_block(const struct x86_insn *in)
{
    if (in->iclass == X86_I_SWAPGS || reads_system(in))
        return false;
    if (in->desc->flags & (X86_F_BRANCH | X86_F_PRIV))
        return in->iclass != X86_I_JCC;
    switch (in->iclass) {
    case X86_I_POPF:
    case X86_I_LDMXCSR:
    case X86_I_FLDCW:
    case X86_I_FLDENV:
    case X86_I_FRSTOR:
    case X86_I_FNSAVE:
    case X86_I_FXRSTOR:
    case X86_I_XRSTOR:
    case X86_I_XRSTORS:
    case X86_I_XSETBV:
    case X86_I_POP_SEG:
    case X86_I_MOV_SEG:
        return true;
    default:
        return false;
    }
}

bool xlat_straddles(const uint8_t *page, unsigned off)
{
    struct x86_insn in;
    return off > GUEST_PAGE_SIZE - XLAT_LONGEST &&
           x86_decode(&in, page + off, GUEST_PAGE_SIZE - off, X86_MODE_64) == -X86_D_SHORT;
}

void xlat_depends(struct xlat *x, unsigned off, unsigned len)
{
    unsigned last = off + len - 1;
    last = last < GUEST_PAGE_SIZE ? last : (unsigned)GUEST_PAGE_SIZE - 1;
    x->lines |= UINT64_C(1) << (off / 64) | UINT64_C(1) << (last / 64);
}

void xlat_load_page(struct xlat *x, const uint8_t *bytes)
{
    memcpy(x->page, bytes, GUEST_PAGE_SIZE);
    memset(x->peeked, 0, sizeof(x->peeked));
}

void xlat_load_part(struct xlat *x, const uint8_t *bytes, unsigned off)
{
    memcpy(x->page + off, bytes + off, MIN((unsigned)GUEST_PAGE_SIZE - off, (unsigned)XLAT_PART));
    memset(x->peeked, 0, sizeof(x->peeked));
}

static void decode_block(struct xlat *x, unsigned off)
{
    while (x->n < XLAT_INSNS && off < GUEST_PAGE_SIZE) {
        struct xlat_insn *xi = &x->insns[x->n];
        xi->raw = x->page + off;
        if (x86_decode(&xi->in, xi->raw, GUEST_PAGE_SIZE - off, X86_MODE_64) < 0)
            return; /* invalid, or in two pages: an entry of its own */
        xi->off = (uint16_t)off;
        xi->joins = 0;
        xi->entered = false;
        xlat_note_peek(x, off, &xi->in);
        /* Comparisons need blocks to end at the same place wherever they start. */
        if (x->lockstep && x->n && (off ^ x->insns[0].off) & ~LOCKSTEP_LINE)
            return;
        xlat_depends(x, off, xi->in.len);
        off += xi->in.len;
        x->n++;
        if (ends_block(&xi->in) || (x->lockstep && xi->in.iclass == X86_I_JCC) || xlat_self_ends(x))
            return;
    }
}

static void decode_straddler(struct xlat *x, unsigned off, const uint8_t *more)
{
    struct xlat_insn *xi = &x->insns[0];
    unsigned have = (unsigned)GUEST_PAGE_SIZE - off;
    memcpy(x->straddler, x->page + off, have);
    memcpy(x->straddler + have, more, XLAT_LONGEST - have);
    xi->raw = x->straddler;
    xi->joins = 0;
    if (x86_decode(&xi->in, xi->raw, XLAT_LONGEST, X86_MODE_64) < 0)
        return;
    xi->off = (uint16_t)off;
    x->n = 1;
}

/* Leave the instruction to the interpreter, always. */
static void whole(struct xlat *x)
{
    bool ends = ends_block(&xlat_cur(x)->in);
    uint32_t site = xlat_new_site(x, CODE_SITE_WHOLE | (ends ? CODE_SITE_ENDS : 0));
    asm_mov_imm32(&x->a, H_R11, 0);
    x->site_fix[site] = x->a.len - 4;
    asm_jmp_mem(&x->a, HOT(slow));
    x->ended = ends;
}

/* Kernel mode only; false: leave it to the interpreter. */
static bool translate_system(struct xlat *x)
{
    if (x->ctx & CTX_USER)
        return false;
    switch (xlat_cur(x)->in.iclass) {
    case X86_I_STI:
        if (x->lockstep)
            return false; /* its shadow is part of the state */
        xlat_sti(x);
        return true;
    case X86_I_CLI:
        xlat_cli(x);
        return true;
    case X86_I_SWAPGS:
        xlat_swapgs(x);
        return true;
    case X86_I_MOV_CR:
        return xlat_read_cr(x);
    default:
        return false;
    }
}

static bool translate(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    if (!cpuid_has_feature(x->c->model, in->desc->feature))
        return false;
    if (xlat_loose(x))
        return true;
    switch (in->iclass) {
    case X86_I_JCC:
        xlat_jcc(x);
        return true;
    case X86_I_JMP:
        xlat_jmp(x);
        return true;
    case X86_I_CALL:
        if (in->op[0].kind == X86_OP_GPR && in->op[0].reg == H_RSP)
            return false;
        xlat_call(x);
        return true;
    case X86_I_RET:
        xlat_ret(x);
        return true;
    case X86_I_JRCXZ:
    case X86_I_LOOP:
        if (in->addrsize != 8)
            return false;
        xlat_rcx_branch(x);
        return true;
    case X86_I_CLI:
    case X86_I_STI:
    case X86_I_SWAPGS:
    case X86_I_MOV_CR:
        return translate_system(x);
    case X86_I_MOV_SEG:
        return xlat_read_seg(x);
    case X86_I_BT:
    case X86_I_BTC:
    case X86_I_BTR:
    case X86_I_BTS:
        if (x86_is_mem(in) && in->op[1].kind == X86_OP_GPR)
            return xlat_bit_string(x);
        return xlat_plain(x);
    case X86_I_RDTSC:
    case X86_I_RDTSCP:
        if (x->lockstep || !(x->ctx & CTX_TSC))
            return false;
        xlat_rdtsc(x);
        return true;
    case X86_I_SYSCALL:
        xlat_syscall(x);
        return true;
    case X86_I_SYSRET:
        return xlat_sysret(x);
    case X86_I_IRET:
        return xlat_iret(x);
    case X86_I_MOVS:
    case X86_I_STOS:
    case X86_I_LODS:
    case X86_I_SCAS:
    case X86_I_CMPS:
        return xlat_string(x);
    case X86_I_CLD:
        xlat_cld(x);
        return true;
    case X86_I_PUSHF:
        return xlat_pushf(x);
    case X86_I_PUSH:
        return xlat_push(x);
    case X86_I_POP:
        return xlat_pop(x);
    case X86_I_LEAVE:
        if (in->opsize != 8)
            return false;
        xlat_leave(x);
        return true;
    case X86_I_LEA:
        xlat_lea(x);
        return true;
    case X86_I_DIV:
    case X86_I_IDIV:
        return xlat_div(x);
    default:
        return xlat_plain(x);
    }
}

/* Sites of the instruction just done go on behind it. */
static void set_resume(struct xlat *x, uint32_t first)
{
    for (uint32_t s = first; s < x->nsites && !x->ended; s++)
        x->sites[s].resume = x->a.len;
}

static void emit_block(struct xlat *x)
{
    x->held = 0;
    for (x->i = 0; x->i < x->n && !x->ended; x->i++) {
        uint32_t first = x->nsites;
        xlat_cur(x)->label = x->a.len;
        asm_here_all(&x->a, xlat_cur(x)->joins);
        x->naccesses = 0;
        xlat_make_anchors(x);
        if (!translate(x)) {
            if (x->lockstep) {
                x->live_out = xlat_cur(x)->live;
                x->n = x->i;
                break;
            }
            whole(x);
        }
        xlat_settle_held(x);
        set_resume(x, first);
    }
    if (x->ended)
        return;
    x->i = x->n ? x->n - 1 : 0;
    xlat_jump(x, x->n ? xlat_next_off(x) : xlat_cur(x)->off);
}

/* What does not even decode: the interpreter raises its fault, or fetches it from two pages. */
static void emit_undecodable(struct xlat *x, unsigned off)
{
    x->insns[0] = (struct xlat_insn){.off = (uint16_t)off};
    x->i = 0;
    uint32_t site = xlat_new_site(x, CODE_SITE_WHOLE | CODE_SITE_ENDS);
    asm_mov_imm32(&x->a, H_R11, 0);
    x->site_fix[site] = x->a.len - 4;
    asm_jmp_mem(&x->a, HOT(slow));
}

/* Flags that are undefined, and come out otherwise than from the interpreter: of a division, whose
 * operands are compared before, and OF of a rotation by a constant, which hosts set by encoding. */
static uint8_t undefined_flags(const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_DIV:
    case X86_I_IDIV:
        return in->desc->flags_undef;
    case X86_I_ROL:
    case X86_I_ROR:
        return in->opcode == 0xc0 || in->opcode == 0xc1 ? X86_FL_OF : 0;
    default:
        return 0;
    }
}

/* Such flags, as the block leaves them behind. */
static uint8_t odd_flags(const struct xlat *x)
{
    uint8_t odd = 0;
    for (unsigned i = 0; i < x->n; i++) {
        const struct x86_insn *in = &x->insns[i].in;
        odd &= (uint8_t)~in->desc->flags_write;
        odd |= undefined_flags(in);
    }
    return odd;
}

void xlat_block(struct xlat *x, struct code_draft *d, unsigned off, const uint8_t *more)
{
    x->a = (struct asm_buf){.bytes = x->bytes, .size = sizeof(x->bytes)};
    x->n = x->i = 0;
    x->nsites = x->nlinks = x->ntails = 0;
    x->ended = false;
    x->lines = 0;
    xlat_depends(x, off, XLAT_LONGEST);
    x->more = more;
    if (more)
        decode_straddler(x, off, more);
    else
        decode_block(x, off);
    if (x->n)
        xlat_liveness(x);
    xlat_plan_anchors(x);
    xlat_entry(x, off);
    xlat_self_check(x, d, off);
    if (x->n)
        emit_block(x);
    else
        emit_undecodable(x, off);
    xlat_emit_tails(x);
    d->ninsns = (uint16_t)x->n;
    d->guest_bytes =
        x->n ? (uint16_t)(x->insns[x->n - 1].off + x->insns[x->n - 1].in.len - off) : 0;
    if (x->now)
        d->guest_bytes = x->checked;
    d->live_out = x->live_out & (uint8_t)~odd_flags(x);
    d->bytes = x->bytes;
    d->len = x->a.len;
    d->sites = x->sites;
    d->links = x->links;
    d->nsites = x->nsites;
    d->nlinks = x->nlinks;
    d->site_fix = x->site_fix;
    d->link_fix = x->link_fix;
}
