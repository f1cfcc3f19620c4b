/*
 * Harts and what they talk to: MMIO dispatch, time, firmware calls, interrupt wires.
 */
#include "board/virt/virt_impl.h"

static uint64_t mmio_read(void *opaque, gpa_t gpa, unsigned size)
{
    struct virt_hart *h = opaque;
    uint64_t v = UINT64_MAX;
    io_space_read(&h->virt->vm->mmio, gpa, size, &v);
    return v;
}

static void mmio_write(void *opaque, gpa_t gpa, unsigned size, uint64_t val)
{
    struct virt_hart *h = opaque;
    io_space_write(&h->virt->vm->mmio, gpa, size, val);
}

static uint64_t read_time(void *opaque)
{
    struct virt_hart *h = opaque;
    return aclint_mtime(h->virt->aclint);
}

/*
 * A level wire is changed under its chip's lock, the same each time. SSIP is an edge, which the
 * hart clears when it likes: it is set again even where it seems to be set, for what the sender
 * wrote before must be seen by the hart after.
 */
static void set_line(void *opaque, unsigned line, bool level)
{
    struct virt_hart *h = opaque;
    struct vcpu *v = &h->virt->vm->vcpus[h->id];
    struct riscv_cpu *c = v->cpu;
    bool was = atomic_load(&c->lines) >> line & 1;
    if (was == level && line != RISCV_LINE_SSIP)
        return;
    riscv_set_line(c, (enum riscv_line)line, level);
    if (level)
        vcpu_request(v, VCPU_REQ_INTERRUPT);
}

struct irq_line virt_hart_line(struct virt *v, unsigned hart, enum riscv_line line)
{
    return (struct irq_line){set_line, &v->hart[hart], line};
}

static void wire(struct virt *v, unsigned id)
{
    struct virt_hart *h = &v->hart[id];
    h->virt = v;
    h->id = id;
    virt_cpu(v, id)->env = (struct riscv_env){.machine = h,
                                              .mmio_read = mmio_read,
                                              .mmio_write = mmio_write,
                                              .platform = h,
                                              .time = read_time,
                                              .stimecmp_changed = virt_stimecmp_changed,
                                              .ecall = v->cfg.firmware ? NULL : virt_sbi_call};
}

int virt_create_cpus(struct virt *v, struct error *err)
{
    int r = vm_init_cpus(v->vm, err);
    for (unsigned i = 0; i < v->vm->nvcpus && r == 0; i++)
        wire(v, i);
    return r;
}
