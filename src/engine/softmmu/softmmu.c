/*
 * TLB fills, address spaces and code watches.
 */
#include "engine/softmmu/softmmu_impl.h"

#include <string.h>

#include "vm/exclusive.h"
#include "vm/vm.h"

static unsigned region_bit(gva_t va)
{
    uint64_t region = va >> 21;
    return (region ^ region >> 15) & (SOFTMMU_REGIONS - 1);
}

static void note_large(struct softmmu *s, gva_t va)
{
    s->large[region_bit(va) / 64] |= UINT64_C(1) << (region_bit(va) % 64);
}

bool softmmu_may_be_large(const struct softmmu *s, gva_t va)
{
    return s->large[region_bit(va) / 64] >> (region_bit(va) % 64) & 1;
}

struct tlb_entry *softmmu_fill(struct softmmu *s, const struct softmmu_page *p,
                               const struct mem_slot *slot)
{
    struct tlb_entry *e = softmmu_slot(s, p->ctx, p->va);
    uint64_t tag = TLB_VPN(p->va) | p->asid, page = (p->gpa - slot->base) >> GUEST_PAGE_SHIFT;
    const uint8_t *host = slot->host + (page << GUEST_PAGE_SHIFT);
    uint8_t flags = atomic_load_explicit(&slot->page_flags[page], memory_order_acquire);
    s->vcpu->stats.tlb_fills++;
    /* Instruction fetches prove execute permission only, data accesses read permission only. */
    bool same = e->addend == (uintptr_t)host - (p->va & GUEST_PAGE_MASK);
    uint64_t old_exec = same ? e->exec : TLB_INVALID, old_read = same ? e->read : TLB_INVALID;
    e->addend = (uintptr_t)host - (p->va & GUEST_PAGE_MASK);
    e->read = p->kind == SOFTMMU_EXEC ? (old_read == tag ? tag : TLB_INVALID) : tag;
    e->exec = p->kind == SOFTMMU_EXEC ? tag : (old_exec == tag ? tag : TLB_INVALID);
    bool write = p->kind == SOFTMMU_WRITE && p->write && !slot->readonly && !s->storing &&
                 !(flags & (MEM_PAGE_CODE | MEM_PAGE_CLEAN));
    if (write)
        e->write = tag;
    else if (!same || e->write != tag || (flags & (MEM_PAGE_CODE | MEM_PAGE_CLEAN)))
        e->write = TLB_INVALID;
    s->global[p->ctx][TLB_INDEX(p->va)] = p->global;
    s->big[p->ctx][TLB_INDEX(p->va)] = p->big;
    if (p->big)
        note_large(s, p->va);
    return e;
}

uint64_t softmmu_read_host(const uint8_t *p, unsigned size)
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

void softmmu_write_host(uint8_t *p, unsigned size, uint64_t v)
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

/* Buses carry 1, 2, 4 and 8 bytes; what is left of an access that crosses a page goes in pieces. */
static unsigned mmio_piece(gpa_t gpa, unsigned size)
{
    unsigned n = 8;
    while (n > size || (size != n && (gpa & (n - 1))))
        n /= 2;
    return n;
}

uint64_t softmmu_mmio_load(struct softmmu *s, const struct softmmu_bus *bus, gpa_t gpa,
                           unsigned size)
{
    uint64_t v = 0;
    s->vcpu->stats.exit_mmio++;
    for (unsigned done = 0, n; done < size; done += n) {
        n = mmio_piece(gpa + done, size - done);
        uint64_t part = bus->read(bus->machine, gpa + done, n);
        v |= (n == 8 ? part : part & ((UINT64_C(1) << 8 * n) - 1)) << 8 * done;
    }
    return v;
}

void softmmu_mmio_store(struct softmmu *s, const struct softmmu_bus *bus, gpa_t gpa, unsigned size,
                        uint64_t v)
{
    s->vcpu->stats.exit_mmio++;
    for (unsigned done = 0, n; done < size; done += n) {
        n = mmio_piece(gpa + done, size - done);
        uint64_t part = v >> 8 * done;
        bus->write(bus->machine, gpa + done, n,
                   n == 8 ? part : part & ((UINT64_C(1) << 8 * n) - 1));
    }
}

unsigned softmmu_first_part(gva_t va, unsigned size)
{
    uint64_t left = GUEST_PAGE_SIZE - (va & (GUEST_PAGE_SIZE - 1));
    return left < size ? (unsigned)left : size;
}

void softmmu_store_flagged(struct softmmu *s, gpa_t gpa, unsigned size, uint64_t v)
{
    if (s->storing)
        s->storing(s, gpa, size);
    s->vcpu->stats.code_writes++;
    if (gpa_write(s->mem, gpa, &v, size) < 0)
        return; /* read-only memory ignores writes */
}

void softmmu_flush_everything(struct softmmu *s)
{
    memset(s->tlb, 0xff, sizeof(s->tlb));
    memset(s->space_root, 0xff, sizeof(s->space_root));
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

uint64_t softmmu_enter_space(struct softmmu *s, uint64_t root, bool fresh)
{
    unsigned i = 0;
    while (i < SOFTMMU_SPACES && s->space_root[i] != root)
        i++;
    if (i == SOFTMMU_SPACES) {
        i = s->next_space++ % SOFTMMU_SPACES;
        fresh = true;
    }
    if (fresh) {
        uint32_t asid = new_asid(s); /* may clear the table of spaces */
        s->space_root[i] = root;
        s->space_asid[i] = asid;
    }
    return TLB_ASID(s->space_asid[i]);
}

void softmmu_forget_spaces(struct softmmu *s, uint64_t mask, uint64_t root)
{
    for (unsigned i = 0; i < SOFTMMU_SPACES; i++) {
        if ((s->space_root[i] & mask) == root)
            s->space_root[i] = UINT64_MAX;
    }
}

void softmmu_forget_page(struct softmmu *s, gva_t va)
{
    for (unsigned ctx = 0; ctx < SOFTMMU_CTXS; ctx++) {
        struct tlb_entry *e = softmmu_slot(s, ctx, va);
        e->read = e->write = e->exec = TLB_INVALID;
    }
}

void softmmu_init_common(struct softmmu *s, struct vcpu *v, struct guest_mem *mem, void *cpu)
{
    s->cpu = cpu;
    s->vcpu = v;
    s->mem = mem;
    v->mmu = s;
    softmmu_flush_everything(s);
}

gpa_t softmmu_gpa_of_host(const struct guest_mem *m, const uint8_t *p)
{
    for (unsigned i = 0; i < m->nslots; i++) {
        const struct mem_slot *slot = &m->slots[i];
        if (p >= slot->host && p < slot->host + slot->len)
            return slot->base + (gpa_t)(p - slot->host);
    }
    return UINT64_MAX;
}

void softmmu_drop_write(struct softmmu *s, const uint8_t *host)
{
    if (s->write_dropped)
        s->write_dropped(s, host);
    for (unsigned ctx = 0; ctx < SOFTMMU_CTXS; ctx++) {
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
        softmmu_drop_write(vm->vcpus[i].mmu, slot->host + (page << GUEST_PAGE_SHIFT));
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
