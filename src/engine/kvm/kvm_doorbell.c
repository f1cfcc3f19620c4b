/*
 * Devices to guest: interrupt lines and messages. Guest to devices: doorbells that KVM rings
 * itself.
 */
#include <errno.h>

#include "engine/kvm/kvm_impl.h"

/*
 * Levels are kept here too: an edge-triggered pin's is in no state that KVM hands out. The bit
 * changes before KVM hears of it, so a reader may see a level a moment early, never late.
 */
void kvm_irq_set(struct vm *vm, unsigned gsi, bool level)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    uint32_t bit = 1u << (gsi & 31);
    if (level)
        atomic_fetch_or(&m->lines, bit);
    else
        atomic_fetch_and(&m->lines, ~bit);
    struct kvm_irq_level line = {.irq = gsi, .level = level};
    kvm_ioctl(m->fd, KVM_IRQ_LINE, &line); /* fails only for a GSI without a route: no pin there */
}

/* Delivered, or blocked by the guest's own doing: a device learns neither. */
void kvm_msi_send(struct vm *vm, uint64_t addr, uint32_t data)
{
    struct kvm_msi msi = {
        .address_lo = (uint32_t)addr, .address_hi = (uint32_t)(addr >> 32), .data = data};
    kvm_ioctl(kvm_machine_of(vm)->fd, KVM_SIGNAL_MSI, &msi);
}

int kvm_doorbell(struct vm *vm, gpa_t addr, unsigned size, int fd, bool on)
{
    struct kvm_ioeventfd bell = {
        .addr = addr, .len = size, .fd = fd, .flags = on ? 0 : KVM_IOEVENTFD_FLAG_DEASSIGN};
    int r = kvm_ioctl(kvm_machine_of(vm)->fd, KVM_IOEVENTFD, &bell);
    return r < 0 ? r : 0;
}
