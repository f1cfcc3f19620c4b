/*
 * The interpreter for the harts of process VMs: direct memory, no interrupts, no modes.
 *
 * Code generations stand in a table hashed by page, one for each hart: dropping code moves on those
 * of its pages, and whatever else has the same hash is decoded again, too.
 */
#include "engine/flat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "engine/interp/riscv/block.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"

enum { GENERATIONS = 4096 };

/* c->vcpu */
struct flat_hart {
    struct riscv_blocks blocks;
    const struct flat_space *space;
    bool running; /* in run(): host faults are the guest's */
    uint64_t decoded, lookups;
    struct tlb no_tlb; /* no entry is ever valid */
    _Atomic uint32_t generations[GENERATIONS];
};

static struct flat_hart *hart_of(const struct riscv_cpu *c)
{
    return c->vcpu;
}

static _Atomic uint32_t *generation_of(struct flat_hart *h, gva_t va)
{
    uint64_t page = va >> GUEST_PAGE_SHIFT;
    return &h->generations[(page ^ page >> 12) % GENERATIONS];
}

static const uint8_t *fetch(struct riscv_blocks *rb, gva_t va, gpa_t *gpa)
{
    struct flat_hart *h = rb->opaque;
    if (va >= rb->cpu->flat_size || !h->space->executable(h->space->opaque, va))
        riscv_raise(rb->cpu, RISCV_EXC_FETCH_PAGE, va);
    *gpa = va;
    return (const uint8_t *)(uintptr_t)(rb->cpu->flat_base + va);
}

static uint32_t watch(struct riscv_blocks *rb, gpa_t gpa, _Atomic uint32_t **genp)
{
    *genp = generation_of(rb->opaque, gpa);
    return atomic_load(*genp);
}

static bool may_enter(struct riscv_blocks *rb, gva_t va)
{
    (void)rb;
    (void)va;
    return true;
}

static const struct riscv_code_source source = {fetch, watch, may_enter};

/* Beyond the arena. */
static uint64_t slow_load(struct riscv_cpu *c, gva_t va, unsigned size)
{
    (void)size;
    riscv_raise(c, RISCV_EXC_LOAD_ACCESS, va);
}

static void slow_store(struct riscv_cpu *c, gva_t va, unsigned size, uint64_t v)
{
    (void)size;
    (void)v;
    riscv_raise(c, RISCV_EXC_STORE_ACCESS, va);
}

static void *slow_rmw_ptr(struct riscv_cpu *c, gva_t va, unsigned size)
{
    (void)size;
    riscv_raise(c, RISCV_EXC_STORE_ACCESS, va);
}

/* Never reached: slow_rmw_ptr does not return. */
static bool slow_cas(struct riscv_cpu *c, gva_t va, unsigned size, uint64_t old, uint64_t val)
{
    (void)size;
    (void)old;
    (void)val;
    riscv_raise(c, RISCV_EXC_STORE_ACCESS, va);
}

/* Nothing that user mode may do gets to these two. */
static void slow_sfence(struct riscv_cpu *c, bool all_addresses, gva_t va, bool all_spaces,
                        uint16_t asid)
{
    (void)c;
    (void)all_addresses;
    (void)va;
    (void)all_spaces;
    (void)asid;
}

static void slow_context_changed(struct riscv_cpu *c)
{
    (void)c;
}

static void slow_fence_i(struct riscv_cpu *c)
{
    block_cache_flush(&hart_of(c)->blocks.cache);
}

static const struct riscv_mem_slow slow_ops = {
    .load = slow_load,
    .store = slow_store,
    .rmw_ptr = slow_rmw_ptr,
    .cas = slow_cas,
    .sfence = slow_sfence,
    .context_changed = slow_context_changed,
    .fence_i = slow_fence_i,
};

static int flat_init(struct flat_space *space, struct error *err)
{
    (void)space;
    (void)err;
    return 0;
}

static void flat_destroy(struct flat_space *space)
{
    (void)space;
}

static int hart_init(struct flat_space *space, struct riscv_cpu *c, struct error *err)
{
    struct flat_hart *h = calloc(1, sizeof(*h));
    if (!h)
        return error_set(err, ENOMEM, "there is no memory for a hart");
    memset(&h->no_tlb, 0xff, sizeof(h->no_tlb));
    h->space = space;
    h->blocks.cpu = c;
    h->blocks.source = &source;
    h->blocks.opaque = h;
    h->blocks.decoded = &h->decoded;
    h->blocks.lookups = &h->lookups;
    c->vcpu = h;
    c->slow = &slow_ops;
    c->tlb = &h->no_tlb;
    c->reserved_addr = RISCV_NO_RESERVATION;
    c->icount_exact = true;
    c->mstatus |= MSTATUS_FS;
    riscv_fp_changed(c);
    int r = block_cache_init(&h->blocks.cache, sizeof(struct riscv_op), err);
    if (r < 0) {
        free(h);
        c->vcpu = NULL;
    }
    return r;
}

static void hart_destroy(struct riscv_cpu *c)
{
    struct flat_hart *h = hart_of(c);
    if (!h)
        return;
    block_cache_destroy(&h->blocks.cache);
    free(h);
    c->vcpu = NULL;
}

static enum flat_exit leave(struct riscv_cpu *c, enum flat_exit why)
{
    hart_of(c)->running = false;
    riscv_fp_leave(c);
    return why;
}

static enum flat_exit run(struct riscv_cpu *c)
{
    c->op = NULL;
    if (setjmp(c->unwind)) {
        riscv_block_unwound(&hart_of(c)->blocks);
        return leave(c, FLAT_EXCEPTION);
    }
    hart_of(c)->running = true;
    riscv_blocks_run(&hart_of(c)->blocks);
    return leave(c, FLAT_ATTENTION);
}

static void drop_code(struct riscv_cpu *c, gva_t start, gva_t end)
{
    struct flat_hart *h = hart_of(c);
    if (end - start >= GENERATIONS * GUEST_PAGE_SIZE) {
        block_cache_flush(&h->blocks.cache);
        return;
    }
    for (gva_t va = start & GUEST_PAGE_MASK; va < end; va += GUEST_PAGE_SIZE)
        atomic_fetch_add(generation_of(h, va), 1);
}

/* The interrupted code is ours, and does nothing but the guest's access: leaving it is safe. */
static bool host_fault(struct riscv_cpu *c, uint64_t cause, uint64_t tval, void *ucontext)
{
    const ucontext_t *uc = ucontext;
    if (!hart_of(c)->running)
        return false;
    if (uc->uc_mcontext.fpregs)
        riscv_fp_recover(c, uc->uc_mcontext.fpregs->mxcsr);
    riscv_raise(c, c->op ? cause : RISCV_EXC_FETCH_PAGE, tval);
}

const struct flat_engine flat_interp_riscv = {
    .name = "interp",
    .init = flat_init,
    .destroy = flat_destroy,
    .hart_init = hart_init,
    .hart_destroy = hart_destroy,
    .run = run,
    .drop_code = drop_code,
    .host_fault = host_fault,
};
