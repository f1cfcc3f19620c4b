#include "lockstep_emit.h"

#include <string.h>

#include "insn_forms.h"
#include "isa/x86/regs.h"

enum { TRIES = 200, MARGIN = 96, FORMS_VEX = 4 };

void emitter_init(struct emitter *e, struct rng *r, uint64_t data_va, uint64_t data_size)
{
    memset(e, 0, sizeof(*e));
    e->r = r;
    e->data_va = data_va;
    e->data_size = data_size;
}

void emitter_go(struct emitter *e, uint8_t *to, uint32_t size)
{
    e->base = to;
    e->len = 0;
    e->size = size;
}

void emit_bytes(struct emitter *e, const void *p, unsigned n)
{
    if (e->size - e->len < n)
        return;
    memcpy(e->base + e->len, p, n);
    e->len += n;
}

static void emit_8(struct emitter *e, unsigned v)
{
    uint8_t b = (uint8_t)v;
    emit_bytes(e, &b, 1);
}

void emit_mov(struct emitter *e, unsigned reg, uint64_t v)
{
    emit_8(e, reg & 8 ? 0x49 : 0x48);
    emit_8(e, 0xb8 | (reg & 7));
    if (e->nconstants < EMIT_STARTS)
        e->constants[e->nconstants++] = e->len;
    emit_bytes(e, &v, 8);
}

uint32_t emitter_start(const struct emitter *e, uint64_t which)
{
    return e->starts[which % e->nstarts];
}

/* Control flow is made below; the kernel's instructions and HLT are the handlers'. */
static bool acceptable(const struct x86_insn *in)
{
    if (in->desc->flags & (X86_F_BRANCH | X86_F_PRIV))
        return false;
    switch (in->iclass) {
    case X86_I_ROL:
    case X86_I_ROR: /* by a constant but 1: hosts set OF by encoding, see insn_pardon.c */
        return in->opcode != 0xc0 && in->opcode != 0xc1;
    case X86_I_FNSAVE: /* show the pointers that translated code drops */
    case X86_I_FNSTENV:
    case X86_I_FXSAVE:
    case X86_I_POPF:
    case X86_I_MOV_SEG:
    case X86_I_POP_SEG:
    case X86_I_LSS:
    case X86_I_LFS:
    case X86_I_LGS:
    case X86_I_WRFSBASE:
    case X86_I_WRGSBASE:
        return false;
    default:
        return true;
    }
}

static bool random_instruction(struct emitter *e, struct insn_code *code)
{
    for (unsigned i = 0; i < TRIES; i++) {
        bool vectors = rng_one_in(e->r, 4);
        struct form f = {.mode = 64,
                         .map = (uint8_t)(rng_one_in(e->r, 2) ? 0 : rng_below(e->r, 8)),
                         .prefix = (uint8_t)(rng_one_in(e->r, 2) ? 0 : rng_below(e->r, 27)),
                         .reg = (uint8_t)rng_below(e->r, 8),
                         .opcode = (uint8_t)rng_next(e->r)};
        if (f.map >= FORMS_VEX)
            f.prefix &= 3;
        if (f.map != FORMS_VEX && form_complete(&f, e->r, vectors, code) == FORM_EXECUTES &&
            acceptable(&code->insn))
            return true;
    }
    return false;
}

uint64_t emitter_data(struct emitter *e)
{
    uint64_t va = e->data_va + rng_below(e->r, (unsigned)e->data_size);
    if (rng_one_in(e->r, 4))
        return (va | 0xfff) - rng_below(e->r, rng_one_in(e->r, 2) ? 8 : 36);
    return va & ~UINT64_C(0) << rng_below(e->r, 6);
}

/* Registers that make the memory operand lie in the data. */
static void aim(struct emitter *e, const struct x86_insn *in)
{
    uint64_t index = rng_below(e->r, 64), va = emitter_data(e) - (uint64_t)in->disp;
    if (in->base >= 16 || in->vsib || rng_one_in(e->r, 6))
        return;
    if (in->index < 16 && in->index != in->base) {
        emit_mov(e, in->index, index);
        va -= index << in->scale;
    } else if (in->index < 16) {
        va /= 1 + (UINT64_C(1) << in->scale);
    }
    emit_mov(e, in->base, va);
}

/* A RIP-relative or absolute operand: where the data is, seen from here. */
static void aim_displacement(struct emitter *e, uint64_t va, struct insn_code *code)
{
    const struct x86_insn *in = &code->insn;
    if (in->base < 16 || in->disp_size != 4 || rng_one_in(e->r, 6))
        return;
    uint64_t t = emitter_data(e) - (in->base == X86_REG_RIP ? va + e->len + code->len : 0);
    memcpy(code->bytes + in->disp_off, &t, 4);
}

/* Where the manual leaves flags undefined: the host keeps the old ones, translated code does not.
 */
static bool leaves_odd_flags(const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_DIV:
    case X86_I_IDIV:
    case X86_I_BT:
    case X86_I_BTC:
    case X86_I_BTR:
    case X86_I_BTS:
        return true;
    default:
        return false;
    }
}

static void plain(struct emitter *e, uint64_t va)
{
    struct insn_code code;
    if (!random_instruction(e, &code))
        return;
    const struct x86_insn *in = &code.insn;
    if (in->desc->flags & X86_F_STRING) {
        emit_mov(e, RSI, emitter_data(e));
        emit_mov(e, RDI, emitter_data(e));
        emit_mov(e, RCX, rng_below(e->r, rng_one_in(e->r, 8) ? 3000 : 40)); /* pages, or in one */
    } else if (x86_is_mem(in)) {
        aim(e, in);
        aim_displacement(e, va, &code);
    }
    emit_bytes(e, code.bytes, code.len);
    if (leaves_odd_flags(in))
        emit_bytes(e, "\x38\xc0", 2); /* cmp al, al */
}

/* ---- control flow: to be completed when it is known where instructions begin ---- */

enum { MAX_BRANCHES = 2048, CHANGES = 3 };

struct branches {
    unsigned n;
    uint32_t at[MAX_BRANCHES]; /* of 4-byte displacements */
    unsigned nchanges;
    uint32_t change[MAX_BRANCHES]; /* of 4-byte addresses */
};

static void displacement(struct emitter *e, struct branches *b)
{
    if (b->n < MAX_BRANCHES)
        b->at[b->n++] = e->len;
    emit_bytes(e, "\0\0\0\0", 4);
}

static void indirect(struct emitter *e, uint64_t va)
{
    unsigned reg = rng_below(e->r, 16);
    uint64_t to = va + emitter_start(e, rng_next(e->r));
    if (reg == RSP)
        return;
    emit_mov(e, reg, to);
    if (reg & 8)
        emit_8(e, 0x41);
    emit_8(e, 0xff);
    emit_8(e, (rng_one_in(e->r, 2) ? 0xe0 : 0xd0) | (reg & 7)); /* jmp or call */
}

static void branch(struct emitter *e, uint64_t va, struct branches *b)
{
    uint32_t to = (uint32_t)(va + emitter_start(e, rng_next(e->r)));
    switch (rng_below(e->r, 8)) {
    case 0:
        emit_8(e, 0xe9);
        displacement(e, b);
        break;
    case 1:
        emit_8(e, 0xe8);
        displacement(e, b);
        break;
    case 2:
        indirect(e, va);
        break;
    case 3: /* push; ret */
        emit_8(e, 0x68);
        emit_bytes(e, &to, 4);
        if (rng_one_in(e->r, 2))
            emit_bytes(e, "\xc3", 1);
        else
            emit_bytes(e, "\xc2\x08\x00", 3);
        break;
    case 4: /* over a NOP or not */
        emit_8(e, rng_one_in(e->r, 2) ? 0xe3 : 0xe2);
        emit_bytes(e, "\x01\x90", 2);
        break;
    default:
        emit_8(e, 0x0f);
        emit_8(e, 0x80 | rng_below(e->r, 16));
        displacement(e, b);
        break;
    }
}

/* Mostly not far ahead, so that there is an end to it. */
static void resolve(struct emitter *e, const struct branches *b)
{
    for (unsigned i = 0; i < b->n; i++) {
        uint32_t at = b->at[i], next = 0;
        while (next < e->nstarts && e->starts[next] <= at)
            next++;
        uint64_t which = rng_one_in(e->r, 6) ? rng_next(e->r) : next + rng_below(e->r, 12);
        int32_t rel = (int32_t)(emitter_start(e, which) - (at + 4));
        memcpy(e->base + at, &rel, 4);
    }
}

static void resolve_changes(struct emitter *e, const struct branches *b, uint64_t writable)
{
    uint32_t which = 0;
    for (unsigned i = 0; i < b->nchanges && e->nconstants; i++) {
        if (i % CHANGES == 0)
            which = rng_below(e->r, e->nconstants);
        uint32_t va = (uint32_t)writable + e->constants[(which + i % CHANGES) % e->nconstants];
        memcpy(e->base + b->change[i], &va, 4);
    }
}

/*
 * mov byte [...], imm8: into constants that some instructions load. Only the second write in a row
 * leaves a page that translated code may write to directly, until it runs again.
 */
static void change_code(struct emitter *e, struct branches *b)
{
    for (unsigned i = 0; i < CHANGES; i++) {
        emit_bytes(e, "\xc6\x04\x25", 3);
        if (b->nchanges < MAX_BRANCHES)
            b->change[b->nchanges++] = e->len;
        emit_bytes(e, "\0\0\0\0", 4);
        emit_8(e, rng_below(e->r, 64) * 4);
    }
}

void emit_program(struct emitter *e, uint64_t va, uint64_t writable)
{
    struct branches b = {0};
    e->starts[0] = 0;
    e->nstarts = 1;
    while (e->len + MARGIN < e->size && e->nstarts < EMIT_STARTS) {
        e->starts[e->nstarts++] = e->len;
        if (rng_one_in(e->r, 6))
            branch(e, va, &b);
        else if (rng_one_in(e->r, 24))
            change_code(e, &b);
        else if (rng_one_in(e->r, 24) && e->size - e->len > EMIT_LOOP)
            emit_loop(e);
        else if (rng_one_in(e->r, 24))
            emit_bytes(e, "\xe6\x80", 2); /* out: counts towards the end */
        else if (rng_one_in(e->r, 40))
            emit_bytes(e, "\x0f\x05", 2); /* syscall */
        else
            plain(e, va);
    }
    emit_8(e, 0xcc);
    resolve(e, &b);
    resolve_changes(e, &b, writable);
}
