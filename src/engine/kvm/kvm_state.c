/*
 * All of a vCPU's state between KVM and struct x86_cpu: registers, APIC, MSRs, and what was under
 * way when the vCPU stopped.
 */
#include "engine/kvm/kvm_impl.h"
#include "isa/x86/debug.h"
#include "isa/x86/trap.h"

static void get_event(struct x86_cpu *c, const struct kvm_vcpu_events *e)
{
    c->event_pending = true;
    c->event_has_error = false;
    c->event_error = 0;
    if (e->exception.injected) {
        c->event_kind = EVENT_EXCEPTION;
        c->event_vector = e->exception.nr;
        c->event_has_error = e->exception.has_error_code;
        c->event_error = e->exception.error_code;
    } else if (e->nmi.injected) {
        c->event_kind = EVENT_NMI;
        c->event_vector = VEC_NMI;
    } else if (e->interrupt.injected && !e->interrupt.soft) {
        c->event_kind = EVENT_EXTERNAL;
        c->event_vector = e->interrupt.nr;
    } else {
        c->event_pending = false; /* a software interrupt is simply executed again */
    }
}

static uint8_t shadow_from_kvm(uint8_t bits)
{
    if (bits & KVM_X86_SHADOW_INT_MOV_SS)
        return X86_SHADOW_SS;
    return bits & KVM_X86_SHADOW_INT_STI ? X86_SHADOW_STI : X86_SHADOW_NONE;
}

static uint8_t shadow_to_kvm(uint8_t shadow)
{
    static const uint8_t bits[] = {
        [X86_SHADOW_STI] = KVM_X86_SHADOW_INT_STI, [X86_SHADOW_SS] = KVM_X86_SHADOW_INT_MOV_SS};
    return bits[shadow];
}

static int get_events(struct kvm_cpu *k, struct x86_cpu *c, struct error *err)
{
    struct kvm_vcpu_events e = {0};
    int r = kvm_call(k->fd, KVM_GET_VCPU_EVENTS, &e, "read the pending events", err);
    if (r < 0)
        return r;
    get_event(c, &e);
    c->pending_debug = 0; /* KVM's are among the exceptions */
    c->inhibit = shadow_from_kvm(e.interrupt.shadow);
    c->nmi_pending = e.nmi.pending;
    c->nmi_masked = e.nmi.masked;
    return 0;
}

/*
 * A #DB that is due before the next instruction: for KVM, an exception under delivery. Behind MOV
 * SS it would be due one instruction later; KVM has no place for such a one, and too early it would
 * find a stack that is only half switched. So it is lost.
 */
static void hand_over_trap(struct x86_cpu *c)
{
    bool due = c->pending_debug && !c->event_pending && c->inhibit != X86_SHADOW_SS;
    if (due) {
        x86_debug_report(c, c->pending_debug);
        c->inhibit = X86_SHADOW_NONE;
        c->event_pending = true;
        c->event_kind = EVENT_EXCEPTION;
        c->event_vector = VEC_DB;
        c->event_has_error = false;
    }
    c->pending_debug = 0;
}

static void put_event(struct kvm_vcpu_events *e, const struct x86_cpu *c)
{
    if (!c->event_pending)
        return;
    switch (c->event_kind) {
    case EVENT_EXCEPTION:
        e->exception.injected = 1;
        e->exception.nr = c->event_vector;
        e->exception.has_error_code = c->event_has_error;
        e->exception.error_code = c->event_error;
        break;
    case EVENT_NMI:
        e->nmi.injected = 1;
        break;
    default:
        e->interrupt.injected = 1;
        e->interrupt.nr = c->event_vector;
        break;
    }
}

static int put_events(struct kvm_cpu *k, const struct x86_cpu *c, struct error *err)
{
    struct kvm_vcpu_events e = {
        .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW,
        .interrupt.shadow = shadow_to_kvm(c->inhibit),
        .nmi.pending = c->nmi_pending,
        .nmi.masked = c->nmi_masked,
    };
    put_event(&e, c);
    return kvm_call(k->fd, KVM_SET_VCPU_EVENTS, &e, "set the pending events", err);
}

static int get_run_state(struct kvm_cpu *k, struct x86_cpu *c, struct error *err)
{
    struct kvm_mp_state mp;
    int r = kvm_call(k->fd, KVM_GET_MP_STATE, &mp, "read the start-up state", err);
    if (r < 0)
        return r;
    switch (mp.mp_state) {
    case KVM_MP_STATE_HALTED:
        c->run_state = X86_HALTED;
        break;
    case KVM_MP_STATE_UNINITIALIZED:
    case KVM_MP_STATE_INIT_RECEIVED:
        c->run_state = X86_WAIT_SIPI;
        break;
    default: /* a start-up message that KVM had yet to take was taken by asking */
        c->run_state = X86_RUNNING;
        break;
    }
    return 0;
}

/* Waiting, a CPU takes a start-up message whether or not another INIT comes before. */
static int put_run_state(struct kvm_cpu *k, const struct x86_cpu *c, struct error *err)
{
    static const uint32_t states[] = {[X86_RUNNING] = KVM_MP_STATE_RUNNABLE,
                                      [X86_HALTED] = KVM_MP_STATE_HALTED,
                                      [X86_WAIT_SIPI] = KVM_MP_STATE_INIT_RECEIVED};
    struct kvm_mp_state mp = {.mp_state = states[c->run_state]};
    return kvm_call(k->fd, KVM_SET_MP_STATE, &mp, "set the start-up state", err);
}

/* The start-up state comes first: asking for it makes KVM take a pending INIT. */
int kvm_state_get(struct vcpu *v, struct error *err)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    struct x86_cpu *c = v->cpu;
    int r = get_run_state(k, c, err);
    if (r == 0)
        r = kvm_regs_get(k, c, err);
    if (r == 0)
        r = get_events(k, c, err);
    if (r < 0)
        return r;
    kvm_msrs_get(k, c);
    kvm_tsc_get(k, c);
    return kvm_lapic_get(v, err);
}

/* The TSC goes before the APIC, whose deadline is measured by it. */
int kvm_state_put(struct vcpu *v, struct error *err)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    struct x86_cpu *c = v->cpu;
    hand_over_trap(c);
    int r = kvm_cpuid_put(k, c, err);
    if (r == 0)
        r = kvm_regs_put(k, c, err);
    if (r < 0)
        return r;
    kvm_msrs_put(k, c);
    kvm_tsc_put(k, c);
    r = kvm_lapic_put(v, err);
    if (r == 0)
        r = put_events(k, c, err);
    return r < 0 ? r : put_run_state(k, c, err);
}
