/*
 * SBI calls about harts: timer, interrupts between them, remote fences, start and stop.
 */
#include "board/virt/sbi.h"
#include "vm/exclusive.h"

static void set_timer(const struct sbi_call *call, uint64_t when)
{
    call->cpu->stimecmp = when;
    virt_stimecmp_changed(call->hart, call->cpu);
}

struct sbi_ret sbi_time(const struct sbi_call *call)
{
    if (call->fid != 0)
        return sbi_error(SBI_ERR_NOT_SUPPORTED);
    set_timer(call, call->arg[0]);
    return sbi_error(SBI_SUCCESS);
}

struct sbi_ret sbi_ipi(const struct sbi_call *call)
{
    uint32_t harts;
    if (call->fid != 0)
        return sbi_error(SBI_ERR_NOT_SUPPORTED);
    if (!sbi_harts(call->virt, call->arg[0], call->arg[1], &harts))
        return sbi_error(SBI_ERR_INVALID_PARAM);
    for (; harts; harts &= harts - 1) {
        unsigned h = (unsigned)__builtin_ctz(harts);
        struct irq_line ssip = virt_hart_line(call->virt, h, RISCV_LINE_SSIP);
        irq_line_set(&ssip, true);
    }
    return sbi_error(SBI_SUCCESS);
}

/* ---- remote fences ---- */

enum { /* [SBI 2.0 8] */
       RFENCE_I,
       RFENCE_VMA,
       RFENCE_VMA_ASID,
};
/* More pages than that are flushed all together. */
enum { FENCE_PAGES_MAX = 64 };

static void fence_one(const struct sbi_call *call, struct riscv_cpu *c)
{
    uint64_t start = call->arg[2], size = call->arg[3];
    bool all_spaces = call->fid == RFENCE_VMA;
    uint16_t asid = (uint16_t)call->arg[4];
    if (call->fid == RFENCE_I) {
        c->slow->fence_i(c);
        return;
    }
    /* All of it is (0, 0) or a size of all ones. [SBI 2.0 8] */
    if (size == 0 || size > FENCE_PAGES_MAX * GUEST_PAGE_SIZE) {
        c->slow->sfence(c, true, 0, all_spaces, asid);
        return;
    }
    uint64_t end = start + size;
    for (uint64_t va = start & GUEST_PAGE_MASK; va < end; va += GUEST_PAGE_SIZE)
        c->slow->sfence(c, false, va, all_spaces, asid);
}

/*
 * The others' tables are theirs, so the world stops: they are at an instruction boundary while
 * their entries go, and the caller goes on when all have gone.
 */
static void fence(const struct sbi_call *call, uint32_t harts)
{
    struct vcpu *self = &call->virt->vm->vcpus[call->hart->id];
    bool others = harts & ~(1u << self->id);
    if (others)
        vm_exclusive_begin(self);
    for (; harts; harts &= harts - 1)
        fence_one(call, virt_cpu(call->virt, (unsigned)__builtin_ctz(harts)));
    if (others)
        vm_exclusive_end(self);
}

struct sbi_ret sbi_rfence(const struct sbi_call *call)
{
    uint32_t harts;
    if (call->fid > RFENCE_VMA_ASID)
        return sbi_error(SBI_ERR_NOT_SUPPORTED);
    if (!sbi_harts(call->virt, call->arg[0], call->arg[1], &harts))
        return sbi_error(SBI_ERR_INVALID_PARAM);
    fence(call, harts);
    return sbi_error(SBI_SUCCESS);
}

/* ---- start and stop ---- */

enum { HSM_START, HSM_STOP, HSM_STATUS, HSM_SUSPEND }; /* [SBI 2.0 9] */

static struct sbi_ret start(const struct sbi_call *call)
{
    uint64_t id = call->arg[0], addr = call->arg[1];
    if (id >= call->virt->vm->nvcpus)
        return sbi_error(SBI_ERR_INVALID_PARAM);
    if (!guest_mem_slot(&call->virt->vm->mem, addr))
        return sbi_error(SBI_ERR_INVALID_ADDRESS);
    /* Of two that start it at once one wins. */
    uint8_t stopped = VIRT_HART_STOPPED;
    if (!atomic_compare_exchange_strong(&call->virt->hart[id].state, &stopped, VIRT_HART_STARTED))
        return sbi_error(SBI_ERR_ALREADY_AVAILABLE);
    struct vcpu *v = &call->virt->vm->vcpus[id];
    atomic_store(&v->start_addr, addr);
    atomic_store(&v->start_arg, call->arg[2]);
    vcpu_request(v, VCPU_REQ_START);
    return sbi_error(SBI_SUCCESS);
}

/* The hart stands when this instruction is done; who sees it stopped may start it. */
static struct sbi_ret stop(const struct sbi_call *call)
{
    call->cpu->run_state = RISCV_STOPPED;
    riscv_want_attention(call->cpu, RISCV_ATTN_STATE);
    atomic_store(&call->hart->state, VIRT_HART_STOPPED);
    return sbi_error(SBI_SUCCESS);
}

struct sbi_ret sbi_hsm(const struct sbi_call *call)
{
    switch (call->fid) {
    case HSM_START:
        return start(call);
    case HSM_STOP:
        return stop(call);
    case HSM_STATUS:
        if (call->arg[0] >= call->virt->vm->nvcpus)
            return sbi_error(SBI_ERR_INVALID_PARAM);
        return sbi_value(atomic_load(&call->virt->hart[call->arg[0]].state));
    default: /* no device tree of ours offers idle states to suspend to */
        return sbi_error(SBI_ERR_NOT_SUPPORTED);
    }
}

int64_t sbi_legacy(const struct sbi_call *call, uint64_t eid)
{
    enum { SET_TIMER = 0, PUTCHAR = 1, GETCHAR = 2, CLEAR_IPI = 3, SHUTDOWN = 8 };
    const uint64_t shutdown[2] = {0, 0};
    struct sbi_call other = *call;
    switch (eid) {
    case SET_TIMER:
        set_timer(call, call->arg[0]);
        return SBI_SUCCESS;
    case PUTCHAR:
        sbi_put(call->virt, (uint8_t)call->arg[0]);
        return SBI_SUCCESS;
    case GETCHAR:
        return sbi_get(call->virt);
    case CLEAR_IPI:
        atomic_fetch_and(&call->cpu->lines, ~(UINT64_C(1) << RISCV_LINE_SSIP));
        return SBI_SUCCESS;
    case SHUTDOWN:
        other.fid = 0;
        other.arg = shutdown;
        return sbi_reset(&other).error;
    default: /* those with hart masks in virtual memory; nobody has used them since 2019 */
        return SBI_ERR_NOT_SUPPORTED;
    }
}
