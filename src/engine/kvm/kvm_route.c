/*
 * KVM's table of interrupt routes. GSIs 0-23 are wires to the chips' pins, those above are messages
 * that an eventfd sends (irqfd): on the way of an interrupt from a device, the write to that
 * eventfd is the last thing that happens outside the kernel.
 *
 * The kernel takes the table only as a whole. It is set before an irqfd that uses it, so that no
 * eventfd ever stands for another's message.
 */
#include <errno.h>
#include <string.h>

#include "engine/kvm/kvm_impl.h"
#include "irq/x86/ioapic.h"

enum { ISA_LINES = 16, CASCADE = 2, TIMER_PIN = 2, FIRST_MESSAGE = IOAPIC_PINS };

union table {
    struct kvm_irq_routing list;
    uint8_t room[sizeof(struct kvm_irq_routing) + (ISA_LINES + IOAPIC_PINS + KVM_MAX_MESSAGES) *
                                                      sizeof(struct kvm_irq_routing_entry)];
};

static void add(union table *t, const struct kvm_irq_routing_entry *e)
{
    t->list.entries[t->list.nr++] = *e;
}

static void add_pin(union table *t, unsigned gsi, unsigned chip, unsigned pin)
{
    add(t, &(struct kvm_irq_routing_entry){.gsi = gsi,
                                           .type = KVM_IRQ_ROUTING_IRQCHIP,
                                           .u.irqchip = {.irqchip = chip, .pin = pin}});
}

/* As irq/x86/irqroute.h: the timer, line 0, is on the IOAPIC's pin 2. */
static void add_pins(union table *t)
{
    for (unsigned n = 0; n < ISA_LINES; n++) {
        if (n != CASCADE)
            add_pin(t, n, n < 8 ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE, n % 8);
    }
    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        if (n != TIMER_PIN)
            add_pin(t, n, KVM_IRQCHIP_IOAPIC, n == 0 ? TIMER_PIN : n);
    }
}

static void add_message(union table *t, unsigned n, const struct kvm_message *m)
{
    add(t, &(struct kvm_irq_routing_entry){.gsi = FIRST_MESSAGE + n,
                                           .type = KVM_IRQ_ROUTING_MSI,
                                           .u.msi = {.address_lo = (uint32_t)m->addr,
                                                     .address_hi = (uint32_t)(m->addr >> 32),
                                                     .data = m->data}});
}

static int set_table(struct kvm_machine *m)
{
    union table t;
    memset(&t, 0, sizeof(t));
    add_pins(&t);
    for (unsigned n = 0; n < KVM_MAX_MESSAGES; n++) {
        if (m->messages[n].used)
            add_message(&t, n, &m->messages[n]);
    }
    return kvm_ioctl(m->fd, KVM_SET_GSI_ROUTING, &t);
}

int kvm_routes_set(struct kvm_machine *m, struct error *err)
{
    int r = set_table(m);
    return r < 0 ? error_set(err, -r, "KVM cannot route interrupts: %s", strerror(-r)) : 0;
}

/* The entry of `fd`, or one that is free; NULL when all are taken by others. */
static struct kvm_message *entry_of(struct kvm_machine *m, int fd)
{
    struct kvm_message *free_one = NULL;
    for (unsigned n = 0; n < KVM_MAX_MESSAGES; n++) {
        struct kvm_message *e = &m->messages[n];
        if (e->used && e->fd == fd)
            return e;
        if (!e->used && !free_one)
            free_one = e;
    }
    return free_one;
}

static int irqfd(struct kvm_machine *m, const struct kvm_message *e, uint32_t flags)
{
    struct kvm_irqfd arg = {
        .fd = (uint32_t)e->fd, .gsi = FIRST_MESSAGE + (uint32_t)(e - m->messages), .flags = flags};
    return kvm_ioctl(m->fd, KVM_IRQFD, &arg);
}

/* KVM returns when nothing that the eventfd started is under way any more. */
static void disconnect(struct kvm_machine *m, struct kvm_message *e)
{
    irqfd(m, e, KVM_IRQFD_FLAG_DEASSIGN);
    e->used = false;
}

static int connect_message(struct kvm_machine *m, const struct kvm_message *wanted)
{
    struct kvm_message *e = entry_of(m, wanted->fd);
    if (!e)
        return -ENOSPC;
    bool known = e->used;
    if (known && e->addr == wanted->addr && e->data == wanted->data)
        return 0;
    *e = *wanted;
    int r = set_table(m);
    if (r == 0 && !known)
        r = irqfd(m, e, 0);
    if (r < 0 && known)
        disconnect(m, e);
    if (r < 0)
        e->used = false;
    return r;
}

int kvm_msi_route(struct vm *vm, int fd, uint64_t addr, uint32_t data)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    const struct kvm_message wanted = {.used = true, .fd = fd, .addr = addr, .data = data};
    pthread_mutex_lock(&m->messages_lock);
    int r = connect_message(m, &wanted);
    pthread_mutex_unlock(&m->messages_lock);
    return r;
}

void kvm_msi_unroute(struct vm *vm, int fd)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    pthread_mutex_lock(&m->messages_lock);
    struct kvm_message *e = entry_of(m, fd);
    if (e && e->used)
        disconnect(m, e);
    pthread_mutex_unlock(&m->messages_lock);
}
