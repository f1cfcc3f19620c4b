/*
 * Descriptor table and page tables for the guest's first instructions. A kernel builds its own
 * soon, but finds these in memory until then.
 */
#include "board/boot/cpu_entry.h"

#include <string.h>

#include "base/endian.h"
#include "isa/x86/regs.h"

/* Access rights, bits 8-23 of a descriptor's high dword. [SDM 3A 3.4.5] */
enum {
    SEG_CODE32 = 0xc09b, /* granular, 32-bit, present, execute/read, accessed */
    SEG_CODE64 = 0xa09b, /* granular, 64-bit */
    SEG_DATA = 0xc093,   /* granular, 32-bit, present, read/write, accessed */
    SEG_TSS = 0x008b,    /* present, busy 32-/64-bit TSS: what VM entry checks ask for */
};

/* Page table entry bits. [SDM 3A 4.5] */
enum { PTE_P = 1 << 0, PTE_RW = 1 << 1, PTE_A = 1 << 5, PTE_D = 1 << 6, PTE_PS = 1 << 7 };

enum { TABLES = 6, TABLE_ENTRIES = 512 }; /* PML4, PDPT, four page directories: 4 GiB */

static uint64_t descriptor(const struct boot_seg *s)
{
    uint64_t limit = s->attr & 0x8000 ? s->limit >> 12 : s->limit;
    return (limit & 0xffff) | (s->base & 0xffffff) << 16 | (uint64_t)(s->attr & 0xf0ff) << 40 |
           (limit >> 16 & 0xf) << 48 | (s->base >> 24 & 0xff) << 56;
}

static int write_gdt(struct load *l, struct error *err)
{
    uint8_t gdt[6 * 8] = {0}; /* the TSS descriptor has 16 bytes in 64-bit mode */
    struct boot_entry *e = l->out;
    le_store64(gdt + ENTRY_CS, descriptor(&e->cs));
    le_store64(gdt + ENTRY_DS, descriptor(&e->data));
    le_store64(gdt + ENTRY_TR, descriptor(&e->tr));
    e->gdt_limit = sizeof(gdt) - 1;
    return load_low(l, gdt, sizeof(gdt), "descriptor table", &e->gdt_base, err);
}

static void flat_segments(struct boot_entry *e, uint16_t code_attr)
{
    e->cs = (struct boot_seg){ENTRY_CS, code_attr, UINT32_MAX, 0};
    e->data = (struct boot_seg){ENTRY_DS, SEG_DATA, UINT32_MAX, 0};
    e->tr = (struct boot_seg){ENTRY_TR, SEG_TSS, 0x67, 0};
}

int cpu_entry_prot32(struct load *l, gpa_t rip, struct error *err)
{
    struct boot_entry *e = l->out;
    e->mode = BOOT_PROT32;
    e->rip = rip;
    e->cr0 = CR0_PE | CR0_ET;
    flat_segments(e, SEG_CODE32);
    return write_gdt(l, err);
}

static int write_page_tables(struct load *l, struct error *err)
{
    static const char what[] = "page tables";
    uint8_t t[TABLES * GUEST_PAGE_SIZE];
    gpa_t base;
    int rc = place_find(&l->place, sizeof(t), LOAD_LOW_LIMIT, what, &base, err);
    if (rc)
        return rc;
    memset(t, 0, sizeof(t));
    uint64_t table = PTE_P | PTE_RW | PTE_A;
    le_store64(t, (base + GUEST_PAGE_SIZE) | table);
    for (unsigned i = 0; i < TABLES - 2; i++)
        le_store64(t + GUEST_PAGE_SIZE + i * 8, (base + (i + 2) * GUEST_PAGE_SIZE) | table);
    for (uint64_t i = 0; i < (TABLES - 2) * TABLE_ENTRIES; i++)
        le_store64(t + 2 * GUEST_PAGE_SIZE + i * 8, i << 21 | table | PTE_D | PTE_PS);
    l->out->cr3 = base;
    rc = gpa_write(l->ram.mem, base, t, sizeof(t));
    return rc ? error_set(err, -rc, "cannot write the %s into guest memory", what) : 0;
}

int cpu_entry_long64(struct load *l, gpa_t rip, struct error *err)
{
    struct boot_entry *e = l->out;
    e->mode = BOOT_LONG64;
    e->rip = rip;
    e->cr0 = CR0_PE | CR0_ET | CR0_PG;
    e->cr4 = CR4_PAE;
    e->efer = EFER_LME | EFER_LMA;
    flat_segments(e, SEG_CODE64);
    int rc = write_gdt(l, err);
    return rc ? rc : write_page_tables(l, err);
}
