#include "insn_state.h"

#include <string.h>

#include "isa/x86/regs.h"

enum { TARGET_MARGIN = 256 };

void state_pristine(struct rng *r, uint8_t *data)
{
    for (unsigned i = 0; i < DATA_SIZE; i += 8) {
        uint64_t v = rng_next(r) >> rng_below(r, 64);
        memcpy(data + i, &v, 8);
    }
}

/* ---- values ---- */

static uint64_t code_pointer(struct rng *r)
{
    static const uint64_t odd[] = {0, DATA_VA + 64, UINT64_C(0x800000000000),
                                   UINT64_C(0xffffffff81000000), CODE_VA + CODE_SIZE};
    if (rng_one_in(r, 8))
        return odd[rng_below(r, 5)];
    return CODE_VA + 0x100 + rng_below(r, 0x600);
}

static uint16_t selector(struct rng *r)
{
    static const uint16_t sels[] = {0,    1,    2,    3,    0x23, 0x2b, 0x33,   0x23, 0x2b,
                                    0x33, 0x10, 0x18, 0x08, 0x40, 0x28, 0x2a,   0x34, 0x7c,
                                    0x63, 0x20, 0x31, 0x3b, 0x83, 0x53, 0xfffb, 0x7b};
    return sels[rng_below(r, sizeof(sels) / sizeof(sels[0]))];
}

static uint64_t value(struct rng *r)
{
    static const uint64_t edges[] = {
        0,      1,      UINT64_MAX, 0x7f,       0x80,       0xff,      0x7fff,
        0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, INT64_MAX, UINT64_C(1) << 63,
        0x9999, 0x0100};
    switch (rng_below(r, 8)) {
    case 0:
    case 1:
        return edges[rng_below(r, 16)];
    case 2:
        return edges[rng_below(r, 16)] + rng_below(r, 5) - 2;
    case 3:
        return rng_below(r, 130);
    case 4:
        return (uint64_t) - (int64_t)rng_below(r, 130);
    default:
        return rng_next(r) >> rng_below(r, 64);
    }
}

/* Somewhere to read or write: mostly fine, sometimes across a page, read-only, missing, absurd. */
static uint64_t target(struct rng *r, bool wide)
{
    static const uint64_t absurd[] = {UINT64_C(0x7ffffffffffe),     UINT64_C(0x800000000000),
                                      UINT64_C(0xffff7fffffffffff), UINT64_C(0xffff888000000000),
                                      UINT64_C(0xffffffff81000000), UINT64_C(0x123456789abcdef0)};
    unsigned kind = rng_below(r, 64);
    uint64_t near = rng_below(r, 32), rw_end = DATA_VA + DATA_RW_PAGES * PAGE;
    if (kind < 6)
        return DATA_VA + PAGE * (1 + rng_below(r, 2)) - near;
    if (kind < 8)
        return rw_end + rng_below(r, PAGE - 64);
    if (kind < 9)
        return rw_end - near;
    if (kind < 10)
        return DATA_VA + DATA_SIZE - near;
    if (kind < 11)
        return DATA_VA - near;
    if (kind < 12)
        return CODE_VA + rng_below(r, CODE_SIZE);
    if (wide && kind < 14)
        return absurd[rng_below(r, 6)] + rng_below(r, 16) - 8;
    if (!wide && kind < 14)
        return TOP_VA + PAGE - near;
    uint64_t off = TARGET_MARGIN + rng_below(r, DATA_RW_PAGES * PAGE - 2 * TARGET_MARGIN);
    off &= ~UINT64_C(0) << rng_below(r, 5);
    return (wide && kind < 18 ? HIGH_VA : DATA_VA) + off;
}

static uint64_t size_mask(unsigned bytes)
{
    return bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
}

static uint64_t seg_base(const struct insn_regs *r, unsigned seg)
{
    return seg == SEG_FS ? r->fs_base : seg == SEG_GS ? r->gs_base : 0;
}

/* ---- placing the instruction ---- */

static bool wide_addresses(const struct x86_insn *in)
{
    return in->mode == X86_MODE_64 && in->addrsize == 8;
}

static void poke(struct insn_code *code, unsigned off, unsigned size, uint64_t v)
{
    memcpy(code->bytes + off, &v, size);
}

/* An operand without a base register gets its address from the displacement. */
static void place_displacement(struct rng *r, struct insn_code *code)
{
    struct x86_insn *in = &code->insn;
    bool moffs = in->disp_size && !in->has_modrm;
    if (!x86_is_mem(in) || !in->disp_size || (in->base < 16 && in->disp_size != 4))
        return;
    if (in->base < 16) {
        in->disp = (int32_t)value(r);
    } else {
        uint64_t t = target(r, moffs && in->addrsize == 8);
        if (in->base == X86_REG_RIP)
            t -= CODE_VA + code->offset + code->len;
        in->disp = moffs ? (int64_t)(t & size_mask(in->disp_size)) : (int32_t)t;
    }
    poke(code, in->disp_off, in->disp_size, (uint64_t)in->disp);
}

/* Relative branches must not go into the instruction itself. */
static void place_branch(struct rng *r, struct insn_code *code)
{
    struct x86_insn *in = &code->insn;
    if (!in->nops || in->op[0].kind != X86_OP_REL)
        return;
    do {
        in->imm = in->imm_size == 1  ? (uint64_t)(int8_t)rng_next(r)
                  : rng_one_in(r, 4) ? (uint64_t)(int32_t)rng_next(r)
                                     : rng_below(r, 0x400) - (uint64_t)0x200;
    } while ((int64_t)in->imm < 0 && (int64_t)in->imm >= -15);
    poke(code, in->imm_off, in->imm_size, in->imm);
}

void state_place(struct rng *r, struct insn_code *code)
{
    if (!code->decoded)
        code->len = 15;
    unsigned kind = rng_below(r, 16);
    if (kind == 0)
        code->offset = (uint16_t)(PAGE - 1 - rng_below(r, 15)); /* across pages */
    else if (kind == 1)
        code->offset = (uint16_t)(CODE_SIZE - code->len); /* the next one is missing */
    else if (kind == 2 && code->decoded)
        code->offset = (uint16_t)(CODE_SIZE - 1 - rng_below(r, code->len)); /* its end may be */
    else
        code->offset = (uint16_t)(0x800 + rng_below(r, 0x400));
    if (code->decoded) {
        place_displacement(r, code);
        place_branch(r, code);
    }
}

/* ---- registers ---- */

static void patch(struct rng *r, struct insn_case *t, uint64_t va, const void *bytes, unsigned len)
{
    uint64_t off = va - (va >= HIGH_VA ? HIGH_VA : DATA_VA);
    (void)r;
    if (off > DATA_RW_PAGES * PAGE - len)
        return;
    t->patch_off = (uint16_t)off;
    t->patch_len = (uint16_t)len;
    memcpy(t->patch, bytes, len);
}

/* Set base and index so that the operand's offset is `offset`. */
static void solve(struct rng *r, const struct x86_insn *in, uint64_t offset, uint64_t *gpr)
{
    uint64_t mask = size_mask(in->addrsize);
    if (in->index < 16 && in->index != in->base && in->base < 16)
        gpr[in->index] = rng_one_in(r, 4) ? value(r) : rng_below(r, 40);
    else if (in->index < 16 && in->base >= 16)
        gpr[in->index] = rng_below(r, 8); /* the displacement is the target */
    if (in->base >= 16)
        return;
    uint64_t rest = offset - (uint64_t)in->disp;
    if (in->index == in->base)
        rest = (rest & mask) / (1 + (UINT64_C(1) << in->scale));
    else if (in->index < 16)
        rest -= gpr[in->index] << in->scale;
    gpr[in->base] = (rest & mask) | (rng_one_in(r, 2) ? rng_next(r) & ~mask : 0);
}

static void segment_bases(struct rng *r, const struct x86_insn *in, struct insn_regs *s)
{
    static const uint64_t bases[] = {0, 0x1000, 0x1fff0000, 0x10};
    uint64_t *base[2] = {&s->fs_base, &s->gs_base};
    for (unsigned i = 0; i < 2; i++) {
        *base[i] = bases[rng_below(r, 4)];
        if (in->addrsize == 2)
            *base[i] = DATA_VA - rng_below(r, 0x2000);
        else if (in->mode == X86_MODE_64 && rng_one_in(r, 8))
            *base[i] = rng_one_in(r, 2) ? HIGH_VA : UINT64_C(0xffffffff90000000);
    }
}

static void initial_regs(struct rng *r, const struct insn_code *code, struct insn_regs *s)
{
    bool m64 = code->mode == 64;
    memset(s, 0, sizeof(*s));
    for (unsigned i = 0; i < 16; i++)
        s->gpr[i] = m64 ? value(r) : i < 8 ? (uint32_t)value(r) : 0;
    s->gpr[RSP] = target(r, m64);
    if (rng_one_in(r, 2))
        s->gpr[RSP] = DATA_VA + 0x800 + 8 * rng_below(r, 64);
    s->rip = CODE_VA + code->offset;
    s->rflags = (rng_next(r) & 0x8d5) | 0x202 | (rng_one_in(r, 4) ? 0x400 : 0) |
                (rng_one_in(r, 24) ? 0x100 : 0) | (rng_one_in(r, 24) ? 0x4000 : 0) |
                (rng_one_in(r, 4) ? 0x200000 : 0) | (rng_one_in(r, 6) ? FL_AC : 0);
    s->cs = m64 ? SEL_USER_CS : SEL_USER32_CS;
    s->ss = SEL_USER_DS;
    if (!m64)
        s->ds = s->es = s->fs = s->gs = SEL_USER_DS;
    segment_bases(r, &code->insn, s);
}

/* [rSI], [rDI] and rCX of string instructions; `seg` is that of rSI. */
static void string_regs(struct rng *r, const struct x86_insn *in, struct insn_regs *s)
{
    uint64_t mask = size_mask(in->addrsize), junk = rng_one_in(r, 2) ? rng_next(r) & ~mask : 0;
    if (in->mode != X86_MODE_64)
        junk &= UINT32_MAX;
    bool wide = wide_addresses(in);
    s->gpr[RSI] = ((target(r, wide) - seg_base(s, in->seg)) & mask) | junk;
    s->gpr[RDI] = (target(r, wide) & mask) | junk;
    uint64_t count = rng_one_in(r, 16) ? 0 : rng_one_in(r, 16) ? value(r) : 1 + rng_below(r, 20);
    s->gpr[RCX] = (count & mask) | junk;
    if (rng_one_in(r, 2)) /* overlap, and runs of equal elements */
        s->gpr[RDI] = s->gpr[RSI] + rng_below(r, 16) - 8;
}

/* What lies on the stack for RET, RETF, IRET, POPF, POP of a segment. */
static void stack_frame(struct rng *r, const struct x86_insn *in, struct insn_case *t)
{
    uint8_t frame[40];
    uint64_t flags = (rng_next(r) & 0x257fd5) | (rng_one_in(r, 8) ? 0x3000 : 0);
    uint64_t sel = selector(r) | (rng_one_in(r, 8) ? rng_next(r) << 16 : 0);
    uint64_t v[5] = {code_pointer(r), sel, flags, DATA_VA + 0x900, SEL_USER_DS};
    if (!rng_one_in(r, 8))
        flags &= ~UINT64_C(0x100);
    if (in->iclass == X86_I_POPF)
        v[0] = flags;
    else if (in->iclass == X86_I_POP_SEG)
        v[0] = sel;
    if (rng_one_in(r, 6))
        v[4] = selector(r);
    if (rng_one_in(r, 6))
        v[3] = target(r, in->mode == X86_MODE_64);
    for (unsigned i = 0; i < 5; i++)
        memcpy(frame + i * in->opsize, &v[i], in->opsize);
    t->regs.gpr[RSP] = DATA_VA + 0x800 + 8 * rng_below(r, 64);
    patch(r, t, t->regs.gpr[RSP], frame, 5u * in->opsize);
}

/* Far pointers and near targets in memory at `va`. */
static void memory_pointer(struct rng *r, const struct x86_insn *in, struct insn_case *t,
                           uint64_t va)
{
    uint8_t p[10];
    uint64_t rip = code_pointer(r);
    uint16_t sel = selector(r);
    memcpy(p, &rip, in->opsize);
    memcpy(p + in->opsize, &sel, 2);
    patch(r, t, va, p, in->opsize + 2u);
}

static void compare_operand(struct rng *r, const struct x86_insn *in, struct insn_case *t,
                            uint64_t va)
{
    const uint64_t *g = t->regs.gpr;
    uint8_t pair[16];
    unsigned half = in->op[0].size / 2u;
    if (in->iclass == X86_I_CMPXCHG) {
        patch(r, t, va, &g[RAX], in->opsize);
        return;
    }
    memcpy(pair, &g[RAX], half);
    memcpy(pair + half, &g[RDX], half);
    patch(r, t, va, pair, 2 * half);
}

static void first_operand(struct rng *r, const struct x86_insn *in, struct insn_case *t,
                          uint64_t reg_value, bool pointer, uint64_t va)
{
    const struct x86_operand *o = &in->op[in->nops > 1 && in->iclass == X86_I_MOV_SEG ? 1 : 0];
    if (x86_is_mem(in) && pointer)
        memory_pointer(r, in, t, va);
    else if (x86_is_mem(in))
        patch(r, t, va, &reg_value, 2);
    else if (o->kind == X86_OP_GPR && o->reg < 16)
        t->regs.gpr[o->reg] = reg_value;
}

/* Stacks, targets and selectors for those that go or point elsewhere. */
static void pointers(struct rng *r, const struct x86_insn *in, struct insn_case *t, uint64_t va)
{
    uint64_t *g = t->regs.gpr;
    switch (in->iclass) {
    case X86_I_RET:
    case X86_I_RETF:
    case X86_I_IRET:
    case X86_I_POPF:
    case X86_I_POP_SEG:
        stack_frame(r, in, t);
        break;
    case X86_I_JMP:
    case X86_I_CALL:
    case X86_I_JMPF:
    case X86_I_CALLF:
    case X86_I_LSS:
    case X86_I_LFS:
    case X86_I_LGS:
    case X86_I_LES:
    case X86_I_LDS:
        first_operand(r, in, t, code_pointer(r), true, va);
        break;
    case X86_I_MOV_SEG:
    case X86_I_VERR:
    case X86_I_VERW:
        first_operand(r, in, t, selector(r), false, va);
        break;
    case X86_I_LAR:
    case X86_I_LSL:
        g[in->op[1].kind == X86_OP_GPR ? in->op[1].reg : RAX] = selector(r);
        break;
    default:
        break;
    }
}

/* What single classes want; `va` is the memory operand's address. */
static void special(struct rng *r, const struct x86_insn *in, struct insn_case *t, uint64_t va)
{
    uint64_t *g = t->regs.gpr;
    switch (in->iclass) {
    case X86_I_BT:
    case X86_I_BTC:
    case X86_I_BTR:
    case X86_I_BTS:
        if (x86_is_mem(in) && in->op[1].kind == X86_OP_GPR && in->op[1].reg != in->base &&
            in->op[1].reg != in->index)
            g[in->op[1].reg] = rng_below(r, 4096) - (uint64_t)2048;
        break;
    case X86_I_XLAT:
        g[RBX] = target(r, wide_addresses(in)) - (uint8_t)g[RAX] - seg_base(&t->regs, in->seg);
        break;
    case X86_I_ENTER:
    case X86_I_LEAVE:
        g[RBP] = rng_one_in(r, 4) ? target(r, in->mode == X86_MODE_64) : g[RSP] + rng_below(r, 64);
        break;
    case X86_I_DIV:
    case X86_I_IDIV:
        if (rng_one_in(r, 2))
            g[RDX] = rng_below(r, 3) - (uint64_t)1;
        break;
    case X86_I_CMPXCHG:
    case X86_I_CMPXCHG8B:
    case X86_I_CMPXCHG16B:
        if (x86_is_mem(in) && rng_one_in(r, 2))
            compare_operand(r, in, t, va);
        else if (in->op[0].kind == X86_OP_GPR && rng_one_in(r, 2))
            g[RAX] = g[in->op[0].reg & 15];
        break;
    case X86_I_WRFSBASE:
    case X86_I_WRGSBASE:
        if (rng_one_in(r, 2))
            g[in->op[0].reg] &= INT64_MAX >> 16;
        break;
    default:
        pointers(r, in, t, va);
        break;
    }
}

static bool uses_count(const struct x86_insn *in)
{
    const struct x86_operand *last = &in->op[in->nops ? in->nops - 1 : 0];
    return in->nops > 1 && last->kind == X86_OP_GPR && last->size == 1 && last->reg == RCX;
}

void state_make(struct rng *r, const struct insn_code *code, struct insn_case *t)
{
    const struct x86_insn *in = &code->insn;
    uint64_t va = 0;
    memset(t, 0, sizeof(*t));
    initial_regs(r, code, &t->regs);
    if (!code->decoded)
        return;
    if (uses_count(in))
        t->regs.gpr[RCX] = rng_below(r, 72) | (rng_next(r) & ~UINT64_C(0xff));
    if (in->desc->flags & X86_F_STRING)
        string_regs(r, in, &t->regs);
    if (x86_is_mem(in)) {
        va = target(r, wide_addresses(in));
        if ((in->desc->flags & X86_F_ALIGNED) && !rng_one_in(r, 8))
            va &= ~UINT64_C(31);
        if (in->base != RSP || rng_one_in(r, 2))
            solve(r, in, va - seg_base(&t->regs, in->seg), t->regs.gpr);
    }
    special(r, in, t, va);
    if (code->mode != 64) {
        for (unsigned i = 0; i < 8; i++)
            t->regs.gpr[i] = (uint32_t)t->regs.gpr[i];
    }
}
