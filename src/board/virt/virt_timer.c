/*
 * Supervisor timers (Sstc), and the device that saves what belongs to the harts but is no register
 * of theirs: the supervisor software interrupts that others sent them.
 *
 * A hart says on its own thread what it compares with; the event loop raises the line when that
 * time has come. Both may find out, in any order: the line is set from the comparison each time.
 * [RISC-V Sstc 1.0]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "board/virt/virt_impl.h"

#define ENVCFG_STCE (UINT64_C(1) << 63)

#define HARTS_STATE(S, A, B, N) A(uint8_t, ssip, VM_MAX_VCPUS)

/* Its lock orders the changes of the timer lines. */
struct virt_harts {
    struct dev dev;
    STATE_MEMBERS(HARTS_STATE)
    struct virt *virt;
};

/* Any thread. The comparison is made under the lock, so that the last one to look is right. */
static void check(struct virt_hart *h)
{
    struct virt_harts *d = h->virt->harts;
    struct irq_line line = virt_hart_line(h->virt, h->id, RISCV_LINE_STIP);
    pthread_mutex_lock(&d->dev.lock);
    uint64_t target = atomic_load(&h->timer_target);
    bool due = target != UINT64_MAX && aclint_mtime(h->virt->aclint) >= target;
    irq_line_set(&line, due);
    evloop_timer_start(&h->timer, due || target == UINT64_MAX
                                      ? UINT64_MAX
                                      : aclint_deadline(h->virt->aclint, target));
    pthread_mutex_unlock(&d->dev.lock);
}

/* Event loop thread. */
static void timer_fired(void *opaque)
{
    check(opaque);
}

void virt_stimecmp_changed(void *hart, struct riscv_cpu *c)
{
    struct virt_hart *h = hart;
    atomic_store(&h->timer_target, c->menvcfg & ENVCFG_STCE ? c->stimecmp : UINT64_MAX);
    check(h);
}

/* ---- what is saved ---- */

static void harts_pre_save(void *obj)
{
    struct virt_harts *d = obj;
    for (unsigned i = 0; i < d->virt->vm->nvcpus; i++)
        d->ssip[i] = atomic_load(&virt_cpu(d->virt, i)->lines) >> RISCV_LINE_SSIP & 1;
}

static int harts_post_load(void *obj, struct error *err)
{
    struct virt_harts *d = obj;
    for (unsigned i = 0; i < VM_MAX_VCPUS; i++)
        if (d->ssip[i] > 1)
            return error_set(err, EINVAL, "the state of the harts is not valid (hart %u)", i);
    return 0;
}

#define STATE_OWNER struct virt_harts
STATE_DESC(virt_harts_state, "virt-harts", 1, HARTS_STATE, .pre_save = harts_pre_save,
           .post_load = harts_post_load);
#undef STATE_OWNER

static void harts_reset(struct dev *d)
{
    struct virt_harts *harts = container_of(d, struct virt_harts, dev);
    memset(harts->ssip, 0, sizeof(harts->ssip));
}

/* After a start, a pause or a load: no hart runs. */
static void harts_resume(struct dev *d)
{
    struct virt_harts *harts = container_of(d, struct virt_harts, dev);
    struct virt *v = harts->virt;
    for (unsigned i = 0; i < v->vm->nvcpus; i++) {
        struct riscv_cpu *c = virt_cpu(v, i);
        struct irq_line ssip = virt_hart_line(v, i, RISCV_LINE_SSIP);
        if (harts->ssip[i])
            irq_line_set(&ssip, true);
        harts->ssip[i] = 0;
        atomic_store(&v->hart[i].state,
                     c->run_state == RISCV_STOPPED ? VIRT_HART_STOPPED : VIRT_HART_STARTED);
        virt_stimecmp_changed(&v->hart[i], c);
    }
}

static void harts_destroy(struct dev *d)
{
    struct virt_harts *harts = container_of(d, struct virt_harts, dev);
    for (unsigned i = 0; i < harts->virt->vm->nvcpus; i++)
        evloop_timer_stop(&harts->virt->hart[i].timer);
    dev_free(d);
}

static const struct dev_class harts_class = {
    .name = "virt-harts",
    .state = &virt_harts_state,
    .reset = harts_reset,
    .resume = harts_resume,
    .destroy = harts_destroy,
};

int virt_create_timers(struct virt *v, struct error *err)
{
    struct virt_harts *d = calloc(1, sizeof(*d));
    if (!d)
        return error_set(err, ENOMEM, "there is no memory for a machine");
    dev_init(&d->dev, &harts_class, &v->vm->host, "virt-harts");
    d->virt = v;
    v->harts = d;
    for (unsigned i = 0; i < v->vm->nvcpus; i++) {
        atomic_store(&v->hart[i].timer_target, UINT64_MAX);
        evloop_timer_init(&v->hart[i].timer, v->vm->loop, timer_fired, &v->hart[i]);
    }
    vm_add_device(v->vm, &d->dev);
    return 0;
}
