/*
 * Registers between struct x86_cpu and a KVM vCPU: general, segments, control, vector, debug.
 */
#include <string.h>

#include "engine/kvm/kvm_impl.h"
#include "isa/x86/native.h"
#include "isa/x86/trap.h"

static void get_segment(struct x86_segment *d, const struct kvm_segment *s)
{
    *d = (struct x86_segment){.sel = s->selector,
                              .attr =
                                  (uint16_t)(s->type | s->s << 4 | s->dpl << 5 | s->present << 7 |
                                             s->avl << 12 | s->l << 13 | s->db << 14 | s->g << 15),
                              .limit = s->limit,
                              .base = s->base,
                              .unusable = s->unusable || !s->present};
}

static void put_segment(struct kvm_segment *d, const struct x86_segment *s)
{
    *d = (struct kvm_segment){.base = s->base,
                              .limit = s->limit,
                              .selector = s->sel,
                              .type = ATTR_TYPE(s->attr),
                              .s = s->attr >> 4 & 1,
                              .dpl = ATTR_DPL(s->attr),
                              .present = (s->attr >> 7 & 1) && !s->unusable,
                              .avl = s->attr >> 12 & 1,
                              .l = s->attr >> 13 & 1,
                              .db = s->attr >> 14 & 1,
                              .g = s->attr >> 15 & 1,
                              .unusable = s->unusable};
}

static void get_general(struct x86_cpu *c, const struct kvm_regs *r)
{
    const uint64_t in_order[16] = {r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
                                   r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15};
    memcpy(c->gpr, in_order, sizeof(in_order));
    c->rip = r->rip;
    x86_set_rflags(c, r->rflags);
}

static struct kvm_regs put_general(const struct x86_cpu *c)
{
    const uint64_t *g = c->gpr;
    return (struct kvm_regs){.rax = g[RAX],
                             .rcx = g[RCX],
                             .rdx = g[RDX],
                             .rbx = g[RBX],
                             .rsp = g[RSP],
                             .rbp = g[RBP],
                             .rsi = g[RSI],
                             .rdi = g[RDI],
                             .r8 = g[8],
                             .r9 = g[9],
                             .r10 = g[10],
                             .r11 = g[11],
                             .r12 = g[12],
                             .r13 = g[13],
                             .r14 = g[14],
                             .r15 = g[15],
                             .rip = c->rip,
                             .rflags = x86_rflags(c)};
}

static struct kvm_segment *segment_of(struct kvm_sregs *s, unsigned n)
{
    struct kvm_segment *const in_order[6] = {&s->es, &s->cs, &s->ss, &s->ds, &s->fs, &s->gs};
    return in_order[n];
}

static void get_special(struct x86_cpu *c, struct kvm_sregs *s)
{
    for (unsigned i = 0; i < 6; i++)
        get_segment(&c->seg[i], segment_of(s, i));
    get_segment(&c->ldtr[0], &s->ldt);
    get_segment(&c->tr[0], &s->tr);
    c->gdt_base = s->gdt.base;
    c->gdt_limit = s->gdt.limit;
    c->idt_base = s->idt.base;
    c->idt_limit = s->idt.limit;
    c->cr0 = s->cr0;
    c->cr2 = s->cr2;
    c->cr3 = s->cr3;
    c->cr4 = s->cr4;
    c->efer = s->efer;
    c->apic_base = s->apic_base;
}

/* CR8 is left as it is: it is the local APIC's, whose page comes after. */
static void put_special(const struct x86_cpu *c, struct kvm_sregs *s)
{
    for (unsigned i = 0; i < 6; i++)
        put_segment(segment_of(s, i), &c->seg[i]);
    put_segment(&s->ldt, &c->ldtr[0]);
    put_segment(&s->tr, &c->tr[0]);
    s->gdt = (struct kvm_dtable){.base = c->gdt_base, .limit = c->gdt_limit};
    s->idt = (struct kvm_dtable){.base = c->idt_base, .limit = c->idt_limit};
    s->cr0 = c->cr0;
    s->cr2 = c->cr2;
    s->cr3 = c->cr3;
    s->cr4 = c->cr4;
    s->efer = c->efer;
    s->apic_base = c->apic_base;
    memset(s->interrupt_bitmap, 0, sizeof(s->interrupt_bitmap));
}

/* KVM hands out the standard format with unused parts at their initial values. */
static int get_vector(struct kvm_cpu *k, struct x86_cpu *c, struct error *err)
{
    struct kvm_xsave x;
    struct kvm_xcrs xcrs = {0};
    int r = kvm_call(k->fd, KVM_GET_XSAVE, &x, "read the vector registers", err);
    if (r < 0)
        return r;
    memcpy(c->xsave, x.region, XS_SIZE);
    c->xcr0 = XCR0_X87;
    if (kvm_ioctl(k->fd, KVM_GET_XCRS, &xcrs) == 0 && xcrs.nr_xcrs > 0)
        c->xcr0 = xcrs.xcrs[0].value;
    x86_fpu_sanitize(c);
    return 0;
}

/* Without its header KVM takes the image for all-initial. */
static int put_vector(struct kvm_cpu *k, const struct x86_cpu *c, struct error *err)
{
    struct kvm_xsave x = {0};
    struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = c->xcr0}}};
    uint64_t parts = c->model->xcr0_mask;
    memcpy(x.region, c->xsave, XS_SIZE);
    memset((uint8_t *)x.region + XS_XSTATE_BV, 0, XS_YMMH - XS_XSTATE_BV);
    memcpy((uint8_t *)x.region + XS_XSTATE_BV, &parts, sizeof(parts));
    int r = kvm_call(k->fd, KVM_SET_XSAVE, &x, "set the vector registers", err);
    if (r < 0)
        return r;
    r = kvm_ioctl(k->fd, KVM_SET_XCRS, &xcrs);
    if (r < 0 && c->xcr0 != XCR0_X87)
        return error_set(err, -r, "KVM cannot enable the guest's vector registers: %s",
                         strerror(-r));
    return 0;
}

static int get_debug(struct kvm_cpu *k, struct x86_cpu *c, struct error *err)
{
    struct kvm_debugregs d = {0};
    int r = kvm_call(k->fd, KVM_GET_DEBUGREGS, &d, "read the debug registers", err);
    if (r < 0)
        return r;
    memcpy(c->dr, d.db, sizeof(d.db));
    c->dr[6] = d.dr6;
    c->dr[7] = d.dr7;
    return 0;
}

static int put_debug(struct kvm_cpu *k, const struct x86_cpu *c, struct error *err)
{
    struct kvm_debugregs d = {.dr6 = c->dr[6], .dr7 = c->dr[7]};
    memcpy(d.db, c->dr, sizeof(d.db));
    return kvm_call(k->fd, KVM_SET_DEBUGREGS, &d, "set the debug registers", err);
}

int kvm_regs_get(struct kvm_cpu *k, struct x86_cpu *c, struct error *err)
{
    struct kvm_sregs s;
    struct kvm_regs regs;
    int r = kvm_call(k->fd, KVM_GET_SREGS, &s, "read the control registers", err);
    if (r == 0)
        r = kvm_call(k->fd, KVM_GET_REGS, &regs, "read the registers", err);
    if (r < 0)
        return r;
    get_special(c, &s);
    c->cpl = c->cr0 & CR0_PE ? ATTR_DPL(c->seg[SEG_SS].attr) : 0;
    get_general(c, &regs);
    x86_update_mode(c);
    r = get_vector(k, c, err);
    return r < 0 ? r : get_debug(k, c, err);
}

int kvm_regs_put(struct kvm_cpu *k, struct x86_cpu *c, struct error *err)
{
    struct kvm_sregs s;
    struct kvm_regs regs = put_general(c);
    int r = kvm_call(k->fd, KVM_GET_SREGS, &s, "read the control registers", err);
    if (r < 0)
        return r;
    put_special(c, &s);
    r = kvm_call(k->fd, KVM_SET_SREGS, &s, "set the control registers", err);
    if (r == 0)
        r = kvm_call(k->fd, KVM_SET_REGS, &regs, "set the registers", err);
    if (r == 0)
        r = put_vector(k, c, err);
    return r < 0 ? r : put_debug(k, c, err);
}
