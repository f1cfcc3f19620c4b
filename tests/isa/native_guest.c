#include "native_guest.h"

#include <stdlib.h>
#include <string.h>

#include "isa/x86/access.h"
#include "isa/x86/align.h"
#include "isa/x86/flags.h"
#include "isa/x86/trap.h"

static struct guest *of(const struct x86_cpu *c)
{
    return c->vcpu;
}

_Noreturn void x86_raise(struct x86_cpu *c, uint8_t vector)
{
    of(c)->vector = vector;
    longjmp(c->unwind, 1);
}

_Noreturn void x86_raise_error(struct x86_cpu *c, uint8_t vector, uint32_t error)
{
    (void)error;
    x86_raise(c, vector);
}

_Noreturn void x86_raise_gp(struct x86_cpu *c, uint32_t error)
{
    x86_raise_error(c, VEC_GP, error);
}

/* The host does not check alignment here. */
void x86_align_judge(struct x86_cpu *c, gva_t va, unsigned mask)
{
    (void)c;
    (void)va;
    (void)mask;
}

gva_t x86_seg_linear(struct x86_cpu *c, unsigned seg, uint64_t offset, unsigned size,
                     enum x86_access_kind kind)
{
    (void)size;
    (void)kind;
    return (uint32_t)(c->seg[seg].base + offset);
}

static void check_page(struct x86_cpu *c, gva_t va, unsigned len)
{
    uint64_t bad = of(c)->bad_page;

    if (va + len - 1 < va || va - of(c)->mem > of(c)->mem_size - len) {
        bool canonical = (uint64_t)((int64_t)(va << 16) >> 16) == va;
        x86_raise(c, canonical ? VEC_PF : VEC_GP);
    }
    if (bad && (va & GUEST_PAGE_MASK) <= bad && ((va + len - 1) & GUEST_PAGE_MASK) >= bad)
        x86_raise(c, VEC_PF);
}

static void *host(gva_t va)
{
    return (void *)(uintptr_t)va;
}

static uint64_t slow_load(struct x86_cpu *c, gva_t va, unsigned size)
{
    uint64_t v = 0;
    check_page(c, va, size);
    memcpy(&v, host(va), size);
    return v;
}

static void slow_store(struct x86_cpu *c, gva_t va, unsigned size, uint64_t v)
{
    check_page(c, va, size);
    memcpy(host(va), &v, size);
}

static void *slow_rmw(struct x86_cpu *c, gva_t va, unsigned size)
{
    check_page(c, va, size);
    return host(va);
}

static void slow_read(struct x86_cpu *c, gva_t va, void *buf, unsigned len)
{
    check_page(c, va, len);
    memcpy(buf, host(va), len);
}

static void slow_write(struct x86_cpu *c, gva_t va, const void *buf, unsigned len)
{
    check_page(c, va, len);
    memcpy(host(va), buf, len);
}

static const struct x86_mem_slow slow = {
    .load = slow_load,
    .store = slow_store,
    .rmw_ptr = slow_rmw,
    .read = slow_read,
    .write = slow_write,
};

static struct cpuid_model model = {.xcr0_mask = 7};

struct guest *guest_create(void)
{
    struct guest *g = calloc(1, sizeof(*g));
    struct error err;

    if (!g || !(g->c = calloc(1, sizeof(*g->c))) || x86_native_create(&g->c->native, &err))
        abort();
    g->c->vcpu = g;
    g->c->slow = &slow;
    g->c->model = &model;
    g->c->tlb = &g->tlb;
    g->c->op = &g->op;
    g->c->cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_MP | CR0_ET;
    g->c->cr4 = CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
    g->c->code_mode = 64;
    g->c->cpl = 3;
    x86_fpu_reset(g->c);
    g->c->xcr0 = 7;
    return g;
}

void guest_destroy(struct guest *g)
{
    x86_native_destroy(g->c->native);
    free(g->c);
    free(g);
}

void guest_set(struct guest *g, const struct host_state *in)
{
    memcpy(g->c->xsave, in->xs, HOST_XSAVE);
    memcpy(g->c->gpr, in->gpr, sizeof(in->gpr));
    g->c->arith = arith_from_rflags(in->rflags);
}

void guest_get(const struct guest *g, struct host_state *out)
{
    memset(out, 0, sizeof(*out));
    memcpy(out->xs, g->c->xsave, HOST_XSAVE);
    memcpy(out->gpr, g->c->gpr, sizeof(out->gpr));
    out->rflags = arith_to_rflags(g->c->arith);
}

static uint16_t reg_off(unsigned reg)
{
    return reg < 16 ? X86_REG_OFF(reg) : (uint16_t)offsetof(struct x86_cpu, zero);
}

/* The memory operand as lower.c would describe it. */
static void lower(struct guest *g, const struct x86_insn *in, uint64_t rip)
{
    struct x86_op *op = &g->op;

    memset(op, 0, sizeof(*op));
    op->base = reg_off(in->base);
    op->index = in->vsib ? reg_off(X86_REG_NONE) : reg_off(in->index);
    op->scale = in->vsib ? 0 : in->scale;
    op->disp = in->disp;
    op->ea_mask = in->addrsize == 8 ? UINT64_MAX : UINT32_MAX;
    op->addr_size = in->addrsize;
    op->seg = in->seg;
    op->seg_base = offsetof(struct x86_cpu, zero);
    op->flags = in->mode == X86_MODE_64 ? 0 : OP_LEGACY;
    op->len = in->len;
    op->next = (uint16_t)((rip & 4095) + in->len);
    g->c->code_base = rip & ~UINT64_C(4095);
}

static void fill_tlb(struct guest *g, gva_t ea)
{
    memset(&g->tlb, 0xff, sizeof(g->tlb));
    if (!g->use_tlb)
        return;
    for (int i = -1; i <= 1; i++) {
        gva_t va = ea + (uint64_t)i * GUEST_PAGE_SIZE;
        struct tlb_entry *e = &g->tlb.e[tlb_slot(g->c, va) - g->tlb.e];
        if ((va & GUEST_PAGE_MASK) == g->bad_page)
            continue;
        *e = (struct tlb_entry){TLB_VPN(va), TLB_VPN(va), TLB_INVALID, 0};
    }
}

bool guest_run(struct guest *g, const struct x86_insn *in, uint64_t rip)
{
    const struct native_thunk *t = x86_native_prepare(g->c, in);

    if (!t)
        return false;
    lower(g, in, rip);
    gva_t ea = x86_is_mem(in) ? op_ea(g->c, &g->op, 1, ACCESS_READ) : 0;
    fill_tlb(g, x86_is_mem(in) ? ea : g->c->gpr[RDI]);
    g->vector = -1;
    if (!setjmp(g->c->unwind))
        x86_native_run(g->c, t, ea);
    return true;
}
