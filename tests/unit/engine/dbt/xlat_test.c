/* What the translator finds out about flags, and where it ends a block. */
#include "unit/cmocka_all.h"

#include <string.h>

#include "engine/dbt/x86/xlat.h"
#include "isa/isa.h"
#include "isa/x86/cpu.h"
#include "isa/x86/cpuid.h"

enum {
    ALL = X86_FL_CF | X86_FL_PF | X86_FL_AF | X86_FL_ZF | X86_FL_SF | X86_FL_OF,
    ANY_CTX = 0xff
};

static struct cpuid_model model;
static struct x86_cpu cpu = {.model = &model};
static struct xlat x;

static struct code_draft translate_at(unsigned off, const void *code, unsigned len)
{
    struct code_draft d;
    uint8_t page[GUEST_PAGE_SIZE];
    memset(page, 0xcc, sizeof(page));
    memcpy(page + off, code, len < 4096 - off ? len : 4096 - off);
    xlat_load_page(&x, page);
    if (!model.xcr0_mask)
        cpuid_model_build(&model, 1, 1000000000);
    x.c = &cpu;
    x.ctx = ANY_CTX;
    xlat_block(&x, &d, off, NULL);
    return d;
}

#define TRANSLATE(code) translate_at(0, code, sizeof(code) - 1)

static void dead_flags(void **state)
{
    (void)state;
    TRANSLATE("\x48\x01\xd8"   /* add rax, rbx */
              "\x48\x8b\x07"   /* mov rax, [rdi] */
              "\x48\x29\xc8"   /* sub rax, rcx: kills them all */
              "\x74\x00\xcc"); /* jz */
    assert_int_equal(x.insns[0].live, 0);
    assert_int_equal(x.insns[1].live, 0);
    assert_int_equal(x.insns[2].live, 0);
    assert_int_equal(x.insns[3].live & X86_FL_ZF, X86_FL_ZF);
}

static void flags_that_are_read_later(void **state)
{
    (void)state;
    TRANSLATE("\x48\x39\xd8"       /* cmp rax, rbx */
              "\x48\x8b\x07"       /* mov rax, [rdi] */
              "\x48\xff\xc1"       /* inc rcx: leaves CF */
              "\x48\x83\xd2\x00"   /* adc rdx, 0 */
              "\x48\x31\xf6\xcc"); /* xor esi, esi */
    assert_int_equal(x.insns[1].live, X86_FL_CF);
    assert_int_equal(x.insns[2].live, X86_FL_CF);
}

/* A shift by 0 changes no flag: by CL it may be one. */
static void shifts(void **state)
{
    (void)state;
    TRANSLATE("\x48\x8b\x07\x48\xd3\xe0\x74\x00\xcc"); /* mov; shl rax, cl; jz */
    assert_int_equal(x.insns[0].live & X86_FL_ZF, X86_FL_ZF);
    TRANSLATE("\x48\x8b\x07\x48\xc1\xe0\x03\x74\x00\xcc"); /* by 3 */
    assert_int_equal(x.insns[0].live & X86_FL_ZF, 0);
}

static void strict(void **state)
{
    (void)state;
    x.strict = true;
    struct code_draft d = TRANSLATE("\x48\x8b\x07\x48\x01\xd8\x48\x29\xc8\xc3");
    x.strict = false;
    assert_int_equal(x.insns[0].live, ALL);
    assert_int_equal(d.live_out, ALL);
}

/* Behind a return everything may be read. */
static void unknown_targets(void **state)
{
    (void)state;
    struct code_draft d = TRANSLATE("\x48\x8b\x07\xc3");
    assert_int_equal(d.live_out, ALL);
    assert_int_equal(x.insns[0].live, ALL);
}

static void ends_of_blocks(void **state)
{
    (void)state;
    struct code_draft d = TRANSLATE("\x90\x74\x01\x90\x90\xc3\x90"); /* jz does not end it */
    assert_int_equal(d.ninsns, 5);
    d = TRANSLATE("\x90\xf4\x90\xc3"); /* hlt does */
    assert_int_equal(d.ninsns, 2);
    d = TRANSLATE("\x90\x0f\x0b"); /* an invalid instruction is its own */
    assert_int_equal(d.ninsns, 2);
    d = translate_at(4095, "\x48", 1); /* half an instruction */
    assert_int_equal(d.ninsns, 0);
    assert_int_equal(d.nsites, 1);
    assert_int_equal(d.sites[0].flags & CODE_SITE_WHOLE, CODE_SITE_WHOLE);
}

/* In lockstep at the first branch, and before what is not translated. */
static void ends_in_lockstep(void **state)
{
    (void)state;
    x.lockstep = true;
    struct code_draft d = TRANSLATE("\x90\x74\x01\x90\x90\xc3");
    assert_int_equal(d.ninsns, 2);
    d = TRANSLATE("\x90\x90\x0f\xa2\x90\xc3"); /* cpuid */
    assert_int_equal(d.ninsns, 2);
    x.lockstep = false;
    assert_int_equal(d.nlinks, 0);
}

/* Without leave to use the vector unit nothing runs there. */
static void contexts(void **state)
{
    (void)state;
    struct code_draft d = TRANSLATE("\x0f\x28\xc1\xc3"); /* movaps xmm0, xmm1 */
    unsigned sites = d.nsites;
    x.ctx = 0;
    xlat_block(&x, &d, 0, NULL);
    assert_int_equal(d.nsites, sites + 1);
    assert_int_equal(d.sites[0].flags & CODE_SITE_WHOLE, CODE_SITE_WHOLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_flags),       cmocka_unit_test(flags_that_are_read_later),
        cmocka_unit_test(shifts),           cmocka_unit_test(strict),
        cmocka_unit_test(unknown_targets),  cmocka_unit_test(ends_of_blocks),
        cmocka_unit_test(ends_in_lockstep), cmocka_unit_test(contexts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
