/*
 * The KVM engine by itself: a machine of one CPU and no devices, flat 32-bit code at CPL 0, every
 * gate leads to an OUT of its own. What is put into KVM must take effect, and come back.
 *
 * usage: engine-kvm-test [any]     any: also where KVM is software
 */
#include "unit/cmocka_all.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kvm/kvm.h"
#include "isa/x86/cpu.h"
#include "isa/x86/debug.h"
#include "isa/x86/host_tsc.h"
#include "isa/x86/native.h"
#include "isa/x86/seg.h"
#include "isa/x86/system.h"
#include "isa/x86/trap.h"
#include "vm/vm.h"

enum { SKIPPED = 77, SLOW_KIPS = 20000, RAM = 4 << 20, PAGES = RAM >> GUEST_PAGE_SHIFT };
enum { GDT = 0, IDT = 0x1000, STUBS = 0x2000, STUB = 4, CODE = 0x20000, STACK_TOP = 0x40000 };
enum { DATA = 0x100000, PORT = 0x80, NO_TRAP = -1 };

#define OUT "\xe6\x80" /* out 0x80, al */
#define INC "\x41"     /* inc ecx */

struct machine {
    struct vm vm;
    struct vcpu *v;
    struct x86_cpu *cpu;
    struct cpuid_model model;
    uint8_t *ram;
};

static bool any_kvm;

static void put32(struct machine *m, gpa_t at, uint32_t v)
{
    memcpy(m->ram + at, &v, sizeof(v));
}

static void write_tables(struct machine *m)
{
    static const uint64_t gdt[] = {0, 0x00cf9b000000ffff, 0x00cf93000000ffff};
    memcpy(m->ram + GDT, gdt, sizeof(gdt));
    for (unsigned i = 0; i < 256; i++) {
        memcpy(m->ram + STUBS + STUB * i, OUT, 2);
        put32(m, IDT + 8 * i, 8 << 16 | (STUBS + STUB * i));
        put32(m, IDT + 8 * i + 4, 0x8e00);
    }
}

static void load(struct machine *m, unsigned seg, uint16_t sel)
{
    struct x86_desc d = {0};
    memcpy(&d.raw, m->ram + GDT + sel, 8);
    x86_seg_from_desc(&m->cpu->seg[seg], sel, &d);
}

static void enter_code(struct machine *m, const void *code, size_t len)
{
    struct x86_cpu *c = m->cpu;
    memcpy(m->ram + CODE, code, len);
    c->cr0 = CR0_PE | CR0_NE | CR0_ET;
    c->cr4 = CR4_DE | CR4_OSFXSR;
    c->gdt_base = GDT;
    c->gdt_limit = 0x17;
    c->idt_base = IDT;
    c->idt_limit = 0x7ff;
    for (unsigned i = 0; i < 6; i++)
        load(m, i, i == SEG_CS ? 8 : 16);
    c->gpr[RSP] = STACK_TOP;
    c->gpr[RBX] = DATA;
    c->rip = CODE;
    x86_update_mode(c);
}

static struct machine *fresh(const void *code, size_t len)
{
    struct machine *m = calloc(1, sizeof(*m));
    struct vm_params p = {
        .name = "kvm-test", .nvcpus = 1, .ram_size = RAM, .isa = &isa_x86, .engine = &engine_kvm};
    struct error err;
    assert_int_equal(vm_init(&m->vm, &p, &err), 0);
    assert_int_equal(guest_mem_add_slot(&m->vm.mem, 0, RAM, false, &err), 0);
    assert_int_equal(vm_init_cpus(&m->vm, &err), 0);
    m->v = &m->vm.vcpus[0];
    m->cpu = m->v->cpu;
    m->ram = gpa_pin(&m->vm.mem, 0, RAM, true);
    cpuid_model_build(&m->model, 1, host_tsc_hz());
    m->cpu->model = &m->model;
    isa_x86.cpu_reset(m->cpu);
    assert_int_equal(vm_init_engine(&m->vm, &err), 0);
    write_tables(m);
    enter_code(m, code, len);
    return m;
}
#define FRESH(code) fresh(code, sizeof(code) - 1)

static void finish(struct machine *m)
{
    vm_destroy(&m->vm);
    free(m);
}

static void put(struct machine *m)
{
    struct error err;
    assert_int_equal(engine_kvm.state_put(m->v, &err), 0);
}

static void get(struct machine *m)
{
    struct error err;
    assert_int_equal(engine_kvm.state_get(m->v, &err), 0);
}

/* On to the next OUT; the vector whose handler it is, or NO_TRAP when it is the code's own. */
static int run_on(struct machine *m)
{
    struct vm_exit exit = {0};
    do
        engine_kvm.run(m->v, &exit);
    while (exit.reason == EXIT_INTERRUPTED);
    assert_int_equal(exit.reason, EXIT_PIO);
    assert_int_equal(exit.io.addr, PORT);
    get(m);
    uint64_t at = m->cpu->rip;
    return at >= STUBS && at < STUBS + 256 * STUB ? (int)((at - STUBS) / STUB) : NO_TRAP;
}

static int run(struct machine *m)
{
    put(m);
    return run_on(m);
}

static uint32_t saved_eip(struct machine *m)
{
    uint32_t v;
    memcpy(&v, m->ram + m->cpu->gpr[RSP], sizeof(v));
    return v;
}

/* ---- what was under way ---- */

static void test_an_nmi_waits_for_the_shadow_of_mov_ss(void **state)
{
    (void)state;
    for (unsigned shadow = 0; shadow < 2; shadow++) {
        struct machine *m = FRESH(INC INC OUT);
        m->cpu->nmi_pending = true;
        m->cpu->inhibit = shadow ? X86_SHADOW_SS : X86_SHADOW_NONE;
        assert_int_equal(run(m), VEC_NMI);
        assert_int_equal(saved_eip(m), CODE + shadow);
        assert_int_equal(m->cpu->gpr[RCX], shadow);
        finish(m);
    }
}

static void test_the_shadow_comes_back(void **state)
{
    struct machine *m = FRESH(OUT);
    (void)state;
    m->cpu->inhibit = X86_SHADOW_SS;
    put(m);
    m->cpu->inhibit = X86_SHADOW_NONE;
    get(m);
    assert_int_equal(m->cpu->inhibit, X86_SHADOW_SS);
    finish(m);
}

static void test_a_due_debug_trap_is_taken_before_the_next_instruction(void **state)
{
    struct machine *m = FRESH(INC OUT);
    (void)state;
    m->cpu->pending_debug = DR6_BS | 2;
    m->cpu->inhibit = X86_SHADOW_STI;
    assert_int_equal(run(m), VEC_DB);
    assert_int_equal(saved_eip(m), CODE);
    assert_int_equal(m->cpu->dr[6] & 0xe00f, DR6_BS | 2);
    assert_int_equal(m->cpu->pending_debug, 0);
    assert_false(m->cpu->event_pending);
    finish(m);
}

/* Not early, and not much later either. */
static void test_a_debug_trap_behind_mov_ss_is_lost(void **state)
{
    struct machine *m = FRESH(INC OUT);
    (void)state;
    m->cpu->pending_debug = 1;
    m->cpu->inhibit = X86_SHADOW_SS;
    assert_int_equal(run(m), NO_TRAP);
    assert_int_equal(m->cpu->gpr[RCX], 1);
    assert_int_equal(m->cpu->pending_debug, 0);
    finish(m);
}

static void test_an_exception_under_delivery_is_delivered(void **state)
{
    struct machine *m = FRESH(INC OUT);
    (void)state;
    m->cpu->event_pending = true;
    m->cpu->event_kind = EVENT_EXCEPTION;
    m->cpu->event_vector = VEC_GP;
    m->cpu->event_has_error = true;
    m->cpu->event_error = 0x1238;
    assert_int_equal(run(m), VEC_GP);
    assert_int_equal(saved_eip(m), 0x1238); /* the error code is on top */
    assert_int_equal(m->cpu->gpr[RCX], 0);
    finish(m);
}

static void test_debug_registers_hit_and_come_back(void **state)
{
    struct machine *m = FRESH("\x89\x03" INC OUT); /* mov [ebx], eax */
    (void)state;
    m->cpu->dr[2] = DATA;
    m->cpu->dr[7] = 0x400 | 2u << 4 | (1u | 3u << 2) << 24; /* writes of 4 bytes */
    int vector = run(m);
    assert_int_equal(m->cpu->dr[2], DATA);
    assert_int_equal(m->cpu->dr[7] >> 24, 13);
    if (vector == NO_TRAP && any_kvm) { /* qemu 7.2 does not watch data for a nested guest */
        finish(m);
        skip();
    }
    assert_int_equal(vector, VEC_DB);
    assert_int_equal(saved_eip(m), CODE + 2);
    assert_int_equal(m->cpu->dr[6] & 15, 4);
    finish(m);
}

/* ---- vector registers ---- */

/* vextractf128 [ebx], ymm3, 1 */
#define STORE_HIGH_YMM3 "\xc4\xe3\x7d\x19\x1b\x01"

static void test_vector_registers(void **state)
{
    struct machine *m = FRESH(STORE_HIGH_YMM3 OUT);
    uint8_t *ymmh = m->cpu->xsave + XS_YMMH, before[256];
    (void)state;
    if (!(m->model.xcr0_mask & XCR0_AVX)) {
        print_message("no AVX here\n");
        finish(m);
        return;
    }
    for (unsigned i = 0; i < sizeof(before); i++)
        before[i] = (uint8_t)(i * 7 + 1);
    memcpy(ymmh, before, sizeof(before));
    m->cpu->cr4 |= CR4_OSXSAVE;
    m->cpu->xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    put(m);
    memset(ymmh, 0, sizeof(before));
    assert_int_equal(run_on(m), NO_TRAP);
    assert_memory_equal(m->ram + DATA, before + 3 * 16, 16);
    assert_memory_equal(ymmh, before, sizeof(before));
    assert_int_equal(m->cpu->xcr0, XCR0_X87 | XCR0_SSE | XCR0_AVX);
    finish(m);
}

/* ---- the dirty log ---- */

/* From DATA on: of code and tables, which are only read, KVM may say the same. */
static void collect(struct machine *m, uint64_t bitmap[PAGES / 64])
{
    struct error err;
    memset(bitmap, 0, PAGES / 8);
    assert_int_equal(engine_kvm.dirty_collect(&m->vm, 0, bitmap, &err), 0);
    memset(bitmap, 0, (DATA >> GUEST_PAGE_SHIFT) / 8);
}

static void mark(uint64_t bitmap[PAGES / 64], gpa_t at)
{
    bitmap[at >> GUEST_PAGE_SHIFT >> 6] |= UINT64_C(1) << (at >> GUEST_PAGE_SHIFT & 63);
}

/* Eight stores, three pages apart: again: mov [ebx], ecx; add ebx, 0x3000; loop again; out */
#define STORES "\x89\x0b\x81\xc3\x00\x30\x00\x00\xe2\xf6" OUT

static void test_the_dirty_log_is_what_was_written(void **state)
{
    struct machine *m = FRESH(STORES STORES);
    uint64_t log[PAGES / 64], wanted[PAGES / 64] = {0};
    struct error err;
    (void)state;
    m->cpu->gpr[RCX] = 8;
    assert_int_equal(engine_kvm.dirty_log(&m->vm, true, &err), 0);
    assert_int_equal(run(m), NO_TRAP);
    for (unsigned i = 0; i < 8; i++)
        mark(wanted, DATA + i * 0x3000);
    collect(m, log);
    assert_memory_equal(log, wanted, sizeof(log));
    collect(m, log);
    memset(wanted, 0, sizeof(wanted));
    assert_memory_equal(log, wanted, sizeof(log)); /* told once */

    /* Pages that were logged before, the guest's and ours together. */
    m->cpu->gpr[RCX] = 2;
    m->cpu->gpr[RBX] = DATA + 0x3000;
    m->cpu->rip = CODE + sizeof(STORES) - 1;
    assert_int_equal(run(m), NO_TRAP);
    assert_int_equal(gpa_write(&m->vm.mem, DATA + 0x9000, "x", 1), 0);
    mark(wanted, DATA + 0x3000);
    mark(wanted, DATA + 0x6000);
    mark(wanted, DATA + 0x9000);
    collect(m, log);
    assert_memory_equal(log, wanted, sizeof(log));
    assert_int_equal(engine_kvm.dirty_log(&m->vm, false, &err), 0);
    finish(m);
}

static const char *why_not(void)
{
    static struct error err;
    unsigned kips;
    if (engine_kvm.probe(&err) < 0 || kvm_prove(&kips, &err) < 0)
        return err.text;
    return kips < SLOW_KIPS && !any_kvm ? "KVM here is software" : NULL;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_nmi_waits_for_the_shadow_of_mov_ss),
        cmocka_unit_test(test_the_shadow_comes_back),
        cmocka_unit_test(test_a_due_debug_trap_is_taken_before_the_next_instruction),
        cmocka_unit_test(test_a_debug_trap_behind_mov_ss_is_lost),
        cmocka_unit_test(test_an_exception_under_delivery_is_delivered),
        cmocka_unit_test(test_debug_registers_hit_and_come_back),
        cmocka_unit_test(test_vector_registers),
        cmocka_unit_test(test_the_dirty_log_is_what_was_written),
    };
    any_kvm = argc > 1 && strcmp(argv[1], "any") == 0;
    const char *why = why_not();
    if (why) {
        printf("skipped: %s\n", why);
        return SKIPPED;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
