/*
 * The interpreter engine: decoded blocks, run one instruction function after another.
 *
 * First stop of an instruction's journey on this engine: vm/run.c -> interp_run() ->
 * x86_block_find() (fetch through softmmu, decode, lower) -> exec_* functions -> next block. The
 * architectural state is vcpu->cpu itself, so nothing is copied when state is saved or the engine
 * changes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>

#include "engine/interp/x86/interp.h"

#include "engine/engine.h"
#include "isa/x86/access.h"
#include "isa/x86/debug.h"
#include "isa/x86/native.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"
#include "vm/exclusive.h"
#include "vm/vm.h"

enum unwound { UNWOUND_NOT, UNWOUND_FAULT, UNWOUND_NEED_ALONE };

static void code_unmapped(void *opaque, gva_t va, bool all)
{
    block_cache_unmapped(opaque, va, all);
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

void interp_kick(struct vcpu *v)
{
    x86_want_attention(v->cpu, X86_ATTN_REQUEST);
}

static void run_block(struct interp *it, struct x86_cpu *c, const struct block *b)
{
    const struct x86_op *first = x86_block_ops(b), *op = first;
    c->code_base = c->rip - (b->gpa & (GUEST_PAGE_SIZE - 1));
    it->mmu.code = &b->gpa;
    it->mmu.code_lines = MEM_ALL_LINES;
    it->running = b;
    do {
        c->op = op;
        op = op->fn(c, op);
    } while (op);
    c->icount += (uint64_t)(c->op - first) + (c->op->len != 0);
    c->op = NULL;
    it->running = NULL;
}

bool interp_block(struct interp *it, struct x86_cpu *c)
{
    const struct block *b = block_jump(&it->blocks.cache, c->rip, x86_block_key(&it->blocks, c));
    if (unlikely(!b)) {
        b = x86_block_find(&it->blocks);
        if (!b)
            return false;
    }
    run_block(it, c, b);
    return true;
}

static bool run_blocks(struct interp *it, struct x86_cpu *c)
{
    while (likely(!atomic_load_explicit(&c->attention, memory_order_relaxed))) {
        if (!interp_block(it, c))
            return false;
    }
    return true;
}

/* One instruction by itself: steps, interrupt shadow, and what softmmu sends here. */
static bool run_lone(struct interp *it, struct x86_cpu *c)
{
    if (it->before_lone)
        it->before_lone(it);
    const struct block *b = x86_block_single(&it->blocks);
    if (!b)
        return false;
    it->mmu.alone = true;
    run_block(it, c, b);
    it->mmu.alone = false;
    return true;
}

/* Outcome of one look at what wants attention. */
enum service { SERVICE_GO_ON, SERVICE_LEAVE, SERVICE_SHUTDOWN, SERVICE_NO_CODE };

static enum service leave(struct vm_exit *exit, enum vm_exit_reason why)
{
    exit->reason = why;
    return SERVICE_LEAVE;
}

static bool can_interrupt(const struct x86_cpu *c)
{
    return (c->rflags & FL_IF) && c->env.irq_pending(c->env.irq);
}

static bool wakes(const struct x86_cpu *c)
{
    return (c->nmi_pending && !c->nmi_masked) || can_interrupt(c);
}

/* Another engine was in the middle of delivering this when the vCPU came to us. */
static enum service deliver_handed_over(struct x86_cpu *c)
{
    c->event_pending = false;
    x86_want_attention(c, X86_ATTN_STATE);
    if (c->event_kind != EVENT_EXCEPTION)
        return x86_deliver(c, c->event_kind, c->event_vector) ? SERVICE_GO_ON : SERVICE_SHUTDOWN;
    c->exc_vector = c->event_vector;
    c->exc_has_error = c->event_has_error;
    c->exc_error = c->event_error;
    c->exc_cr2 = c->cr2;
    return x86_deliver_pending(c) ? SERVICE_GO_ON : SERVICE_SHUTDOWN;
}

static enum service deliver_events(struct x86_cpu *c, struct vcpu_stats *st)
{
    bool ok = true;
    if (c->nmi_pending && !c->nmi_masked) {
        c->nmi_pending = false;
        ok = x86_deliver(c, EVENT_NMI, VEC_NMI);
    } else if (can_interrupt(c)) {
        int vector = c->env.irq_ack(c->env.irq);
        if (vector >= 0) {
            st->interrupts++;
            ok = x86_deliver(c, EVENT_EXTERNAL, (uint8_t)vector);
        }
        x86_want_attention(c, X86_ATTN_STATE); /* there may be more */
    }
    return ok ? SERVICE_GO_ON : SERVICE_SHUTDOWN;
}

/* A #DB due before the next instruction, as a trap of the last. */
static enum service debug_trap(struct x86_cpu *c)
{
    x86_debug_report(c, c->pending_debug);
    c->pending_debug = 0;
    c->inhibit = X86_SHADOW_NONE;
    c->run_state = X86_RUNNING;
    x86_want_attention(c, X86_ATTN_STATE);
    return x86_deliver(c, EVENT_TRAP, VEC_DB) ? SERVICE_GO_ON : SERVICE_SHUTDOWN;
}

/* Instruction breakpoints at the next instruction; RF lets it pass. */
static uint32_t breakpoints_here(const struct x86_cpu *c)
{
    if (!(c->watching & X86_WATCH_INSN) || (c->rflags & FL_RF))
        return 0;
    return x86_debug_insn(c, isa_x86.pc(c));
}

/*
 * One instruction, with what TF and instruction breakpoints make of it. TF counts as it was when
 * the instruction began [SDM 3B 18.3.1.4]; RF holds for one instruction; a string instruction that
 * is not through sets it again. Behind MOV SS (`shadow`) and by MOV SS itself nothing traps.
 */
static enum service step(struct interp *it, struct x86_cpu *c, uint8_t shadow)
{
    uint32_t causes = shadow == X86_SHADOW_SS ? 0 : breakpoints_here(c);
    x86_want_attention(c, X86_ATTN_STATE);
    if (causes) {
        x86_debug_report(c, causes);
        return x86_deliver(c, EVENT_EXCEPTION, VEC_DB) ? SERVICE_GO_ON : SERVICE_SHUTDOWN;
    }
    c->single_step = c->rflags & FL_TF;
    c->rflags &= ~(uint64_t)FL_RF;
    if (!run_lone(it, c))
        return SERVICE_NO_CODE;
    if (c->single_step && c->inhibit != X86_SHADOW_SS)
        c->pending_debug |= DR6_BS;
    return SERVICE_GO_ON;
}

static void stopped_world(struct vcpu *v)
{
    vm_exclusive_leave_guest(v);
    vm_exclusive_enter_guest(v);
}

static enum service service(struct vcpu *v, struct vm_exit *exit)
{
    struct interp *it = v->engine_priv;
    struct x86_cpu *c = v->cpu;
    atomic_exchange_explicit(&c->attention, 0, memory_order_acquire);
    if (unlikely(c->cpl == 3 && !atomic_load(&v->vm->milestone_ns[VM_MILESTONE_USER_MODE])))
        vm_milestone(v->vm, VM_MILESTONE_USER_MODE);
    uint32_t req = vcpu_take(v, VCPU_REQ_INTERRUPT | VCPU_REQ_EXCLUSIVE | VCPU_REQ_NMI);
    if (req & VCPU_REQ_EXCLUSIVE)
        stopped_world(v);
    if (req & VCPU_REQ_NMI)
        c->nmi_pending = true;
    if (atomic_load(&v->requests) &
        (VCPU_REQ_PAUSE | VCPU_REQ_STOP | VCPU_REQ_INIT | VCPU_REQ_START))
        return leave(exit, EXIT_INTERRUPTED);
    if (c->run_state == X86_WAIT_SIPI)
        return leave(exit, EXIT_HALT);
    if (c->event_pending)
        return deliver_handed_over(c);
    uint8_t shadow = c->inhibit;
    if (c->pending_debug && shadow != X86_SHADOW_SS)
        return debug_trap(c);
    if (c->run_state == X86_HALTED) {
        if (!wakes(c))
            return leave(exit, EXIT_HALT);
        c->run_state = X86_RUNNING;
    }
    if (it->lone) {
        it->lone = false;
        x86_want_attention(c, X86_ATTN_STATE);
        return run_lone(it, c) ? SERVICE_GO_ON : SERVICE_NO_CODE;
    }
    c->inhibit = X86_SHADOW_NONE;
    if (!shadow && wakes(c))
        return deliver_events(c, &v->stats);
    if (shadow || (c->rflags & FL_TF) || (c->watching & X86_WATCH_INSN))
        return step(it, c, shadow);
    return SERVICE_GO_ON;
}

static void fail_no_code(struct vcpu *v, struct vm_exit *exit)
{
    char where[300];
    exit->reason = EXIT_FAILED;
    v->vm->isa->describe(v->cpu, where, sizeof(where));
    error_set(&exit->error, EFAULT, "CPU %u executes where there is no memory: %s", v->id, where);
}

/* Guest code until there is a reason to leave. */
static void run_until_exit(struct vcpu *v, struct vm_exit *exit)
{
    struct interp *it = v->engine_priv;
    struct x86_cpu *c = v->cpu;
    enum service s = SERVICE_GO_ON;
    while (s == SERVICE_GO_ON) {
        if (!it->run(it, c))
            s = SERVICE_NO_CODE;
        else
            s = service(v, exit);
    }
    if (s == SERVICE_SHUTDOWN)
        exit->reason = EXIT_SHUTDOWN;
    else if (s == SERVICE_NO_CODE)
        fail_no_code(v, exit);
}

/* Instructions of the current block that retired before the one that unwound. */
static void count_partial(struct interp *it, struct x86_cpu *c)
{
    if (c->op && it->running)
        c->icount += (uint64_t)(c->op - x86_block_ops(it->running));
    it->running = NULL;
}

void interp_run(struct vcpu *v, struct vm_exit *exit)
{
    struct interp *it = v->engine_priv;
    struct x86_cpu *c = v->cpu;
    vm_exclusive_enter_guest(v);
    x86_want_attention(c, X86_ATTN_STATE);
    bool alive = true;
    switch ((enum unwound)setjmp(c->unwind)) {
    case UNWOUND_NOT:
        break;
    case UNWOUND_FAULT:
        count_partial(it, c);
        it->mmu.alone = false;
        it->lone = false;
        c->pending_debug = 0; /* of an instruction that did not happen */
        v->stats.exceptions++;
        alive = x86_deliver_pending(c);
        break;
    case UNWOUND_NEED_ALONE:
        count_partial(it, c);
        c->op = NULL;
        it->lone = true;
        x86_want_attention(c, X86_ATTN_STATE);
        break;
    }
    if (alive)
        run_until_exit(v, exit);
    else
        exit->reason = EXIT_SHUTDOWN;
    v->stats.instructions = c->icount;
    v->stats.native_thunks = c->native_count;
    vm_exclusive_leave_guest(v);
}

int interp_init(struct interp *it, struct vcpu *v, softmmu_unmapped_fn *unmapped, void *opaque,
                struct error *err)
{
    struct x86_cpu *c = v->cpu;
    v->engine_priv = it;
    it->run = run_blocks;
    int r = x86_native_create(&c->native, err);
    if (r < 0)
        return r;
    it->mmu.code_unmapped = unmapped ? unmapped : code_unmapped;
    it->mmu.opaque = unmapped ? opaque : &it->blocks.cache;
    it->blocks.mmu = &it->mmu;
    r = block_cache_init(&it->blocks.cache, sizeof(struct x86_op), err);
    if (r < 0)
        return r;
    softmmu_init(&it->mmu, v, &v->vm->mem);
    x86_update_mode(c);
    c->slow->context_changed(c);
    return 0;
}

void interp_destroy(struct interp *it, struct vcpu *v)
{
    struct x86_cpu *c = v->cpu;
    x86_native_destroy(c->native);
    block_cache_destroy(&it->blocks.cache);
    v->engine_priv = NULL;
}

static int interp_vcpu_init(struct vcpu *v, struct error *err)
{
    struct interp *it = calloc(1, sizeof(*it));
    if (!it)
        return error_set(err, ENOMEM, "there is no memory for a virtual CPU");
    return interp_init(it, v, NULL, NULL, err);
}

static void interp_vcpu_destroy(struct vcpu *v)
{
    struct interp *it = v->engine_priv;
    if (!it)
        return;
    interp_destroy(it, v);
    free(it);
}

int interp_state_get(struct vcpu *v, struct error *err)
{
    (void)v;
    (void)err;
    return 0;
}

/* Registers changed behind our back: nothing cached about them may stay. */
int interp_state_put(struct vcpu *v, struct error *err)
{
    struct interp *it = v->engine_priv;
    struct x86_cpu *c = v->cpu;
    (void)err;
    softmmu_flush_everything(&it->mmu);
    block_cache_flush(&it->blocks.cache);
    it->lone = false;
    x86_debug_update(c);
    x86_update_mode(c);
    c->slow->context_changed(c);
    x86_want_attention(c, X86_ATTN_STATE);
    return 0;
}

const struct engine_ops engine_interp = {
    .name = "interp",
    .caps = 0,
    .probe = interp_probe,
    .vm_init = interp_vm_init,
    .vm_destroy = interp_vm_destroy,
    .vcpu_init = interp_vcpu_init,
    .vcpu_destroy = interp_vcpu_destroy,
    .run = interp_run,
    .kick = interp_kick,
    .state_get = interp_state_get,
    .state_put = interp_state_put,
};
