/*
 * KVM's PICs and IOAPIC, and their models in irq/x86. (The PIT: kvm_pit.c.)
 */
#include <string.h>

#include "engine/kvm/kvm_impl.h"
#include "irq/x86/ioapic.h"
#include "irq/x86/pic.h"

enum { TIMER_PIN = 2 };

struct dev *kvm_find_dev(struct vm *vm, const char *id)
{
    list_for_each(n, &vm->devices)
    {
        struct dev *d = container_of(n, struct dev, link);
        if (strcmp(d->id, id) == 0)
            return d;
    }
    return NULL;
}

static struct pic *pic_of(struct vm *vm)
{
    struct dev *d = kvm_find_dev(vm, "pic");
    return d ? container_of(d, struct pic, dev) : NULL;
}

static struct ioapic *ioapic_of(struct vm *vm)
{
    struct dev *d = kvm_find_dev(vm, "ioapic");
    return d ? container_of(d, struct ioapic, dev) : NULL;
}

/* ---- creation ---- */

int kvm_chips_create(struct kvm_machine *m, struct error *err)
{
    struct kvm_pit_config pit = {.flags = KVM_PIT_SPEAKER_DUMMY};
    int r = kvm_call(m->fd, KVM_CREATE_IRQCHIP, NULL, "create interrupt chips", err);
    if (r == 0)
        r = kvm_routes_set(m, err);
    return r < 0 ? r : kvm_call(m->fd, KVM_CREATE_PIT2, &pit, "create an interval timer", err);
}

/* ---- PIC ---- */

/* KVM counts the next initialisation word from 1 (ICW2), we by its name. */
static void pic_from_kvm(struct pic_chip *c, const struct kvm_pic_state *s)
{
    *c = (struct pic_chip){.irr = s->irr,
                           .imr = s->imr,
                           .isr = s->isr,
                           .lines = s->last_irr,
                           .elcr = s->elcr,
                           .base = s->irq_base & 0xf8,
                           .top = s->priority_add & 7,
                           .init_stage = s->init_state ? (uint8_t)(s->init_state + 1) : 0,
                           .init_icw4 = s->init4,
                           .read_isr = s->read_reg_select,
                           .poll = s->poll,
                           .special_mask = s->special_mask,
                           .special_nested = s->special_fully_nested_mode,
                           .auto_eoi = s->auto_eoi,
                           .rotate_auto_eoi = s->rotate_on_auto_eoi};
}

static struct kvm_pic_state pic_to_kvm(const struct pic_chip *c, bool slave)
{
    return (struct kvm_pic_state){.last_irr = c->lines,
                                  .irr = c->irr,
                                  .imr = c->imr,
                                  .isr = c->isr,
                                  .priority_add = c->top,
                                  .irq_base = c->base,
                                  .read_reg_select = c->read_isr,
                                  .poll = c->poll,
                                  .special_mask = c->special_mask,
                                  .init_state = c->init_stage ? (uint8_t)(c->init_stage - 1) : 0,
                                  .auto_eoi = c->auto_eoi,
                                  .rotate_on_auto_eoi = c->rotate_auto_eoi,
                                  .special_fully_nested_mode = c->special_nested,
                                  .init4 = c->init_icw4,
                                  .elcr = c->elcr,
                                  .elcr_mask = slave ? 0xde : 0xf8};
}

static int pic_get(struct kvm_machine *m, struct pic *pic, struct error *err)
{
    int r = 0;
    for (unsigned i = 0; i < 2 && r == 0; i++) {
        struct kvm_irqchip chip = {.chip_id = i};
        r = kvm_call(m->fd, KVM_GET_IRQCHIP, &chip, "read the interrupt controller", err);
        if (r == 0)
            pic_from_kvm(&pic->chip[i], &chip.chip.pic);
    }
    return r;
}

static int pic_put(struct kvm_machine *m, const struct pic *pic, struct error *err)
{
    int r = 0;
    for (unsigned i = 0; i < 2 && r == 0; i++) {
        struct kvm_irqchip chip = {.chip_id = i};
        chip.chip.pic = pic_to_kvm(&pic->chip[i], i);
        r = kvm_call(m->fd, KVM_SET_IRQCHIP, &chip, "set the interrupt controller", err);
    }
    return r;
}

/* ---- IOAPIC ---- */

#define REDIR_STATUS (UINT64_C(1) << 12)
#define REDIR_LEVEL  (UINT64_C(1) << 15)

/* GSI levels as IOAPIC pins: line 0 moves to pin 2. */
static uint32_t pins_of_lines(uint32_t lines)
{
    uint32_t pins = lines & ~(1u | 1u << TIMER_PIN);
    return lines & 1 ? pins | 1u << TIMER_PIN : pins;
}

static uint32_t lines_of_pins(uint32_t pins)
{
    uint32_t lines = pins & ~(1u | 1u << TIMER_PIN);
    return pins & 1u << TIMER_PIN ? lines | 1 : lines;
}

static int ioapic_get(struct kvm_machine *m, struct ioapic *io, struct error *err)
{
    struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};
    int r = kvm_call(m->fd, KVM_GET_IRQCHIP, &chip, "read the I/O APIC", err);
    if (r < 0)
        return r;
    io->select = (uint8_t)chip.chip.ioapic.ioregsel;
    io->id = (chip.chip.ioapic.id & 15) << 24;
    io->irr = chip.chip.ioapic.irr;
    io->lines = pins_of_lines(atomic_load(&m->lines));
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        io->redir[i] = chip.chip.ioapic.redirtbl[i].bits & ~REDIR_STATUS;
    return 0;
}

static int ioapic_put(struct kvm_machine *m, const struct ioapic *io, struct error *err)
{
    struct kvm_irqchip chip = {.chip_id = KVM_IRQCHIP_IOAPIC};
    chip.chip.ioapic = (struct kvm_ioapic_state){
        .base_address = IOAPIC_BASE, .ioregsel = io->select, .id = io->id >> 24, .irr = io->irr};
    for (unsigned i = 0; i < IOAPIC_PINS; i++)
        chip.chip.ioapic.redirtbl[i].bits = io->redir[i];
    return kvm_call(m->fd, KVM_SET_IRQCHIP, &chip, "set the I/O APIC", err);
}

/*
 * KVM forgets line levels that were driven before: drive those of level-triggered pins again, so
 * that their EOI finds them up. An edge-triggered one would be a new edge.
 */
static void drive_lines(struct kvm_machine *m, const struct ioapic *io)
{
    uint32_t lines = lines_of_pins(io->lines);
    atomic_store(&m->lines, lines);
    for (unsigned n = 0; n < IOAPIC_PINS; n++) {
        struct kvm_irq_level line = {.irq = n, .level = 1};
        if ((lines >> n & 1) && (io->redir[n == 0 ? TIMER_PIN : n] & REDIR_LEVEL))
            kvm_ioctl(m->fd, KVM_IRQ_LINE, &line);
    }
}

int kvm_chips_get(struct vm *vm, struct error *err)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    struct pic *pic = pic_of(vm);
    struct ioapic *io = ioapic_of(vm);
    int r = pic ? pic_get(m, pic, err) : 0;
    if (r == 0 && io)
        r = ioapic_get(m, io, err);
    return r < 0 ? r : kvm_pit_get(vm, err);
}

int kvm_chips_put(struct vm *vm, struct error *err)
{
    struct kvm_machine *m = kvm_machine_of(vm);
    struct pic *pic = pic_of(vm);
    struct ioapic *io = ioapic_of(vm);
    int r = pic ? pic_put(m, pic, err) : 0;
    if (r == 0 && io)
        r = ioapic_put(m, io, err);
    if (r == 0 && io)
        drive_lines(m, io);
    return r < 0 ? r : kvm_pit_put(vm, err);
}
