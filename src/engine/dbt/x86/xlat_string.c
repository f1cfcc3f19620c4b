/*
 * String instructions. One element is a load and a store through the page table. REP MOVS and REP
 * STOS are the host's own, on host addresses, a page (or what is left of one) at a time:
 *
 *     again: tmp[2] = 0                     elements left out for now
 *            poll, DF
 *            r11 = elements that fit into the pages at rdi and rsi
 *            rcx > r11: tmp[2] = rcx - r11, rcx = r11
 *            r15, r11 = what to add to rdi and rsi, from the page table
 *            read a byte of each            a stray access faults here, and not in the middle
 *            rep movs
 *            rcx = tmp[2]; not zero: again
 *
 * The flags are kept in the hot page meanwhile, and rcx lacks tmp[2]: both is put right on the way
 * to the slow path, by the tail here or, after a stray access, by the signal handler
 * (CODE_SITE_STRING).
 */
#include "engine/dbt/x86/xlat.h"

/* Forward, with 64-bit pointers and no segment base. */
static bool usual(const struct x86_insn *in)
{
    return in->addrsize == 8 && in->seg < X86_SEG_FS;
}

static bool repeats(const struct x86_insn *in)
{
    return in->prefixes & (X86_P_REP | X86_P_REPNE);
}

/* opcode (of the byte form) with the element's size as its operand size. */
static void op_sized_mem(struct xlat *x, unsigned opcode, unsigned reg, struct asm_mem m)
{
    unsigned size = xlat_cur(x)->in.opsize;
    if (size == 2)
        asm_8(&x->a, 0x66);
    asm_op_mem(&x->a, size == 8, opcode | (size > 1), reg, m);
}

/* Elements that fit into the page at `ptr`, in bytes still. Destroys the flags. */
static void bytes_left(struct xlat *x, unsigned dst, unsigned ptr)
{
    struct asm_buf *a = &x->a;
    asm_op_reg(a, false, 0x89, ptr, dst); /* mov dst32, ptr32 */
    asm_op_reg(a, false, 0x81, 1, dst);   /* or dst32, ~0xfff */
    asm_32(a, ~UINT32_C(0xfff));
    asm_op_reg(a, false, 0xf7, 3, dst); /* neg dst32 */
}

static void elements_that_fit(struct xlat *x, bool movs)
{
    struct asm_buf *a = &x->a;
    unsigned shift = (unsigned)__builtin_ctz(xlat_cur(x)->in.opsize);
    bytes_left(x, H_R11, H_RDI);
    if (movs) {
        bytes_left(x, H_R15, H_RSI);
        asm_op_reg(a, false, 0x39, H_R11, H_R15);   /* cmp r15d, r11d */
        asm_op_reg(a, false, 0x0f42, H_R11, H_R15); /* cmovb r11d, r15d */
    }
    if (shift) {
        asm_op_reg(a, false, 0xc1, 5, H_R11); /* shr r11d, shift */
        asm_8(a, shift);
    }
}

/* What to add to `ptr`, into `dst`; zero goes slow. */
static uint32_t look_up(struct xlat *x, unsigned dst, unsigned ptr, bool write, uint32_t slow)
{
    struct asm_buf *a = &x->a;
    asm_rorx(a, dst, ptr, GUEST_PAGE_SHIFT);
    asm_lea32(a, dst, MEM_INDEXED(dst, dst, 0));
    asm_load(a, dst,
             (struct asm_mem){ASM_NONE, (int8_t)dst, 3, true, SPACE_TABLE + (write ? 8 : 0)});
    asm_op_reg(a, true, 0x85, dst, dst);
    return asm_jcc_also(a, CC_E, slow);
}

/* A read through the entry, for what a stray one does. */
static void probe(struct xlat *x, unsigned ptr, unsigned addend)
{
    xlat_access_here(x);
    asm_op_mem(&x->a, false, 0x80, 7, MEM_INDEXED(ptr, addend, 0)); /* cmp byte [m], 0 */
    asm_8(&x->a, 0);
}

static void host_rep(struct xlat *x, bool movs)
{
    unsigned size = xlat_cur(x)->in.opsize;
    if (size == 2)
        asm_8(&x->a, 0x66);
    asm_8(&x->a, 0xf3);
    if (size == 8)
        asm_8(&x->a, 0x48);
    asm_8(&x->a, (movs ? 0xa4u : 0xaau) | (size > 1));
}

static void zero_rest(struct xlat *x)
{
    asm_op_mem(&x->a, true, 0xc7, 0, HOT(tmp[2])); /* mov qword [tmp2], 0 */
    asm_32(&x->a, 0);
}

/* Jumps to the slow path if the hot field is not zero. */
static uint32_t slow_if_set(struct xlat *x, struct asm_mem m, bool byte, uint32_t slow)
{
    asm_op_mem(&x->a, false, byte ? 0x80 : 0x83, 7, m); /* cmp m, 0 */
    asm_8(&x->a, 0);
    return asm_jcc_also(&x->a, CC_NE, slow);
}

/* The host's REP at the host's addresses, and back. */
static void run(struct xlat *x, bool movs)
{
    struct asm_buf *a = &x->a;
    asm_lea(a, H_RDI, MEM_INDEXED(H_RDI, H_R15, 0));
    if (movs)
        asm_lea(a, H_RSI, MEM_INDEXED(H_RSI, H_R11, 0));
    host_rep(x, movs);
    asm_op_reg(a, true, 0x29, H_R15, H_RDI); /* sub rdi, r15 */
    if (movs)
        asm_op_reg(a, true, 0x29, H_R11, H_RSI);
}

static void repeated(struct xlat *x, bool movs)
{
    struct asm_buf *a = &x->a;
    enum xlat_flags flags = xlat_cur(x)->live ? FLAGS_IN_TMP : FLAGS_DEAD;
    xlat_keep_flags(x, flags);
    uint32_t again = a->len, slow = 0;
    zero_rest(x);
    slow = slow_if_set(x, HOT(attention), false, slow);
    slow = slow_if_set(x, HOT(dflag), true, slow);
    elements_that_fit(x, movs);
    asm_op_reg(a, true, 0x39, H_R11, H_RCX); /* cmp rcx, r11 */
    uint32_t cut = asm_jcc(a, CC_A), body = a->len;
    if (movs)
        xlat_new_site(x, CODE_SITE_STRING);
    slow = look_up(x, H_R15, H_RDI, true, slow);
    if (movs) {
        slow = look_up(x, H_R11, H_RSI, false, slow);
        probe(x, H_RSI, H_R11);
    }
    uint32_t site = xlat_new_site(x, CODE_SITE_STRING | CODE_SITE_WRITE);
    probe(x, H_RDI, H_R15);
    run(x, movs);
    asm_load(a, H_RCX, HOT(tmp[2]));
    asm_op_reg(a, true, 0x85, H_RCX, H_RCX);
    asm_to(a, asm_jcc(a, CC_NE), again);
    xlat_load_flags(a, flags);
    struct xlat_tail *t = xlat_new_tail(x, TAIL_STRING, slow);
    t->from2 = cut;
    t->back = body;
    t->index = site;
    t->flags = flags;
}

void xlat_string_tail(struct xlat *x, const struct xlat_tail *t)
{
    struct asm_buf *a = &x->a;
    asm_here(a, t->from2);
    asm_op_reg(a, false, 0x85, H_R11, H_R11); /* not even one fits: it crosses pages */
    uint32_t slow = asm_jcc_also(a, CC_E, t->from);
    asm_op_reg(a, true, 0x29, H_R11, H_RCX); /* sub rcx, r11 */
    asm_store(a, HOT(tmp[2]), H_RCX);
    asm_mov(a, H_RCX, H_R11);
    asm_jmp_to(a, t->back);
    asm_here_all(a, slow);
    asm_op_mem(a, true, 0x03, H_RCX, HOT(tmp[2])); /* add rcx, [tmp2] */
    xlat_slow(x, t->index, t->flags);
}

static void check(struct xlat *x, struct xlat_mem *m, unsigned ptr, bool write)
{
    *m = (struct xlat_mem){.guest = MEM_BASE(ptr, 0)};
    xlat_check(x, m, (struct xlat_want){.size = xlat_cur(x)->in.opsize, .write = write});
    xlat_access_here(x);
}

static void advance(struct xlat *x, unsigned ptr)
{
    asm_lea(&x->a, ptr, MEM_BASE(ptr, xlat_cur(x)->in.opsize));
}

static void stos(struct xlat *x)
{
    struct xlat_mem m;
    check(x, &m, H_RDI, true);
    op_sized_mem(x, 0x88, H_RAX, m.host);
    advance(x, H_RDI);
}

static void lods(struct xlat *x)
{
    struct xlat_mem m;
    check(x, &m, H_RSI, false);
    op_sized_mem(x, 0x8a, H_RAX, m.host);
    advance(x, H_RSI);
}

static void scas(struct xlat *x)
{
    struct xlat_mem m;
    check(x, &m, H_RDI, false);
    op_sized_mem(x, 0x3a, H_RAX, m.host);
    advance(x, H_RDI);
}

/* The element at rsi into r11, when that at rdi has been checked: it is the last access. */
static void movs_cmps(struct xlat *x, bool movs)
{
    struct xlat_mem m;
    check(x, &m, H_RSI, false);
    op_sized_mem(x, 0x8a, H_R11, m.host);
    asm_store(&x->a, HOT(tmp[2]), H_R11);
    *(&m) = (struct xlat_mem){.guest = MEM_BASE(H_RDI, 0)};
    xlat_check(x, &m, (struct xlat_want){.size = xlat_cur(x)->in.opsize, .write = movs});
    asm_load(&x->a, H_R11, HOT(tmp[2]));
    xlat_access_here(x);
    op_sized_mem(x, movs ? 0x88 : 0x3a, H_R11, m.host);
    advance(x, H_RSI);
    advance(x, H_RDI);
}

bool xlat_string(struct xlat *x)
{
    const struct x86_insn *in = &xlat_cur(x)->in;
    if (!usual(in))
        return false;
    if (repeats(in)) {
        if (in->iclass != X86_I_MOVS && in->iclass != X86_I_STOS)
            return false;
        repeated(x, in->iclass == X86_I_MOVS);
        return true;
    }
    xlat_slow_unless_zero(x, HOT(dflag));
    switch (in->iclass) {
    case X86_I_STOS:
        stos(x);
        return true;
    case X86_I_LODS:
        lods(x);
        return true;
    case X86_I_SCAS:
        scas(x);
        return true;
    default:
        movs_cmps(x, in->iclass == X86_I_MOVS);
        return true;
    }
}
