/*
 * Page walks: 4-level, PAE and 32-bit paging, accessed and dirty bits, and every permission bit
 * from R/W to SMAP. Second stop of a page fault's journey: the engine's slow path comes here with a
 * linear address and leaves with a guest-physical one or a fault to raise.
 */
#include "isa/x86/mmu.h"
#include "isa/x86/align.h"
#include "isa/x86/seg.h"
#include "isa/x86/trap.h"

#define PTE_P  (UINT64_C(1) << 0)
#define PTE_W  (UINT64_C(1) << 1)
#define PTE_U  (UINT64_C(1) << 2)
#define PTE_A  (UINT64_C(1) << 5)
#define PTE_D  (UINT64_C(1) << 6)
#define PTE_PS (UINT64_C(1) << 7)
#define PTE_G  (UINT64_C(1) << 8)
#define PTE_NX (UINT64_C(1) << 63)

/* One paging mode as data. */
struct paging_mode {
    uint8_t levels;
    uint8_t entry_size;
    uint8_t index_bits;
    bool nx; /* bit 63 exists */
};

struct walker {
    struct x86_cpu *c;
    gva_t va;
    enum x86_access_kind kind;
    enum x86_mmu_ctx ctx;
    struct paging_mode mode;
    uint64_t rsvd; /* physical-address bits that must be zero */
    uint64_t perm; /* PTE_W and PTE_U of all levels, ANDed */
    bool nx;
    bool fault_rsvd;
};

static struct paging_mode paging_mode(const struct x86_cpu *c)
{
    bool nx = c->efer & EFER_NXE;
    if (c->efer & EFER_LMA)
        return (struct paging_mode){4, 8, 9, nx};
    if (c->cr4 & CR4_PAE)
        return (struct paging_mode){3, 8, 9, nx};
    return (struct paging_mode){2, 4, 10, false};
}

/* Reserved bits of an entry at `level` (1 = PTE) [SDM 3A tables 4-14 to 4-20]. */
static bool reserved_set(const struct walker *w, uint64_t e, unsigned level, bool large)
{
    if (w->mode.entry_size == 4)
        return large && level == 2 && (e & (UINT64_C(1) << 21));
    uint64_t rsvd = w->rsvd;
    if (!w->mode.nx)
        rsvd |= PTE_NX;
    if (w->mode.levels == 3 && level == 3)
        return e & (w->rsvd | PTE_NX | 0x1e6); /* PAE PDPTE */
    if (w->mode.levels == 3)
        rsvd |= UINT64_C(0x7ff) << 52;
    if (level == 4)
        rsvd |= PTE_PS;
    if (large)
        rsvd |= level == 3 ? UINT64_C(0x3fffe000) : UINT64_C(0x1fe000);
    return e & rsvd;
}

/* Set bits in a table entry; false when the entry changed under us and the walk starts over. */
static bool entry_set(struct walker *w, gpa_t at, uint64_t old, uint64_t bits)
{
    if ((old & bits) == bits)
        return true;
    return w->c->phys->cas(w->c->slow_opaque, at, w->mode.entry_size, old, old | bits) != 0;
}

static uint64_t large_size(const struct walker *w, unsigned level)
{
    return UINT64_C(1) << (GUEST_PAGE_SHIFT + (level - 1) * w->mode.index_bits);
}

static bool is_large(const struct walker *w, uint64_t e, unsigned level)
{
    if (level == 1)
        return true;
    if (!(e & PTE_PS) || level == 4 || (w->mode.levels == 3 && level == 3))
        return false;
    return w->mode.entry_size == 8 || (w->c->cr4 & CR4_PSE);
}

/* May an access of `kind` proceed, by the permissions gathered? [SDM 3A 4.6] */
static bool permitted(const struct walker *w, enum x86_access_kind kind)
{
    enum x86_mmu_ctx ctx = w->ctx;
    const struct x86_cpu *c = w->c;
    bool user_page = w->perm & PTE_U;
    if (ctx == X86_MMU_USER) {
        if (!user_page || (kind == ACCESS_WRITE && !(w->perm & PTE_W)))
            return false;
        return kind != ACCESS_EXEC || !w->nx;
    }
    if (kind == ACCESS_EXEC)
        return !w->nx && !(user_page && (c->cr4 & CR4_SMEP));
    if (user_page && ctx == X86_MMU_KERNEL)
        return false; /* SMAP is on and not overridden */
    return kind != ACCESS_WRITE || (w->perm & PTE_W) || !(c->cr0 & CR0_WP);
}

static gpa_t table_base(const struct walker *w)
{
    const struct x86_cpu *c = w->c;
    if (w->mode.levels == 4)
        return c->cr3 & UINT64_C(0x000ffffffffff000);
    if (w->mode.levels == 3)
        return c->cr3 & UINT64_C(0xffffffe0);
    return c->cr3 & UINT64_C(0xfffff000);
}

static uint64_t entry_address(const struct walker *w, uint64_t e)
{
    return w->mode.entry_size == 8 ? e & UINT64_C(0x000ffffffffff000) : e & UINT64_C(0xfffff000);
}

/* Physical base of the large page an entry maps; PSE-36 carries bits 32-39 in 13-20. */
static uint64_t page_address(const struct walker *w, uint64_t e, unsigned level)
{
    uint64_t mask = ~(large_size(w, level) - 1);
    if (level == 1)
        return entry_address(w, e);
    if (w->mode.entry_size == 4)
        return (e & UINT64_C(0xffc00000)) | ((e >> 13) & 0xff) << 32;
    return e & mask & UINT64_C(0x000ffffffffff000);
}

enum step { STEP_DOWN, STEP_DONE, STEP_FAULT, STEP_AGAIN };

/* Look at the leaf entry `e` at `at`: permissions, accessed, dirty, result. */
static enum step leaf(struct walker *w, struct x86_walk *out, gpa_t at, uint64_t e, unsigned level)
{
    if (!permitted(w, w->kind))
        return STEP_FAULT;
    uint64_t set = PTE_A | (w->kind == ACCESS_WRITE ? PTE_D : 0);
    if (!entry_set(w, at, e, set))
        return STEP_AGAIN;
    out->size = large_size(w, level);
    out->gpa = page_address(w, e, level) | (w->va & (out->size - 1));
    out->global = (e & PTE_G) && (w->c->cr4 & CR4_PGE);
    out->write = ((e | set) & PTE_D) && permitted(w, ACCESS_WRITE);
    out->exec = permitted(w, ACCESS_EXEC);
    return STEP_DONE;
}

/* PAE's top level has neither permissions nor an accessed bit. */
static bool bare_level(const struct walker *w, unsigned level)
{
    return w->mode.levels == 3 && level == 3;
}

/* One level: the entry for w->va in `table`. STEP_DOWN: *table is the next one. */
static enum step walk_level(struct walker *w, struct x86_walk *out, unsigned level, gpa_t *table)
{
    unsigned bits = bare_level(w, level) ? 2 : w->mode.index_bits;
    unsigned shift = GUEST_PAGE_SHIFT + (level - 1) * w->mode.index_bits;
    gpa_t at = *table + ((w->va >> shift) & ((1u << bits) - 1)) * w->mode.entry_size;
    uint64_t e;
    if (!w->c->phys->load(w->c->slow_opaque, at, w->mode.entry_size, &e) || !(e & PTE_P))
        return STEP_FAULT; /* tables outside RAM read as not present */
    bool large = is_large(w, e, level);
    if (reserved_set(w, e, level, large && level > 1)) {
        out->error = PFERR_RSVD | PFERR_P;
        return STEP_FAULT;
    }
    if (!bare_level(w, level)) {
        w->perm &= e;
        w->nx |= w->mode.nx && (e & PTE_NX);
    }
    if (large) {
        out->error = PFERR_P;
        return leaf(w, out, at, e, level);
    }
    *table = entry_address(w, e);
    return bare_level(w, level) || entry_set(w, at, e, PTE_A) ? STEP_DOWN : STEP_AGAIN;
}

static enum step walk_once(struct walker *w, struct x86_walk *out)
{
    gpa_t table = table_base(w);
    enum step s = STEP_DOWN;
    w->perm = PTE_W | PTE_U;
    w->nx = false;
    out->error = 0;
    for (unsigned level = w->mode.levels; level > 0 && s == STEP_DOWN; level--)
        s = walk_level(w, out, level, &table);
    return s;
}

static bool no_paging(gva_t va, struct x86_walk *out)
{
    *out = (struct x86_walk){.gpa = va, .size = GUEST_PAGE_SIZE, .write = true, .exec = true};
    return true;
}

bool x86_mmu_walk(struct x86_cpu *c, gva_t va, enum x86_access_kind kind, enum x86_mmu_ctx ctx,
                  struct x86_walk *out)
{
    *out = (struct x86_walk){0};
    if (!(c->cr0 & CR0_PG))
        return no_paging(va, out);
    struct walker w = {.c = c, .va = va, .kind = kind, .ctx = ctx, .mode = paging_mode(c)};
    if (w.mode.levels == 4 && !x86_canonical(va)) {
        out->noncanonical = true;
        return false;
    }
    w.rsvd = UINT64_C(0x000fffffffffffff) & ~((UINT64_C(1) << c->model->phys_bits) - 1);
    enum step s;
    do {
        s = walk_once(&w, out);
    } while (s == STEP_AGAIN);
    if (s == STEP_DONE)
        return true;
    out->error |= kind == ACCESS_WRITE ? PFERR_W : 0;
    out->error |= ctx == X86_MMU_USER ? PFERR_U : 0;
    if (kind == ACCESS_EXEC && (w.mode.nx || (c->cr4 & CR4_SMEP)))
        out->error |= PFERR_I;
    return false;
}

static void set_ctx(struct x86_cpu *c, enum x86_mmu_ctx ctx)
{
    c->mmu_ctx = ctx;
    c->tlb = c->tlbs[ctx];
}

void x86_mmu_update_ctx(struct x86_cpu *c)
{
    bool smap = (c->cr4 & CR4_SMAP) && !(c->rflags & FL_AC);
    set_ctx(c, c->cpl == 3 ? X86_MMU_USER : smap ? X86_MMU_KERNEL : X86_MMU_KERNEL_AC);
    x86_align_update(c);
}

/* SMAP holds for implicit accesses whatever AC says [SDM 3A 4.6.1]. A fault inside restores the
 * context in x86_raise(). */
static void system_ctx(struct x86_cpu *c)
{
    set_ctx(c, c->cr4 & CR4_SMAP ? X86_MMU_KERNEL : X86_MMU_KERNEL_AC);
}

/* Table and stack addresses of legacy modes wrap at 4 GiB. */
static gva_t system_va(const struct x86_cpu *c, gva_t va)
{
    return x86_long_mode(c) ? va : (uint32_t)va;
}

uint64_t x86_sys_load(struct x86_cpu *c, gva_t va, unsigned size)
{
    system_ctx(c);
    uint64_t v = load_n(c, system_va(c, va), size);
    x86_mmu_update_ctx(c);
    return v;
}

void x86_sys_store(struct x86_cpu *c, gva_t va, unsigned size, uint64_t v)
{
    system_ctx(c);
    store_n(c, system_va(c, va), size, v);
    x86_mmu_update_ctx(c);
}
