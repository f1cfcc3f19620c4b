/*
 * Sites, and tails: code behind the block, for what is rarely taken. Stubs take a number or an
 * address in rcx.
 */
#include "engine/dbt/asm_sse.h"
#include "engine/dbt/riscv/xlat.h"
#include "isa/riscv/fp.h"

uint32_t rvx_new_site(struct rvx *x, unsigned flags)
{
    const struct rvx_insn *xi = rvx_cur(x);
    uint32_t n = x->nsites++;
    x->sites[n] = (struct code_site){.off = xi->off, .len = xi->in.len, .flags = (uint8_t)flags};
    x->site_fix[n] = 0;
    return n;
}

struct rvx_tail *rvx_new_tail(struct rvx *x, enum rvx_tail_kind kind, uint32_t from)
{
    struct rvx_tail *t = &x->tails[x->ntails++];
    *t = (struct rvx_tail){.kind = kind, .from = from};
    return t;
}

void rvx_slow_from(struct rvx *x, uint32_t from)
{
    rvx_new_tail(x, RVX_TAIL_SLOW, from)->index = x->nsites - 1;
}

/* mov ecx, imm32, to be filled in; its form is known to code.c. Returns where the number stands. */
static uint32_t number(struct asm_buf *a)
{
    asm_put(a, 0xc1c7, 6);
    return a->len - 4;
}

/* One number for all that leave through the same site. */
void rvx_to_slow(struct rvx *x, uint32_t site)
{
    if (x->site_fix[site]) {
        asm_jmp_to(&x->a, x->site_fix[site] - 2);
        return;
    }
    x->site_fix[site] = number(&x->a);
    asm_jmp_mem(&x->a, HOT_WORD(RVX_SLOW));
}

/* A jump of its own, that the link can be patched into. */
static void plain(struct rvx *x, uint32_t link)
{
    struct asm_buf *a = &x->a;
    asm_align_field(a, 1);
    uint32_t at = asm_jmp(a);
    x->links[link].patch = at;
    asm_here(a, at);
    x->link_fix[link] = number(a);
    asm_jmp_mem(a, HOT_WORD(RVX_LINK));
}

static void emit_tail(struct rvx *x, const struct rvx_tail *t)
{
    struct asm_buf *a = &x->a;
    asm_here(a, t->from);
    switch (t->kind) {
    case RVX_TAIL_PAGE:
        asm_mov32(a, H_RAX, H_RCX);
        asm_alu_imm(a, false, ALU_AND, H_RAX, GUEST_PAGE_SIZE - 1);
        asm_alu_imm(a, false, ALU_CMP, H_RAX, (int32_t)(GUEST_PAGE_SIZE - t->size));
        asm_to(a, asm_jcc(a, CC_BE), t->back);
        rvx_to_slow(x, t->index);
        break;
    case RVX_TAIL_NAN:
        asm_mov_imm64(a, H_RAX, t->size == 4 ? riscv_fp_box(RISCV_F32_NAN) : RISCV_F64_NAN);
        asm_movq_from(a, true, t->index, H_RAX);
        asm_jmp_to(a, t->back);
        break;
    case RVX_TAIL_SLOW:
        rvx_to_slow(x, t->index);
        break;
    case RVX_TAIL_PLAIN:
        asm_here(a, t->back);
        plain(x, t->index);
        break;
    case RVX_TAIL_LINK:
        x->link_fix[t->index] = number(a);
        asm_jmp_mem(a, HOT_WORD(RVX_LINK));
        break;
    case RVX_TAIL_ATTEND:
        rvx_emit_known(x, H_RCX, rvx_pc(x, t->target));
        asm_jmp_mem(a, HOT_WORD(RVX_ATTEND));
        break;
    case RVX_TAIL_CROSS:
        rvx_emit_known(x, H_RCX, rvx_pc(x, t->target));
        rvx_jump_rcx(x);
        break;
    }
}

void rvx_emit_tails(struct rvx *x)
{
    for (uint32_t i = 0; i < x->ntails; i++)
        emit_tail(x, &x->tails[i]);
}

void rvx_whole(struct rvx *x)
{
    bool ends = rvx_ends_block(&rvx_cur(x)->in);
    uint32_t site = rvx_new_site(x, CODE_SITE_WHOLE | (ends ? CODE_SITE_ENDS : 0));
    rvx_to_slow(x, site);
    x->ended = ends;
}
