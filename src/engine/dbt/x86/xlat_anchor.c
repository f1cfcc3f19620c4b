/*
 * Anchors: one look-up for all accesses of a block through the same base register.
 *
 * Accesses [base + d] with a base that does not change in between (or, for the stack pointer, by
 * known amounts) and displacements close together nearly always lie in one page. The page is looked
 * up once, for the whole range, and what to add is kept in the hot page; the accesses themselves
 * need no check. Where the range crosses a page or the look-up fails, a plain translation of the
 * rest of the block takes over (CTX_PLAIN).
 *
 * Invariants
 * 1. An anchor is good from the instruction it is made before up to its last access, as long as no
 *    C runs in between: page table entries may go there. So a slow path behind an anchor goes on in
 *    plain code (CODE_SITE_PLAIN).
 * 2. No jump within the block leads into an anchor's range from outside.
 */
#include "engine/dbt/x86/xlat_anchor.h"

enum { WORTH = 2 };

static bool usual_base(unsigned reg)
{
    return reg < 16 && !xlat_spilled(reg);
}

static bool operand_access(const struct x86_insn *in, struct xlat_access *a)
{
    if (!x86_is_mem(in) || !in->op[in->mem].access)
        return false;
    const struct x86_operand *o = &in->op[in->mem];
    bool indexed = in->index != X86_REG_NONE;
    if (in->seg >= X86_SEG_FS || in->addrsize != 8 || in->vsib || !usual_base(in->base) ||
        (indexed && xlat_spilled(in->index)) || !o->size || o->size > 32)
        return false;
    *a = (struct xlat_access){
        .base = in->base,
        .index = indexed ? in->index : X86_REG_NONE,
        .scale = in->scale,
        .size = (uint8_t)o->size,
        .write = o->access & X86_W,
        .disp = in->disp,
    };
    return true;
}

static struct xlat_access stack_slot(int64_t disp, bool write)
{
    return (struct xlat_access){
        .base = H_RSP, .index = X86_REG_NONE, .size = 8, .write = write, .disp = disp};
}

static bool stack_access(const struct x86_insn *in, struct xlat_access *a)
{
    switch (in->iclass) {
    case X86_I_PUSH:
    case X86_I_PUSHF:
    case X86_I_CALL:
        *a = stack_slot(-8, true);
        return in->iclass == X86_I_CALL || in->opsize == 8;
    case X86_I_POP:
        *a = stack_slot(0, false);
        return in->opsize == 8 && in->op[0].kind == X86_OP_GPR;
    case X86_I_RET:
        *a = stack_slot(0, false);
        return true;
    default:
        return false;
    }
}

/* The accesses of an instruction; an operand that cannot be anchored has no base. */
static unsigned accesses(const struct x86_insn *in, struct xlat_access a[2])
{
    unsigned n = 0;
    if (in->iclass == X86_I_POP && x86_is_mem(in))
        return 0; /* its operand's base is the stack pointer as it will be */
    if (x86_is_mem(in) && in->op[in->mem].access) {
        if (!operand_access(in, &a[n]))
            a[n] = (struct xlat_access){.base = X86_REG_NONE, .index = X86_REG_NONE};
        n++;
    }
    if (stack_access(in, &a[n]))
        n++;
    return n;
}

/* Registers that the instruction changes without naming them: what is not known changes all. */
static uint32_t implicit_writes(const struct x86_insn *in)
{
    enum { A = 1 << H_RAX, C = 1 << H_RCX, D = 1 << H_RDX };
    switch (in->iclass) {
    case X86_I_MUL:
    case X86_I_IMUL:
    case X86_I_DIV:
    case X86_I_IDIV:
    case X86_I_CWD:
    case X86_I_CBW:
    case X86_I_CMPXCHG:
    case X86_I_CMPXCHG8B:
    case X86_I_CMPXCHG16B:
    case X86_I_LAHF:
    case X86_I_FNSTSW:
        return A | D;
    case X86_I_RDTSC:
    case X86_I_RDTSCP:
        return A | C | D;
    default:
        /* PCMPISTRI and its like */
        return (in->desc->flags & X86_F_NATIVE) && in->map == 3 && in->opcode >> 2 == 0x60 >> 2 ? C
                                                                                                : 0;
    }
}

static uint32_t writes(const struct x86_insn *in)
{
    uint32_t w = implicit_writes(in);
    for (unsigned i = 0; i < in->nops; i++) {
        const struct x86_operand *o = &in->op[i];
        if (o->kind == X86_OP_GPR && (o->access & X86_W))
            w |= 1u << (o->reg < 16 ? o->reg : o->reg - X86_GPR_AH);
    }
    return w;
}

/* By how much the instruction, which writes these registers, moves the stack pointer; false: not
 * known. */
static bool stack_move(const struct x86_insn *in, uint32_t written, int64_t *by)
{
    const bool touched = written >> H_RSP & 1;
    *by = 0;
    switch (in->iclass) {
    case X86_I_PUSH:
    case X86_I_PUSHF:
        *by = -8;
        return true;
    case X86_I_POP:
        *by = 8;
        return !(in->op[0].kind == X86_OP_GPR && in->op[0].reg == H_RSP);
    case X86_I_ADD:
    case X86_I_SUB:
        if (!touched)
            return true;
        *by = in->iclass == X86_I_ADD ? (int64_t)in->imm : -(int64_t)in->imm;
        return in->opsize == 8 && in->op[1].kind == X86_OP_IMM;
    case X86_I_LEA:
        if (!touched)
            return true;
        *by = in->disp;
        return in->opsize == 8 && in->addrsize == 8 && in->base == H_RSP &&
               in->index == X86_REG_NONE;
    default:
        return !touched;
    }
}

/* Does translated code keep the anchors over this instruction, as a rule? */
static bool keeps_anchors(const struct xlat *x, const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_JCC:
    case X86_I_PUSH:
    case X86_I_PUSHF:
    case X86_I_POP:
    case X86_I_CALL:
    case X86_I_RET:
    case X86_I_JMP:
    case X86_I_LEA:
    case X86_I_DIV:
    case X86_I_IDIV:
    case X86_I_CLI:
    case X86_I_RDTSC:
        return true;
    default:
        return xlat_plain_ok(x, in);
    }
}

static void mark_targets(const struct xlat *x, struct xlat_facts *f)
{
    for (unsigned k = 0; k < x->n; k++) {
        const struct xlat_insn *xi = &x->insns[k];
        if (!xi->in.nops || xi->in.op[0].kind != X86_OP_REL)
            continue;
        int64_t to = xi->off + xi->in.len + (int64_t)xi->in.imm;
        if (to < x->insns[0].off || to > xi->off)
            continue;
        f[k].back = true;
        for (unsigned i = 0; i <= k; i++)
            f[i].target |= x->insns[i].off == to;
    }
}

/* A forward jump of the block: what it goes over happens or not, pushes and pops, too. */
static void mark_join(const struct xlat *x, struct xlat_facts *f, unsigned from)
{
    unsigned to = xlat_join_of(x, from);
    int64_t moved = 0;
    bool known = true;
    if (!to)
        return;
    for (unsigned i = from + 1; i < to; i++) {
        known &= f[i].known_move;
        moved += f[i].move;
    }
    if (!f[to].join)
        f[to].from = (uint8_t)from;
    f[to].join = true;
    f[to].join_moved |= !known || moved != 0;
}

/* The registers that accesses could be anchored to, where that is worth it: see commit(). */
static uint32_t find_facts(struct xlat *x, struct xlat_facts *f)
{
    uint32_t seen = 0, bases = 0;
    for (unsigned i = 0; i < x->n; i++) {
        const struct x86_insn *in = &x->insns[i].in;
        int64_t by;
        f[i].target = f[i].back = f[i].join = f[i].join_moved = false;
        f[i].naccesses = (uint8_t)accesses(in, f[i].a);
        f[i].keeps = keeps_anchors(x, in);
        f[i].writes = writes(in);
        f[i].known_move = stack_move(in, f[i].writes, &by);
        f[i].move = (int32_t)by;
        for (unsigned k = 0; k < f[i].naccesses; k++) {
            if (f[i].a[k].base >= 16 || f[i].a[k].index != X86_REG_NONE)
                continue;
            uint32_t base = 1u << f[i].a[k].base;
            bases |= x->insns[i].live ? base : seen & base;
            seen |= base;
        }
    }
    mark_targets(x, f);
    for (unsigned i = 0; i < x->n; i++) {
        x->insns[i].entered = f[i].target;
        mark_join(x, f, i);
    }
    return bases | (seen & 1u << H_RSP); /* whose page is cheap to find */
}

/* An anchor being planned. */
struct plan {
    const struct xlat_facts *facts;
    unsigned base, first; /* earliest instruction it may be made before */
    int64_t moved;        /* the stack pointer since then */
    int64_t low, high;    /* range, relative to the base at `first` */
    bool write;
    unsigned count;
    uint64_t users[2]; /* instructions, by their first or second access */
};

/* Make the anchor before the first user, or earlier, where no flags are live. */
static unsigned best_place(const struct xlat *x, const struct plan *p, unsigned user)
{
    for (unsigned k = user; k > p->first; k--) {
        if (!x->insns[k].live)
            return k;
    }
    return x->insns[p->first].live ? user : p->first;
}

static void commit(struct xlat *x, struct plan *p)
{
    uint64_t all = p->users[0] | p->users[1];
    if (!all || x->nanchors == XLAT_ANCHORS)
        return;
    unsigned user = (unsigned)__builtin_ctzll(all);
    int64_t before = 0;
    unsigned at = best_place(x, p, user);
    if (p->count < WORTH && (p->base != H_RSP || x->insns[at].live) &&
        !(x->insns[user].live && !x->insns[at].live))
        return;
    /* The range is relative to the base at `first`: make it so at the anchor's place. */
    for (unsigned k = p->first; p->base == H_RSP && k < at; k++)
        before += p->facts[k].move;
    unsigned n = x->nanchors++;
    /* There is one stack page: not for a second range that starts before the first is done with. */
    bool busy = n && x->anchors[n - 1].stack && x->anchors[n - 1].last >= at;
    x->anchors[n] = (struct xlat_anchor){
        .base = (uint8_t)p->base,
        .at = (uint8_t)at,
        .last = (uint8_t)(63 - __builtin_clzll(all)),
        .write = p->write,
        .low = (int32_t)(p->low - before),
        .len = (uint32_t)(p->high - p->low),
        .stack = p->base == H_RSP && !busy,
    };
    for (unsigned k = 0; k < x->n; k++) {
        for (unsigned which = 0; which < 2; which++) {
            if (p->users[which] >> k & 1)
                x->insns[k].anchor[which] = (uint8_t)(n + 1);
        }
    }
}

static void restart(struct plan *p, unsigned first)
{
    *p = (struct plan){.facts = p->facts, .base = p->base, .first = first};
}

/* Take an access in; a range that gets too wide starts a new anchor. */
static void take(struct xlat *x, struct plan *p, unsigned i, unsigned which,
                 const struct xlat_access *a)
{
    int64_t low = a->disp + p->moved, high = low + a->size;
    int64_t new_low = p->count && p->low < low ? p->low : low;
    int64_t new_high = p->count && p->high > high ? p->high : high;
    if (new_high - new_low > XLAT_SPAN) {
        commit(x, p);
        restart(p, i);
        new_low = a->disp;
        new_high = a->disp + a->size;
    }
    p->low = new_low;
    p->high = new_high;
    p->write |= a->write;
    p->count++;
    p->users[which] |= UINT64_C(1) << i;
}

static bool base_survives(struct plan *p, const struct xlat_facts *f)
{
    if (p->base != H_RSP)
        return !(f->writes & 1u << p->base);
    p->moved += f->move;
    return f->known_move;
}

/* What is used behind a loop is not looked up in each of its rounds: neither here nor, without
 * anchors of its own, by best_place(). */
static bool ends_loop(struct xlat *x, unsigned insn)
{
    return x->nloops && insn && xlat_loop_around(x, insn - 1) && !xlat_loop_around(x, insn);
}

/* Is the anchor made on every way that leads here? */
static bool holds_at_join(const struct plan *p, const struct xlat_facts *f)
{
    uint64_t all = p->users[0] | p->users[1];
    return all && (unsigned)__builtin_ctzll(all) <= f->from && !(p->base == H_RSP && f->join_moved);
}

static void plan_base(struct xlat *x, const struct xlat_facts *f, unsigned base)
{
    struct plan p = {.facts = f, .base = base};
    for (unsigned i = 0; i < x->n; i++, f++) {
        if (f->target || ends_loop(x, i) || (f->join && !holds_at_join(&p, f))) {
            commit(x, &p);
            restart(&p, i);
        }
        for (unsigned k = 0; k < f->naccesses && f->keeps; k++) {
            if (f->a[k].base == base && f->a[k].index == X86_REG_NONE && !x->insns[i].anchor[k])
                take(x, &p, i, k, &f->a[k]);
        }
        bool survives = base_survives(&p, f);
        if (!f->keeps || !survives || (f->back && !p.count)) {
            commit(x, &p);
            restart(&p, i + 1);
        }
    }
    commit(x, &p);
}

void xlat_plan_anchors(struct xlat *x)
{
    struct xlat_facts facts[XLAT_INSNS];
    x->nanchors = 0;
    x->nloops = 0;
    for (unsigned i = 0; i < x->n; i++)
        x->insns[i].anchor[0] = x->insns[i].anchor[1] = 0;
    if ((x->ctx & CTX_PLAIN) || x->loose || !x->n) /* loose: how far registers move is not known */
        return;
    uint32_t bases = find_facts(x, facts);
    xlat_plan_loops(x, facts);
    for (; bases; bases &= bases - 1)
        plan_base(x, facts, (unsigned)__builtin_ctz(bases));
}

/* Is the range in the page that the stack was in last? The tail finds out which one it is in. */
static void find_stack(struct xlat *x, const struct xlat_anchor *an)
{
    struct asm_buf *a = &x->a;
    enum xlat_flags flags = xlat_cur(x)->live ? FLAGS_IN_TMP : FLAGS_DEAD;
    xlat_keep_flags(x, flags);
    asm_lea(a, H_R15, MEM_BASE(H_RSP, an->low));
    asm_op_mem(a, true, 0x2b, H_R15, STACK(page)); /* sub */
    asm_op_reg(a, true, 0x81, 7, H_R15);           /* cmp r15, imm32 */
    asm_32(a, (uint32_t)GUEST_PAGE_SIZE - an->len);
    struct xlat_tail *t = xlat_new_tail(x, TAIL_STACK, asm_jcc(a, CC_A));
    t->index = xlat_new_link(x, xlat_cur(x)->off, x->ctx | CTX_PLAIN);
    t->flags = flags;
    t->low = an->low;
    t->len = an->len;
    t->back = a->len;
    xlat_load_flags(a, flags);
}

static void make_anchor(struct xlat *x, unsigned n)
{
    const struct xlat_anchor *an = &x->anchors[n];
    if (an->stack) {
        find_stack(x, an);
        return;
    }
    enum xlat_flags flags = xlat_cur(x)->live ? FLAGS_IN_TMP : FLAGS_DEAD;
    xlat_keep_flags(x, flags);
    struct xlat_tail *t = xlat_find_page(x, MEM_BASE(an->base, an->low), an->len, an->write);
    t->flags = flags;
    xlat_load_flags(&x->a, flags);
    asm_store(&x->a, HOT(anchor[n]), H_R15);
    if (flags == FLAGS_DEAD)
        x->held = (uint8_t)(n + 1);
}

/* Does what was emitted for the current instruction leave the anchor that r15 holds alone? */
static bool leaves_r15(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    bool memory = x86_is_mem(in) && in->op[in->mem].access;
    switch (in->iclass) {
    case X86_I_JCC:
        return true;
    case X86_I_PUSH:
    case X86_I_POP:
        return in->op[0].kind == X86_OP_GPR && !xlat_spilled(in->op[0].reg) &&
               xlat_cur(x)->anchor[0] == x->held;
    default:
        return xlat_plain_ok(x, in) && !xlat_plain_scratch(in) &&
               (!memory || xlat_cur(x)->anchor[0] == x->held);
    }
}

/* Is nothing done to r15 before the instruction's first check? */
static bool comes_to_access(const struct xlat *x)
{
    switch (x->insns[x->i].in.iclass) {
    case X86_I_CALL:
    case X86_I_JCC:
    case X86_I_POP:
    case X86_I_PUSH:
    case X86_I_RET:
        return true;
    default:
        return xlat_plain_ok(x, &x->insns[x->i].in);
    }
}

void xlat_settle_held(struct xlat *x)
{
    if (x->held && (x->now || !leaves_r15(x)))
        x->held = 0;
}

struct xlat_tail *xlat_find_page(struct xlat *x, struct asm_mem low, uint32_t len, bool write)
{
    struct asm_buf *a = &x->a;
    asm_lea(a, H_R15, low);
    asm_op_reg(a, false, 0x89, H_R15, H_R11); /* mov r11d, r15d */
    asm_op_reg(a, false, 0x81, 4, H_R11);     /* and r11d, imm32 */
    asm_32(a, GUEST_PAGE_SIZE - 1);
    asm_op_reg(a, false, 0x81, 7, H_R11); /* cmp r11d, imm32 */
    asm_32(a, (uint32_t)GUEST_PAGE_SIZE - len);
    uint32_t crosses = asm_jcc(a, CC_A);
    asm_rorx(a, H_R15, H_R15, GUEST_PAGE_SHIFT);
    asm_lea32(a, H_R15, MEM_INDEXED(H_R15, H_R15, 0));
    asm_load(a, H_R15, (struct asm_mem){ASM_NONE, H_R15, 3, true, SPACE_TABLE + (write ? 8 : 0)});
    asm_op_reg(a, true, 0x85, H_R15, H_R15);
    struct xlat_tail *t = xlat_new_tail(x, TAIL_PLAIN, asm_jcc(a, CC_E));
    t->from2 = crosses;
    t->index = xlat_new_link(x, xlat_cur(x)->off, x->ctx | CTX_PLAIN);
    return t;
}

void xlat_make_anchors(struct xlat *x)
{
    if (!x->nanchors)
        return;
    if (xlat_cur(x)->entered || xlat_cur(x)->joins || !comes_to_access(x))
        x->held = 0;
    xlat_enter_loop(x);
    for (unsigned n = 0; n < x->nanchors; n++) {
        if (x->anchors[n].at != x->i || x->anchors[n].loop)
            continue;
        x->held = 0;
        make_anchor(x, n);
    }
}

bool xlat_in_anchor(struct xlat *x)
{
    if (xlat_loop_around(x, x->i))
        return true;
    for (unsigned n = 0; n < x->nanchors; n++) {
        if (!x->anchors[n].loop && x->anchors[n].at <= x->i && x->i < x->anchors[n].last)
            return true;
    }
    return false;
}
