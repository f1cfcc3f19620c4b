/*
 * Guest-physical memory: 0 tables  0x10000 page tables  0x20000 handlers  0x30000 code  0x40000
 * data Linear: user code and data in the lower half, everything as the kernel's own in the upper
 * half.
 */
#include "lockstep_program.h"

#include <string.h>

#include "insn_random.h"
#include "isa/isa.h"
#include "isa/x86/seg.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"
#include "lockstep_emit.h"

enum {
    GPA_GDT = 0x0,
    GPA_IDT = 0x1000,
    GPA_TSS = 0x2000,
    GPA_STACK_TOP = 0x4000, /* of handlers */
    GPA_TABLES = 0x80000,
    KERNEL_SIZE = 0xc0000,
    GPA_HANDLERS = 0x20000,
    GPA_CODE = 0x30000,
    GPA_DATA = 0x40000,
    GPA_DEVICE = 0xc0000000,
    CODE_PAGES = 4,
    DATA_PAGES = 8,
    SPACES = 2,
    HANDLERS = 12,
    HANDLER_SIZE = 0x200,
    CODE_VA = 0x400000,
    DATA_VA = 0x20000000,
    WRITABLE_VA = 0x30000000, /* the code, to be changed */
    SEL_CS = 0x10,
    SEL_DS = 0x18,
    SEL_UDS = 0x2b,
    SEL_UCS = 0x33,
    SEL_TSS = 0x40,
};
#define KERNEL_VA                                                                                  \
    UINT64_C(0xffff800000000000)  /* of guest-physical 0 and of the user's addresses               \
                                   */
#define ALIAS (UINT64_C(1) << 43) /* the translator's page tables do not look at it */

enum { PTE_P = 1, PTE_W = 2, PTE_U = 4, PTE_G = 0x100 };

struct making {
    struct machine *m;
    struct rng r;
    gpa_t next_table;
    gpa_t root[SPACES];
    gpa_t pte[SPACES][DATA_PAGES];   /* where the user's data pages are mapped */
    uint64_t kernel_pte[DATA_PAGES]; /* the kernel's, perhaps global: one for all spaces */
    struct emitter e;
};

static uint64_t *ram64(struct making *k, gpa_t at)
{
    return (uint64_t *)(void *)(k->m->ram + at);
}

static gpa_t new_table(struct making *k)
{
    gpa_t t = k->next_table;
    k->next_table += GUEST_PAGE_SIZE;
    return t;
}

/* The place of the entry that maps `va`. */
static gpa_t entry_of(struct making *k, gpa_t root, gva_t va)
{
    gpa_t table = root;
    for (unsigned shift = 39; shift > 12; shift -= 9) {
        uint64_t *e = ram64(k, table + 8 * (va >> shift & 511));
        if (!*e)
            *e = new_table(k) | PTE_P | PTE_W | PTE_U;
        table = *e & GUEST_PAGE_MASK & 0xfffffff;
    }
    return table + 8 * (va >> 12 & 511);
}

static void map(struct making *k, gpa_t root, gva_t va, uint64_t pte)
{
    *ram64(k, entry_of(k, root, va)) = pte;
}

/* A data page, or what else may be found where one is expected. */
static uint64_t data_pte(struct making *k, unsigned i)
{
    uint64_t page = GPA_DATA + (i + rng_below(&k->r, 2)) % DATA_PAGES * GUEST_PAGE_SIZE;
    switch (rng_below(&k->r, 16)) {
    case 0:
        return 0;
    case 1:
        return page | PTE_P | PTE_U;
    case 2:
        return page | PTE_P | PTE_W;
    case 3:
        return GPA_DEVICE | PTE_P | PTE_W | PTE_U;
    case 4: /* the last code page, to be changed */
        return (GPA_CODE + (CODE_PAGES - 1) * GUEST_PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
    case 5:
        return (MACHINE_RAM - GUEST_PAGE_SIZE) | PTE_P | PTE_W | PTE_U;
    default:
        return page | PTE_P | PTE_W | PTE_U;
    }
}

static void map_program(struct making *k, unsigned space)
{
    gpa_t root = k->root[space];
    for (unsigned i = 0; i < CODE_PAGES; i++) {
        uint64_t pte = (GPA_CODE + i * GUEST_PAGE_SIZE) | PTE_P;
        map(k, root, CODE_VA + i * GUEST_PAGE_SIZE, pte | PTE_U);
        map(k, root, (KERNEL_VA | CODE_VA) + i * GUEST_PAGE_SIZE, pte | PTE_G);
        map(k, root, WRITABLE_VA + i * GUEST_PAGE_SIZE, pte | PTE_U | PTE_W);
    }
    for (unsigned i = 0; i < DATA_PAGES; i++) {
        gva_t va = DATA_VA + i * GUEST_PAGE_SIZE;
        k->pte[space][i] = entry_of(k, root, va);
        *ram64(k, k->pte[space][i]) = data_pte(k, i);
        map(k, root, va | ALIAS, data_pte(k, i + 1));
        map(k, root, va | KERNEL_VA, k->kernel_pte[i]);
    }
}

static void make_tables(struct making *k)
{
    k->next_table = GPA_TABLES;
    for (unsigned i = 0; i < DATA_PAGES; i++)
        k->kernel_pte[i] = (data_pte(k, i) & ~(uint64_t)PTE_U) | (rng_one_in(&k->r, 2) ? PTE_G : 0);
    for (unsigned s = 0; s < SPACES; s++) {
        k->root[s] = new_table(k);
        for (gpa_t gpa = 0; gpa < KERNEL_SIZE; gpa += GUEST_PAGE_SIZE)
            map(k, k->root[s], KERNEL_VA + gpa, gpa | PTE_P | PTE_W | PTE_G);
        map_program(k, s);
    }
}

static void make_system(struct making *k)
{
    static const uint64_t gdt[16] = {
        [2] = 0x00af9b000000ffff, [3] = 0x00cf93000000ffff,
        [4] = 0x00cffb000000ffff, [5] = 0x00cff3000000ffff,
        [6] = 0x00affb000000ffff, [8] = 0x0000890020000067 | (uint64_t)GPA_TSS << 16,
        [9] = KERNEL_VA >> 32};
    memcpy(k->m->ram + GPA_GDT, gdt, sizeof(gdt));
    for (unsigned i = 0; i < 256; i++) {
        uint64_t at = KERNEL_VA + GPA_HANDLERS + HANDLER_SIZE * rng_below(&k->r, HANDLERS);
        uint64_t dpl = rng_below(&k->r, 2) * 3, *gate = ram64(k, GPA_IDT + 16 * i);
        gate[0] = (at & 0xffff) | SEL_CS << 16 | UINT64_C(1) << 32 | (0x8e | dpl << 5) << 40 |
                  (at >> 16 & 0xffff) << 48;
        gate[1] = at >> 32;
    }
    uint64_t stack = KERNEL_VA + GPA_STACK_TOP;
    for (unsigned at = 4; at <= 36; at += 32) /* RSP0 and IST1 */
        memcpy(k->m->ram + GPA_TSS + at, &stack, 8);
    k->m->ram[GPA_TSS + 0x66] = 0x68;
}

/* ---- handlers: kernel code, which must get through ---- */

static uint64_t data_pointer(struct making *k)
{
    uint64_t va = DATA_VA + rng_below(&k->r, DATA_PAGES * GUEST_PAGE_SIZE);
    if (rng_one_in(&k->r, 4))
        va = (va | (GUEST_PAGE_SIZE - 1)) - rng_below(&k->r, 36);
    else if (!rng_one_in(&k->r, 4))
        va &= ~UINT64_C(31);
    switch (rng_below(&k->r, 8)) {
    case 0:
        return va | ALIAS;
    case 1:
        return va | KERNEL_VA;
    default:
        return va;
    }
}

static uint64_t value(struct making *k)
{
    switch (rng_below(&k->r, 4)) {
    case 0:
        return rng_next(&k->r);
    case 1:
        return rng_below(&k->r, 300) - UINT64_C(20);
    default:
        return data_pointer(k);
    }
}

static void change_mapping(struct making *k)
{
    struct emitter *e = &k->e;
    unsigned i = rng_below(&k->r, DATA_PAGES);
    gva_t va = DATA_VA + i * GUEST_PAGE_SIZE;
    for (unsigned s = 0; s < SPACES; s++) {
        emit_mov(e, RAX, KERNEL_VA + k->pte[s][i]);
        emit_mov(e, RCX, data_pte(k, i));
        emit_bytes(e, "\x48\x89\x08", 3); /* mov [rax], rcx */
    }
    if (rng_one_in(&k->r, 2)) { /* the other space's goes with the next change of CR3 */
        emit_mov(e, RAX, va);
        emit_bytes(e, "\x0f\x01\x38", 3); /* invlpg [rax] */
        return;
    }
    emit_bytes(e, "\x0f\x20\xe0\x34\x80\x0f\x22\xe0", 8); /* CR4.PGE off ... */
    emit_bytes(e, "\x34\x80\x0f\x22\xe0", 5);             /* ... and on: everything goes */
}

static void change_state(struct making *k)
{
    static const uint32_t mxcsr[] = {0x1f80, 0x1f80, 0x9fc0, 0x7f80, 0x1f00, 0x0f80};
    static const uint16_t fcw[] = {0x37f, 0x37f, 0x27f, 0x33f};
    struct emitter *e = &k->e;
    switch (rng_below(&k->r, 8)) {
    case 0:
        emit_mov(e, RAX, k->root[rng_below(&k->r, SPACES)]);
        emit_bytes(e, "\x0f\x22\xd8", 3); /* mov cr3, rax */
        break;
    case 1:
        change_mapping(k);
        break;
    case 2:
        emit_bytes(e,
                   rng_one_in(&k->r, 3) ? "\x0f\x20\xc0\x0c\x08\x0f\x22\xc0" /* CR0.TS on */
                                        : "\x0f\x06\x90\x90\x90\x90\x90\x90",
                   8); /* clts */
        break;
    case 3:
        emit_bytes(e, "\x0f\x06\x6a", 3); /* clts; push; fninit; fldcw; pop */
        emit_bytes(e, "\x00\xdb\xe3\x66\xc7\x04\x24", 7);
        emit_bytes(e, &fcw[rng_below(&k->r, 4)], 2);
        emit_bytes(e, "\xd9\x2c\x24\x58", 4);
        break;
    case 4:
        emit_bytes(e, "\x0f\x06\x68", 3); /* clts; push; ldmxcsr; pop */
        emit_bytes(e, &mxcsr[rng_below(&k->r, 6)], 4);
        emit_bytes(e, "\x0f\xae\x14\x24\x58", 5);
        break;
    case 5:
        emit_mov(e, RAX, rng_below(&k->r, 3) * 0xff8);
        emit_bytes(e, "\xf3\x48\x0f\xae\xd0", 5); /* wrfsbase rax */
        break;
    case 6:
        emit_bytes(e, "\x0f\x01\xf8", 3); /* swapgs */
        break;
    default:
        emit_bytes(e, "\x0f\x06\xc5\xf8\x77", 5); /* clts; vzeroupper */
        break;
    }
}

static void registers(struct making *k)
{
    for (unsigned i = 0; i < 16; i++) {
        if (i != RSP)
            emit_mov(&k->e, i, value(k));
    }
}

static void sysret(struct making *k, uint64_t rip, uint64_t flags)
{
    struct emitter *e = &k->e;
    emit_mov(e, RCX, rng_one_in(&k->r, 16) ? rip | UINT64_C(1) << 50 : rip);
    emit_mov(e, R11, flags);
    emit_mov(e, RSP, data_pointer(k) & ~UINT64_C(7));
    emit_bytes(e, rng_one_in(&k->r, 16) ? "\x90\x0f\x07" : "\x48\x0f\x07", 3);
}

/* By SYSRET, or an IRET frame, to somewhere in the code. */
static void go_on(struct making *k, bool user)
{
    struct emitter *e = &k->e;
    uint64_t flags = (rng_next(&k->r) & 0x8d5) | 0x3002;
    flags |= rng_one_in(&k->r, 4) ? FL_IF : 0;
    flags |= rng_one_in(&k->r, 4) ? FL_DF : 0;
    flags |= rng_one_in(&k->r, 32) ? FL_TF : 0;
    flags |= rng_one_in(&k->r, 16) ? FL_AC : 0;
    uint64_t rip = CODE_VA + emitter_start(e, rng_next(&k->r));
    if (user && rng_one_in(&k->r, 3)) {
        sysret(k, rip, flags);
        return;
    }
    uint64_t frame[5] = {user ? SEL_UDS : SEL_DS, data_pointer(k) & ~UINT64_C(7), flags,
                         user ? SEL_UCS : SEL_CS,
                         rip | (!user && rng_one_in(&k->r, 2) ? KERNEL_VA : 0)};
    for (unsigned i = 0; i < 5; i++) {
        emit_mov(e, RAX, frame[i]);
        emit_bytes(e, "\x50", 1);
    }
    emit_mov(e, RAX, value(k));
    emit_bytes(e, "\x48\xcf", 2); /* iretq */
}

static void make_handlers(struct making *k)
{
    for (unsigned i = 0; i < HANDLERS; i++) {
        emitter_go(&k->e, k->m->ram + GPA_HANDLERS + i * HANDLER_SIZE, HANDLER_SIZE);
        emit_bytes(&k->e, "\xe6\x80\xfc", 3); /* out 80h, al; cld */
        for (unsigned n = rng_below(&k->r, 3); n; n--)
            change_state(k);
        registers(k);
        go_on(k, rng_below(&k->r, 3) != 0);
    }
}

/* ---- the processor at the start ---- */

static void load_segment(struct making *k, unsigned seg, uint16_t sel)
{
    struct x86_desc d = {.raw = *ram64(k, GPA_GDT + (sel & ~7u))};
    x86_seg_from_desc(&k->m->cpu->seg[seg], sel, &d);
}

static void make_cpu(struct making *k)
{
    struct x86_cpu *c = k->m->cpu;
    c->cr0 = CR0_PE | CR0_PG | CR0_NE | CR0_MP | CR0_ET | CR0_WP | CR0_AM;
    c->cr3 = k->root[0];
    c->cr4 = CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE;
    c->cr4 |= rng_one_in(&k->r, 4) ? CR4_SMAP : 0;
    c->efer = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;
    c->xcr0 = k->m->model.xcr0_mask;
    c->lstar = KERNEL_VA + GPA_HANDLERS;
    c->fmask = rng_one_in(&k->r, 3) ? rng_next(&k->r) & 0x7ffd5 : 0x257fd5;
    c->star = UINT64_C(0x0023001000000000);
    c->gdt_base = KERNEL_VA + GPA_GDT;
    c->gdt_limit = 0x7f;
    c->idt_base = KERNEL_VA + GPA_IDT;
    c->idt_limit = 0xfff;
    for (unsigned i = 0; i < 6; i++)
        load_segment(k, i, i == SEG_CS ? SEL_CS : SEL_DS);
    c->seg[SEG_GS].base = 0x1000;
    c->kernel_gs_base = DATA_VA;
    c->tr[0] = (struct x86_segment){
        .sel = SEL_TSS, .attr = 0x8b, .limit = 0x67, .base = KERNEL_VA + GPA_TSS};
    c->ldtr[0].unusable = true;
    c->gpr[RSP] = KERNEL_VA + GPA_STACK_TOP;
    c->rip = KERNEL_VA + GPA_HANDLERS;
    c->cpl = 0;
    x86_set_rflags(c, FL_ONE);
    x86_update_mode(c);
}

void lockstep_program_make(struct machine *m, uint64_t seed)
{
    struct making k = {.m = m, .r = {seed}};
    make_tables(&k);
    make_system(&k);
    for (gpa_t at = GPA_DATA; at < GPA_DATA + DATA_PAGES * GUEST_PAGE_SIZE; at += 8)
        *ram64(&k, at) = value(&k);
    emitter_init(&k.e, &k.r, DATA_VA, DATA_PAGES * GUEST_PAGE_SIZE);
    emitter_go(&k.e, m->ram + GPA_CODE, CODE_PAGES * GUEST_PAGE_SIZE);
    emit_program(&k.e, CODE_VA, WRITABLE_VA);
    make_handlers(&k);
    make_cpu(&k);
}
