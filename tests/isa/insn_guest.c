/*
 * A machine of one CPU and a little RAM, no devices. Its kernel is tables only: every gate leads to
 * a HLT of its own, so an exception's vector is where the CPU halted, and its frame lies on the
 * kernel's stack.
 *
 * Guest-physical:  0 tables   0x10000 page tables   0x20000 code   0x30000 data
 * Linear: the kernel's pages in the upper half, code and data as insn_case.h says.
 */
#include "insn_guest.h"
#include "insn_vectors.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "isa/x86/host_tsc.h"
#include "isa/x86/seg.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"
#include "vm/vm.h"

enum {
    GPA_GDT = 0x0,
    GPA_TSS = 0x800,
    GPA_IDT = 0x1000,
    GPA_STUBS = 0x2000, /* 256 HLTs */
    GPA_STACK_TOP = 0x5000,
    GPA_TABLES = 0x10000, /* page tables, the first is the root */
    GPA_CODE = 0x20000,
    GPA_DATA = 0x30000,
    RAM_SIZE = 0x100000,
    GDT_LIMIT = 127,
    TSS_LIMIT = 103,
    COLD_TLB_EVERY = 5, /* so that each form meets both paths */
};
#define KERNEL_VA UINT64_C(0xffff880000000000)

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4 };
#define PTE_NX (UINT64_C(1) << 63)

struct insn_guest {
    struct vm vm;
    struct x86_cpu *cpu;
    struct cpuid_model model;
    uint8_t *ram;
    gpa_t next_table;
};

static uint64_t *ram64(struct insn_guest *g, gpa_t at)
{
    return (uint64_t *)(void *)(g->ram + at);
}

static void map_page(struct insn_guest *g, gva_t va, gpa_t gpa, uint64_t flags)
{
    uint64_t *table = ram64(g, GPA_TABLES);
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *e = &table[va >> shift & 511];
        if (!*e) {
            *e = g->next_table | PTE_P | PTE_W | PTE_U;
            g->next_table += PAGE;
        }
        table = ram64(g, *e & 0xffffff000);
    }
    table[va >> 12 & 511] = gpa | flags;
}

static void map_data(struct insn_guest *g, gva_t va)
{
    for (unsigned i = 0; i < DATA_PAGES; i++)
        map_page(g, va + i * PAGE, GPA_DATA + i * PAGE,
                 PTE_P | PTE_U | PTE_NX | (i < DATA_RW_PAGES ? PTE_W : 0));
}

static void build_page_tables(struct insn_guest *g)
{
    g->next_table = GPA_TABLES + PAGE;
    for (unsigned i = 0; i < 8; i++)
        map_page(g, KERNEL_VA + i * PAGE, i * PAGE, PTE_P | PTE_W);
    for (unsigned i = 0; i < CODE_PAGES; i++)
        map_page(g, CODE_VA + i * PAGE, GPA_CODE + i * PAGE, PTE_P | PTE_U);
    map_data(g, DATA_VA);
    map_data(g, HIGH_VA);
    map_page(g, TOP_VA, GPA_DATA, PTE_P | PTE_U | PTE_NX | PTE_W);
}

/* As in Linux: arch/x86/include/asm/segment.h gives the places, the values follow from them. */
enum { GDT_CPU = 15 }; /* limit: node << 12 | CPU */
static const uint64_t gdt[] = {
    [1] = 0x00cf9b000000ffff,       [2] = 0x00af9b000000ffff, [3] = 0x00cf93000000ffff,
    [4] = 0x00cffb000000ffff,       [5] = 0x00cff3000000ffff, [6] = 0x00affb000000ffff,
    [8] = 0x00008b0000004087, /* TSS */
    [GDT_CPU] = 0x0040f50000000000,
};

static void build_tables(struct insn_guest *g)
{
    unsigned cpu = 0, node = 0;
    getcpu(&cpu, &node); /* insn_host.c binds us to it */
    memcpy(g->ram + GPA_GDT, gdt, sizeof(gdt));
    *ram64(g, GPA_GDT + 8 * GDT_CPU) |= (node << 12 | cpu) & 0xffff;
    memset(g->ram + GPA_STUBS, 0xf4, 256);
    const uint64_t rsp0 = KERNEL_VA + GPA_STACK_TOP;
    const uint16_t no_bitmap = TSS_LIMIT + 1;
    memcpy(g->ram + GPA_TSS + 4, &rsp0, 8);
    memcpy(g->ram + GPA_TSS + 102, &no_bitmap, 2);
    for (unsigned i = 0; i < 256; i++) {
        uint64_t *gate = ram64(g, GPA_IDT + 16 * i), at = KERNEL_VA + GPA_STUBS + i;
        uint64_t type = i == VEC_BP || i == VEC_OF ? 0xee : 0x8e;
        gate[0] = (at & 0xffff) | SEL_KERNEL_CS << 16 | type << 40 | (at >> 16 & 0xffff) << 48;
        gate[1] = at >> 32;
    }
}

static bool never_pending(void *irq)
{
    (void)irq;
    return false;
}

static uint64_t no_cr8(void *irq)
{
    (void)irq;
    return 0;
}

static void set_system(struct insn_guest *g)
{
    struct x86_cpu *c = g->cpu;
    c->env = (struct x86_env){.irq_pending = never_pending, .cr8_get = no_cr8};
    c->gdt_base = KERNEL_VA + GPA_GDT;
    c->gdt_limit = GDT_LIMIT;
    c->idt_base = KERNEL_VA + GPA_IDT;
    c->idt_limit = 4095;
    c->tr[0] = (struct x86_segment){
        .sel = 0x40, .attr = 0x8b, .limit = TSS_LIMIT, .base = KERNEL_VA + GPA_TSS};
    c->ldtr[0] = (struct x86_segment){.unusable = true};
    c->cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_MP | CR0_ET | CR0_WP | CR0_AM;
    c->cr3 = GPA_TABLES;
    c->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE;
    c->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    c->xcr0 = g->model.xcr0_mask;
}

static int create(struct insn_guest *g, const struct engine_ops *engine, struct error *err)
{
    struct vm_params p = {
        .name = "insn_test", .nvcpus = 1, .ram_size = RAM_SIZE, .isa = &isa_x86, .engine = engine};
    int r = vm_init(&g->vm, &p, err);
    if (r == 0)
        r = guest_mem_add_slot(&g->vm.mem, 0, RAM_SIZE, false, err);
    if (r == 0)
        r = vm_init_cpus(&g->vm, err);
    if (r < 0)
        return r;
    g->ram = gpa_pin(&g->vm.mem, 0, RAM_SIZE, true);
    g->cpu = g->vm.vcpus[0].cpu;
    cpuid_model_build(&g->model, 1, host_tsc_hz());
    g->cpu->model = &g->model;
    isa_x86.cpu_reset(g->cpu);
    build_page_tables(g);
    build_tables(g);
    set_system(g);
    return vm_init_engine(&g->vm, err);
}

struct insn_guest *insn_guest_create(const struct engine_ops *engine)
{
    struct error err = {0};
    struct insn_guest *g = calloc(1, sizeof(*g));
    if (g && create(g, engine, &err) == 0)
        return g;
    fprintf(stderr, "insn_test: %s\n", err.text);
    free(g);
    return NULL;
}

void insn_guest_destroy(struct insn_guest *g)
{
    vm_destroy(&g->vm);
    free(g);
}

void insn_guest_begin(struct insn_guest *g, const struct insn_batch *b)
{
    memcpy(g->ram + GPA_DATA, b->pristine, DATA_SIZE);
}

static void load_seg(struct x86_cpu *c, unsigned seg, uint16_t sel)
{
    struct x86_desc d = {0};
    if (!(sel & ~3u)) {
        x86_seg_set_null(&c->seg[seg], sel);
        return;
    }
    d.raw = gdt[sel >> 3];
    x86_seg_from_desc(&c->seg[seg], sel, &d);
}

static void set_regs(struct x86_cpu *c, const struct insn_regs *r)
{
    memcpy(c->gpr, r->gpr, sizeof(c->gpr));
    c->rip = r->rip;
    load_seg(c, SEG_CS, r->cs);
    load_seg(c, SEG_SS, r->ss);
    load_seg(c, SEG_DS, r->ds);
    load_seg(c, SEG_ES, r->es);
    load_seg(c, SEG_FS, r->fs);
    load_seg(c, SEG_GS, r->gs);
    c->seg[SEG_FS].base = r->fs_base;
    c->seg[SEG_GS].base = r->gs_base;
    c->cpl = 3;
    c->run_state = X86_RUNNING;
    c->inhibit = 0;
    c->op = NULL;
    c->dr[6] = 0xffff0ff0;
    x86_set_rflags(c, r->rflags);
    x86_update_mode(c);
    c->slow->context_changed(c);
}

/* The exception frame [SDM 3A 6.14.2]; the registers that delivery leaves alone, from the CPU. */
static void read_end(struct insn_guest *g, struct insn_end *end)
{
    const struct x86_cpu *c = g->cpu;
    const uint64_t *frame = ram64(g, GPA_STACK_TOP - 40);
    struct insn_regs *r = &end->regs;

    end->vector = (uint32_t)(c->rip - (KERNEL_VA + GPA_STUBS) - 1);
    memcpy(r->gpr, c->gpr, sizeof(r->gpr));
    r->rip = frame[0];
    r->cs = (uint16_t)frame[1];
    r->rflags = frame[2];
    r->gpr[RSP] = frame[3];
    r->ss = (uint16_t)frame[4];
    r->ds = c->seg[SEG_DS].sel;
    r->es = c->seg[SEG_ES].sel;
    r->fs = c->seg[SEG_FS].sel;
    r->gs = c->seg[SEG_GS].sel;
    r->fs_base = c->seg[SEG_FS].base;
    r->gs_base = c->seg[SEG_GS].base;
    end->error = insn_vector_has_error(end->vector) ? (uint32_t)frame[-1] : 0;
    end->cr2 = end->vector == VEC_PF ? c->cr2 : 0;
}

/* Until the CPU halts in a handler; anything else ends as a vector nobody else has. */
static void run(struct insn_guest *g, struct insn_end *end)
{
    struct vm_exit exit = {0};
    do
        g->vm.engine->run(&g->vm.vcpus[0], &exit);
    while (exit.reason == EXIT_INTERRUPTED);
    if (exit.reason == EXIT_HALT)
        read_end(g, end);
    else
        end->vector = 1000 + exit.reason;
}

void insn_guest_run(struct insn_guest *g, const struct insn_batch *b, uint32_t i,
                    struct insn_end *end)
{
    const struct insn_case *t = &b->cases[i];
    memset(end, 0, sizeof(*end));
    if (i == 0 || t->code != b->cases[i - 1].code) {
        insn_code_place(g->ram + GPA_CODE, &b->codes[t->code]);
        gpa_wrote(&g->vm.mem, GPA_CODE, CODE_SIZE);
    }
    insn_memory_prepare(b, t, g->ram + GPA_DATA);
    set_regs(g->cpu, &t->regs);
    if (t->vectors)
        vectors_make(t->vectors, g->cpu->xsave);
    if (i % COLD_TLB_EVERY == 0)
        g->cpu->slow->flush_all(g->cpu, false);
    run(g, end);
    if (t->vectors)
        memcpy(end->xs, g->cpu->xsave, XS_SIZE);
    insn_memory_collect(b, t, g->ram + GPA_DATA, end);
}

bool insn_guest_offers(const struct insn_guest *g, const struct x86_insn *insn)
{
    return cpuid_has_feature(&g->model, insn->desc->feature);
}
