/*
 * CPUs and what they talk to: MMIO and port dispatch, local APICs, start-up messages, time.
 */
#include <stdlib.h>

#include "board/pc/layout.h"
#include "board/pc/pc_impl.h"
#include "isa/x86/cpu.h"
#include "isa/x86/system.h"

static struct lapic *own_lapic(const struct pc_cpu *p)
{
    return p->pc->apics.cpu[p->id];
}

static uint64_t mmio_read(void *opaque, gpa_t gpa, unsigned size)
{
    struct pc_cpu *p = opaque;
    struct lapic *l = own_lapic(p);
    uint64_t v = UINT64_MAX;
    if (lapic_claims(l, gpa)) {
        if (lapic_mmio_read(l, gpa & 0xfff, size, &v) != IO_OK)
            v = UINT64_MAX;
        return v;
    }
    io_space_read(&p->pc->vm->mmio, gpa, size, &v);
    return v;
}

static void mmio_write(void *opaque, gpa_t gpa, unsigned size, uint64_t v)
{
    struct pc_cpu *p = opaque;
    struct lapic *l = own_lapic(p);
    if (lapic_claims(l, gpa))
        lapic_mmio_write(l, gpa & 0xfff, size, v);
    else
        io_space_write(&p->pc->vm->mmio, gpa, size, v);
}

static uint64_t pio_read(void *opaque, uint16_t port, unsigned size)
{
    struct pc_cpu *p = opaque;
    uint64_t v = UINT64_MAX;
    p->pc->vm->vcpus[p->id].stats.exit_pio++;
    io_space_read(&p->pc->vm->pio, port, size, &v);
    return v;
}

static void pio_write(void *opaque, uint16_t port, unsigned size, uint64_t v)
{
    struct pc_cpu *p = opaque;
    p->pc->vm->vcpus[p->id].stats.exit_pio++;
    io_space_write(&p->pc->vm->pio, port, size, v);
}

static bool irq_pending(void *opaque)
{
    return lapic_pending(own_lapic(opaque));
}

static int irq_ack(void *opaque)
{
    return lapic_ack(own_lapic(opaque));
}

static uint64_t cr8_get(void *opaque)
{
    return lapic_cr8(own_lapic(opaque));
}

static void cr8_set(void *opaque, uint64_t v)
{
    lapic_set_cr8(own_lapic(opaque), v);
}

static bool apic_msr_read(void *opaque, uint32_t msr, uint64_t *v)
{
    return lapic_msr_read(own_lapic(opaque), msr, v);
}

static bool apic_msr_write(void *opaque, uint32_t msr, uint64_t v)
{
    struct pc_cpu *p = opaque;
    struct x86_cpu *c = p->pc->vm->vcpus[p->id].cpu;
    if (!lapic_msr_write(own_lapic(p), msr, v))
        return false;
    if (msr == MSR_APIC_BASE)
        c->apic_base = v; /* CPUID shows whether the APIC is on */
    return true;
}

static void tsc_changed(void *opaque)
{
    lapic_tsc_changed(own_lapic(opaque));
}

static void kick(void *opaque, unsigned cpu, enum lapic_kick what, uint8_t vector)
{
    struct pc *pc = opaque;
    struct vcpu *v = &pc->vm->vcpus[cpu];
    switch (what) {
    case LAPIC_KICK_INTERRUPT:
        vcpu_request(v, VCPU_REQ_INTERRUPT);
        break;
    case LAPIC_KICK_NMI:
        vcpu_request(v, VCPU_REQ_NMI);
        break;
    case LAPIC_KICK_INIT:
        vcpu_request(v, VCPU_REQ_INIT);
        break;
    case LAPIC_KICK_SIPI:
        atomic_store(&v->start_addr, (uint64_t)vector << 12);
        vcpu_request(v, VCPU_REQ_START);
        break;
    }
}

static uint64_t tsc_now(void *opaque, unsigned cpu)
{
    struct pc *pc = opaque;
    return x86_tsc(pc->vm->vcpus[cpu].cpu);
}

/* When the guest's TSC will read `tsc`, on the guest clock. */
static uint64_t tsc_to_clock(void *opaque, unsigned cpu, uint64_t tsc)
{
    struct pc *pc = opaque;
    uint64_t now_tsc = x86_tsc(pc->vm->vcpus[cpu].cpu);
    uint64_t now_ns = guest_clock_ns(&pc->vm->clock), hz = pc->model.tsc_hz;
    if (tsc <= now_tsc) {
        uint64_t ago = (uint64_t)((unsigned __int128)(now_tsc - tsc) * 1000000000u / hz);
        return ago > now_ns ? 0 : now_ns - ago;
    }
    unsigned __int128 ahead = (unsigned __int128)(tsc - now_tsc) * 1000000000u / hz;
    unsigned __int128 at = ahead + now_ns;
    return at > UINT64_MAX / 2 ? UINT64_MAX / 2 : (uint64_t)at;
}

static void eoi(void *opaque, uint8_t vector)
{
    struct pc *pc = opaque;
    ioapic_eoi(pc->ioapic, vector);
}

static int extint_ack(void *opaque)
{
    struct pc *pc = opaque;
    return pic_ack(pc->pic);
}

static const struct lapic_ops apic_ops = {
    .kick = kick,
    .tsc_now = tsc_now,
    .tsc_to_clock = tsc_to_clock,
    .eoi = eoi,
    .extint_ack = extint_ack,
};

static void wire(struct pc *pc, unsigned id)
{
    struct x86_cpu *c = pc->vm->vcpus[id].cpu;
    struct pc_cpu *p = &pc->cpu[id];
    p->pc = pc;
    p->id = id;
    c->model = &pc->model;
    c->tsc_slow = pc->vm->clock.slow;
    c->env = (struct x86_env){.machine = p,
                              .mmio_read = mmio_read,
                              .mmio_write = mmio_write,
                              .pio_read = pio_read,
                              .pio_write = pio_write,
                              .irq = p,
                              .irq_pending = irq_pending,
                              .irq_ack = irq_ack,
                              .cr8_get = cr8_get,
                              .cr8_set = cr8_set,
                              .apic_msr_read = apic_msr_read,
                              .apic_msr_write = apic_msr_write,
                              .tsc_changed = tsc_changed};
}

int pc_create_cpus(struct pc *pc, struct error *err)
{
    struct vm *vm = pc->vm;
    int r = pc_create_model(pc, err);
    if (r == 0)
        r = vm_init_cpus(vm, err);
    if (r < 0)
        return r;
    pc->apics.ops = &apic_ops;
    pc->apics.opaque = pc;
    pc->apics.in_engine = vm->engine->caps & ENGINE_CAP_IRQCHIP;
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct lapic *l;
        wire(pc, i);
        r = lapic_create(&l, &vm->host, &pc->apics);
        if (r < 0)
            return error_set(err, -r, "cannot create the APIC of CPU %u", i);
        vm_add_device(vm, &l->dev);
    }
    return 0;
}
