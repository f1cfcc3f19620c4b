/*
 * TLB fills and slow paths of an x86 CPU.
 */
#include "engine/softmmu/x86/softmmu.h"

#include <string.h>

#include "engine/softmmu/softmmu_impl.h"
#include "isa/x86/debug.h"
#include "isa/x86/mmu.h"
#include "isa/x86/op.h"
#include "isa/x86/seg.h"
#include "isa/x86/trap.h"
#include "vm/exclusive.h"
#include "vm/vm.h"

static struct softmmu *mmu_of(const struct x86_cpu *c)
{
    return c->slow_opaque;
}

static _Noreturn void fault(struct x86_cpu *c, gva_t va, const struct x86_walk *w)
{
    if (w->noncanonical)
        x86_raise_noncanonical(c, va);
    x86_raise_pf(c, va, w->error);
}

static void fill(struct softmmu *s, gva_t va, enum x86_access_kind kind, const struct x86_walk *w,
                 const struct mem_slot *slot)
{
    struct x86_cpu *c = s->cpu;
    struct tlb_entry *e = softmmu_fill(s,
                                       &(struct softmmu_page){.va = va,
                                                              .gpa = w->gpa,
                                                              .asid = c->asid,
                                                              .ctx = c->mmu_ctx,
                                                              .kind = (enum softmmu_kind)kind,
                                                              .write = w->write,
                                                              .global = w->global,
                                                              .big = w->size > GUEST_PAGE_SIZE},
                                       slot);
    if (unlikely(c->watching & X86_WATCH_DATA) && x86_debug_page(c, va))
        e->read = e->write = TLB_INVALID;
}

static struct softmmu_bus bus_of(const struct softmmu *s)
{
    const struct x86_cpu *c = s->cpu;
    return (struct softmmu_bus){c->env.machine, c->env.mmio_read, c->env.mmio_write};
}

static uint64_t mmio_load(struct softmmu *s, gpa_t gpa, unsigned size)
{
    struct softmmu_bus bus = bus_of(s);
    return softmmu_mmio_load(s, &bus, gpa, size);
}

static void mmio_store(struct softmmu *s, gpa_t gpa, unsigned size, uint64_t v)
{
    struct softmmu_bus bus = bus_of(s);
    softmmu_mmio_store(s, &bus, gpa, size, v);
}

/* Translate; fills the TLB. NULL slot: MMIO. Raises faults. */
static const struct mem_slot *translate(struct softmmu *s, gva_t va, enum x86_access_kind kind,
                                        gpa_t *gpa)
{
    struct x86_walk w;
    struct x86_cpu *c = s->cpu;
    if (!x86_mmu_walk(c, va, kind, c->mmu_ctx, &w))
        fault(c, va, &w);
    const struct mem_slot *slot = guest_mem_slot(s->mem, w.gpa);
    if (slot)
        fill(s, va, kind, &w, slot);
    *gpa = w.gpa;
    return slot;
}

/*
 * The instruction must run by itself: it stores into its own block's page, or hits a breakpoint.
 * Nothing of it is committed yet. Unwinds, and the engine runs it again with `alone` set.
 */
static void need_alone(struct softmmu *s)
{
    struct x86_cpu *c = s->cpu;
    if (s->alone || !c->op)
        return;
    c->rip = op_rip(c, c->op);
    if (c->exclusive)
        c->slow->unlock(c);
    x86_mmu_update_ctx(c);
    longjmp(c->unwind, 2);
}

static void watch(struct softmmu *s, gva_t va, unsigned size, bool write)
{
    struct x86_cpu *c = s->cpu;
    uint32_t before = c->pending_debug;
    if (likely(!(c->watching & X86_WATCH_DATA)))
        return;
    x86_debug_data(c, va, size, write);
    if (c->pending_debug != before && !s->alone) {
        c->pending_debug = before;
        need_alone(s);
    }
}

static uint64_t load_page(struct softmmu *s, gva_t va, unsigned size)
{
    gpa_t gpa;
    const uint8_t *p = tlb_read_ptr(s->cpu, va, size);
    if (p)
        return softmmu_read_host(p, size);
    watch(s, va, size, false);
    const struct mem_slot *slot = translate(s, va, ACCESS_READ, &gpa);
    if (slot)
        return softmmu_read_host(softmmu_host(slot, gpa), size);
    return mmio_load(s, gpa, size);
}

/* A block must not go on with stale instructions after a store of `n` bytes into what it depends
 * on. */
static void own_code(struct softmmu *s, gpa_t gpa, unsigned n)
{
    gpa_t page = gpa & GUEST_PAGE_MASK;
    if (!s->code)
        return;
    bool first = page == (s->code[0] & GUEST_PAGE_MASK) &&
                 (guest_mem_lines(gpa & ~GUEST_PAGE_MASK, n) & s->code_lines);
    if (first || page == s->code[1])
        need_alone(s);
}

static void store_to_code(struct softmmu *s, gpa_t gpa, unsigned size, uint64_t v)
{
    own_code(s, gpa, size);
    softmmu_store_flagged(s, gpa, size, v);
}

static void store_page(struct softmmu *s, gva_t va, unsigned size, uint64_t v)
{
    gpa_t gpa;
    uint8_t *p = tlb_write_ptr(s->cpu, va, size);
    if (p) {
        softmmu_write_host(p, size, v);
        return;
    }
    watch(s, va, size, true);
    const struct mem_slot *slot = translate(s, va, ACCESS_WRITE, &gpa);
    if (!slot) {
        mmio_store(s, gpa, size, v);
        return;
    }
    p = tlb_write_ptr(s->cpu, va, size);
    if (p)
        softmmu_write_host(p, size, v);
    else
        store_to_code(s, gpa, size, v);
}

/* Where an access goes on. Beyond 4 GiB it is one that the CPU makes by itself, such as a frame on
 * the 64-bit stack of compatibility mode's handler. */
static gva_t next_va(const struct softmmu *s, gva_t va, unsigned n)
{
    return va >> 32 ? va + n : va_add(s->cpu, va, n);
}

/* An access that leaves the canonical addresses faults as a whole, whatever its first page is like.
 */
static void check_second_part(struct x86_cpu *c, gva_t va)
{
    if (unlikely(!x86_canonical(va)))
        x86_raise_noncanonical(c, va);
}

static uint64_t slow_load(struct x86_cpu *c, gva_t va, unsigned size)
{
    struct softmmu *s = mmu_of(c);
    unsigned n = softmmu_first_part(va, size);
    s->vcpu->stats.slow_loads++;
    if (n == size)
        return load_page(s, va, size);
    check_second_part(c, va + n);
    uint64_t low = load_page(s, va, n);
    return low | load_page(s, next_va(s, va, n), size - n) << (8 * n);
}

/* Make sure a store to [va, va + n), on one page, will neither fault nor have to run alone. */
static void probe_write(struct softmmu *s, gva_t va, unsigned n)
{
    gpa_t gpa;
    if (tlb_write_ptr(s->cpu, va, 1))
        return;
    watch(s, va, n, true);
    if (translate(s, va, ACCESS_WRITE, &gpa) && !tlb_write_ptr(s->cpu, va, 1))
        own_code(s, gpa, n);
}

static void slow_store(struct x86_cpu *c, gva_t va, unsigned size, uint64_t v)
{
    struct softmmu *s = mmu_of(c);
    unsigned n = softmmu_first_part(va, size);
    s->vcpu->stats.slow_stores++;
    if (n == size) {
        store_page(s, va, size, v);
        return;
    }
    check_second_part(c, va + n);
    /* Both pages must be writable before a byte of either changes. */
    gva_t next = next_va(s, va, n);
    probe_write(s, va, n);
    probe_write(s, next, size - n);
    store_page(s, va, n, v);
    store_page(s, next, size - n, v >> (8 * n));
}

static void *slow_rmw_ptr(struct x86_cpu *c, gva_t va, unsigned size)
{
    struct softmmu *s = mmu_of(c);
    unsigned n = softmmu_first_part(va, size);
    if (n != size)
        check_second_part(c, next_va(s, va, n));
    probe_write(s, va, n);
    if (n != size) {
        probe_write(s, next_va(s, va, n), size - n);
        return NULL;
    }
    return tlb_write_ptr(c, va, size);
}

static void slow_read(struct x86_cpu *c, gva_t va, void *buf, unsigned len)
{
    struct softmmu *s = mmu_of(c);
    uint8_t *out = buf;
    if (softmmu_first_part(va, len) < len)
        check_second_part(c, va + softmmu_first_part(va, len));
    while (len) {
        unsigned n = softmmu_first_part(va, len);
        const uint8_t *p = tlb_read_ptr(c, va, n);
        if (p) {
            memcpy(out, p, n);
        } else {
            n = n > 8 ? 8 : n;
            uint64_t v = load_page(s, va, n);
            memcpy(out, &v, n);
        }
        out += n;
        va = next_va(s, va, n);
        len -= n;
    }
}

static void slow_write(struct x86_cpu *c, gva_t va, const void *buf, unsigned len)
{
    struct softmmu *s = mmu_of(c);
    const uint8_t *in = buf;
    unsigned first = softmmu_first_part(va, len);
    if (first < len)
        check_second_part(c, next_va(s, va, first));
    probe_write(s, va, first);
    if (first < len)
        probe_write(s, next_va(s, va, first), len - first);
    while (len) {
        unsigned n = softmmu_first_part(va, len);
        uint8_t *p = tlb_write_ptr(c, va, n);
        if (p) {
            memcpy(p, in, n);
        } else {
            uint64_t v = 0;
            n = n > 8 ? 8 : n;
            memcpy(&v, in, n);
            store_page(s, va, n, v);
        }
        in += n;
        va = next_va(s, va, n);
        len -= n;
    }
}

static void slow_lock(struct x86_cpu *c)
{
    vm_exclusive_begin(c->vcpu);
    c->exclusive = true;
}

static void slow_unlock(struct x86_cpu *c)
{
    c->exclusive = false;
    vm_exclusive_end(c->vcpu);
}

static void enter_space(struct softmmu *s, bool fresh)
{
    struct x86_cpu *c = s->cpu;
    c->asid = softmmu_enter_space(s, c->cr3, fresh);
}

static void flush_all(struct x86_cpu *c, bool keep_global)
{
    struct softmmu *s = mmu_of(c);
    s->vcpu->stats.tlb_flushes++;
    if (!keep_global) {
        softmmu_forget_spaces(s, 0, 0);
        s->code_unmapped(s->opaque, 0, true);
    }
    enter_space(s, true);
}

static void flush_pcid(struct x86_cpu *c, uint16_t pcid, bool keep_global)
{
    struct softmmu *s = mmu_of(c);
    if (pcid == X86_ALL_PCIDS)
        softmmu_forget_spaces(s, 0, 0);
    else
        softmmu_forget_spaces(s, 0xfff, pcid);
    if (!keep_global)
        s->code_unmapped(s->opaque, 0, true);
    s->vcpu->stats.tlb_flushes++;
    enter_space(s, false);
}

static void flush_page(struct x86_cpu *c, gva_t va)
{
    struct softmmu *s = mmu_of(c);
    if (softmmu_may_be_large(s, va)) {
        flush_all(c, false);
        return;
    }
    softmmu_forget_page(s, va);
    s->code_unmapped(s->opaque, va, false);
}

static void context_changed(struct x86_cpu *c)
{
    enter_space(mmu_of(c), false);
}

static bool phys_load(void *opaque, gpa_t gpa, unsigned size, uint64_t *val)
{
    struct softmmu *s = opaque;
    return gpa_load(s->mem, gpa, size, val) == 0;
}

static int phys_cas(void *opaque, gpa_t gpa, unsigned size, uint64_t old, uint64_t val)
{
    struct softmmu *s = opaque;
    int r = gpa_cas(s->mem, gpa, size, old, val);
    return r < 0 ? -1 : r;
}

static const struct x86_mem_slow slow_ops = {
    .load = slow_load,
    .store = slow_store,
    .rmw_ptr = slow_rmw_ptr,
    .lock = slow_lock,
    .unlock = slow_unlock,
    .read = slow_read,
    .write = slow_write,
    .flush_all = flush_all,
    .flush_pcid = flush_pcid,
    .flush_page = flush_page,
    .context_changed = context_changed,
};

static const struct x86_phys phys_ops = {phys_load, phys_cas};

void softmmu_init(struct softmmu *s, struct vcpu *v, struct guest_mem *mem)
{
    struct x86_cpu *c = v->cpu;
    c->slow = &slow_ops;
    c->phys = &phys_ops;
    c->slow_opaque = s;
    c->vcpu = v;
    for (unsigned i = 0; i < X86_MMU_CTXS; i++)
        c->tlbs[i] = &s->tlb[i];
    softmmu_init_common(s, v, mem, c);
}

const uint8_t *softmmu_fetch(struct softmmu *s, gva_t va, gpa_t *gpa)
{
    struct x86_cpu *c = s->cpu;
    const struct tlb_entry *e = softmmu_slot(s, c->mmu_ctx, va);
    if (e->exec == (TLB_VPN(va) | c->asid)) {
        const uint8_t *p = (const uint8_t *)(uintptr_t)(va + e->addend);
        *gpa = softmmu_gpa_of_host(s->mem, p);
        return p;
    }
    const struct mem_slot *slot = translate(s, va, ACCESS_EXEC, gpa);
    return slot ? softmmu_host(slot, *gpa) : NULL;
}
