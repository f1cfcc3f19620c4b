/*
 * The guest's time stamp counter: x86_cpu keeps its distance from the host's.
 */
#include <x86intrin.h>

#include "base/log.h"
#include "engine/kvm/kvm_impl.h"

/*
 * Differences, in parts of a million. Below the first nobody notices (a crystal is no better);
 * above the second the machine comes from another host, for our own measurement is better than
 * that.
 */
enum { SAME_PPM = 250, OTHER_HOST_PPM = 50000 };

/*
 * The machine's model says a frequency. Where KVM's differs KVM scales, if the processor can;
 * otherwise the guest is told KVM's: a fresh machine believes CPUID.
 */
uint64_t kvm_tsc_set_frequency(struct kvm_cpu *k, const struct x86_cpu *c)
{
    uint64_t khz = c->model->tsc_hz / 1000;
    int r = kvm_ioctl(k->fd, KVM_GET_TSC_KHZ, NULL);
    if (r <= 0 || khz == 0)
        return khz;
    uint64_t host = (uint64_t)r, off = (khz > host ? khz - host : host - khz) * 1000000 / host;
    if (off <= SAME_PPM || kvm_ioctl(k->fd, KVM_SET_TSC_KHZ, (void *)(uintptr_t)khz) == 0)
        return khz;
    if (off > OTHER_HOST_PPM)
        log_warn_once(&k->machine->warned_tsc,
                      "the guest's clock may be wrong: its processor ticked at %llu kHz, this one "
                      "ticks at %d kHz and cannot be scaled",
                      (unsigned long long)khz, r);
    return host;
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
