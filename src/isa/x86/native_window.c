/*
 * The quick way for common x87 instructions. Loading and saving the whole unit costs 200 to 300 ns;
 * instead only the one or two registers an instruction touches are put on the host's own, empty
 * register stack, and taken off again.
 *
 * Conditions, checked each time; else native_run_x87() does it the long way:
 * 1. every exception is masked, so results are always written and ES stays clear;
 * 2. the registers read are not empty and the one pushed is: no stack fault;
 * 3. the host's exception flags are a subset of the guest's, so that merging them tells the truth.
 * [SDM 1 8.1, 8.5]
 */
#include "isa/x86/native_code.h"
#include "isa/x86/x87.h"

typedef uint16_t window_fn(struct x86_cpu *c, void *mem);

enum { WRITE_NONE, WRITE_ST0, WRITE_STI, WRITE_BOTH, WRITE_PUSHED };
enum { CC_C1 = 0x0200, CC_ALL = 0x4700 };

struct shape {
    bool valid;           /* else it goes the long way */
    uint8_t load0, loadi; /* put ST0, ST(i) on the host's stack; ST0 comes out on top */
    uint8_t i;
    uint8_t write, pops, push;
    uint16_t cc; /* condition codes it sets */
};

#define SHAPE(...)   ((struct shape){.valid = true, .cc = CC_C1, __VA_ARGS__})
#define COMPARE(...) ((struct shape){.valid = true, .cc = CC_ALL, __VA_ARGS__})

static struct shape shape_none(void)
{
    return (struct shape){0};
}

/* D8, DA, DC, DE with memory: /0-/7 = add mul com comp sub subr div divr. */
static struct shape mem_arith(unsigned ext)
{
    if (ext == 2 || ext == 3)
        return COMPARE(.load0 = 1, .pops = ext == 3);
    return SHAPE(.load0 = 1, .write = WRITE_ST0);
}

/* D9, DB, DD, DF with memory: loads push, stores may pop. BCD and control forms are left out. */
static struct shape mem_move(unsigned opcode, unsigned ext)
{
    static const uint8_t load[4] = {1 << 0, 1 << 0 | 1 << 5, 1 << 0, 1 << 0 | 1 << 5};
    static const uint8_t store[4] = {1 << 2, 1 << 2, 1 << 2, 1 << 2};
    static const uint8_t store_pop[4] = {1 << 3, 1 << 1 | 1 << 3 | 1 << 7, 1 << 1 | 1 << 3,
                                         1 << 1 | 1 << 3 | 1 << 7};
    unsigned row = (opcode - 0xd9) / 2;

    if (load[row] >> ext & 1)
        return SHAPE(.push = 1, .write = WRITE_PUSHED);
    if (store[row] >> ext & 1)
        return SHAPE(.load0 = 1);
    if (store_pop[row] >> ext & 1)
        return SHAPE(.load0 = 1, .pops = 1);
    return shape_none();
}

/* D8, DC, DE with registers. */
static struct shape reg_arith(unsigned opcode, unsigned ext, unsigned i)
{
    bool compare = ext == 2 || ext == 3;

    if (opcode == 0xde && ext == 3 && i == 1)
        return COMPARE(.load0 = 1, .loadi = 1, .i = 1, .pops = 2); /* FCOMPP */
    if (opcode == 0xd8 && compare)
        return COMPARE(.load0 = 1, .loadi = i != 0, .i = i, .pops = ext == 3);
    if (compare || (opcode == 0xde && i == 0))
        return shape_none();
    if (opcode == 0xd8 || i == 0)
        return SHAPE(.load0 = 1, .loadi = i != 0, .i = i, .write = WRITE_ST0);
    return SHAPE(.load0 = 1, .loadi = 1, .i = i, .write = WRITE_STI, .pops = opcode == 0xde);
}

static struct shape d9_unary(unsigned low)
{
    struct shape self = SHAPE(.load0 = 1, .write = WRITE_ST0);

    switch (low) {
    case 0x20: /* FCHS */
    case 0x21: /* FABS */
    case 0x3a: /* FSQRT */
    case 0x3c: /* FRNDINT */
        return self;
    case 0x24: /* FTST */
        return COMPARE(.load0 = 1);
    case 0x25: /* FXAM */
        return COMPARE(.load0 = 1);
    default:
        return low >= 0x28 && low <= 0x2e ? SHAPE(.push = 1, .write = WRITE_PUSHED) : shape_none();
    }
}

static struct shape d9_reg(unsigned low, unsigned i)
{
    if (low < 8) /* FLD */
        return SHAPE(.loadi = 1, .i = i, .push = 1, .write = WRITE_PUSHED);
    if (low < 16) /* FXCH */
        return SHAPE(.load0 = 1, .loadi = i != 0, .i = i, .write = i ? WRITE_BOTH : WRITE_NONE);
    return d9_unary(low);
}

/* DA, DB, DF: conditional moves and comparisons into EFLAGS. */
static struct shape da_db_df_reg(unsigned opcode, unsigned ext, unsigned i)
{
    struct shape both = SHAPE(.load0 = 1, .loadi = i != 0, .i = i);

    if (opcode == 0xda && ext == 5 && i == 1)
        return COMPARE(.load0 = 1, .loadi = 1, .i = 1, .pops = 2); /* FUCOMPP */
    if (opcode != 0xdf && ext < 4) {
        both.write = WRITE_ST0;
        both.cc = 0;
        return both;
    }
    if (opcode != 0xda && (ext == 5 || ext == 6)) {
        both.pops = opcode == 0xdf;
        both.cc = 0;
        return both;
    }
    return shape_none();
}

static struct shape dd_reg(unsigned ext, unsigned i)
{
    if (ext == 2 || ext == 3) { /* FST, FSTP */
        if (i == 0)
            return SHAPE(.load0 = 1, .pops = ext == 3);
        return SHAPE(.load0 = 1, .loadi = 1, .i = i, .write = WRITE_STI, .pops = ext == 3);
    }
    if (ext == 4 || ext == 5) /* FUCOM, FUCOMP */
        return COMPARE(.load0 = 1, .loadi = i != 0, .i = i, .pops = ext == 5);
    return shape_none();
}

static struct shape shape_of(const struct native_form *f)
{
    unsigned ext = f->reg & 7, i = f->rm & 7;

    if (f->rm == NO_REG)
        return f->opcode & 1 ? mem_move(f->opcode, ext) : mem_arith(ext);
    switch (f->opcode) {
    case 0xd8:
    case 0xdc:
    case 0xde:
        return reg_arith(f->opcode, ext, i);
    case 0xd9:
        return d9_reg(ext << 3 | i, i);
    case 0xdd:
        return dd_reg(ext, i);
    default:
        return da_db_df_reg(f->opcode, ext, i);
    }
}

/* An 80-bit load (DB /5) or store and pop (DB /7) of the guest's ST(i). */
static void st_move(struct native_code *k, unsigned ext, unsigned i)
{
    e8(k, 0xdb);
    e_field(k, ext, offsetof(struct x86_cpu, xsave) + XS_ST + 16 * i);
}

static void st_load(struct native_code *k, unsigned i)
{
    st_move(k, 5, i);
}

static void st_store(struct native_code *k, unsigned i)
{
    st_move(k, 7, i);
}

static void st_drop(struct native_code *k, unsigned n)
{
    while (n--) {
        e8(k, 0xdd); /* fstp st(0) */
        e8(k, 0xd8);
    }
}

static void put_op(struct native_code *k, const struct native_form *f, const struct shape *s)
{
    unsigned rm = 0xc0 | (f->rm & 7);

    if (f->rm == NO_REG)
        rm = HOST_RSI;
    else if (s->load0 | s->loadi) /* else ModRM.rm is part of the opcode */
        rm = f->opcode == 0xd9 && (f->reg & 7) >= 4 ? rm : 0xc0 | (s->load0 & s->loadi);
    e8(k, f->opcode);
    e8(k, (f->reg & 7) << 3 | rm);
}

/* Empty the host's stack, keeping what was written. Numbers are those before any push or pop: the
 * register pushed is ST(7). */
static void put_stores(struct native_code *k, const struct shape *s)
{
    unsigned left = s->load0 + s->loadi + s->push - s->pops;

    if (s->write == WRITE_STI && !s->pops) {
        st_drop(k, 1);
        left--;
    }
    if (s->write != WRITE_NONE) {
        st_store(k, s->write == WRITE_STI ? s->i : s->write == WRITE_PUSHED ? 7 : 0);
        left--;
    }
    if (s->write == WRITE_BOTH) {
        st_store(k, s->i);
        left--;
    }
    st_drop(k, left);
}

/* The thunk: guest control word, operands, instruction, status word to ax, results, host control
 * word. */
static void put_window(struct native_code *k, const struct native_form *f, const struct shape *s,
                       const struct x86_insn *in)
{
    e8(k, 0xd9); /* fldcw of the guest's */
    e_field(k, 5, offsetof(struct x86_cpu, xsave) + XS_FCW);
    if (s->loadi)
        st_load(k, s->i);
    if (s->load0)
        st_load(k, 0);
    if (in->desc->flags_read)
        flags_load(k);
    put_op(k, f, s);
    if (in->desc->flags_write | in->desc->flags_undef)
        flags_keep(k);
    e8(k, 0xdf); /* fnstsw ax */
    e8(k, 0xe0);
    put_stores(k, s);
    bytes3(k, 0xd9, 0x2d, 1); /* fldcw [rip + 1]: the word behind ret */
    bytes3(k, 0, 0, 0);
    e8(k, 0xc3);
    e8(k, FCW_INIT & 0xff);
    e8(k, FCW_INIT >> 8);
}

bool native_emit_window(struct native_code *k, const struct native_form *f,
                        const struct x86_insn *in, struct native_thunk *t)
{
    struct shape s = shape_of(f);

    if (!s.valid)
        return false;
    put_window(k, f, &s, in);
    t->full = (uint8_t)(s.load0 | (s.loadi ? 1 << s.i : 0));
    t->empty = s.push ? 0x80 : 0;
    t->pops = s.pops;
    t->cc = s.cc;
    return true;
}

static bool fits(const struct x86_cpu *c, const struct native_thunk *t)
{
    unsigned tags = xs_ftw(c), top = xs_fsw(c) >> FSW_TOP_SHIFT & 7;

    tags = (tags | tags << 8) >> top; /* bit i: ST(i) */
    return (xs_fcw(c) & FCW_MASKS) == FCW_MASKS && (tags & t->full) == t->full &&
           !(tags & t->empty);
}

static void clear_foreign_flags(const struct x86_cpu *c)
{
    uint16_t host;

    __asm__ volatile("fnstsw %0" : "=a"(host));
    if (unlikely(host & FSW_FLAGS & ~xs_fsw(c)))
        __asm__ volatile("fnclex");
}

/* Status word, stack and pointers after the instruction. Without unmasked exceptions the operand
 * pointer and the opcode are kept only by CPUs that always do. */
static void commit(struct x86_cpu *c, const struct native_thunk *t, uint16_t host_fsw)
{
    unsigned top = xs_fsw(c) >> FSW_TOP_SHIFT & 7, ftw = xs_ftw(c);
    uint8_t tracks = c->native->x87_tracks;

    xs_set_fsw(c, (xs_fsw(c) & ~t->cc) | (host_fsw & (t->cc | FCW_MASKS)));
    for (unsigned i = 0; i < t->pops; i++)
        ftw &= ~(1u << ((top + i) & 7));
    if (t->empty)
        ftw |= 1u << ((top - 1) & 7);
    xs_set_ftw(c, (uint8_t)ftw);
    if (t->pops || t->empty)
        x87_set_top(c, (top + t->pops - (t->empty ? 1u : 0u)) & 7);
    if (tracks & X87_TRACKS_FIP)
        xs_set_fip(c, op_rip(c, c->op));
    if (tracks & X87_TRACKS_FOP)
        xs_set_fop(c, t->fop);
    if ((tracks & X87_TRACKS_FDP) && t->mem_size)
        xs_set_fdp(c, op_offset(c, c->op));
}

void native_run_window(struct x86_cpu *c, const struct native_thunk *t, gva_t ea)
{
    void *mem = NULL;

    native_check(c, t);
    if (unlikely(!fits(c, t))) {
        native_run_x87(c, t, ea);
        return;
    }
    bool store = t->mem_access & X86_W;
    if (t->mem_size)
        mem = store ? c->native->bounce : native_operand(c, t, ea);
    clear_foreign_flags(c);
    uint16_t fsw = ((window_fn *)t->window)(c, mem);
    if (store)
        native_put_operand(c, t, ea, mem);
    commit(c, t, fsw);
}

/* Which pointers this CPU keeps when no exception is unmasked. AMD keeps none, newer Intel FIP. */
uint8_t native_probe_x87_tracks(void)
{
    _Alignas(16) uint8_t fx[FX_SIZE] = {0};
    float zero = 0;
    uint64_t fip, fdp;
    uint16_t fop;

    __asm__ volatile("fninit; flds %1; fxsave64 %0; fninit" : "=m"(fx) : "m"(zero));
    memcpy(&fop, fx + XS_FOP, sizeof(fop));
    memcpy(&fip, fx + XS_FIP, sizeof(fip));
    memcpy(&fdp, fx + XS_FDP, sizeof(fdp));
    return (fip ? X87_TRACKS_FIP : 0) | (fop ? X87_TRACKS_FOP : 0) | (fdp ? X87_TRACKS_FDP : 0);
}
