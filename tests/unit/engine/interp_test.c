/*
 * What an exception leaves behind, seen from a kernel of tables only: flat 32-bit code at CPL 0,
 * every gate leads to a HLT of its own.
 */
#include "unit/cmocka_all.h"

#include <string.h>

#include "base/compiler.h"
#include "fuzz/engine/interp_machine.h"
#include "isa/isa.h"
#include "isa/x86/debug.h"
#include "isa/x86/seg.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"

enum {
    GDT = 0x0,
    IDT = 0x1000,
    STUBS = 0x2000,
    CODE = 0x20000,
    DATA = 0x30000,
    STACK_TOP = 0x40000,
};

static uint32_t *ram32(struct machine *m, gpa_t at)
{
    return (uint32_t *)(void *)(m->ram + at);
}

static void load(struct machine *m, unsigned seg, uint16_t sel)
{
    struct x86_desc d;
    memcpy(&d.raw, m->ram + GDT + sel, 8);
    d.high = 0;
    x86_seg_from_desc(&m->cpu->seg[seg], sel, &d);
}

static void tables(struct machine *m)
{
    static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
    memcpy(m->ram + GDT, gdt, sizeof(gdt));
    memset(m->ram + STUBS, 0xf4, 256);
    for (unsigned i = 0; i < 256; i++) {
        *ram32(m, IDT + 8 * i) = 8 << 16 | (STUBS + i);
        *ram32(m, IDT + 8 * i + 4) = 0x8e00;
    }
}

static struct machine *fresh(const void *code, size_t len)
{
    static struct machine *m;
    if (!m)
        m = machine_create(&engine_interp);
    machine_reset(m, 1);
    tables(m);
    memcpy(m->ram + CODE, code, len);
    gpa_wrote(&m->vm.mem, 0, MACHINE_RAM);
    struct x86_cpu *c = m->cpu;
    c->cr0 = CR0_PE | CR0_NE | CR0_ET;
    c->cr4 = CR4_DE;
    c->gdt_limit = 0x17;
    c->gdt_base = GDT;
    c->idt_base = IDT;
    c->idt_limit = 0x7ff;
    load(m, SEG_CS, 8);
    for (unsigned i = 0; i < 6; i++) {
        if (i != SEG_CS)
            load(m, i, 16);
    }
    c->gpr[RSP] = STACK_TOP;
    c->gpr[RBX] = DATA;
    c->rip = CODE;
    x86_update_mode(c);
    return m;
}
#define FRESH(code) fresh(code, sizeof(code) - 1)

/* Run until a handler halts; returns its vector, or -1 when the code itself halted. */
static int run(struct machine *m)
{
    struct vcpu *v = &m->vm.vcpus[0];
    struct vm_exit exit = {0};
    struct error err = {0};
    atomic_store(&v->requests, 0);
    assert_int_equal(engine_interp.state_put(v, &err), 0);
    do
        engine_interp.run(v, &exit);
    while (exit.reason == EXIT_INTERRUPTED);
    assert_int_equal(exit.reason, EXIT_HALT);
    uint64_t at = m->cpu->rip - 1;
    return at >= STUBS && at < STUBS + 256 ? (int)(at - STUBS) : -1;
}

static uint32_t saved_eip(struct machine *m)
{
    return *ram32(m, m->cpu->gpr[RSP]);
}

static uint32_t saved_eflags(struct machine *m)
{
    return *ram32(m, m->cpu->gpr[RSP] + 8);
}

static void breakpoint(struct machine *m, unsigned i, uint64_t at, unsigned rw, unsigned len)
{
    m->cpu->dr[i] = at;
    m->cpu->dr[7] |= 2u << (2 * i) | (rw | len << 2) << (16 + 4 * i);
}

#define STORE "\x89\x03" /* mov [ebx], eax */
#define LOAD  "\x8b\x03"
#define INC   "\x41" /* inc ecx */
#define HLT   "\xf4"

static void test_data_breakpoint_traps_behind_the_store(void **state)
{
    (void)state;
    struct machine *m = FRESH(INC STORE INC HLT);
    breakpoint(m, 1, DATA + 2, 1, 1);
    m->cpu->gpr[RAX] = 7;
    assert_int_equal(run(m), VEC_DB);
    assert_int_equal(saved_eip(m), CODE + 3);
    assert_int_equal(m->cpu->gpr[RCX], 1);
    assert_int_equal(m->cpu->dr[6] & 0xf00f, 2);
    assert_int_equal(*ram32(m, DATA), 7);
}

static void test_data_breakpoint_kinds_and_lengths(void **state)
{
    static const struct {
        unsigned at, rw, len;
        bool store, hit;
    } rule[] = {{0, 1, 3, false, false}, {0, 3, 3, false, true}, {4, 3, 3, false, false},
                {3, 3, 0, true, true},   {4, 1, 0, true, false}, {4, 1, 2, true, true},
                {1, 3, 1, true, true},   {0, 2, 3, true, false}};
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(rule); i++) {
        struct machine *m = rule[i].store ? FRESH(STORE INC HLT) : FRESH(LOAD INC HLT);
        breakpoint(m, 0, DATA + rule[i].at, rule[i].rw, rule[i].len);
        assert_int_equal(run(m), rule[i].hit ? VEC_DB : -1);
    }
}

static void test_instruction_breakpoint_is_a_fault_and_rf_passes_it(void **state)
{
    (void)state;
    struct machine *m = FRESH(INC INC HLT);
    breakpoint(m, 3, CODE + 1, 0, 0);
    assert_int_equal(run(m), VEC_DB);
    assert_int_equal(saved_eip(m), CODE + 1);
    assert_int_equal(saved_eflags(m) & FL_RF, 0);
    assert_int_equal(m->cpu->dr[6] & 0xf00f, 8);

    m = FRESH("\xcf" INC INC HLT); /* iret to CODE + 1 */
    uint32_t frame[3] = {CODE + 1, 8, FL_ONE | FL_RF};
    memcpy(m->ram + STACK_TOP, frame, sizeof(frame));
    gpa_wrote(&m->vm.mem, STACK_TOP, sizeof(frame));
    breakpoint(m, 0, CODE + 1, 0, 0);
    breakpoint(m, 1, CODE + 2, 0, 0);
    assert_int_equal(run(m), VEC_DB);
    assert_int_equal(saved_eip(m), CODE + 2);
    assert_int_equal(m->cpu->gpr[RCX], 1);
}

static void test_faults_push_rf(void **state)
{
    (void)state;
    struct machine *m = FRESH("\x0f\x0b");
    assert_int_equal(run(m), VEC_UD);
    assert_int_equal(saved_eflags(m) & FL_RF, FL_RF);
}

static void test_io_breakpoint(void **state)
{
    (void)state;
    struct machine *m = FRESH("\xe6\x80" INC HLT); /* out 0x80, al */
    breakpoint(m, 0, 0x80, 2, 0);
    assert_int_equal(run(m), VEC_DB);
    assert_int_equal(saved_eip(m), CODE + 2);
    m = FRESH("\xe6\x80" INC HLT);
    m->cpu->cr4 = 0; /* without CR4.DE there are none */
    breakpoint(m, 0, 0x80, 2, 0);
    assert_int_equal(run(m), -1);
}

static void test_general_detect(void **state)
{
    (void)state;
    struct machine *m = FRESH("\x0f\x21\xc0"); /* mov eax, dr0 */
    m->cpu->dr[7] |= DR7_GD;
    assert_int_equal(run(m), VEC_DB);
    assert_int_equal(saved_eip(m), CODE);
    assert_true(m->cpu->dr[6] & DR6_BD);
    assert_false(m->cpu->dr[7] & DR7_GD);
}

static void single_step(const void *code, size_t len, int vector, unsigned eip, unsigned ecx)
{
    struct machine *m = fresh(code, len);
    m->cpu->rflags |= FL_TF;
    m->cpu->gpr[RDI] = DATA;
    m->cpu->gpr[RDX] = 16;
    assert_int_equal(run(m), vector);
    assert_int_equal(saved_eip(m), CODE + eip);
    assert_int_equal(m->cpu->gpr[RCX], ecx);
    assert_int_equal(!!(m->cpu->dr[6] & DR6_BS), vector == VEC_DB);
}
#define STEP(code, ...) single_step(code, sizeof(code) - 1, __VA_ARGS__)

static void test_single_step(void **state)
{
    (void)state;
    STEP(INC INC, VEC_DB, 1, 1);
    STEP("\x8e\xd2" INC INC, VEC_DB, 3, 1);        /* mov ss, edx holds the trap back */
    STEP("\xcd\x40", 0x40, 2, 0);                  /* int 0x40 clears TF */
    STEP("\xf4" INC, VEC_DB, 1, 0);                /* hlt */
    STEP("\xb1\x03" INC, VEC_DB, 2, 3);            /* mov cl, 3 */
    struct machine *m = FRESH("\xf3\xaa" INC HLT); /* rep stosb: behind each element */
    m->cpu->rflags |= FL_TF;
    m->cpu->gpr[RDI] = DATA;
    m->cpu->gpr[RCX] = 3;
    assert_int_equal(run(m), VEC_DB);
    assert_int_equal(saved_eip(m), CODE);
    assert_int_equal(m->cpu->gpr[RCX], 2);
}

/* The frame of an exception lands in the page whose code just ran. */
static void test_frame_in_the_running_page(void **state)
{
    (void)state;
    struct machine *m = FRESH(INC "\x0f\x0b");
    m->cpu->gpr[RSP] = CODE + 0x100;
    assert_int_equal(run(m), VEC_UD);
    assert_int_equal(saved_eip(m), CODE + 1);
}

static void test_nmi_waits_for_iret(void **state)
{
    (void)state;
    struct machine *m = FRESH("\xcf" INC INC HLT);
    uint32_t frame[3] = {CODE + 1, 8, FL_ONE};
    memcpy(m->ram + STACK_TOP, frame, sizeof(frame));
    gpa_wrote(&m->vm.mem, STACK_TOP, sizeof(frame));
    m->cpu->nmi_masked = m->cpu->nmi_pending = true;
    assert_int_equal(run(m), VEC_NMI);
    assert_int_equal(saved_eip(m), CODE + 1);
}

static void test_event_under_way_is_delivered(void **state)
{
    (void)state;
    struct machine *m = FRESH(INC HLT);
    m->cpu->event_pending = true;
    m->cpu->event_kind = EVENT_EXCEPTION;
    m->cpu->event_vector = VEC_GP;
    m->cpu->event_has_error = true;
    m->cpu->event_error = 0x123;
    assert_int_equal(run(m), VEC_GP);
    assert_int_equal(*ram32(m, m->cpu->gpr[RSP]), 0x123);
    assert_int_equal(m->cpu->gpr[RCX], 0);
    assert_false(m->cpu->event_pending);
}

static void test_tsc_adjust_moves_with_the_counter(void **state)
{
    (void)state;
    struct machine *m = FRESH(HLT);
    struct x86_cpu *c = m->cpu;
    uint64_t v, offset = c->tsc_offset;
    assert_true(x86_msr_write(c, MSR_TSC_ADJUST, 1000));
    assert_int_equal(c->tsc_offset - offset, 1000);
    assert_true(x86_msr_write(c, MSR_TSC, x86_tsc(c) + (UINT64_C(1) << 40)));
    assert_true(x86_msr_read(c, MSR_TSC_ADJUST, &v));
    assert_true(v >= 1000 && v <= 1000 + (UINT64_C(1) << 40));
    assert_int_equal(c->tsc_offset - offset, v);
}

/* ---- where Intel's and AMD's processors differ ---- */

enum { TABLES = 0x50000 };

/* `code` at CPL 3 in compatibility mode; nothing can be delivered, so a fault ends the machine. */
static struct machine *compatibility(const void *code, size_t len, enum cpuid_vendor vendor)
{
    struct machine *m = fresh(code, len);
    struct x86_cpu *c = m->cpu;
    cpuid_model_build(&m->model, 1, 2000000000);
    cpuid_identify(&m->model, (struct cpuid_identity){(uint8_t)vendor, 0x00800f12});
    for (unsigned i = 0; i < 2; i++)
        *ram32(m, TABLES + 0x1000 * i) = (TABLES + 0x1000 * (i + 1)) | 7;
    *ram32(m, TABLES + 0x2000) = 0x87; /* 2 MiB, user */
    gpa_wrote(&m->vm.mem, TABLES, 0x3000);
    c->cr3 = TABLES;
    c->cr4 |= CR4_PAE;
    c->cr0 |= CR0_PG;
    c->efer = EFER_LME | EFER_LMA | EFER_SCE;
    c->idt_limit = 0;
    c->cpl = 3;
    c->seg[SEG_CS].attr |= 3 << 5;
    c->seg[SEG_SS].attr |= 3 << 5;
    c->star = UINT64_C(8) << 32;
    c->cstar = STUBS + 1;
    c->lstar = STUBS + 2;
    c->sysenter_cs = 8;
    c->sysenter_eip = STUBS + 3;
    x86_update_mode(c);
    assert_int_equal(c->code_mode, 32);
    return m;
}

/* Where it halts, behind STUBS; -1 when it faults. */
static int run_call(const char *code, enum cpuid_vendor vendor)
{
    struct machine *m = compatibility(code, 2, vendor);
    struct vcpu *v = &m->vm.vcpus[0];
    struct vm_exit exit = {0};
    struct error err = {0};
    atomic_store(&v->requests, 0);
    assert_int_equal(engine_interp.state_put(v, &err), 0);
    do
        engine_interp.run(v, &exit);
    while (exit.reason == EXIT_INTERRUPTED);
    return exit.reason == EXIT_HALT ? (int)(m->cpu->rip - 1 - STUBS) : -1;
}

static void test_system_calls_from_compatibility_mode(void **state)
{
    static const char syscall[] = "\x0f\x05", sysenter[] = "\x0f\x34";
    (void)state;
    assert_int_equal(run_call(syscall, CPUID_AMD), 1);
    assert_int_equal(run_call(syscall, CPUID_INTEL), -1);
    assert_int_equal(run_call(sysenter, CPUID_AMD), -1);
    assert_int_equal(run_call(sysenter, CPUID_INTEL), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data_breakpoint_traps_behind_the_store),
        cmocka_unit_test(test_data_breakpoint_kinds_and_lengths),
        cmocka_unit_test(test_instruction_breakpoint_is_a_fault_and_rf_passes_it),
        cmocka_unit_test(test_faults_push_rf),
        cmocka_unit_test(test_io_breakpoint),
        cmocka_unit_test(test_general_detect),
        cmocka_unit_test(test_single_step),
        cmocka_unit_test(test_frame_in_the_running_page),
        cmocka_unit_test(test_nmi_waits_for_iret),
        cmocka_unit_test(test_event_under_way_is_delivered),
        cmocka_unit_test(test_system_calls_from_compatibility_mode),
        cmocka_unit_test(test_tsc_adjust_moves_with_the_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
