/*
 * The interpreter engine for RISC-V: decoded blocks, run one after another, and between them a look
 * at what wants attention.
 *
 * First stop of an instruction's journey on this engine: vm/run.c -> riscv_interp_run() ->
 * riscv_block_find() (fetch through softmmu, decode, lower) -> riscv_exec_* -> next block. The
 * architectural state is vcpu->cpu itself, so nothing is copied when state is saved.
 */
#include "engine/interp/riscv/interp.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/engine.h"
#include "isa/riscv/fp_state.h"
#include "isa/riscv/mmu.h"
#include "isa/riscv/trap.h"
#include "vm/exclusive.h"

static const uint8_t *fetch(struct riscv_blocks *rb, gva_t va, gpa_t *gpa)
{
    return riscv_softmmu_fetch(rb->opaque, va, gpa);
}

static uint32_t watch(struct riscv_blocks *rb, gpa_t gpa, _Atomic uint32_t **genp)
{
    return softmmu_watch_code(rb->opaque, gpa, MEM_ALL_LINES, genp);
}

static bool may_enter(struct riscv_blocks *rb, gva_t va)
{
    return !(va >> 63) || riscv_softmmu_code_is_global(rb->opaque, va);
}

static const struct riscv_code_source source = {fetch, watch, may_enter};

static void code_unmapped(void *opaque, gva_t va, bool all)
{
    block_cache_unmapped(opaque, va, all);
}

static void run_blocks(struct riscv_interp *it, struct riscv_cpu *c)
{
    (void)c;
    riscv_blocks_run(&it->blocks);
}

void riscv_interp_block(struct riscv_interp *it)
{
    struct riscv_blocks *rb = &it->blocks;
    const struct block *b = block_jump(&rb->cache, rb->cpu->pc, riscv_block_key(rb));
    riscv_block_run(rb, b ? b : riscv_block_find(rb));
}

void riscv_interp_kick(struct vcpu *v)
{
    riscv_want_attention(v->cpu, RISCV_ATTN_REQUEST);
}

static bool leave(struct vm_exit *exit, enum vm_exit_reason why)
{
    exit->reason = why;
    return false;
}

static void stopped_world(struct vcpu *v)
{
    vm_exclusive_leave_guest(v);
    vm_exclusive_enter_guest(v);
}

/* One look at what wants attention; false: leave with *exit. */
static bool service(struct vcpu *v, struct vm_exit *exit)
{
    struct riscv_cpu *c = v->cpu;
    atomic_exchange_explicit(&c->attention, 0, memory_order_acquire);
    if (unlikely(c->priv == RISCV_U && !atomic_load(&v->vm->milestone_ns[VM_MILESTONE_USER_MODE])))
        vm_milestone(v->vm, VM_MILESTONE_USER_MODE);
    if (vcpu_take(v, VCPU_REQ_INTERRUPT | VCPU_REQ_EXCLUSIVE) & VCPU_REQ_EXCLUSIVE)
        stopped_world(v);
    if (atomic_load(&v->requests) & ~(uint32_t)(VCPU_REQ_INTERRUPT | VCPU_REQ_EXCLUSIVE))
        return leave(exit, EXIT_INTERRUPTED);
    if (c->run_state == RISCV_STOPPED)
        return leave(exit, EXIT_HALT);
    if (c->run_state == RISCV_WAITING) {
        if (!riscv_wakes(c))
            return leave(exit, EXIT_HALT);
        c->run_state = RISCV_RUNNING;
    }
    if (riscv_deliver_interrupt(c))
        v->stats.interrupts++;
    return true;
}

void riscv_interp_run(struct vcpu *v, struct vm_exit *exit)
{
    struct riscv_interp *it = v->engine_priv;
    struct riscv_cpu *c = v->cpu;
    vm_exclusive_enter_guest(v);
    c->op = NULL;
    riscv_want_attention(c, RISCV_ATTN_STATE);
    if (setjmp(c->unwind)) {
        riscv_block_unwound(&it->blocks);
        v->stats.exceptions++;
        riscv_deliver_pending(c);
    }
    do
        it->run(it, c);
    while (service(v, exit));
    v->stats.instructions = c->icount;
    riscv_fp_leave(c);
    vm_exclusive_leave_guest(v);
}

int riscv_interp_init(struct riscv_interp *it, struct vcpu *v, softmmu_unmapped_fn *unmapped,
                      void *opaque, struct error *err)
{
    v->engine_priv = it;
    it->run = run_blocks;
    it->mmu.code_unmapped = unmapped ? unmapped : code_unmapped;
    it->mmu.opaque = unmapped ? opaque : &it->blocks.cache;
    it->blocks.cpu = v->cpu;
    it->blocks.source = &source;
    it->blocks.opaque = &it->mmu;
    it->blocks.decoded = &v->stats.blocks;
    it->blocks.lookups = &v->stats.block_lookups;
    int r = block_cache_init(&it->blocks.cache, sizeof(struct riscv_op), err);
    if (r < 0)
        return r;
    riscv_softmmu_init(&it->mmu, v, &v->vm->mem);
    return riscv_interp_state_put(v, err);
}

void riscv_interp_destroy(struct riscv_interp *it, struct vcpu *v)
{
    block_cache_destroy(&it->blocks.cache);
    v->engine_priv = NULL;
}

static int interp_probe(struct error *err)
{
    (void)err;
    return 0;
}

static int interp_vm_init(struct vm *vm, struct error *err)
{
    (void)vm;
    (void)err;
    return 0;
}

static void interp_vm_destroy(struct vm *vm)
{
    (void)vm;
}

static int interp_vcpu_init(struct vcpu *v, struct error *err)
{
    struct riscv_interp *it = calloc(1, sizeof(*it));
    if (!it)
        return error_set(err, ENOMEM, "there is no memory for a virtual CPU");
    ((struct riscv_cpu *)v->cpu)->icount_exact = true;
    return riscv_interp_init(it, v, NULL, NULL, err);
}

static void interp_vcpu_destroy(struct vcpu *v)
{
    struct riscv_interp *it = v->engine_priv;
    if (!it)
        return;
    riscv_interp_destroy(it, v);
    free(it);
}

int riscv_interp_state_get(struct vcpu *v, struct error *err)
{
    (void)v;
    (void)err;
    return 0;
}

/* Registers changed behind our back: nothing cached about them may stay. */
int riscv_interp_state_put(struct vcpu *v, struct error *err)
{
    struct riscv_interp *it = v->engine_priv;
    struct riscv_cpu *c = v->cpu;
    (void)err;
    softmmu_flush_everything(&it->mmu);
    block_cache_flush(&it->blocks.cache);
    riscv_fp_changed(c);
    riscv_mmu_context_changed(c);
    c->slow->context_changed(c);
    riscv_want_attention(c, RISCV_ATTN_STATE);
    return 0;
}

const struct engine_ops engine_interp_riscv = {
    .name = "interp",
    .caps = 0,
    .probe = interp_probe,
    .vm_init = interp_vm_init,
    .vm_destroy = interp_vm_destroy,
    .vcpu_init = interp_vcpu_init,
    .vcpu_destroy = interp_vcpu_destroy,
    .run = riscv_interp_run,
    .kick = riscv_interp_kick,
    .state_get = riscv_interp_state_get,
    .state_put = riscv_interp_state_put,
};
