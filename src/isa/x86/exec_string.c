/*
 * String instructions: MOVS STOS LODS SCAS CMPS INS OUTS with their repeat prefixes.
 *
 * A repeated instruction keeps rCX, rSI and rDI current after each element, so a fault or an
 * interrupt in the middle restarts it where it stood. It leaves after an element when the engine
 * wants attention. Whole runs inside one page are done by the host's own string moves.
 */
#include "isa/x86/exec.h"
#include "isa/x86/io.h"

enum { CLEARS_SI = 1, CLEARS_DI = 2 }; /* see begin_repeat() */

struct string_op {
    unsigned size;
    int64_t step; /* +size or -size */
    u16 arith;    /* CMPS, SCAS: the last comparison's flags, committed when nothing can fault */
};

static struct string_op string_begin(const struct x86_cpu *c, const struct x86_op *op)
{
    unsigned size = op->size;
    return (struct string_op){size, c->rflags & FL_DF ? -(int64_t)size : (int64_t)size, c->arith};
}

static void advance(struct x86_cpu *c, const struct x86_op *op, unsigned reg, int64_t by)
{
    put_reg(c, X86_REG_OFF(reg), op->addr_size, c->gpr[reg] + (u64)by);
}

static u64 count_left(const struct x86_cpu *c, const struct x86_op *op)
{
    return c->gpr[RCX] & op->ea_mask;
}

static gva_t src_addr(struct x86_cpu *c, const struct x86_op *op, unsigned size)
{
    return seg_addr(c, op, c->gpr[RSI] & op->ea_mask, size, ACCESS_READ);
}

/* ES:rDI has no override; in 64-bit code ES has base zero. */
static gva_t dst_addr(struct x86_cpu *c, const struct x86_op *op, unsigned size,
                      enum x86_access_kind kind)
{
    u64 offset = c->gpr[RDI] & op->ea_mask;
    return op->flags & OP_LEGACY ? x86_seg_linear(c, SEG_ES, offset, size, kind) : offset;
}

typedef bool element_fn(struct x86_cpu *c, const struct x86_op *op, struct string_op *s);

static bool repeated(const struct x86_op *op)
{
    return op->flags & (OP_REP | OP_REPNE);
}

/* May a run of elements be done at once? Forward, in 64-bit code, and nobody counts the steps. */
static bool in_runs(const struct x86_cpu *c, const struct x86_op *op)
{
    return repeated(op) && !(op->flags & OP_LEGACY) && !(c->rflags & (FL_DF | FL_TF));
}

/*
 * A repeated instruction begins: a 32-bit address size clears the upper half of RCX even if no
 * element follows or the first one faults; MOVS and STOS clear those of their pointers, too. The
 * manual leaves it open; Intel's processors do it.
 */
static void begin_repeat(struct x86_cpu *c, const struct x86_op *op, unsigned clears)
{
    if (op->addr_size != 4)
        return;
    c->gpr[RCX] = (u32)c->gpr[RCX];
    if (clears & CLEARS_SI)
        c->gpr[RSI] = (u32)c->gpr[RSI];
    if (clears & CLEARS_DI)
        c->gpr[RDI] = (u32)c->gpr[RDI];
}

/* Go on after an element, or make room for an interrupt or trap; that one sees RF. [SDM
 * 3B 17.3.1.1]
 */
static const struct x86_op *repeat_later(struct x86_cpu *c, const struct x86_op *op)
{
    if (!count_left(c, op)) {
        c->rflags &= ~(u64)FL_RF;
        return op + 1;
    }
    c->rflags |= FL_RF;
    c->rip = op_rip(c, op);
    return NULL;
}

/*
 * Run the element function under the repeat prefix; it returns false to stop (SCAS, CMPS). Leaving
 * in the middle, by a fault or for an interrupt, it shows the flags from before the instruction
 * [SDM 2 REP].
 */
static const struct x86_op *repeat(struct x86_cpu *c, const struct x86_op *op, element_fn *element,
                                   unsigned clears)
{
    struct string_op s = string_begin(c, op);
    if (!repeated(op)) {
        element(c, op, &s);
        c->arith = s.arith;
        return op + 1;
    }
    begin_repeat(c, op, clears);
    while (count_left(c, op)) {
        bool go_on = element(c, op, &s);
        advance(c, op, RCX, -1);
        if (!go_on || !count_left(c, op))
            break;
        if (unlikely(atomic_load_explicit(&c->attention, memory_order_relaxed)) ||
            unlikely(c->rflags & FL_TF))
            return repeat_later(c, op);
    }
    c->arith = s.arith;
    c->rflags &= ~(u64)FL_RF;
    return op + 1;
}

/* How many elements of a forward run stay inside the page at `va`, at most `n`. */
static u64 page_run(gva_t va, unsigned size, u64 n)
{
    u64 fit = (GUEST_PAGE_SIZE - (va & (GUEST_PAGE_SIZE - 1))) / size;
    return MIN(fit, n);
}

static bool movs_element(struct x86_cpu *c, const struct x86_op *op, struct string_op *s)
{
    u64 v = load_n(c, src_addr(c, op, s->size), s->size);
    store_n(c, dst_addr(c, op, s->size, ACCESS_WRITE), s->size, v);
    advance(c, op, RSI, s->step);
    advance(c, op, RDI, s->step);
    return true;
}

/* Forward elements that the host can move in one go: both ends plain RAM. Returns how many. */
static u64 movs_run(struct x86_cpu *c, const struct x86_op *op, unsigned size)
{
    u64 n = count_left(c, op);
    gva_t from = (c->gpr[RSI] & op->ea_mask) + REG(c, op->seg_base, u64);
    gva_t to = c->gpr[RDI] & op->ea_mask;
    n = page_run(to, size, page_run(from, size, n));
    if (n < 2)
        return 0;
    const u8 *src = tlb_read_ptr(c, from, size);
    u8 *dst = tlb_write_ptr(c, to, size);
    if (!src || !dst)
        return 0;
    /* Elements in order, as the guest's would be: overlapping moves smear on purpose. */
    u64 bytes = n * size;
    if ((uintptr_t)(dst - src) < bytes) {
        for (u64 i = 0; i < bytes; i += size) {
            u64 v;
            memcpy(&v, src + i, size); /* an element may overlap itself */
            memcpy(dst + i, &v, size);
        }
    } else {
        void *d = dst;
        const void *f = src;
        __asm__ volatile("rep movsb" : "+D"(d), "+S"(f), "+c"(bytes) : : "memory");
    }
    return n;
}

EXEC(movs)
{
    if (in_runs(c, op)) {
        begin_repeat(c, op, CLEARS_SI | CLEARS_DI);
        for (;;) {
            u64 n = movs_run(c, op, op->size);
            if (n == 0)
                break;
            advance(c, op, RSI, (int64_t)(n * op->size));
            advance(c, op, RDI, (int64_t)(n * op->size));
            advance(c, op, RCX, -(int64_t)n);
        }
        /* What is left begins with an element that needs the slow path; then look again. */
        if (count_left(c, op)) {
            struct string_op s = string_begin(c, op);
            movs_element(c, op, &s);
            advance(c, op, RCX, -1);
        }
        return repeat_later(c, op);
    }
    return repeat(c, op, movs_element, CLEARS_SI | CLEARS_DI);
}
EXEC_ANY(MOVS, movs);

static bool stos_element(struct x86_cpu *c, const struct x86_op *op, struct string_op *s)
{
    store_n(c, dst_addr(c, op, s->size, ACCESS_WRITE), s->size, c->gpr[RAX]);
    advance(c, op, RDI, s->step);
    return true;
}

/* The host's own string store: the fastest there is, and it stores whole elements. */
static void host_fill(u8 *dst, u64 value, unsigned size, u64 n)
{
    switch (size) {
    case 1:
        __asm__ volatile("rep stosb" : "+D"(dst), "+c"(n) : "a"(value) : "memory");
        break;
    case 2:
        __asm__ volatile("rep stosw" : "+D"(dst), "+c"(n) : "a"(value) : "memory");
        break;
    case 4:
        __asm__ volatile("rep stosl" : "+D"(dst), "+c"(n) : "a"(value) : "memory");
        break;
    default:
        __asm__ volatile("rep stosq" : "+D"(dst), "+c"(n) : "a"(value) : "memory");
        break;
    }
}

static u64 stos_run(struct x86_cpu *c, const struct x86_op *op, unsigned size)
{
    gva_t to = c->gpr[RDI] & op->ea_mask;
    u64 n = page_run(to, size, count_left(c, op));
    u8 *dst = tlb_write_ptr(c, to, size);
    if (!dst || n < 2)
        return 0;
    host_fill(dst, c->gpr[RAX], size, n);
    return n;
}

EXEC(stos)
{
    if (in_runs(c, op)) {
        begin_repeat(c, op, CLEARS_DI);
        for (;;) {
            u64 n = stos_run(c, op, op->size);
            if (n == 0)
                break;
            advance(c, op, RDI, (int64_t)(n * op->size));
            advance(c, op, RCX, -(int64_t)n);
        }
        if (count_left(c, op)) {
            struct string_op s = string_begin(c, op);
            stos_element(c, op, &s);
            advance(c, op, RCX, -1);
        }
        return repeat_later(c, op);
    }
    return repeat(c, op, stos_element, CLEARS_DI);
}
EXEC_ANY(STOS, stos);

static bool lods_element(struct x86_cpu *c, const struct x86_op *op, struct string_op *s)
{
    put_reg(c, X86_REG_OFF(RAX), s->size, load_n(c, src_addr(c, op, s->size), s->size));
    advance(c, op, RSI, s->step);
    return true;
}
EXEC(lods)
{
    return repeat(c, op, lods_element, 0);
}
EXEC_ANY(LODS, lods);

/* Flags of a - b. */
static u16 compare(unsigned size, u64 a, u64 b)
{
    unsigned sh = 64 - 8 * size;
    u16 f, low;
    /* At the top of a 64-bit register all flags but PF and AF are those of the narrow compare;
     * those two come from the low byte. */
    __asm__("cmpq %[b], %[a]" ASM_FLAGS_KEEP : "=a"(f) : [a] "r"(a << sh), [b] "r"(b << sh) : "cc");
    __asm__("cmpb %[b], %[a]" ASM_FLAGS_KEEP : "=a"(low) : [a] "q"((u8)a), [b] "q"((u8)b) : "cc");
    return (f & ~(ARITH_PF | ARITH_AF)) | (low & (ARITH_PF | ARITH_AF));
}

/* Goes on while equal under REPE, while different under REPNE. */
static bool compare_goes_on(const struct string_op *s, const struct x86_op *op)
{
    return !!(s->arith & ARITH_ZF) == !(op->flags & OP_REPNE);
}

static bool scas_element(struct x86_cpu *c, const struct x86_op *op, struct string_op *s)
{
    u64 v = load_n(c, dst_addr(c, op, s->size, ACCESS_READ), s->size);
    s->arith = compare(s->size, c->gpr[RAX], v);
    advance(c, op, RDI, s->step);
    return compare_goes_on(s, op);
}
EXEC(scas)
{
    return repeat(c, op, scas_element, 0);
}
EXEC_ANY(SCAS, scas);

static bool cmps_element(struct x86_cpu *c, const struct x86_op *op, struct string_op *s)
{
    /* In this order: it shows in CR2 when both fault. */
    u64 b = load_n(c, dst_addr(c, op, s->size, ACCESS_READ), s->size);
    u64 a = load_n(c, src_addr(c, op, s->size), s->size);
    s->arith = compare(s->size, a, b);
    advance(c, op, RSI, s->step);
    advance(c, op, RDI, s->step);
    return compare_goes_on(s, op);
}
EXEC(cmps)
{
    return repeat(c, op, cmps_element, 0);
}
EXEC_ANY(CMPS, cmps);

static bool ins_element(struct x86_cpu *c, const struct x86_op *op, struct string_op *s)
{
    /* The port must not be read when the store would fault: probe first. */
    gva_t va = dst_addr(c, op, s->size, ACCESS_WRITE);
    if (!tlb_write_ptr(c, va, s->size))
        c->slow->rmw_ptr(c, va, s->size);
    store_n(c, va, s->size, x86_port_in(c, (u16)c->gpr[RDX], s->size));
    advance(c, op, RDI, s->step);
    return true;
}

/* Devices may want attention behind the instruction, as behind IN and OUT. */
static const struct x86_op *repeat_io(struct x86_cpu *c, const struct x86_op *op, element_fn *f)
{
    return repeat(c, op, f, 0) ? end_block(c, op) : NULL;
}

EXEC(ins)
{
    x86_check_io(c, (u16)c->gpr[RDX], op->size);
    return repeat_io(c, op, ins_element);
}
EXEC_ANY(INS, ins);

static bool outs_element(struct x86_cpu *c, const struct x86_op *op, struct string_op *s)
{
    x86_port_out(c, (u16)c->gpr[RDX], s->size, load_n(c, src_addr(c, op, s->size), s->size));
    advance(c, op, RSI, s->step);
    return true;
}
EXEC(outs)
{
    x86_check_io(c, (u16)c->gpr[RDX], op->size);
    return repeat_io(c, op, outs_element);
}
EXEC_ANY(OUTS, outs);
