/*
 * Loops: anchors that hold for many rounds.
 *
 * The body of a block's innermost loop is a straight line from its top to the jump back, so it is
 * known by how much each register moves in a round, if it only ever moves by constants. An access
 * through such registers moves evenly, too. Before the first round its page is looked up, and how
 * many rounds are left before it leaves the page; one register serves as the counter of rounds:
 *     top:    look-ups; limit = counter + rounds * step
 *     round:  ... mov r15, gs:[anchor]; op [base + disp + r15] ...
 *             jcc   out
 *             cmp   counter, gs:[loop_limit]
 *             jne   round
 *             poll, jmp top
 * So the polls come once in a page. What cannot be anchored goes on in plain code for a round.
 * Where nothing else in the body needs r11 and r15, they keep anchors from round to round.
 *
 * Invariants: those of xlat_anchor.c, for all of the body; and the flags are dead at the top.
 */
#include "engine/dbt/x86/xlat_anchor.h"

enum { MAX_GROUPS = 6, MAX_STEP = 1024 };

/* How the registers move: in one round, and since the top. */
struct motion {
    uint32_t varies; /* registers that move otherwise than by constants */
    uint32_t moves;  /* that move at all */
    int64_t round[16], sofar[16];
};

/* Accesses through the same registers. */
struct group {
    uint8_t base, index, scale;
    bool write;
    int64_t low, high, step;
    uint64_t users[2]; /* instructions, by their first or second access */
};

static int64_t branch_to(const struct xlat_insn *xi)
{
    return xi->off + xi->in.len + (int64_t)xi->in.imm;
}

/* Loops do not overlap; one that goes round by two jumps does it by the first. */
static bool body_ok(struct xlat *x, const struct xlat_facts *f, unsigned top, unsigned end)
{
    if (xlat_loop_around(x, top))
        return false;
    for (unsigned i = top; i <= end; i++) {
        if (!f[i].keeps || (i > top && f[i].target))
            return false;
    }
    return x->insns[top].live == 0;
}

/* Is there a loop that ends with this instruction, whose body keeps anchors? */
static bool find_loop(struct xlat *x, const struct xlat_facts *f, unsigned end,
                      struct xlat_loop *loop)
{
    const struct xlat_insn *xi = &x->insns[end];
    if ((xi->in.iclass != X86_I_JCC && xi->in.iclass != X86_I_JMP) || xi->in.nops == 0 ||
        xi->in.op[0].kind != X86_OP_REL)
        return false;
    int64_t to = branch_to(xi);
    if (to < x->insns[0].off || to > xi->off)
        return false;
    for (unsigned top = 0; top <= end; top++) {
        if (x->insns[top].off != to)
            continue;
        *loop =
            (struct xlat_loop){.top = (uint8_t)top, .end = (uint8_t)end, .counter = X86_REG_NONE};
        return body_ok(x, f, top, end);
    }
    return false;
}

/* Does the instruction move one 64-bit register by a constant, and change no other? */
static bool constant_move(const struct x86_insn *in, unsigned *reg, int64_t *by)
{
    if (in->opsize != 8 || in->nops == 0 || in->op[0].kind != X86_OP_GPR)
        return false;
    *reg = in->op[0].reg;
    switch (in->iclass) {
    case X86_I_ADD:
        *by = (int64_t)in->imm;
        return in->op[1].kind == X86_OP_IMM;
    case X86_I_SUB:
        *by = -(int64_t)in->imm;
        return in->op[1].kind == X86_OP_IMM;
    case X86_I_INC:
        *by = 1;
        return true;
    case X86_I_DEC:
        *by = -1;
        return true;
    case X86_I_LEA:
        *by = in->disp;
        return in->base == *reg && in->index == X86_REG_NONE && in->addrsize == 8;
    default:
        return false;
    }
}

/* Let one instruction move the registers. */
static void advance(const struct x86_insn *in, const struct xlat_facts *f, struct motion *m,
                    int64_t *regs)
{
    unsigned reg = 0;
    int64_t by = 0;
    uint32_t others = f->writes & ~(1u << H_RSP);
    regs[H_RSP] += f->move;
    m->moves |= others | (uint32_t)(f->move != 0) << H_RSP;
    if (!f->known_move)
        m->varies |= 1u << H_RSP;
    if (!others)
        return;
    if (constant_move(in, &reg, &by) && others == 1u << reg)
        regs[reg] += by;
    else
        m->varies |= others;
}

static bool moves_evenly(const struct motion *m, const struct xlat_access *a)
{
    return a->base < 16 && !(m->varies >> a->base & 1) &&
           (a->index == X86_REG_NONE || !(m->varies >> a->index & 1));
}

/* Displacement that the registers make, as they are in `regs`. */
static int64_t displacement(const struct xlat_access *a, const int64_t *regs)
{
    return regs[a->base] + (a->index == X86_REG_NONE ? 0 : regs[a->index] * (1 << a->scale));
}

static struct group *group_of(struct group *g, unsigned *n, const struct xlat_access *a)
{
    for (unsigned i = 0; i < *n; i++) {
        if (g[i].base == a->base && g[i].index == a->index && g[i].scale == a->scale)
            return &g[i];
    }
    if (*n == MAX_GROUPS)
        return NULL;
    g[*n] = (struct group){
        .base = a->base, .index = a->index, .scale = a->scale, .low = INT64_MAX, .high = INT64_MIN};
    return &g[(*n)++];
}

static void take(struct group *groups, unsigned *n, const struct motion *m,
                 const struct xlat_access *a, unsigned insn, unsigned which)
{
    int64_t low = a->disp + displacement(a, m->sofar), high = low + a->size;
    int64_t step = displacement(a, m->round);
    if (step < -MAX_STEP || step > MAX_STEP || low < INT32_MIN / 2 || high > INT32_MAX / 2)
        return;
    struct group *g = group_of(groups, n, a);
    if (!g)
        return;
    low = low < g->low ? low : g->low;
    high = high > g->high ? high : g->high;
    if (high - low > XLAT_SPAN)
        return;
    g->low = low;
    g->high = high;
    g->step = step;
    g->write |= a->write;
    g->users[which] |= UINT64_C(1) << insn;
}

static void claim(struct xlat *x, const struct xlat_loop *loop, const struct group *g)
{
    unsigned n = x->nanchors++;
    x->anchors[n] = (struct xlat_anchor){
        .base = g->base,
        .index = g->index,
        .scale = g->scale,
        .at = loop->top,
        .last = loop->end,
        .loop = true,
        .write = g->write,
        .low = (int32_t)g->low,
        .len = (uint32_t)(g->high - g->low),
        .step = (int32_t)g->step,
    };
    for (unsigned i = loop->top; i <= loop->end; i++) {
        for (unsigned which = 0; which < 2; which++) {
            if (g->users[which] >> i & 1)
                x->insns[i].anchor[which] = (uint8_t)(n + 1);
        }
    }
}

/* Some register that moves, if any range does. */
static void choose_counter(struct xlat_loop *loop, const struct group *g, const struct motion *m)
{
    if (!g->step || loop->counter != X86_REG_NONE)
        return;
    loop->counter = m->round[g->base] ? g->base : g->index;
    loop->step = (int32_t)m->round[loop->counter];
}

/* Translated without scratch registers, memory accesses apart? */
static bool needs_no_scratch(const struct xlat *x, const struct x86_insn *in)
{
    if (in->iclass == X86_I_JCC || in->iclass == X86_I_JMP)
        return true;
    return xlat_plain_ok(x, in) && !xlat_plain_scratch(in);
}

/* Are all accesses of the body anchored, and nothing else needs scratch registers? */
static bool is_tight(const struct xlat *x, const struct xlat_facts *f, const struct xlat_loop *loop)
{
    for (unsigned i = loop->top; i <= loop->end; i++) {
        if (!needs_no_scratch(x, &x->insns[i].in))
            return false;
        for (unsigned k = 0; k < f[i].naccesses; k++) {
            if (!x->insns[i].anchor[k])
                return false;
        }
    }
    return true;
}

/* Keep the anchor in `reg`, if what is left to add in each round is at most one register. */
static bool keep(struct xlat_anchor *an, const struct motion *m, uint8_t reg)
{
    if (an->index != X86_REG_NONE) {
        an->on_base = !(m->moves >> an->base & 1);
        an->on_index = !an->on_base && !(m->moves >> an->index & 1);
        if (!an->on_base && !an->on_index)
            return false;
    }
    an->reg = reg;
    return true;
}

/* r11 for one, and r15 if there is no third. */
static void keep_some(struct xlat *x, const struct motion *m, unsigned first)
{
    unsigned n = x->nanchors - first;
    bool kept = keep(&x->anchors[first], m, H_R11);
    if (n == 1 || n > 2)
        return;
    if (kept && !keep(&x->anchors[first + 1], m, H_R15))
        return;
    if (!kept)
        keep(&x->anchors[first + 1], m, H_R11);
}

/* The ranges that the body's accesses stay in; returns how many. */
static unsigned find_groups(const struct xlat *x, const struct xlat_facts *f,
                            const struct xlat_loop *loop, struct motion *m, struct group *groups)
{
    unsigned n = 0;
    for (unsigned i = loop->top; i <= loop->end; i++) {
        advance(&x->insns[i].in, &f[i], m, m->round);
        for (unsigned k = i + 1, to = xlat_join_of(x, i); k < to && to <= loop->end; k++)
            m->varies |= f[k].writes | (uint32_t)(f[k].move != 0) << H_RSP; /* or not */
    }
    for (unsigned i = loop->top; i <= loop->end; i++) {
        for (unsigned k = 0; k < f[i].naccesses; k++) {
            if (moves_evenly(m, &f[i].a[k]))
                take(groups, &n, m, &f[i].a[k], i, k);
        }
        advance(&x->insns[i].in, &f[i], m, m->sofar);
    }
    return n;
}

void xlat_plan_loops(struct xlat *x, const struct xlat_facts *f)
{
    x->nloops = 0;
    for (unsigned end = 0; end < x->n && x->nloops < XLAT_LOOPS && !x->lockstep; end++) {
        struct xlat_loop *loop = &x->loops[x->nloops];
        if (!find_loop(x, f, end, loop))
            continue;
        struct group groups[MAX_GROUPS];
        struct motion m = {0};
        unsigned n = find_groups(x, f, loop, &m, groups);
        if (!n || n > XLAT_ANCHORS - x->nanchors)
            continue;
        unsigned first = x->nanchors;
        x->nloops++;
        for (unsigned i = 0; i < n; i++) {
            choose_counter(loop, &groups[i], &m);
            claim(x, loop, &groups[i]);
        }
        if (is_tight(x, f, loop))
            keep_some(x, &m, first);
    }
}

struct xlat_loop *xlat_loop_around(struct xlat *x, unsigned insn)
{
    for (unsigned n = 0; n < x->nloops; n++) {
        if (x->loops[n].top <= insn && insn <= x->loops[n].end)
            return &x->loops[n];
    }
    return NULL;
}

/* r11d /= by, rounded down or a little further; it is less than a page. */
static void divide(struct asm_buf *a, uint32_t by)
{
    if (by == 1)
        return;
    if ((by & (by - 1)) == 0) {
        asm_op_reg(a, false, 0xc1, 5, H_R11); /* shr */
        asm_8(a, (unsigned)__builtin_ctz(by));
        return;
    }
    asm_op_reg(a, false, 0x69, H_R11, H_R11); /* imul r11d, r11d, imm32 */
    asm_32(a, (1u << 16) / by);
    asm_op_reg(a, false, 0xc1, 5, H_R11);
    asm_8(a, 16);
}

/* r11d = the rounds after this one for which the range stays in its page; it was the offset of the
 * range's start in the page. */
static void count_rounds(struct xlat *x, const struct xlat_anchor *an)
{
    struct asm_buf *a = &x->a;
    if (an->step > 0) {
        asm_op_reg(a, false, 0xf7, 3, H_R11); /* neg r11d */
        asm_op_reg(a, false, 0x81, 0, H_R11); /* add r11d, imm32 */
        asm_32(a, (uint32_t)GUEST_PAGE_SIZE - an->len);
    }
    divide(a, (uint32_t)(an->step > 0 ? an->step : -an->step));
}

/* tmp[0] = r11d, if that is fewer rounds or the first number of them. */
static void keep_fewest(struct xlat *x, bool first)
{
    struct asm_buf *a = &x->a;
    uint32_t fewer = 0;
    if (!first) {
        asm_op_mem(a, false, 0x3b, H_R11, HOT(tmp[0])); /* cmp r11d, [tmp] */
        fewer = asm_jcc8(a, CC_AE);
    }
    asm_store32(a, HOT(tmp[0]), H_R11);
    if (!first)
        asm_here8(a, fewer);
}

/* From the rounds after this one, in r11. */
static void set_limit(struct xlat *x, const struct xlat_loop *loop)
{
    struct asm_buf *a = &x->a;
    asm_lea(a, H_R11, MEM_BASE(H_R11, 1));
    asm_op_reg(a, true, 0x69, H_R11, H_R11); /* imul r11, r11, imm32 */
    asm_32(a, (uint32_t)loop->step);
    asm_lea(a, H_R11, MEM_INDEXED(H_R11, loop->counter, 0));
    asm_store(a, HOT(loop_limit), H_R11);
}

/* Into the register that keeps it. The only one of a loop is still in r15. */
static void load_kept(struct xlat *x, unsigned n, bool only)
{
    const struct xlat_anchor *an = &x->anchors[n];
    struct asm_buf *a = &x->a;
    if (only)
        asm_mov(a, an->reg, H_R15);
    else
        asm_load(a, an->reg, HOT(anchor[n]));
    if (an->on_base)
        asm_lea(a, an->reg, MEM_INDEXED(an->base, an->reg, 0));
    if (an->on_index)
        asm_lea(a, an->reg,
                ((struct asm_mem){(int8_t)an->reg, (int8_t)an->index, an->scale, false, 0}));
}

/* Look its page up; if it moves, r11 = rounds after this one. */
static void find_range(struct xlat *x, unsigned n, bool only)
{
    const struct xlat_anchor *an = &x->anchors[n];
    struct asm_mem low = MEM_BASE(an->base, an->low);
    if (an->index != X86_REG_NONE) {
        low.index = (int8_t)an->index;
        low.scale = an->scale;
    }
    xlat_find_page(x, low, an->len, an->write)->flags = FLAGS_DEAD;
    if (!only || !an->reg)
        asm_store(&x->a, HOT(anchor[n]), H_R15);
    if (an->step)
        count_rounds(x, an);
}

/* The anchors of the loop that begins with the current instruction are in a row. */
static unsigned ranges_here(const struct xlat *x, unsigned *first)
{
    unsigned n = 0;
    for (unsigned i = x->nanchors; i-- > 0;) {
        if (x->anchors[i].loop && x->anchors[i].at == x->i) {
            *first = i;
            n++;
        }
    }
    return n;
}

void xlat_enter_loop(struct xlat *x)
{
    struct xlat_loop *loop = xlat_loop_around(x, x->i);
    unsigned first = 0, moving = 0;
    if (!loop || x->i != loop->top)
        return;
    unsigned end = ranges_here(x, &first);
    const bool only = end == 1;
    end += first;
    for (unsigned n = first; n < end; n++) {
        find_range(x, n, only);
        if (x->anchors[n].step && !only)
            keep_fewest(x, moving++ == 0);
    }
    if (loop->counter != X86_REG_NONE) {
        if (!only)
            asm_load32(&x->a, H_R11, HOT(tmp[0]));
        set_limit(x, loop);
    }
    for (unsigned n = first; n < end; n++) {
        if (x->anchors[n].reg)
            load_kept(x, n, only);
    }
    x->held = 0;
    loop->label = x->a.len;
}

struct asm_mem xlat_kept_operand(const struct xlat_anchor *an, struct asm_mem guest)
{
    if (an->on_base) {
        guest.base = (int8_t)an->reg;
        return guest;
    }
    return MEM_INDEXED(guest.base, an->reg, guest.disp);
}

uint32_t xlat_loop_back(struct xlat *x, const struct xlat_insn *to)
{
    const struct xlat_loop *loop = xlat_loop_around(x, x->i);
    struct asm_buf *a = &x->a;
    if (!loop || x->i != loop->end || to != &x->insns[loop->top])
        return to->label;
    if (loop->counter == X86_REG_NONE)
        return loop->label;
    asm_op_mem(a, true, 0x3b, loop->counter, HOT(loop_limit)); /* cmp counter, [limit] */
    asm_to(a, asm_jcc(a, CC_NE), loop->label);
    return to->label;
}
