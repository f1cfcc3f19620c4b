/*
 * CSRs: who may, what sticks, which are views of others, and what else a write does.
 */
#include "isa/riscv/csr.h"

#include "base/compiler.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"
#include "unit/cmocka_all.h"

static struct riscv_cpu cpu;
static unsigned fences, contexts;

static void sfence(struct riscv_cpu *c, bool all_addresses, gva_t va, bool all_spaces,
                   uint16_t asid)
{
    (void)c;
    (void)va;
    (void)asid;
    fences += all_addresses && all_spaces;
}

static void context_changed(struct riscv_cpu *c)
{
    (void)c;
    contexts++;
}

static const struct riscv_mem_slow slow = {.sfence = sfence, .context_changed = context_changed};

static int setup(void **state)
{
    (void)state;
    cpu = (struct riscv_cpu){.priv = RISCV_M, .slow = &slow, .mip_read = UINT64_MAX};
    fences = contexts = 0;
    return 0;
}

static uint64_t get(unsigned csr)
{
    uint64_t v;
    assert_true(riscv_csr_read(&cpu, csr, &v));
    return v;
}

static void set(unsigned csr, uint64_t v)
{
    assert_true(riscv_csr_write(&cpu, csr, v));
}

static bool readable(unsigned csr)
{
    uint64_t v;
    return riscv_csr_read(&cpu, csr, &v);
}

enum {
    FCSR = 0x003,
    SSTATUS = 0x100,
    SIE = 0x104,
    STVEC = 0x105,
    SIP = 0x144,
    STIMECMP = 0x14d,
    SATP = 0x180,
    MSTATUS = 0x300,
    MISA = 0x301,
    MEDELEG = 0x302,
    MIDELEG = 0x303,
    MIE = 0x304,
    MENVCFG = 0x30a,
    MEPC = 0x341,
    MIP = 0x344,
    PMPCFG0 = 0x3a0,
    PMPADDR0 = 0x3b0,
    MINSTRET = 0xb02,
    CYCLE = 0xc00,
    TIME = 0xc01,
    MHARTID = 0xf14,
};

static void modes_have_their_own(void **state)
{
    (void)state;
    assert_true(readable(MSTATUS));
    cpu.priv = RISCV_S;
    assert_false(readable(MSTATUS));
    assert_false(readable(PMPCFG0));
    assert_true(readable(SSTATUS));
    cpu.priv = RISCV_U;
    assert_false(readable(SSTATUS));
    assert_false(readable(CYCLE)); /* mcounteren is 0 */
}

static void some_do_not_exist_and_some_cannot_be_written(void **state)
{
    (void)state;
    assert_false(readable(0x7c0));
    assert_false(readable(0x3a1)); /* odd pmpcfg: of 32-bit harts */
    assert_false(readable(0x7a0)); /* triggers */
    assert_false(riscv_csr_write(&cpu, MHARTID, 1));
    assert_false(riscv_csr_write(&cpu, CYCLE, 1));
    set(MISA, 0);
    cpu.misa = 5;
    set(MISA, 7); /* not read-only by number, but in all bits */
    assert_int_equal(get(MISA), 5);
}

static void only_legal_values_stick(void **state)
{
    (void)state;
    set(MSTATUS, UINT64_MAX & ~MSTATUS_MPP);
    assert_int_equal(get(MSTATUS) & ~MSTATUS_SD,
                     (MSTATUS_WRITABLE & ~MSTATUS_MPP) | MSTATUS_UXL | MSTATUS_SXL);
    set(MSTATUS, UINT64_C(2) << MSTATUS_MPP_SHIFT); /* no such mode: as it was */
    assert_int_equal(get(MSTATUS) & MSTATUS_MPP, 0);
    set(MEPC, 7);
    assert_int_equal(get(MEPC), 6);
    set(STVEC, 0x8000003);
    assert_int_equal(get(STVEC), 0x8000001);
    set(MEDELEG, UINT64_MAX);
    assert_int_equal(get(MEDELEG), 0xb3ff);
    set(MIDELEG, UINT64_MAX);
    assert_int_equal(get(MIDELEG), 0x222);
    set(MIE, UINT64_MAX);
    assert_int_equal(get(MIE), 0xaaa);
    set(SATP, UINT64_C(10) << 60 | 5);
    assert_int_equal(get(SATP), 0);
    assert_int_equal(contexts, 0);
    set(SATP, UINT64_C(8) << 60 | 5);
    assert_int_equal(contexts, 1);
}

static void supervisor_registers_are_views(void **state)
{
    (void)state;
    set(MSTATUS, MSTATUS_MIE | MSTATUS_MPRV);
    set(SSTATUS, UINT64_MAX);
    assert_int_equal(get(MSTATUS) & (MSTATUS_MIE | MSTATUS_MPRV | MSTATUS_TVM | MSTATUS_SUM),
                     MSTATUS_MIE | MSTATUS_MPRV | MSTATUS_SUM);
    assert_int_equal(get(SSTATUS) & MSTATUS_MIE, 0);
    set(MIE, 0x80);
    set(SIE, 0x222); /* nothing is delegated */
    assert_int_equal(get(MIE), 0x80);
    set(MIDELEG, 0x20);
    set(SIE, 0x222);
    assert_int_equal(get(MIE), 0xa0);
    assert_int_equal(get(SIE), 0x20);
}

static void wires_show_but_do_not_stick(void **state)
{
    (void)state;
    riscv_set_line(&cpu, RISCV_LINE_SEIP, true);
    riscv_set_line(&cpu, RISCV_LINE_MTIP, true);
    assert_int_equal(get(MIP), 0x280);
    set(MIP, get(MIP) | 2); /* what CSRRS does */
    riscv_set_line(&cpu, RISCV_LINE_SEIP, false);
    riscv_set_line(&cpu, RISCV_LINE_MTIP, false);
    assert_int_equal(get(MIP), 2);
    set(MIP, 0x200); /* software may set it */
    assert_int_equal(get(MIP), 0x200);
}

static void a_software_interrupt_is_taken_back_only_when_seen(void **state)
{
    (void)state;
    set(MIDELEG, 0x222);
    riscv_set_line(&cpu, RISCV_LINE_SSIP, true);
    set(SIP, get(SIP) & ~UINT64_C(2));
    assert_int_equal(get(SIP), 0);
    uint64_t old = get(SIP);
    riscv_set_line(&cpu, RISCV_LINE_SSIP, true); /* an IPI in the middle of the instruction */
    set(SIP, old);
    assert_int_equal(get(SIP), 2);
}

static void protection_and_mxr_flush_translations(void **state)
{
    (void)state;
    set(PMPADDR0, 0x1000);
    set(PMPCFG0, 0x1f);
    assert_int_equal(fences, 2);
    set(PMPCFG0, 0x1f);
    assert_int_equal(fences, 2);
    set(MSTATUS, MSTATUS_MXR);
    assert_int_equal(fences, 3);
}

static void traps_of_virtual_machines(void **state)
{
    (void)state;
    set(MSTATUS, MSTATUS_TVM);
    assert_true(readable(SATP));
    cpu.priv = RISCV_S;
    assert_false(readable(SATP));
    assert_false(riscv_csr_write(&cpu, SATP, 0));
}

static void supervisor_timer_needs_two_bits(void **state)
{
    (void)state;
    assert_true(readable(STIMECMP));
    cpu.priv = RISCV_S;
    assert_false(readable(STIMECMP));
    cpu.menvcfg = ENVCFG_STCE;
    assert_false(readable(STIMECMP));
    cpu.mcounteren = 2;
    assert_true(readable(STIMECMP));
    cpu.priv = RISCV_U;
    assert_false(readable(STIMECMP));
    assert_false(readable(TIME));
    cpu.scounteren = 2;
    assert_true(readable(TIME));
}

static void floating_point_needs_its_state_on(void **state)
{
    (void)state;
    assert_false(readable(FCSR));
    set(MSTATUS, UINT64_C(1) << 13);
    set(FCSR, 0xff);
    assert_int_equal(get(FCSR), 0xff);
    assert_int_equal(get(MSTATUS) & (MSTATUS_SD | MSTATUS_FS), MSTATUS_SD | MSTATUS_FS);
}

static void counters_go_on_from_what_was_written(void **state)
{
    (void)state;
    cpu.icount_exact = true;
    cpu.icount = 1000;
    set(MINSTRET, 50);
    cpu.icount += 11; /* ten, and the one that reads */
    assert_int_equal(get(MINSTRET), 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(modes_have_their_own, setup),
        cmocka_unit_test_setup(some_do_not_exist_and_some_cannot_be_written, setup),
        cmocka_unit_test_setup(only_legal_values_stick, setup),
        cmocka_unit_test_setup(supervisor_registers_are_views, setup),
        cmocka_unit_test_setup(wires_show_but_do_not_stick, setup),
        cmocka_unit_test_setup(a_software_interrupt_is_taken_back_only_when_seen, setup),
        cmocka_unit_test_setup(protection_and_mxr_flush_translations, setup),
        cmocka_unit_test_setup(traps_of_virtual_machines, setup),
        cmocka_unit_test_setup(supervisor_timer_needs_two_bits, setup),
        cmocka_unit_test_setup(floating_point_needs_its_state_on, setup),
        cmocka_unit_test_setup(counters_go_on_from_what_was_written, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
