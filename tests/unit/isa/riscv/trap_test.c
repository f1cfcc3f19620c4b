/*
 * Traps: where they go, what they note, which interrupt comes first, and the way back.
 */
#include "isa/riscv/trap.h"

#include "isa/riscv/regs.h"
#include "unit/cmocka_all.h"

static struct riscv_cpu cpu;

static int setup(void **state)
{
    (void)state;
    cpu = (struct riscv_cpu){
        .priv = RISCV_U, .pc = 0x1234, .mtvec = 0x8000, .stvec = 0x4000, .reserved_addr = 0x100};
    return 0;
}

static void raise_it(uint64_t cause, uint64_t tval)
{
    if (setjmp(cpu.unwind) == 0)
        riscv_raise(&cpu, cause, tval);
    riscv_deliver_pending(&cpu);
}

static void exceptions_go_to_m(void **state)
{
    (void)state;
    cpu.priv = RISCV_S;
    cpu.mstatus = MSTATUS_MIE | MSTATUS_MPRV;
    raise_it(RISCV_EXC_LOAD_PAGE, 0x99);
    assert_int_equal(cpu.priv, RISCV_M);
    assert_int_equal(cpu.pc, 0x8000);
    assert_int_equal(cpu.mepc, 0x1234);
    assert_int_equal(cpu.mcause, 13);
    assert_int_equal(cpu.mtval, 0x99);
    assert_int_equal(cpu.mstatus, MSTATUS_MPIE | MSTATUS_MPRV | UINT64_C(1) << MSTATUS_MPP_SHIFT);
}

static void delegated_exceptions_go_to_s(void **state)
{
    (void)state;
    cpu.medeleg = 1 << RISCV_EXC_ECALL_U;
    cpu.mstatus = MSTATUS_SIE;
    raise_it(RISCV_EXC_ECALL_U, 0);
    assert_int_equal(cpu.priv, RISCV_S);
    assert_int_equal(cpu.pc, 0x4000);
    assert_int_equal(cpu.sepc, 0x1234);
    assert_int_equal(cpu.scause, 8);
    assert_int_equal(cpu.mstatus, MSTATUS_SPIE);
    cpu.priv = RISCV_M;
    cpu.medeleg = UINT64_MAX; /* M's own stay there */
    raise_it(RISCV_EXC_ILLEGAL, 0);
    assert_int_equal(cpu.priv, RISCV_M);
}

static void interrupts_have_an_order(void **state)
{
    static const uint8_t order[] = {11, 3, 7, 9, 1, 5};
    (void)state;
    cpu.mie = RISCV_ALL_INTERRUPTS;
    cpu.mtvec = 0x8001; /* vectored */
    atomic_store(&cpu.lines, RISCV_ALL_INTERRUPTS);
    for (unsigned i = 0; i < sizeof(order); i++) {
        cpu.priv = RISCV_U;
        assert_true(riscv_deliver_interrupt(&cpu));
        assert_int_equal(cpu.mcause, RISCV_CAUSE_INTERRUPT | order[i]);
        assert_int_equal(cpu.pc, 0x8000 + 4 * order[i]);
        riscv_set_line(&cpu, (enum riscv_line)order[i], false);
    }
    cpu.priv = RISCV_U;
    assert_false(riscv_deliver_interrupt(&cpu));
}

static void enables_count_in_their_own_mode_only(void **state)
{
    (void)state;
    cpu.mie = RISCV_ALL_INTERRUPTS;
    cpu.mideleg = RISCV_STI;
    riscv_set_line(&cpu, RISCV_LINE_STIP, true);
    assert_true(riscv_wakes(&cpu));
    cpu.priv = RISCV_M;
    cpu.mstatus = MSTATUS_MIE | MSTATUS_SIE;
    assert_false(riscv_deliver_interrupt(&cpu)); /* for a lower mode */
    cpu.priv = RISCV_S;
    cpu.mstatus = MSTATUS_MIE;
    assert_false(riscv_deliver_interrupt(&cpu));
    cpu.mstatus = MSTATUS_SIE;
    assert_true(riscv_deliver_interrupt(&cpu));
    assert_int_equal(cpu.priv, RISCV_S);
    assert_int_equal(cpu.scause, RISCV_CAUSE_INTERRUPT | 5);
    assert_int_equal(cpu.pc, 0x4000);
    cpu.priv = RISCV_U; /* whatever SIE says */
    cpu.mstatus = 0;
    assert_true(riscv_deliver_interrupt(&cpu));
}

static void returns_undo_traps(void **state)
{
    (void)state;
    cpu.priv = RISCV_M;
    cpu.mepc = 0x5000;
    cpu.mstatus = MSTATUS_MPIE | MSTATUS_MPRV | UINT64_C(1) << MSTATUS_MPP_SHIFT;
    riscv_mret(&cpu);
    assert_int_equal(cpu.priv, RISCV_S);
    assert_int_equal(cpu.pc, 0x5000);
    assert_int_equal(cpu.mstatus, MSTATUS_MIE | MSTATUS_MPIE); /* MPRV went with M-mode */
    assert_int_equal(cpu.reserved_addr, RISCV_NO_RESERVATION);
    cpu.sepc = 0x6000;
    cpu.mstatus = 0;
    riscv_sret(&cpu);
    assert_int_equal(cpu.priv, RISCV_U);
    assert_int_equal(cpu.pc, 0x6000);
    assert_int_equal(cpu.mstatus, MSTATUS_SPIE);
}

static void cache_block_faults_count_as_stores(void **state)
{
    static const struct riscv_op flush = {.raw = 0x0025200f, .next = 0x238, .len = 4};
    static const struct riscv_op load = {.raw = 0x00053503, .next = 0x238, .len = 4};
    (void)state;
    cpu.code_base = 0x1000;
    cpu.op = &flush;
    raise_it(RISCV_EXC_LOAD_PAGE, 0);
    assert_int_equal(cpu.mcause, RISCV_EXC_STORE_PAGE);
    assert_int_equal(cpu.mepc, 0x1234);
    cpu.op = &load;
    raise_it(RISCV_EXC_LOAD_PAGE, 0);
    assert_int_equal(cpu.mcause, RISCV_EXC_LOAD_PAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(exceptions_go_to_m, setup),
        cmocka_unit_test_setup(delegated_exceptions_go_to_s, setup),
        cmocka_unit_test_setup(interrupts_have_an_order, setup),
        cmocka_unit_test_setup(enables_count_in_their_own_mode_only, setup),
        cmocka_unit_test_setup(returns_undo_traps, setup),
        cmocka_unit_test_setup(cache_block_faults_count_as_stores, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
