/*
 * Physical memory protection: ranges, priorities, locks, and whether an answer holds for the page.
 */
#include "unit/cmocka_all.h"

#include "base/compiler.h"
#include "isa/riscv/mmu.h"

enum { R = 1, W = 2, X = 4, TOR = 1 << 3, NA4 = 2 << 3, NAPOT = 3 << 3, L = 1 << 7 };

static struct riscv_cpu cpu; /* zeroes: no entry matches */

static struct riscv_cpu *fresh(void)
{
    cpu = (struct riscv_cpu){0};
    return &cpu;
}

static void entry(struct riscv_cpu *c, unsigned i, uint64_t addr, uint8_t cfg)
{
    c->pmpaddr[i] = addr;
    c->pmpcfg[i] = cfg;
}

static bool may(enum riscv_priv priv, enum riscv_access kind, gpa_t gpa, unsigned size)
{
    bool whole;
    return riscv_pmp_allows(&cpu, gpa, size, kind, priv, &whole);
}

static bool whole_page(gpa_t gpa)
{
    bool whole;
    bool allowed = riscv_pmp_allows(&cpu, gpa, 1, RISCV_READ, RISCV_S, &whole);
    (void)allowed;
    return whole;
}

static void without_entries_only_m_may(void **state)
{
    (void)state;
    fresh();
    assert_true(may(RISCV_M, RISCV_WRITE, 0x1000, 8));
    assert_false(may(RISCV_S, RISCV_READ, 0x1000, 8));
    assert_false(may(RISCV_U, RISCV_FETCH, 0x1000, 2));
    assert_true(whole_page(0x1000));
}

static void everything(void **state)
{
    (void)state;
    entry(fresh(), 3, UINT64_MAX >> 10, NAPOT | R | W | X);
    assert_true(may(RISCV_U, RISCV_FETCH, 0, 2));
    assert_true(may(RISCV_S, RISCV_WRITE, (UINT64_C(1) << 56) - 8, 8));
}

static void naturally_aligned_ranges(void **state)
{
    (void)state;
    entry(fresh(), 0, 0x80001000 >> 2 | 0x1ff, NAPOT | R); /* 4 KiB */
    assert_true(may(RISCV_S, RISCV_READ, 0x80001000, 8));
    assert_true(may(RISCV_S, RISCV_READ, 0x80001ff8, 8));
    assert_false(may(RISCV_S, RISCV_READ, 0x80000ff8, 8));
    assert_false(may(RISCV_S, RISCV_READ, 0x80002000, 8));
    assert_false(may(RISCV_S, RISCV_WRITE, 0x80001000, 8));
    assert_true(whole_page(0x80001000));
    entry(&cpu, 0, 0x80001000 >> 2, NAPOT | R); /* 8 bytes */
    assert_true(may(RISCV_S, RISCV_READ, 0x80001000, 8));
    assert_false(may(RISCV_S, RISCV_READ, 0x80001008, 1));
    assert_false(whole_page(0x80001000));
    assert_true(whole_page(0x80002000));
    entry(&cpu, 0, 0x80001000 >> 2, NA4 | R);
    assert_true(may(RISCV_S, RISCV_READ, 0x80001000, 4));
    assert_false(may(RISCV_S, RISCV_READ, 0x80001000, 8)); /* matched in part */
    assert_true(may(RISCV_M, RISCV_READ, 0x80001004, 4));
    assert_false(may(RISCV_M, RISCV_READ, 0x80001000, 8));
}

static void from_one_entry_to_the_next(void **state)
{
    (void)state;
    entry(fresh(), 0, 0x1000 >> 2, 0);
    entry(&cpu, 1, 0x3000 >> 2, TOR | R | X);
    assert_false(may(RISCV_U, RISCV_READ, 0xfff, 1));
    assert_true(may(RISCV_U, RISCV_READ, 0x1000, 8));
    assert_true(may(RISCV_U, RISCV_FETCH, 0x2ffe, 2));
    assert_false(may(RISCV_U, RISCV_READ, 0x3000, 1));
    entry(&cpu, 1, 0x800 >> 2, TOR | R); /* ends before it begins */
    assert_false(may(RISCV_U, RISCV_READ, 0x900, 1));
    entry(&cpu, 0, 0x2000 >> 2, TOR | R); /* the first begins at 0 */
    assert_true(may(RISCV_U, RISCV_READ, 0, 8));
}

static void the_first_match_decides(void **state)
{
    (void)state;
    entry(fresh(), 0, 0x2000 >> 2 | 0x1ff, NAPOT);
    entry(&cpu, 1, UINT64_MAX >> 10, NAPOT | R | W | X);
    assert_false(may(RISCV_S, RISCV_READ, 0x2000, 1));
    assert_true(may(RISCV_S, RISCV_READ, 0x3000, 1));
    assert_true(may(RISCV_M, RISCV_WRITE, 0x2000, 1));
    cpu.pmpcfg[0] |= L;
    assert_false(may(RISCV_M, RISCV_WRITE, 0x2000, 1)); /* binds M, too */
}

static void locked_entries_stay(void **state)
{
    struct riscv_cpu *c = fresh();
    (void)state;
    assert_true(riscv_pmpaddr_write(c, 0, 0x400));
    assert_true(riscv_pmpcfg_write(c, 0, UINT64_C(0x9f) << 8)); /* entry 1: NAPOT, locked */
    assert_false(riscv_pmpaddr_write(c, 1, 5));
    assert_false(riscv_pmpcfg_write(c, 0, UINT64_C(0x9f) << 8));
    assert_int_equal(riscv_pmpcfg_read(c, 0), 0x9f00);
    riscv_pmpcfg_write(c, 0, 0);
    assert_int_equal(riscv_pmpcfg_read(c, 0), 0x9f00);
    assert_true(riscv_pmpaddr_write(c, 0, 0x500)); /* the next one does not reach down to it */
    riscv_pmpcfg_write(c, 1, 0x8f);                /* entry 8: TOR, locked */
    assert_false(riscv_pmpaddr_write(c, 7, 1));    /* its lower bound */
    assert_false(riscv_pmpaddr_write(c, 0, 0x500));
}

static void writable_but_not_readable_is_reserved(void **state)
{
    struct riscv_cpu *c = fresh();
    (void)state;
    assert_false(riscv_pmpcfg_write(c, 0, NAPOT | W));
    assert_int_equal(riscv_pmpcfg_read(c, 0), 0);
    riscv_pmpcfg_write(c, 0, 0x60 | R);
    assert_int_equal(riscv_pmpcfg_read(c, 0), R); /* bits 5 and 6 are none */
    riscv_pmpaddr_write(c, 15, UINT64_MAX);
    assert_int_equal(c->pmpaddr[15], UINT64_MAX >> 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_entries_only_m_may),
        cmocka_unit_test(everything),
        cmocka_unit_test(naturally_aligned_ranges),
        cmocka_unit_test(from_one_entry_to_the_next),
        cmocka_unit_test(the_first_match_decides),
        cmocka_unit_test(locked_entries_stay),
        cmocka_unit_test(writable_but_not_readable_is_reserved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
