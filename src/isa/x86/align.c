/*
 * The slow paths of user code whose alignment is checked: judge, then let the engine do it.
 */
#include "isa/x86/align.h"
#include "isa/x86/seg.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"

/* Tags of all ones: TLB_INVALID. */
static const struct tlb nothing = {
    .e = {[0 ... TLB_ENTRIES - 1] = {TLB_INVALID, TLB_INVALID, TLB_INVALID, 0}}};

/* What the CPU reads and writes by itself (descriptors, inner stacks) is never checked. */
static bool is_user(const struct x86_cpu *c)
{
    return c->mmu_ctx == X86_MMU_USER;
}

void x86_align_judge(struct x86_cpu *c, gva_t va, unsigned mask)
{
    if (!(va & mask) || !is_user(c))
        return;
    if (x86_long_mode(c) && !x86_canonical(va))
        x86_raise_noncanonical(c, va);
    x86_raise_error(c, VEC_AC, 0);
}

/* Around an access of the engine, which may use the TLB. If it faults, x86_mmu_update_ctx() puts
 * things right. */
static void begin(struct x86_cpu *c)
{
    c->tlb = c->tlbs[c->mmu_ctx];
}

static void end(struct x86_cpu *c)
{
    if (is_user(c))
        c->tlb = &nothing;
}

static uint64_t checked_load(struct x86_cpu *c, gva_t va, unsigned size)
{
    x86_align_judge(c, va, size - 1);
    begin(c);
    uint64_t v = c->align.engine->load(c, va, size);
    end(c);
    return v;
}

static void checked_store(struct x86_cpu *c, gva_t va, unsigned size, uint64_t v)
{
    x86_align_judge(c, va, size - 1);
    begin(c);
    c->align.engine->store(c, va, size, v);
    end(c);
}

static void *checked_rmw_ptr(struct x86_cpu *c, gva_t va, unsigned size)
{
    x86_align_judge(c, va, size - 1);
    begin(c);
    void *p = c->align.engine->rmw_ptr(c, va, size);
    end(c);
    return p;
}

static void plain_read(struct x86_cpu *c, gva_t va, void *buf, unsigned len)
{
    begin(c);
    c->align.engine->read(c, va, buf, len);
    end(c);
}

static void plain_write(struct x86_cpu *c, gva_t va, const void *buf, unsigned len)
{
    begin(c);
    c->align.engine->write(c, va, buf, len);
    end(c);
}

/* Put ourselves in front of the engine. */
static void switch_on(struct x86_cpu *c)
{
    struct x86_align *a = &c->align;
    a->on = true;
    a->engine = c->slow;
    a->checked = *c->slow;
    a->checked.load = checked_load;
    a->checked.store = checked_store;
    a->checked.rmw_ptr = checked_rmw_ptr;
    a->checked.read = plain_read;
    a->checked.write = plain_write;
    c->slow = &a->checked;
    x86_want_attention(c, X86_ATTN_STATE); /* translated code cannot go on */
}

static void switch_off(struct x86_cpu *c)
{
    c->align.on = false;
    if (c->slow == &c->align.checked)
        c->slow = c->align.engine;
}

void x86_align_update(struct x86_cpu *c)
{
    bool on = c->cpl == 3 && (c->rflags & FL_AC) && (c->cr0 & CR0_AM) && c->slow;
    if (likely(!on)) {
        if (unlikely(c->align.on))
            switch_off(c);
        return;
    }
    if (c->slow != &c->align.checked)
        switch_on(c);
    c->tlb = &nothing;
}
