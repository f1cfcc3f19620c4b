/*
 * TLB fills and the slow paths behind them.
 */
#include "engine/softmmu/softmmu.h"

#include <string.h>

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

static struct tlb_entry *slot_of(struct softmmu *s, unsigned ctx, gva_t va)
{
    return &s->tlb[ctx].e[TLB_INDEX(va)];
}

static unsigned region_bit(gva_t va)
{
    uint64_t region = va >> 21;
    return (region ^ region >> 15) & (SOFTMMU_REGIONS - 1);
}

static void note_large(struct softmmu *s, gva_t va)
{
    s->large[region_bit(va) / 64] |= UINT64_C(1) << (region_bit(va) % 64);
}

/* May entries for other addresses than its own 4 KiB have come from the page at `va`? */
static bool may_be_large(const struct softmmu *s, gva_t va)
{
    return s->large[region_bit(va) / 64] >> (region_bit(va) % 64) & 1;
}

/* Put the page at `va` into the TLB of the current context as far as it is plain RAM. */
static void fill(struct softmmu *s, gva_t va, enum x86_access_kind kind, const struct x86_walk *w,
                 const struct mem_slot *slot)
{
    struct x86_cpu *c = s->cpu;
    struct tlb_entry *e = slot_of(s, c->mmu_ctx, va);
    uint64_t tag = TLB_VPN(va) | c->asid, page = (w->gpa - slot->base) >> GUEST_PAGE_SHIFT;
    const uint8_t *host = slot->host + (page << GUEST_PAGE_SHIFT);
    uint8_t flags = atomic_load_explicit(&slot->page_flags[page], memory_order_acquire);
    s->vcpu->stats.tlb_fills++;
    /* Instruction fetches prove execute permission only, data accesses read permission only. */
    bool same = e->addend == (uintptr_t)host - (va & GUEST_PAGE_MASK);
    uint64_t old_exec = same ? e->exec : TLB_INVALID, old_read = same ? e->read : TLB_INVALID;
    e->addend = (uintptr_t)host - (va & GUEST_PAGE_MASK);
    e->read = kind == ACCESS_EXEC ? (old_read == tag ? tag : TLB_INVALID) : tag;
    e->exec = kind == ACCESS_EXEC ? tag : (old_exec == tag ? tag : TLB_INVALID);
    bool write = kind == ACCESS_WRITE && w->write && !slot->readonly && !s->storing &&
                 !(flags & (MEM_PAGE_CODE | MEM_PAGE_CLEAN));
    if (write)
        e->write = tag;
    else if (!same || e->write != tag || (flags & (MEM_PAGE_CODE | MEM_PAGE_CLEAN)))
        e->write = TLB_INVALID;
    s->global[c->mmu_ctx][TLB_INDEX(va)] = w->global;
    s->big[c->mmu_ctx][TLB_INDEX(va)] = w->size > GUEST_PAGE_SIZE;
    if (unlikely(c->watching & X86_WATCH_DATA) && x86_debug_page(c, va))
        e->read = e->write = TLB_INVALID;
    if (w->size > GUEST_PAGE_SIZE)
        note_large(s, va);
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

static uint8_t *host_of(const struct mem_slot *slot, gpa_t gpa)
{
    return slot->host + (gpa - slot->base);
}

static uint64_t read_host(const uint8_t *p, unsigned size)
{
    uint64_t v = 0;
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)p;
    case 2:
        return *(const volatile uint16_t *)p;
    case 4:
        return *(const volatile uint32_t *)p;
    case 8:
        return *(const volatile uint64_t *)p;
    default:
        memcpy(&v, p, size);
        return v;
    }
}

static void write_host(uint8_t *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)p = v;
        break;
    case 2:
        *(volatile uint16_t *)p = v;
        break;
    case 4:
        *(volatile uint32_t *)p = v;
        break;
    case 8:
        *(volatile uint64_t *)p = v;
        break;
    default:
        memcpy(p, &v, size);
        break;
    }
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

/* Buses carry 1, 2, 4 and 8 bytes; what is left of an access that crosses a page goes in pieces. */
static unsigned mmio_piece(gpa_t gpa, unsigned size)
{
    unsigned n = 8;
    while (n > size || (size != n && (gpa & (n - 1))))
        n /= 2;
    return n;
}

static uint64_t mmio_load(struct softmmu *s, gpa_t gpa, unsigned size)
{
    uint64_t v = 0;
    s->vcpu->stats.exit_mmio++;
    for (unsigned done = 0, n; done < size; done += n) {
        n = mmio_piece(gpa + done, size - done);
        uint64_t part = s->cpu->env.mmio_read(s->cpu->env.machine, gpa + done, n);
        v |= (n == 8 ? part : part & ((UINT64_C(1) << 8 * n) - 1)) << 8 * done;
    }
    return v;
}

static void mmio_store(struct softmmu *s, gpa_t gpa, unsigned size, uint64_t v)
{
    s->vcpu->stats.exit_mmio++;
    for (unsigned done = 0, n; done < size; done += n) {
        n = mmio_piece(gpa + done, size - done);
        uint64_t part = v >> 8 * done;
        s->cpu->env.mmio_write(s->cpu->env.machine, gpa + done, n,
                               n == 8 ? part : part & ((UINT64_C(1) << 8 * n) - 1));
    }
}

static uint64_t load_page(struct softmmu *s, gva_t va, unsigned size)
{
    gpa_t gpa;
    const uint8_t *p = tlb_read_ptr(s->cpu, va, size);
    if (p)
        return read_host(p, size);
    watch(s, va, size, false);
    const struct mem_slot *slot = translate(s, va, ACCESS_READ, &gpa);
    if (slot)
        return read_host(host_of(slot, gpa), size);
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

/* A store into a page without a write tag: code, clean, watched, or read-only memory. */
static void store_flagged(struct softmmu *s, gpa_t gpa, unsigned size, uint64_t v)
{
    own_code(s, gpa, size);
    if (s->storing)
        s->storing(s, gpa, size);
    s->vcpu->stats.code_writes++;
    if (gpa_write(s->mem, gpa, &v, size) < 0)
        return; /* read-only memory ignores writes */
}

static void store_page(struct softmmu *s, gva_t va, unsigned size, uint64_t v)
{
    gpa_t gpa;
    uint8_t *p = tlb_write_ptr(s->cpu, va, size);
    if (p) {
        write_host(p, size, v);
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
        write_host(p, size, v);
    else
        store_flagged(s, gpa, size, v);
}

/* Where an access goes on. Beyond 4 GiB it is one that the CPU makes by itself, such as a frame on
 * the 64-bit stack of compatibility mode's handler. */
static gva_t next_va(const struct softmmu *s, gva_t va, unsigned n)
{
    return va >> 32 ? va + n : va_add(s->cpu, va, n);
}

/* Bytes of an access that lie on its first page. */
static unsigned first_part(gva_t va, unsigned size)
{
    uint64_t left = GUEST_PAGE_SIZE - (va & (GUEST_PAGE_SIZE - 1));
    return left < size ? (unsigned)left : size;
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
    unsigned n = first_part(va, size);
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
    unsigned n = first_part(va, size);
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
    unsigned n = first_part(va, size);
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
    if (first_part(va, len) < len)
        check_second_part(c, va + first_part(va, len));
    while (len) {
        unsigned n = first_part(va, len);
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
    unsigned first = first_part(va, len);
    if (first < len)
        check_second_part(c, next_va(s, va, first));
    probe_write(s, va, first);
    if (first < len)
        probe_write(s, next_va(s, va, first), len - first);
    while (len) {
        unsigned n = first_part(va, len);
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

void softmmu_flush_everything(struct softmmu *s)
{
    memset(s->tlb, 0xff, sizeof(s->tlb));
    memset(s->space_cr3, 0xff, sizeof(s->space_cr3));
    memset(s->large, 0, sizeof(s->large));
    s->last_asid = 0;
    s->vcpu->stats.tlb_flushes++;
    s->code_unmapped(s->opaque, 0, true);
}

/* A number never used since the tables were last cleared. */
static uint32_t new_asid(struct softmmu *s)
{
    if (s->last_asid == 0xffe)
        softmmu_flush_everything(s);
    return ++s->last_asid;
}

static void enter_space(struct softmmu *s, bool fresh)
{
    struct x86_cpu *c = s->cpu;
    unsigned i = 0;
    while (i < SOFTMMU_SPACES && s->space_cr3[i] != c->cr3)
        i++;
    if (i == SOFTMMU_SPACES) {
        i = s->next_space++ % SOFTMMU_SPACES;
        fresh = true;
    }
    if (fresh) {
        uint32_t asid = new_asid(s); /* may clear the table of spaces */
        s->space_cr3[i] = c->cr3;
        s->space_asid[i] = asid;
    }
    c->asid = TLB_ASID(s->space_asid[i]);
}

static void flush_all(struct x86_cpu *c, bool keep_global)
{
    struct softmmu *s = mmu_of(c);
    s->vcpu->stats.tlb_flushes++;
    if (!keep_global) {
        memset(s->space_cr3, 0xff, sizeof(s->space_cr3));
        s->code_unmapped(s->opaque, 0, true);
    }
    enter_space(s, true);
}

static void flush_pcid(struct x86_cpu *c, uint16_t pcid, bool keep_global)
{
    struct softmmu *s = mmu_of(c);
    for (unsigned i = 0; i < SOFTMMU_SPACES; i++) {
        if (pcid == X86_ALL_PCIDS || (s->space_cr3[i] & 0xfff) == pcid)
            s->space_cr3[i] = UINT64_MAX;
    }
    if (!keep_global)
        s->code_unmapped(s->opaque, 0, true);
    s->vcpu->stats.tlb_flushes++;
    enter_space(s, false);
}

static void flush_page(struct x86_cpu *c, gva_t va)
{
    struct softmmu *s = mmu_of(c);
    if (may_be_large(s, va)) {
        flush_all(c, false);
        return;
    }
    for (unsigned ctx = 0; ctx < X86_MMU_CTXS; ctx++) {
        struct tlb_entry *e = slot_of(s, ctx, va);
        e->read = e->write = e->exec = TLB_INVALID;
    }
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
    s->cpu = c;
    s->vcpu = v;
    s->mem = mem;
    c->slow = &slow_ops;
    c->phys = &phys_ops;
    c->slow_opaque = s;
    c->vcpu = v;
    for (unsigned i = 0; i < X86_MMU_CTXS; i++)
        c->tlbs[i] = &s->tlb[i];
    softmmu_flush_everything(s);
}

/* Only for host addresses that came out of a slot. */
static gpa_t gpa_of_host(const struct guest_mem *m, const uint8_t *p)
{
    for (unsigned i = 0; i < m->nslots; i++) {
        const struct mem_slot *slot = &m->slots[i];
        if (p >= slot->host && p < slot->host + slot->len)
            return slot->base + (gpa_t)(p - slot->host);
    }
    return UINT64_MAX;
}

const uint8_t *softmmu_fetch(struct softmmu *s, gva_t va, gpa_t *gpa)
{
    struct x86_cpu *c = s->cpu;
    const struct tlb_entry *e = slot_of(s, c->mmu_ctx, va);
    if (e->exec == (TLB_VPN(va) | c->asid)) {
        const uint8_t *p = (const uint8_t *)(uintptr_t)(va + e->addend);
        *gpa = gpa_of_host(s->mem, p);
        return p;
    }
    const struct mem_slot *slot = translate(s, va, ACCESS_EXEC, gpa);
    return slot ? host_of(slot, *gpa) : NULL;
}

bool softmmu_is_global(const struct softmmu *s, gva_t va)
{
    return s->global[s->cpu->mmu_ctx][TLB_INDEX(va)];
}

bool softmmu_is_big(const struct softmmu *s, gva_t va)
{
    return s->big[s->cpu->mmu_ctx][TLB_INDEX(va)];
}

void softmmu_drop_write(struct softmmu *s, const uint8_t *host)
{
    if (s->write_dropped)
        s->write_dropped(s, host);
    for (unsigned ctx = 0; ctx < X86_MMU_CTXS; ctx++) {
        for (unsigned i = 0; i < TLB_ENTRIES; i++) {
            struct tlb_entry *e = &s->tlb[ctx].e[i];
            if (e->write == TLB_INVALID)
                continue;
            /* The address-space number in the tag's top bits is shifted out. */
            gva_t va = e->write << GUEST_PAGE_SHIFT;
            if (va + e->addend == (uintptr_t)host)
                e->write = TLB_INVALID;
        }
    }
}

/* Flag the page as holding decoded code, with nobody left who may write to it unnoticed. */
static uint32_t protect_page(struct softmmu *s, const struct mem_slot *slot, uint64_t page,
                             uint64_t lines)
{
    struct vcpu *self = s->vcpu;
    struct vm *vm = self->vm;
    gpa_t gpa = slot->base + (page << GUEST_PAGE_SHIFT);
    uint32_t gen;
    if (guest_mem_code_marked(s->mem, slot, gpa, lines, &gen))
        return gen;
    vm_exclusive_begin(self);
    gen = guest_mem_code_mark(s->mem, slot, gpa, lines);
    for (unsigned i = 0; i < vm->nvcpus; i++) {
        struct x86_cpu *c = vm->vcpus[i].cpu;
        softmmu_drop_write(c->slow_opaque, slot->host + (page << GUEST_PAGE_SHIFT));
    }
    vm_exclusive_end(self);
    return gen;
}

uint32_t softmmu_watch_code(struct softmmu *s, gpa_t gpa, uint64_t lines, _Atomic uint32_t **genp)
{
    const struct mem_slot *slot = guest_mem_slot(s->mem, gpa);
    uint64_t page = (gpa - slot->base) >> GUEST_PAGE_SHIFT;
    *genp = &slot->code_gen[page];
    return protect_page(s, slot, page, lines);
}
