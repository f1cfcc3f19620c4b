/*
 * What translated code cannot do itself. Each guest instruction has sites where its host code may
 * come here; the interpreter's function then runs the whole instruction, on struct x86_cpu.
 */
#include <string.h>

#include "engine/dbt/x86/count.h"
#include "engine/dbt/x86/dbt.h"
#include "engine/dbt/x86/fpu.h"
#include "isa/x86/access.h"
#include "isa/x86/debug.h"
#include "isa/x86/decode.h"
#include "isa/x86/native.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"

void dbt_save_x87(struct dbt_vcpu *d)
{
    if (!d->x87_live)
        return;
    fpu_save(d->v->cpu);
    d->x87_live = false;
}

bool dbt_can_translate(const struct x86_cpu *c)
{
    return c->code_mode == 64 && !c->align.on && !(c->watching & X86_WATCH_DATA) &&
           !(c->rflags & FL_TF);
}

/* Host state that follows struct x86_cpu, before translated code goes on. */
static void prepare(struct dbt_vcpu *d, struct x86_cpu *c)
{
    struct dbt_hot *hot = d->hot;
    c->rflags &= ~(uint64_t)FL_RF; /* the next instruction is none that it was set for */
    hot->seg_base[0] = c->seg[SEG_FS].base;
    hot->seg_base[1] = c->seg[SEG_GS].base;
    hot->tsc_offset = c->tsc_offset;
    hot->tsc_aux = (uint32_t)c->tsc_aux;
    hot->rflags = (uint32_t)c->rflags & ~(FL_ONE | FL_IF | FL_RF | FL_VM);
    hot->iflag = (c->rflags & FL_IF) != 0;
    hot->dflag = (c->rflags & FL_DF) != 0;
    hot->sel[0] = c->seg[SEG_CS].sel;
    hot->sel[1] = c->seg[SEG_SS].sel;
    hot->irq_waits = !hot->iflag && c->env.irq_pending(c->env.irq);
    if (likely(d->x87_live))
        return;
    hot->upper = d->image_upper = fpu_upper_used(c);
    fpu_load(c);
    d->x87_live = true;
}

static bool wants_attention(const struct x86_cpu *c)
{
    return atomic_load_explicit(&c->attention, memory_order_relaxed) != 0;
}

/*
 * Attention was asked for only because state changed (IRET, SYSRET, POPF), and there is nothing to
 * attend to: the same questions as the interpreter's loop asks, without leaving translated code.
 */
static bool false_alarm(struct x86_cpu *c)
{
    if (atomic_load_explicit(&c->attention, memory_order_relaxed) != X86_ATTN_STATE)
        return false;
    if (c->inhibit || c->pending_debug || c->nmi_pending || c->event_pending || c->watching ||
        c->run_state != X86_RUNNING || (c->rflags & FL_TF))
        return false;
    if ((c->rflags & FL_IF) && c->env.irq_pending(c->env.irq))
        return false;
    atomic_fetch_and(&c->attention, ~(uint32_t)X86_ATTN_STATE);
    return true;
}

/* The block that the jump table names for c->rip; NULL: none, or one that is dead. */
static const void *known_block(struct dbt_vcpu *d, struct x86_cpu *c)
{
    dbt_enter_space(d, c);
    uint64_t entry = space_jump_get(d->space, c->rip);
    if (!entry || code_entry_closed(entry))
        return NULL;
    d->hot->code_base = c->rip & GUEST_PAGE_MASK;
    prepare(d, c);
    return (const void *)(uintptr_t)(entry + CODE_PROLOGUE);
}

const void *dbt_dispatch(struct dbt_vcpu *d, struct x86_cpu *c)
{
    if ((wants_attention(c) && (d->it.lone || !false_alarm(c))) || !dbt_can_translate(c))
        return NULL;
    const void *known = d->lockstep ? NULL : known_block(d, c);
    if (known)
        return known;
    const struct code_block *b = dbt_find(d, c, 0);
    if (!b || wants_attention(c))
        return NULL;
    return dbt_enter_block(d, c, b);
}

const void *dbt_enter_block(struct dbt_vcpu *d, struct x86_cpu *c, const struct code_block *b)
{
    dbt_enter_space(d, c);
    bool local = !softmmu_is_global(&d->it.mmu, c->rip);
    if (!(b->ctx & CTX_PLAIN) && !d->lockstep) {
        space_jump_set(d->space, c->rip, code_entry(&d->vm->code, b));
        d->space->jumps_local |= local;
    }
    d->hot->code_base = c->rip - (b->gpa & (GUEST_PAGE_SIZE - 1));
    prepare(d, c);
    return (const void *)(uintptr_t)code_body(&d->vm->code, b);
}

/* The instruction needs more than its site knows: let the interpreter fetch it. */
static const void *leave_alone(struct dbt_vcpu *d, struct x86_cpu *c, uint64_t rip)
{
    c->rip = rip;
    d->it.lone = true;
    x86_want_attention(c, X86_ATTN_STATE);
    return NULL;
}

static bool decode_site(struct dbt_vcpu *d, struct x86_cpu *c, const struct code_block *b,
                        const struct code_site *site, struct dbt_op *e)
{
    uint8_t bytes[16] = {0};
    struct x86_insn in;
    gpa_t page = b->gpa & GUEST_PAGE_MASK;
    unsigned have = (unsigned)GUEST_PAGE_SIZE - site->off;
    have = have < 15 ? have : 15;
    if (!site->len)
        return false;
    if (b->checked) {
        const uint8_t *copy = d->vm->code.copies + b->copy;
        memcpy(bytes, copy + (site->off - (b->gpa & ~GUEST_PAGE_MASK)), site->len);
    } else if (gpa_read(d->it.mmu.mem, page + site->off, bytes, have) < 0 ||
               (have < site->len &&
                gpa_read(d->it.mmu.mem, b->gpa2, bytes + have, 15 - have) < 0)) {
        return false;
    }
    if (x86_decode(&in, bytes, 15, X86_MODE_64) < 0 || in.len != site->len)
        return false;
    e->iclass = in.iclass;
    e->vectors =
        (in.desc->flags & (X86_F_SSE | X86_F_AVX)) && !(in.desc->flags & (X86_F_X87 | X86_F_MMX));
    x86_lower(c, &e->op[0], &in, site->off);
    x86_lower_end(c, &e->op[1], site->off + in.len);
    e->x87 = e->op[0].aux && !e->vectors;
    return true;
}

/* The site's instruction in executable form; NULL: the bytes are no longer what was translated. */
static const struct dbt_op *site_op(struct dbt_vcpu *d, struct x86_cpu *c, uint32_t n)
{
    const struct code_site *site = &d->vm->code.sites[n];
    struct dbt_op *e = &d->ops[n % DBT_OPS];
    uint64_t generation = x86_native_generation(c->native);
    if (e->valid && e->site == n && generation == d->native_generation)
        return e;
    if (generation != d->native_generation) {
        for (unsigned i = 0; i < DBT_OPS; i++)
            d->ops[i].valid = false;
        d->native_generation = generation;
    }
    e->valid = decode_site(d, c, &d->vm->code.blocks[site->block], site, e);
    e->site = n;
    if (x86_native_generation(c->native) != d->native_generation)
        e->valid = false; /* the thunks were dropped while this one was made */
    return e->valid ? e : NULL;
}

enum { TOUCHES = 5 };

/* What string instructions access, and behind them, where the last element was. */
static unsigned touched_string(const struct x86_cpu *c, uint16_t iclass, bool done, gva_t *va)
{
    unsigned n = 0;
    if (iclass == X86_I_MOVS || iclass == X86_I_LODS || iclass == X86_I_CMPS)
        va[n++] = c->gpr[RSI] - done;
    if (iclass == X86_I_MOVS || iclass == X86_I_STOS || iclass == X86_I_SCAS ||
        iclass == X86_I_CMPS)
        va[n++] = c->gpr[RDI] - done;
    return n;
}

/* Addresses that the instruction accesses, so that its next run finds them. */
static unsigned touched(const struct x86_cpu *c, const struct dbt_op *e, gva_t *va)
{
    const struct x86_op *op = e->op;
    unsigned n = touched_string(c, e->iclass, false, va);
    if (op->flags & (OP_MEM0 | OP_MEM1))
        va[n++] = op_offset(c, op) + REG(c, op->seg_base, const uint64_t);
    if (op->flags & OP_STACK) {
        va[n++] = c->gpr[RSP];
        if ((c->gpr[RSP] & (GUEST_PAGE_SIZE - 1)) < 8)
            va[n++] = c->gpr[RSP] - 8;
    }
    return n;
}

static void enter_op(struct dbt_vcpu *d, const struct code_block *b)
{
    d->pages[0] = b->gpa;
    d->pages[1] = b->gpa2;
    d->it.mmu.code = d->pages;
    d->it.mmu.code_lines = b->lines;
    d->epoch = atomic_load(&d->vm->code.epoch);
}

/* The anchors of the block are gone: go on in code without. */
static const void *go_on_plain(struct dbt_vcpu *d, struct x86_cpu *c, uint64_t rip)
{
    c->rip = rip;
    const struct code_block *b = dbt_find(d, c, CTX_PLAIN);
    return b ? dbt_enter_block(d, c, b) : NULL;
}

static const void *run_site(struct dbt_vcpu *d, struct x86_cpu *c, uint32_t n)
{
    struct code_cache *cc = &d->vm->code;
    struct code_site site = cc->sites[n];
    const struct code_block *b = &cc->blocks[site.block];
    uint64_t resume = code_entry(cc, b) + site.resume;
    gva_t va[TOUCHES];
    if (site.flags & CODE_SITE_STALE)
        return dbt_stale(d, c, &site);
    c->op = NULL;
    const struct dbt_op *e = site_op(d, c, n);
    if (!e)
        return leave_alone(d, c, c->code_base + site.off);
    enter_op(d, b);
    const struct x86_op *op = e->op;
    unsigned nva = touched(c, e, va);
    count_site(d, n, va, nva);
    if (e->x87)
        dbt_save_x87(d);
    c->op = op;
    const struct x86_op *next = op->fn(c, op);
    c->op = NULL;
    if (e->vectors)
        d->hot->upper = d->image_upper = fpu_upper_used(c);
    nva += touched_string(c, e->iclass, true, va + nva);
    if (e->iclass == X86_I_IRET)
        dbt_note_descriptors(d, c);
    bool stay = dbt_space_is_current(d, c);
    for (unsigned i = 0; i < nva && stay; i++)
        dbt_fill(d, c, va[i]);
    if (!next)
        return d->lockstep ? NULL : dbt_dispatch(d, c);
    bool leave = (wants_attention(c) && !d->lockstep) || b->dead;
    if (!site.resume || leave || !stay || d->epoch != atomic_load(&cc->epoch)) {
        c->rip = c->code_base + site.off + site.len;
        return dbt_dispatch(d, c);
    }
    if (site.flags & CODE_SITE_PLAIN)
        return go_on_plain(d, c, c->code_base + site.off + site.len);
    prepare(d, c);
    return (const void *)(uintptr_t)resume;
}

/* A jump inside the page whose target was not translated yet when it was emitted. */
static const void *run_link(struct dbt_vcpu *d, struct x86_cpu *c, uint32_t n)
{
    struct code_cache *cc = &d->vm->code;
    struct code_link link = cc->links[n];
    uint32_t epoch = atomic_load(&cc->epoch);
    gpa_t page = cc->blocks[link.block].gpa & GUEST_PAGE_MASK;
    c->rip = c->code_base + link.off;
    if (wants_attention(c) && !d->lockstep)
        return NULL;
    const struct code_block *to = dbt_find(d, c, link.ctx & CTX_PLAIN);
    if (!to)
        return NULL;
    pthread_mutex_lock(&cc->lock);
    bool same = epoch == atomic_load(&cc->epoch) && !cc->blocks[link.block].dead &&
                to->gpa2 == CODE_NO_PAGE && (to->gpa & GUEST_PAGE_MASK) == page &&
                to->ctx == link.ctx;
    if (same)
        code_link_to(cc, n, &cc->blocks[to - cc->blocks]);
    pthread_mutex_unlock(&cc->lock);
    return wants_attention(c) && !d->lockstep ? NULL : dbt_enter_block(d, c, to);
}

/* Vector registers' upper halves are only written by the stub when in use. */
static void complete_vectors(struct dbt_vcpu *d, struct x86_cpu *c)
{
    if (!d->hot->upper && d->image_upper)
        memset(c->xsave + XS_YMMH, 0, 256);
    d->image_upper = d->hot->upper;
}

/* State that lives in the hot page while translated code runs. */
static void catch_up(struct dbt_vcpu *d, struct x86_cpu *c)
{
    struct dbt_hot *hot = d->hot;
    c->rflags = FL_ONE | hot->rflags | (hot->iflag ? FL_IF : 0);
    if (likely(hot->level == DBT_LEVEL_SAME))
        return;
    d->space = (struct space *)(uintptr_t)hot->space;
    x86_star_segments(c, hot->level == DBT_LEVEL_USER ? 3 : 0, true);
    x86_update_mode(c);
    hot->level = DBT_LEVEL_SAME;
}

const void *dbt_handle(struct x86_cpu *c, enum stub_reason why, uint64_t arg)
{
    struct vcpu *v = c->vcpu;
    struct dbt_vcpu *d = v->engine_priv;
    complete_vectors(d, c);
    catch_up(d, c);
    count_call(d, why);
    c->code_base = d->hot->code_base;
    switch (why) {
    case STUB_SLOW:
        return run_site(d, c, (uint32_t)arg);
    case STUB_LINK:
        return run_link(d, c, (uint32_t)arg);
    case STUB_MISS:
        c->rip = arg;
        return d->lockstep ? NULL : dbt_dispatch(d, c);
    case STUB_ATTEND:
        /* Slot 0 of the jump table belongs to some few addresses, too. */
        c->rip = arg;
        return atomic_load(&d->hot->attention) ? NULL : dbt_dispatch(d, c);
    }
    return NULL;
}
