/* Local APIC: modes of IA32_APIC_BASE, x2APIC MSRs and their #GP rules. */
#include "unit/irq/x86/lapic_env.h"

static void test_base_transitions(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[1];
    uint64_t base = LAPIC_DEFAULT_BASE, v;

    assert_true(lapic_claims(l, base + 0x300));
    assert_false(lapic_claims(l, base + 0x1000));
    assert_false(lapic_msr_read(l, X2(O_TPR), &v)); /* not in x2APIC mode */
    assert_false(lapic_msr_write(l, M_BASE, base | 0x400));
    assert_false(lapic_msr_write(l, M_BASE, base | 0x801));
    assert_true(lapic_msr_write(l, M_BASE, base | 0xc00));
    assert_false(lapic_claims(l, base));
    assert_false(lapic_msr_write(l, M_BASE, base | 0x800)); /* back to xAPIC */
    assert_true(lapic_msr_write(l, M_BASE, base));
    assert_false(lapic_msr_write(l, M_BASE, base | 0xc00)); /* off to x2APIC */
    assert_true(lapic_msr_write(l, M_BASE, base | 0x900));
    assert_true(lapic_msr_read(l, M_BASE, &v));
    assert_int_equal(v, base | 0x800); /* the boot flag does not change */
    assert_true(lapic_msr_write(l, M_BASE, UINT64_C(0x80000000) | 0x800));
    assert_true(lapic_claims(l, 0x80000010));
}

static void enter_x2(struct env *e)
{
    for (unsigned i = 0; i < NCPUS; i++)
        assert_true(lapic_msr_write(e->cpu[i], M_BASE, LAPIC_DEFAULT_BASE | 0xc00));
}

static void test_x2apic(void **state)
{
    struct env *e = *state;
    struct lapic *l = e->cpu[3];
    uint64_t v;

    enter_x2(e);
    assert_true(lapic_msr_read(l, X2(O_ID), &v));
    assert_int_equal(v, 3);
    assert_true(lapic_msr_read(l, X2(O_LDR), &v));
    assert_int_equal(v, 8);
    assert_false(lapic_msr_write(l, X2(O_LDR), 1));
    assert_false(lapic_msr_write(l, X2(O_ID), 1));
    assert_false(lapic_msr_read(l, X2(O_DFR), &v));
    assert_false(lapic_msr_read(l, X2(O_ICR2), &v));
    assert_false(lapic_msr_read(l, X2(O_EOI), &v));
    assert_false(lapic_msr_read(l, 0x83f, &v));
    assert_false(lapic_msr_read(l, 0x8ff, &v));
    assert_false(lapic_msr_write(l, X2(O_EOI), 1));
    assert_false(lapic_msr_write(l, X2(O_ESR), 1));
    assert_false(lapic_msr_write(l, X2(O_TPR), 0x100));
    assert_false(lapic_msr_write(l, X2(O_ICR), UINT64_C(1) << 20));
    assert_true(lapic_msr_write(l, 0x83f, 0x91));
    assert_int_equal(lapic_ack(l), 0x91);
    assert_true(lapic_msr_write(l, X2(O_EOI), 0));
    clear_kicks(e);
    assert_true(lapic_msr_write(l, X2(O_ICR), UINT64_C(2) << 32 | 0x80));
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 1 << 2);
    assert_true(lapic_msr_write(l, X2(O_ICR), UINT64_C(0xffffffff) << 32 | 0x81));
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0xf);
    assert_true(lapic_msr_write(l, X2(O_ICR), UINT64_C(6) << 32 | 0x882));
    assert_int_equal(mask_of(e, LAPIC_KICK_INTERRUPT), 0x6);
    assert_true(lapic_msr_read(l, X2(O_ICR), &v));
    assert_int_equal(v, UINT64_C(6) << 32 | 0x882);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LAPIC_TEST(test_base_transitions),
        LAPIC_TEST(test_x2apic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
