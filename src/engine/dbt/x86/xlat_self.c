/*
 * Blocks that check themselves. Of a page that is written all the time (MEM_PAGE_MIXED) nobody
 * watches the code; instead each block begins by comparing the guest's bytes with those it was made
 * from:
 *     mov   r15, host address of the bytes
 *     cmp   dword [r15], imm32
 *     jne   stale                   ... and so on
 * and goes to the slow path when they differ, to run the version made from what is there now.
 *
 * A store takes effect at the next instruction [SDM 3A 12.1.3]: so such a block ends behind
 * anything that may store, and its backward jumps go through the check again.
 */
#include <string.h>

#include "engine/dbt/x86/xlat.h"

enum { SELF_BYTES = 128 };

/* All that is not known to leave memory alone may store. */
static bool may_store(const struct xlat *x, const struct x86_insn *in)
{
    switch (in->iclass) {
    case X86_I_LEA:
    case X86_I_JCC:
    case X86_I_CLD:
    case X86_I_DIV:
    case X86_I_IDIV:
    case X86_I_LEAVE:
        return false;
    case X86_I_POP:
        return in->op[0].kind != X86_OP_GPR;
    default:
        return !xlat_plain_ok(x, in) || (x86_is_mem(in) && (in->op[in->mem].access & X86_W));
    }
}

bool xlat_self_ends(const struct xlat *x)
{
    const struct xlat_insn *last = &x->insns[x->n - 1];
    return x->now &&
           (may_store(x, &last->in) || last->off + last->in.len - x->insns[0].off >= SELF_BYTES);
}

static void differs(struct xlat *x)
{
    x->self_from[x->nself++] = asm_jcc(&x->a, CC_NE);
}

static void compare4(struct xlat *x, unsigned at, const uint8_t *was)
{
    uint32_t v;
    memcpy(&v, was + at, sizeof(v));
    asm_op_mem(&x->a, false, 0x81, 7, MEM_BASE(H_R15, at)); /* cmp dword [r15 + at], imm32 */
    asm_32(&x->a, v);
    differs(x);
}

static void compare1(struct xlat *x, unsigned at, const uint8_t *was)
{
    asm_op_mem(&x->a, false, 0x80, 7, MEM_BASE(H_R15, at)); /* cmp byte [r15 + at], imm8 */
    asm_8(&x->a, was[at]);
    differs(x);
}

/* Bytes [at, end). */
static void compare_run(struct xlat *x, unsigned at, unsigned end, const uint8_t *was)
{
    bool fours = end - at >= 4;
    for (; end - at >= 4; at += 4)
        compare4(x, at, was);
    if (fours && at < end)
        compare4(x, end - 4, was);
    for (; !fours && at < end; at++)
        compare1(x, at, was);
}

/* The `n` bytes but those that the mask leaves out. */
static void compare(struct xlat *x, const uint8_t *now, const uint8_t *was, const uint8_t *mask,
                    unsigned n)
{
    asm_mov_imm64(&x->a, H_R15, (uintptr_t)now);
    for (unsigned at = 0, end; at < n; at = end) {
        for (end = at; end < n && mask[end] == mask[at];)
            end++;
        if (mask[at])
            compare_run(x, at, end, was);
    }
}

/* Bytes to compare, and where they stand as they were: together of an instruction in two pages. */
static unsigned checked_bytes(const struct xlat *x, unsigned off, const uint8_t **was)
{
    const struct xlat_insn *last = &x->insns[x->n ? x->n - 1 : 0];
    unsigned left = (unsigned)GUEST_PAGE_SIZE - off;
    *was = x->more ? x->straddler : x->page + off;
    if (x->n)
        return last->off + last->in.len - off;
    return x->more ? XLAT_LONGEST : MIN(left, (unsigned)XLAT_LONGEST);
}

/* The flags spend the comparisons in r11. */
static void keep_flags(struct asm_buf *a)
{
    asm_mov(a, H_R11, H_RAX);
    asm_flags_keep(a);
    asm_op_reg(a, true, 0x87, H_R11, H_RAX); /* xchg */
}

static void load_flags(struct asm_buf *a)
{
    asm_op_reg(a, true, 0x87, H_R11, H_RAX);
    asm_flags_load(a);
    asm_mov(a, H_RAX, H_R11);
}

/* Code made from these bytes does not read the flags. What is left to the interpreter may fault,
 * with the flags as they are. */
static bool flags_dead(const struct xlat *x)
{
    return x->n && !x->insns[0].live && xlat_plain_ok(x, &x->insns[0].in);
}

void xlat_self_check(struct xlat *x, struct code_draft *d, unsigned off)
{
    d->guest = d->mask = NULL;
    if (!x->now)
        return;
    unsigned left = (unsigned)GUEST_PAGE_SIZE - off, n = checked_bytes(x, off, &d->guest);
    x->nself = 0;
    x->i = 0;
    x->insns[0].off = (uint16_t)off;
    uint32_t site = xlat_new_site(x, CODE_SITE_STALE);
    keep_flags(&x->a); /* what is there now may read them */
    memset(x->mask, 0xff, sizeof(x->mask));
    if (x->loose)
        xlat_loose_mask(x);
    compare(x, x->now, d->guest, x->mask, MIN(n, left));
    if (n > left)
        compare(x, x->more, d->guest + left, x->mask + left, n - left);
    d->mask = x->loose ? x->mask : NULL;
    if (!flags_dead(x))
        load_flags(&x->a);
    xlat_new_tail(x, TAIL_STALE, x->self_from[0])->index = site;
    x->checked = (uint16_t)n;
}

void xlat_self_stale(struct xlat *x, uint32_t site)
{
    for (unsigned i = 1; i < x->nself; i++)
        asm_here(&x->a, x->self_from[i]);
    load_flags(&x->a);
    xlat_slow(x, site, FLAGS_DEAD);
}
