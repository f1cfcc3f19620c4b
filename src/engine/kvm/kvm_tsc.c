/*
 * The guest's time stamp counter: x86_cpu keeps its distance from the host's.
 */
#include <x86intrin.h>

#include "base/log.h"
#include "engine/kvm/kvm_impl.h"

/* A guest notices a frequency that is off by more (its own crystal is no better). */
enum { TOLERATED_PPM = 250 };

/* The guest was told a frequency. Where the host's differs KVM scales, if the processor can. */
void kvm_tsc_set_frequency(struct kvm_cpu *k, const struct x86_cpu *c)
{
    uint64_t khz = c->model->tsc_hz / 1000;
    int host = kvm_ioctl(k->fd, KVM_GET_TSC_KHZ, NULL);
    if (host <= 0 || khz == 0)
        return;
    uint64_t off = khz > (uint64_t)host ? khz - (uint64_t)host : (uint64_t)host - khz;
    if (off * 1000000 <= (uint64_t)host * TOLERATED_PPM)
        return;
    if (kvm_ioctl(k->fd, KVM_SET_TSC_KHZ, (void *)(uintptr_t)khz) < 0)
        log_warn_once(&k->machine->warned_tsc,
                      "the guest's clock will be wrong: its processor ticks at %llu kHz, this one "
                      "at %d kHz and cannot be scaled",
                      (unsigned long long)khz, host);
}

/* The offset itself where this KVM has it (Linux 5.16): no time passes between two reads of it. */
static struct kvm_device_attr offset_attr(uint64_t *offset)
{
    return (struct kvm_device_attr){
        .group = KVM_VCPU_TSC_CTRL, .attr = KVM_VCPU_TSC_OFFSET, .addr = (uintptr_t)offset};
}

void kvm_tsc_get(struct kvm_cpu *k, struct x86_cpu *c)
{
    uint64_t v;
    struct kvm_device_attr attr = offset_attr(&v);
    if (kvm_ioctl(k->fd, KVM_GET_DEVICE_ATTR, &attr) == 0)
        c->tsc_offset = v;
    else if (kvm_msr_read(k, MSR_TSC, &v))
        c->tsc_offset = v - __rdtsc();
}

void kvm_tsc_put(struct kvm_cpu *k, const struct x86_cpu *c)
{
    uint64_t v = c->tsc_offset;
    struct kvm_device_attr attr = offset_attr(&v);
    if (kvm_ioctl(k->fd, KVM_SET_DEVICE_ATTR, &attr) < 0)
        kvm_msr_write(k, MSR_TSC, __rdtsc() + c->tsc_offset);
}
