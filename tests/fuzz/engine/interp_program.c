/*
 * Programs from a number: in every mode of the CPU, with tables that work well enough to get far,
 * code that is mostly instructions, and registers that point where it hurts - page ends, the end of
 * RAM, devices, the program's own code and tables.
 */
#include <string.h>

#include "interp_machine.h"
#include "isa/isa.h"
#include "isa/x86/seg.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"

enum {
    GDT = 0x0,
    IDT = 0x1000,
    TSS = 0x2000,
    TABLES = 0x10000, /* PML4, PDPT, PD, PT; 32-bit and PAE directories behind */
    CODE = 0x20000,
    CODE_SIZE = 0x3000,
    STACK_TOP = 0x28000,
    MAPPED = 0x80000,
};

#define PTE_RWU 7

struct program {
    struct machine *m;
    uint64_t seed;
};

static uint64_t rnd(struct program *p)
{
    return machine_random(&p->seed);
}

static bool one_in(struct program *p, unsigned n)
{
    return rnd(p) % n == 0;
}

static uint64_t *ram64(struct program *p, gpa_t at)
{
    return (uint64_t *)(void *)(p->m->ram + at);
}

static uint64_t address(struct program *p)
{
    static const uint64_t base[] = {
        CODE,   CODE + 0x1000, CODE + 0x2000, STACK_TOP,         GDT,
        IDT,    TSS,           TABLES,        TABLES + 0x3000,   MACHINE_RAM,
        MAPPED, 0xfee00000,    0x100000,      UINT64_C(1) << 32, UINT64_C(1) << 47,
        0};
    uint64_t a = base[rnd(p) % 16];
    switch (rnd(p) % 4) {
    case 0:
        return a + rnd(p) % 4096;
    case 1:
        return a - 1 - rnd(p) % 64;
    case 2:
        return (a | 0xff8) + rnd(p) % 8;
    default:
        return a | UINT64_C(0xffff800000000000);
    }
}

static uint64_t value(struct program *p)
{
    switch (rnd(p) % 4) {
    case 0:
        return rnd(p);
    case 1:
        return rnd(p) % 512;
    case 2:
        return -(rnd(p) % 16);
    default:
        return address(p);
    }
}

/* One instruction's worth of bytes; returns how many. */
static unsigned instruction(struct program *p, uint8_t *out)
{
    static const uint8_t prefix[] = {0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x64, 0x65, 0x2e};
    static const uint8_t system[] = {0x00, 0x01, 0x20, 0x21, 0x22, 0x23, 0x30, 0x32, 0xae, 0xc7,
                                     0x06, 0x05, 0x07, 0x34, 0x35, 0xa1, 0xa9, 0xb2, 0x02, 0x03};
    unsigned n = 0;
    while (one_in(p, 4) && n < 3)
        out[n++] = prefix[rnd(p) % sizeof(prefix)];
    if (one_in(p, 2))
        out[n++] = 0x40 | (rnd(p) & 15);
    switch (rnd(p) % 6) {
    case 0:
        out[n++] = 0x0f;
        out[n++] = system[rnd(p) % sizeof(system)];
        break;
    case 1:
        out[n++] = 0x0f;
        out[n++] = (uint8_t)rnd(p);
        break;
    case 2:
        out[n++] = 0xc5;
        out[n++] = (uint8_t)rnd(p);
        out[n++] = (uint8_t)rnd(p);
        break;
    default:
        out[n++] = (uint8_t)rnd(p);
        break;
    }
    out[n++] = (uint8_t)rnd(p); /* ModRM */
    uint64_t rest = one_in(p, 2) ? rnd(p) % 64 : rnd(p);
    memcpy(out + n, &rest, 5);
    return n + rnd(p) % 6;
}

static void make_code(struct program *p)
{
    uint8_t *at = p->m->ram + CODE, *end = at + CODE_SIZE;
    while (at < end)
        at += instruction(p, at);
}

static void make_gdt(struct program *p)
{
    static const uint64_t gdt[16] = {[1] = 0x00cf9b000000ffff,
                                     [2] = 0x00af9b000000ffff,
                                     [3] = 0x00cf93000000ffff,
                                     [4] = 0x00cffb000000ffff,
                                     [5] = 0x00cff3000000ffff,
                                     [6] = 0x00affb000000ffff,
                                     [8] = 0x0000890020000067 | (uint64_t)TSS << 16, /* TSS */
                                     [10] = 0x00009b000000ffff,
                                     [11] = 0x000093000000ffff,
                                     [12] = 0x0000820000000fff, /* LDT */
                                     [14] = 0x0002ec0000100000 |
                                            (uint64_t)CODE >> 16 << 48}; /* call gate */
    memcpy(p->m->ram + GDT, gdt, sizeof(gdt));
    for (unsigned i = 0; i < 16; i++) {
        if (one_in(p, 8))
            *ram64(p, GDT + 8 * i) ^= UINT64_C(1) << rnd(p) % 64;
    }
}

/* Gates that lead somewhere into the code, most of them as the mode wants them. */
static void make_idt(struct program *p, bool wide)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t at = CODE + rnd(p) % CODE_SIZE, type = one_in(p, 2) ? 0x8e : 0xef;
        uint64_t gate = (at & 0xffff) | (wide ? 2 : 1) << 19 | type << 40 | (at >> 16) << 48;
        if (one_in(p, 16))
            gate ^= UINT64_C(1) << rnd(p) % 64;
        if (wide && one_in(p, 8))
            gate |= rnd(p) % 8 << 32;
        *ram64(p, IDT + i * (wide ? 16 : 8)) = gate;
    }
}

static void make_tss(struct program *p)
{
    for (unsigned i = 0; i < 16; i++) {
        uint64_t at = one_in(p, 4) ? address(p) : STACK_TOP - 256 * i;
        memcpy(p->m->ram + TSS + 4 + 8 * i, &at, 8);
    }
    p->m->ram[TSS + 0x66] = 0x68;
}

/* The first MAPPED bytes, one device page, and the same in the upper half. */
static void make_tables(struct program *p)
{
    static const uint16_t top[] = {0, 256, 511};
    for (unsigned i = 0; i < 3; i++)
        *ram64(p, TABLES + 8 * top[i]) = (TABLES + 0x1000) | PTE_RWU;
    *ram64(p, TABLES + 0x1000) = (TABLES + 0x2000) | PTE_RWU;
    *ram64(p, TABLES + 0x1018) = 0xc0000000 | PTE_RWU | 0x80; /* 3 GiB: devices */
    *ram64(p, TABLES + 0x2000) = (TABLES + 0x3000) | PTE_RWU;
    *ram64(p, TABLES + 0x2008) = 0x200000 | PTE_RWU | 0x80;
    for (unsigned i = 0; i < MAPPED >> 12; i++) {
        uint64_t e = (uint64_t)i << 12 | PTE_RWU;
        if (one_in(p, 8))
            e ^= UINT64_C(1) << rnd(p) % 64;
        *ram64(p, TABLES + 0x3000 + 8 * i) = e;
    }
    *ram64(p, TABLES + 0x4000) = (TABLES + 0x2000) | 1;              /* PAE top level */
    *(uint32_t *)(void *)ram64(p, TABLES + 0x5000) = 0x80 | PTE_RWU; /* 32-bit: a 4 MiB page */
}

struct mode {
    uint64_t cr0, cr3, cr4, efer, rflags;
    uint16_t cs, ss;
    bool wide;
};

static const struct mode modes[] = {
    {CR0_PE | CR0_PG, TABLES, CR4_PAE, EFER_LME | EFER_LMA | EFER_NXE, 0, 0x10, 0x18, true},
    {CR0_PE | CR0_PG, TABLES, CR4_PAE, EFER_LME | EFER_LMA, 0, 0x33, 0x2b, true},
    {CR0_PE | CR0_PG, TABLES, CR4_PAE, EFER_LME | EFER_LMA, 0, 0x23, 0x2b, true},
    {CR0_PE | CR0_PG, TABLES, CR4_PAE, EFER_LME | EFER_LMA, 0, 0x08, 0x18, true},
    {CR0_PE | CR0_PG, TABLES + 0x4000, CR4_PAE, 0, 0, 0x08, 0x18, false},
    {CR0_PE | CR0_PG, TABLES + 0x5000, CR4_PSE, 0, 0, 0x08, 0x18, false},
    {CR0_PE, 0, 0, 0, 0, 0x08, 0x18, false},
    {CR0_PE, 0, 0, 0, 0, 0x50, 0x58, false},
    {CR0_PE | CR0_PG, TABLES + 0x5000, CR4_PSE, 0, FL_VM, CODE >> 4, STACK_TOP >> 4, false},
    {0, 0, 0, 0, 0, CODE >> 4, STACK_TOP >> 4, false},
};

static void load_segment(struct program *p, unsigned seg, uint16_t sel)
{
    struct x86_cpu *c = p->m->cpu;
    if (!x86_protected(c)) {
        x86_seg_set_real(c, seg, sel);
        return;
    }
    struct x86_desc d = {.raw = *ram64(p, GDT + (sel & ~7u))};
    x86_seg_from_desc(&c->seg[seg], sel, &d);
}

static void make_control(struct program *p, const struct mode *mode)
{
    struct x86_cpu *c = p->m->cpu;
    c->cr0 = mode->cr0 | CR0_NE | CR0_ET | CR0_MP | (one_in(p, 2) ? CR0_WP : 0);
    c->cr3 = mode->cr3;
    c->cr4 = mode->cr4 | CR4_OSFXSR | CR4_OSXSAVE | CR4_OSXMMEXCPT | CR4_FSGSBASE;
    c->cr4 |= one_in(p, 4) ? CR4_SMEP : 0;
    c->cr4 |= one_in(p, 4) ? CR4_SMAP : 0;
    c->cr4 |= one_in(p, 2) ? CR4_DE : 0;
    c->efer = mode->efer | EFER_SCE;
    c->xcr0 = p->m->model.xcr0_mask;
    c->lstar = c->sysenter_eip = CODE + rnd(p) % CODE_SIZE;
    c->sysenter_esp = STACK_TOP;
    c->sysenter_cs = mode->wide ? 0x10 : 0x08;
    c->star = UINT64_C(0x0023001000000000);
    c->gdt_limit = 0x7f;
    c->gdt_base = GDT;
    c->idt_base = mode->cr0 ? IDT : 0;
    c->idt_limit = 0xfff;
    for (unsigned i = 0; i < 4; i++)
        c->dr[i] = address(p);
    if (one_in(p, 2))
        c->dr[7] = (rnd(p) & 0xffff23ff) | 0x400;
}

static void make_registers(struct program *p, const struct mode *mode)
{
    struct x86_cpu *c = p->m->cpu;
    for (unsigned i = 0; i < 16; i++)
        c->gpr[i] = value(p);
    if (!one_in(p, 8))
        c->gpr[RSP] = mode->rflags || !mode->cr0 ? 0x800 : STACK_TOP - rnd(p) % 512;
    c->rip = mode->rflags || !mode->cr0 || mode->cs == 0x50 ? 0 : CODE;
    if (mode->cs == 0x50)
        c->gpr[RSP] = 0x8000;
    c->rflags = mode->rflags | FL_ONE;
    load_segment(p, SEG_CS, mode->cs);
    load_segment(p, SEG_SS, mode->ss);
    for (unsigned i = 0; i < 6; i++) {
        if (i != SEG_CS && i != SEG_SS)
            load_segment(p, i, mode->ss);
    }
    if (mode->cs == 0x50)
        c->seg[SEG_CS].base = CODE;
    c->cpl = c->rflags & FL_VM ? 3 : mode->cr0 ? mode->cs & 3 : 0;
    c->tr[0] = (struct x86_segment){.sel = 0x40, .attr = 0x8b, .limit = 0x2067, .base = TSS};
    c->ldtr[0].unusable = true;
    x86_set_rflags(c, mode->rflags | (rnd(p) & 0x254fd5));
    x86_update_mode(c);
}

void program_make(struct machine *m, uint64_t seed, const uint8_t *code, size_t len)
{
    struct program p = {m, seed * UINT64_C(0x9e3779b97f4a7c15) | 1};
    const struct mode *mode = &modes[rnd(&p) % ARRAY_SIZE(modes)];
    make_code(&p);
    make_gdt(&p);
    make_tss(&p);
    if (mode->cr0)
        make_idt(&p, mode->wide);
    else
        for (unsigned i = 0; i < 256; i++)
            *(uint32_t *)(void *)(m->ram + 4 * i) = (CODE >> 4) << 16 | (rnd(&p) % CODE_SIZE);
    make_tables(&p);
    memcpy(m->ram + CODE, code, len < CODE_SIZE ? len : CODE_SIZE);
    make_control(&p, mode);
    make_registers(&p, mode);
}
