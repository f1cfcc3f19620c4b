/*
 * Tails: code behind the block, for what is rarely taken. Most of them load a number and end alike;
 * the ends are shared where a short jump reaches one. What an end expects:
 *     slow, link         r11 = number of the site or link
 *     attend, cross      r11 = guest target relative to the page's start
 */
#include "engine/dbt/x86/xlat.h"

enum { SHORT_JUMP = 2, SHORT_REACH = 128, OFFSET_BITS = 12 };

struct xlat_tail *xlat_new_tail(struct xlat *x, enum xlat_tail_kind kind, uint32_t from)
{
    struct xlat_tail *t = &x->tails[x->ntails++];
    *t = (struct xlat_tail){.kind = kind, .from = from};
    return t;
}

static void add_code_base(struct asm_buf *a)
{
    asm_load(a, H_R15, HOT(code_base));
    asm_lea(a, H_R11, MEM_INDEXED(H_R11, H_R15, 0));
}

static void emit_end(struct xlat *x, enum xlat_end end)
{
    struct asm_buf *a = &x->a;
    switch (end) {
    case END_SLOW:
        asm_jmp_mem(a, HOT(slow));
        break;
    case END_SLOW_TMP:
        xlat_load_flags(a, FLAGS_IN_TMP);
        asm_jmp_mem(a, HOT(slow));
        break;
    case END_LINK:
        asm_jmp_mem(a, HOT(link));
        break;
    case END_ATTEND:
        add_code_base(a);
        asm_jmp_mem(a, HOT(attend));
        break;
    case END_CROSS:
        add_code_base(a);
        xlat_jump_r11(x);
        break;
    default:
        break;
    }
}

static void go_to_end(struct xlat *x, enum xlat_end end)
{
    struct asm_buf *a = &x->a;
    uint32_t at = x->ends[end], back = a->len + SHORT_JUMP - at;
    if (at && back <= SHORT_REACH) {
        asm_put(a, 0xeb | ((0 - back) & 0xff) << 8, SHORT_JUMP);
    } else if (at && end == END_CROSS) {
        asm_jmp_to(a, at);
    } else {
        x->ends[end] = a->len;
        emit_end(x, end);
    }
}

void xlat_slow(struct xlat *x, uint32_t site, enum xlat_flags flags)
{
    asm_mov_imm32(&x->a, H_R11, 0);
    x->site_fix[site] = x->a.len - 4;
    go_to_end(x, flags == FLAGS_DEAD ? END_SLOW : END_SLOW_TMP);
}

/* Flags: above if the access that starts at r15 reaches into the next page. The offset in the page
 * is compared in the upper bits. */
static void compare_offset(struct asm_buf *a, unsigned size)
{
    const unsigned shift = 32 - OFFSET_BITS;
    asm_op_reg(a, false, 0xc1, 4, H_R15); /* shl r15d, imm8 */
    asm_8(a, shift);
    asm_op_reg(a, false, 0x81, 7, H_R15); /* cmp r15d, imm32 */
    asm_32(a, ((1u << OFFSET_BITS) - size) << shift);
}

/* Flags are dead. Within the page all is well; else the slow tail that follows does it. */
static void emit_misaligned(struct xlat *x, const struct xlat_tail *t)
{
    struct asm_buf *a = &x->a;
    if (!t->in_r15)
        asm_lea(a, H_R15, t->guest);
    compare_offset(a, t->size);
    if (t->in_r15)
        asm_lea(a, H_R15, t->guest);
    asm_to(a, asm_jcc(a, CC_BE), t->back);
}

/*
 * An access between live flags: misaligned, or its page has no entry. What is misaligned inside a
 * page is looked up here, to go on behind the look-up.
 */
static void emit_kept(struct xlat *x, const struct xlat_tail *t)
{
    struct asm_buf *a = &x->a;
    asm_mov(a, H_RCX, t->rcx);
    if (!t->back) {
        xlat_slow(x, t->index, FLAGS_DEAD);
        return;
    }
    xlat_keep_flags(x, FLAGS_IN_TMP);
    asm_lea(a, H_R15, t->guest);
    compare_offset(a, t->size);
    uint32_t crosses = asm_jcc8(a, CC_A);
    asm_lea(a, H_R15, t->guest);
    asm_rorx(a, H_R15, H_R15, GUEST_PAGE_SHIFT);
    asm_lea32(a, H_R15, MEM_INDEXED(H_R15, H_R15, 0));
    asm_load(a, H_R15, xlat_table_entry(H_R15, t->write));
    asm_op_reg(a, true, 0x85, H_R15, H_R15);
    uint32_t none = asm_jcc8(a, CC_E);
    xlat_load_flags(a, FLAGS_IN_TMP);
    asm_jmp_to(a, t->back);
    asm_here8(a, crosses);
    asm_here8(a, none);
    xlat_slow(x, t->index, FLAGS_IN_TMP);
}

static void emit_link(struct xlat *x, uint32_t link)
{
    asm_mov_imm32(&x->a, H_R11, 0);
    x->link_fix[link] = x->a.len - 4;
    go_to_end(x, END_LINK);
}

/* A jump of its own, that the link can be patched into. */
static void emit_plain(struct xlat *x, const struct xlat_tail *t)
{
    xlat_load_flags(&x->a, t->flags);
    asm_align_field(&x->a, 1);
    uint32_t at = asm_jmp(&x->a);
    x->links[t->index].patch = at;
    asm_here(&x->a, at);
    emit_link(x, t->index);
}

/* The page of the stack pointer's range, for loads and stores, becomes the stack page. */
static void emit_stack(struct xlat *x, const struct xlat_tail *t)
{
    struct asm_buf *a = &x->a;
    asm_lea(a, H_R15, MEM_BASE(H_RSP, t->low));
    asm_op_reg(a, false, 0x89, H_R15, H_R11); /* mov r11d, r15d */
    asm_op_reg(a, false, 0x81, 4, H_R11);     /* and r11d, imm32 */
    asm_32(a, GUEST_PAGE_SIZE - 1);
    asm_op_reg(a, false, 0x81, 7, H_R11); /* cmp r11d, imm32 */
    asm_32(a, (uint32_t)GUEST_PAGE_SIZE - t->len);
    uint32_t crosses = asm_jcc8(a, CC_A);
    asm_rorx(a, H_R11, H_R15, GUEST_PAGE_SHIFT);
    asm_lea32(a, H_R11, MEM_INDEXED(H_R11, H_R11, 0));
    asm_load(a, H_R11, xlat_table_entry(H_R11, true));
    asm_op_reg(a, true, 0x85, H_R11, H_R11);
    uint32_t none = asm_jcc8(a, CC_E);
    asm_store(a, STACK(add), H_R11);
    asm_op_reg(a, true, 0x81, 4, H_R15); /* and r15, imm32 */
    asm_32(a, ~(uint32_t)(GUEST_PAGE_SIZE - 1));
    asm_store(a, STACK(page), H_R15);
    asm_jmp_to(a, t->back);
    asm_here8(a, crosses);
    asm_here8(a, none);
    emit_plain(x, t);
}

static void emit_target(struct xlat *x, const struct xlat_tail *t, enum xlat_end end)
{
    asm_mov_imm64(&x->a, H_R11, (uint64_t)t->target);
    go_to_end(x, end);
}

static void emit_tail(struct xlat *x, const struct xlat_tail *t)
{
    if (t->kind == TAIL_STRING) {
        xlat_string_tail(x, t);
        return;
    }
    asm_here(&x->a, t->from);
    if (t->from2)
        asm_here(&x->a, t->from2);
    switch (t->kind) {
    case TAIL_PLAIN:
        emit_plain(x, t);
        break;
    case TAIL_SLOW:
        xlat_slow(x, t->index, t->flags);
        break;
    case TAIL_MISALIGNED:
        emit_misaligned(x, t);
        break;
    case TAIL_STACK:
        emit_stack(x, t);
        break;
    case TAIL_KEPT:
        emit_kept(x, t);
        break;
    case TAIL_LINK:
        emit_link(x, t->index);
        break;
    case TAIL_CROSS:
        emit_target(x, t, END_CROSS);
        break;
    case TAIL_STRING:
        break;
    case TAIL_ATTEND:
        emit_target(x, t, END_ATTEND);
        break;
    case TAIL_STALE:
        xlat_self_stale(x, t->index);
        break;
    }
}

void xlat_emit_tails(struct xlat *x)
{
    memset(x->ends, 0, sizeof(x->ends));
    for (uint32_t i = 0; i < x->ntails; i++)
        emit_tail(x, &x->tails[i]);
}
