/*
 * Guest memory as KVM slots, and KVM's half of the dirty log.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/kvm/kvm_impl.h"

/*
 * Intel processors without unrestricted guest mode run real mode as virtual-8086 mode, for which
 * KVM needs a TSS (3 pages) and an identity page table (1 page) in guest-physical space that
 * nothing else uses: between the I/O APIC and the local APICs.
 */
#define KVM_IDENTITY_MAP UINT64_C(0xfeffc000)
#define KVM_TSS          UINT64_C(0xfeffd000)

static int set_slot(struct vm *vm, unsigned n, struct error *err)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    const struct mem_slot *s = &vm->mem.slots[n];
    struct kvm_userspace_memory_region r = {
        .slot = n,
        .flags = (s->readonly ? KVM_MEM_READONLY : 0) |
                 (m->log_dirty && !s->readonly ? KVM_MEM_LOG_DIRTY_PAGES : 0),
        .guest_phys_addr = s->base,
        .memory_size = s->len,
        .userspace_addr = (uintptr_t)s->host,
    };
    return kvm_call(m->fd, KVM_SET_USER_MEMORY_REGION, &r, "map the guest's memory", err);
}

static int set_slots(struct vm *vm, unsigned from, struct error *err)
{
    int r = 0;
    for (unsigned n = from; n < vm->mem.nslots && r == 0; n++)
        r = set_slot(vm, n, err);
    return r;
}

int kvm_mem_init(struct vm *vm, struct error *err)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    uint64_t identity = KVM_IDENTITY_MAP;
    int r = kvm_call(m->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity, "place its page table", err);
    if (r == 0)
        r = kvm_call(m->fd, KVM_SET_TSS_ADDR, (void *)KVM_TSS, "place its task state", err);
    return r < 0 ? r : kvm_mem_changed(vm, err);
}

int kvm_mem_changed(struct vm *vm, struct error *err)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    int r = set_slots(vm, m->nslots, err);
    if (r == 0)
        m->nslots = vm->mem.nslots;
    return r;
}

int kvm_mem_dirty_log(struct vm *vm, bool on, struct error *err)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    if (on)
        guest_mem_dirty_start(&vm->mem);
    else
        guest_mem_dirty_stop(&vm->mem);
    m->log_dirty = on;
    return set_slots(vm, 0, err);
}

/* What the host's side wrote, and what vCPUs wrote. */
int kvm_mem_dirty_collect(struct vm *vm, unsigned slot, uint64_t *bitmap, struct error *err)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    int r = guest_mem_dirty_collect(&vm->mem, slot, bitmap);
    if (r < 0)
        return error_set(err, -r, "there is no dirty log of memory slot %u", slot);
    const struct mem_slot *s = &vm->mem.slots[slot];
    if (s->readonly)
        return 0;
    size_t words = ((s->len >> GUEST_PAGE_SHIFT) + 63) / 64;
    uint64_t *theirs = calloc(words, sizeof(*theirs));
    if (!theirs)
        return error_set(err, ENOMEM, "there is no memory for a dirty log");
    struct kvm_dirty_log log = {.slot = slot, .dirty_bitmap = theirs};
    r = kvm_call(m->fd, KVM_GET_DIRTY_LOG, &log, "read the dirty log", err);
    for (size_t i = 0; i < words && r == 0; i++)
        bitmap[i] |= theirs[i];
    free(theirs);
    return r;
}
