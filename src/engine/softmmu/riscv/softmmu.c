/*
 * TLB fills and slow paths of a RISC-V hart.
 */
#include "engine/softmmu/riscv/softmmu.h"

#include "engine/softmmu/softmmu_impl.h"
#include "isa/riscv/access.h"
#include "isa/riscv/mmu.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"

static struct softmmu *mmu_of(const struct riscv_cpu *c)
{
    return c->slow_opaque;
}

/* Translate for the context; fills the TLB. NULL: MMIO. Raises faults. */
static const struct mem_slot *translate(struct softmmu *s, gva_t va, enum riscv_access kind,
                                        enum riscv_mmu_ctx ctx, gpa_t *gpa)
{
    struct riscv_cpu *c = s->cpu;
    struct riscv_walk w;
    if (!riscv_mmu_walk(c, va, kind, ctx, &w))
        riscv_raise(c, w.cause, va);
    *gpa = w.gpa;
    const struct mem_slot *slot = guest_mem_slot(s->mem, w.gpa);
    if (!slot || w.partial)
        return slot;
    struct softmmu_page page = {.va = va,
                                .gpa = w.gpa,
                                .asid = c->asid,
                                .ctx = ctx,
                                .kind = (enum softmmu_kind)kind,
                                .write = w.write,
                                .global = w.global,
                                .big = w.size > GUEST_PAGE_SIZE};
    softmmu_fill(s, &page, slot);
    return slot;
}

static const struct mem_slot *translate_data(struct softmmu *s, gva_t va, enum riscv_access kind,
                                             gpa_t *gpa)
{
    const struct riscv_cpu *c = s->cpu;
    return translate(s, va, kind, (enum riscv_mmu_ctx)c->mmu_ctx, gpa);
}

static struct softmmu_bus bus_of(const struct softmmu *s)
{
    const struct riscv_cpu *c = s->cpu;
    return (struct softmmu_bus){c->env.machine, c->env.mmio_read, c->env.mmio_write};
}

static uint64_t load_page(struct softmmu *s, gva_t va, unsigned size)
{
    gpa_t gpa;
    void *p;
    if (riscv_tlb_read(s->cpu, va, size, &p))
        return softmmu_read_host(p, size);
    const struct mem_slot *slot = translate_data(s, va, RISCV_READ, &gpa);
    if (slot)
        return softmmu_read_host(softmmu_host(slot, gpa), size);
    struct softmmu_bus bus = bus_of(s);
    return softmmu_mmio_load(s, &bus, gpa, size);
}

static void store_page(struct softmmu *s, gva_t va, unsigned size, uint64_t v)
{
    gpa_t gpa;
    void *p;
    if (riscv_tlb_write(s->cpu, va, size, &p)) {
        softmmu_write_host(p, size, v);
        return;
    }
    if (!translate_data(s, va, RISCV_WRITE, &gpa)) {
        struct softmmu_bus bus = bus_of(s);
        softmmu_mmio_store(s, &bus, gpa, size, v);
    } else if (riscv_tlb_write(s->cpu, va, size, &p)) {
        softmmu_write_host(p, size, v);
    } else {
        softmmu_store_flagged(s, gpa, size, v);
    }
}

static uint64_t slow_load(struct riscv_cpu *c, gva_t va, unsigned size)
{
    struct softmmu *s = mmu_of(c);
    unsigned n = softmmu_first_part(va, size);
    s->vcpu->stats.slow_loads++;
    if (n == size)
        return load_page(s, va, size);
    uint64_t low = load_page(s, va, n);
    return low | load_page(s, va + n, size - n) << (8 * n);
}

static void slow_store(struct riscv_cpu *c, gva_t va, unsigned size, uint64_t v)
{
    struct softmmu *s = mmu_of(c);
    unsigned n = softmmu_first_part(va, size);
    gpa_t gpa;
    s->vcpu->stats.slow_stores++;
    if (n == size) {
        store_page(s, va, size, v);
        return;
    }
    /* Both pages must be writable before a byte of either changes. */
    translate_data(s, va, RISCV_WRITE, &gpa);
    translate_data(s, va + n, RISCV_WRITE, &gpa);
    store_page(s, va, n, v);
    store_page(s, va + n, size - n, v >> (8 * n));
}

static void *slow_rmw_ptr(struct riscv_cpu *c, gva_t va, unsigned size)
{
    struct softmmu *s = mmu_of(c);
    gpa_t gpa;
    void *p;
    s->vcpu->stats.slow_stores++;
    if (!translate_data(s, va, RISCV_WRITE, &gpa))
        riscv_raise(c, RISCV_EXC_STORE_ACCESS, va);
    return riscv_tlb_write(c, va, size, &p) ? p : NULL;
}

static bool slow_cas(struct riscv_cpu *c, gva_t va, unsigned size, uint64_t old, uint64_t val)
{
    struct softmmu *s = mmu_of(c);
    gpa_t gpa;
    if (!translate_data(s, va, RISCV_WRITE, &gpa))
        riscv_raise(c, RISCV_EXC_STORE_ACCESS, va);
    if (s->storing)
        s->storing(s, gpa, size);
    s->vcpu->stats.code_writes++;
    return gpa_cas(s->mem, gpa, size, old, val) != 0; /* read-only memory ignores writes */
}

static void context_changed(struct riscv_cpu *c)
{
    c->asid = softmmu_enter_space(mmu_of(c), c->satp, false);
}

static void forget_all(struct softmmu *s, struct riscv_cpu *c)
{
    s->vcpu->stats.tlb_flushes++;
    softmmu_forget_spaces(s, 0, 0);
    s->code_unmapped(s->opaque, 0, true);
    c->asid = softmmu_enter_space(s, c->satp, true);
}

/* An address space as satp names it: the mode and the root beside the number do not matter. */
static void forget_asid(struct softmmu *s, struct riscv_cpu *c, uint16_t asid)
{
    const uint64_t mask = UINT64_C(0xffff) << 44;
    s->vcpu->stats.tlb_flushes++;
    softmmu_forget_spaces(s, mask, (uint64_t)asid << 44);
    c->asid = softmmu_enter_space(s, c->satp, false);
}

/*
 * [RISC-V priv 4.2.1] One address goes from all spaces, whose entries share a slot, and of no large
 * page: those may stand in many slots. Entries of one space that are global may stay.
 */
static void sfence(struct riscv_cpu *c, bool all_addresses, gva_t va, bool all_spaces,
                   uint16_t asid)
{
    struct softmmu *s = mmu_of(c);
    if (!all_addresses && !softmmu_may_be_large(s, va)) {
        softmmu_forget_page(s, va);
        s->code_unmapped(s->opaque, va, false);
    } else if (all_spaces) {
        forget_all(s, c);
    } else {
        forget_asid(s, c, asid);
    }
}

/* Stores into code have dropped it already. */
static void fence_i(struct riscv_cpu *c)
{
    (void)c;
}

static bool phys_load(void *opaque, gpa_t gpa, uint64_t *val)
{
    struct softmmu *s = opaque;
    return gpa_load(s->mem, gpa, 8, val) == 0;
}

static int phys_cas(void *opaque, gpa_t gpa, uint64_t old, uint64_t val)
{
    struct softmmu *s = opaque;
    int r = gpa_cas(s->mem, gpa, 8, old, val);
    return r < 0 ? -1 : r;
}

static const struct riscv_mem_slow slow_ops = {
    .load = slow_load,
    .store = slow_store,
    .rmw_ptr = slow_rmw_ptr,
    .cas = slow_cas,
    .sfence = sfence,
    .context_changed = context_changed,
    .fence_i = fence_i,
};

static const struct riscv_phys phys_ops = {phys_load, phys_cas};

void riscv_softmmu_init(struct softmmu *s, struct vcpu *v, struct guest_mem *mem)
{
    struct riscv_cpu *c = v->cpu;
    c->slow = &slow_ops;
    c->phys = &phys_ops;
    c->slow_opaque = s;
    c->vcpu = v;
    for (unsigned i = 0; i < RISCV_MMU_CTXS; i++)
        c->tlbs[i] = &s->tlb[i];
    softmmu_init_common(s, v, mem, c);
}

const uint8_t *riscv_softmmu_fetch(struct softmmu *s, gva_t va, gpa_t *gpa)
{
    struct riscv_cpu *c = s->cpu;
    enum riscv_mmu_ctx ctx = riscv_fetch_ctx(c);
    const struct tlb_entry *e = softmmu_slot(s, ctx, va);
    if (e->exec == (TLB_VPN(va) | c->asid)) {
        const uint8_t *p = (const uint8_t *)(uintptr_t)(va + e->addend);
        *gpa = softmmu_gpa_of_host(s->mem, p);
        return p;
    }
    const struct mem_slot *slot = translate(s, va, RISCV_FETCH, ctx, gpa);
    if (!slot)
        riscv_raise(c, RISCV_EXC_FETCH_ACCESS, va);
    return softmmu_host(slot, *gpa);
}

bool riscv_softmmu_code_is_global(const struct softmmu *s, gva_t va)
{
    return s->global[riscv_fetch_ctx(s->cpu)][TLB_INDEX(va)];
}
