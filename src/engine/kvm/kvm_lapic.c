/*
 * A vCPU's local APIC between KVM and our model.
 *
 * The registers travel as a page; IA32_APIC_BASE decides how the page reads, so it is set before;
 * the TSC deadline counts only once the page has put the timer in that mode, so it comes after.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/kvm/kvm_impl.h"
#include "irq/x86/lapic.h"

_Static_assert(LAPIC_PAGE_BYTES == sizeof(struct kvm_lapic_state), "one page, two owners");

/* Offsets in the page [SDM 3A table 11-1]. */
enum { PAGE_LVT_TIMER = 0x320, PAGE_TIMER_INITIAL = 0x380, PAGE_TIMER_CURRENT = 0x390 };
enum { LVT_TIMER_PERIODIC = 1 << 17 };

static struct lapic *model_of(struct vcpu *v)
{
    char id[16];
    snprintf(id, sizeof(id), "lapic%u", v->id);
    struct dev *d = kvm_find_dev(v->vm, id);
    return d ? container_of(d, struct lapic, dev) : NULL;
}

/*
 * At the very moment of expiry KVM's current count is 0, which for our model means stopped. A
 * periodic timer never is, unless its initial count is 0.
 */
static void keep_running(uint8_t *page)
{
    uint32_t lvt, initial, current, soon = 1;
    memcpy(&lvt, page + PAGE_LVT_TIMER, sizeof(lvt));
    memcpy(&initial, page + PAGE_TIMER_INITIAL, sizeof(initial));
    memcpy(&current, page + PAGE_TIMER_CURRENT, sizeof(current));
    if ((lvt & LVT_TIMER_PERIODIC) && initial && !current)
        memcpy(page + PAGE_TIMER_CURRENT, &soon, sizeof(soon));
}

int kvm_lapic_get(struct vcpu *v, struct error *err)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    struct x86_cpu *c = v->cpu;
    struct lapic *l = model_of(v);
    struct kvm_lapic_state page;
    if (!l)
        return 0;
    int r = kvm_call(k->fd, KVM_GET_LAPIC, &page, "read the local APIC", err);
    if (r < 0)
        return r;
    atomic_store(&l->apic_base, c->apic_base);
    c->tsc_deadline = 0;
    kvm_msr_read(k, MSR_TSC_DEADLINE, &c->tsc_deadline);
    l->tsc_deadline = c->tsc_deadline;
    keep_running((uint8_t *)page.regs);
    return lapic_from_page(l, (const uint8_t *)page.regs, err);
}

int kvm_lapic_put(struct vcpu *v, struct error *err)
{
    struct kvm_cpu *k = kvm_cpu_of(v);
    struct lapic *l = model_of(v);
    struct kvm_lapic_state page;
    if (!l)
        return 0;
    lapic_to_page(l, (uint8_t *)page.regs);
    int r = kvm_call(k->fd, KVM_SET_LAPIC, &page, "set the local APIC", err);
    if (r == 0 && l->tsc_deadline && !kvm_msr_write(k, MSR_TSC_DEADLINE, l->tsc_deadline))
        return error_set(err, ENOTSUP,
                         "KVM here has no TSC deadline timer, which the guest is using");
    return r;
}
