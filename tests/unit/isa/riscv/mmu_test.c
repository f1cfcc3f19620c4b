/*
 * Page walks over tables that the test writes: what is found, what faults, what is written back.
 */
#include "isa/riscv/mmu.h"

#include <string.h>

#include "base/compiler.h"
#include "isa/riscv/regs.h"
#include "isa/riscv/trap.h"
#include "unit/cmocka_all.h"

enum {
    V = 1 << 0,
    R = 1 << 1,
    W = 1 << 2,
    X = 1 << 3,
    UP = 1 << 4,
    G = 1 << 5,
    A = 1 << 6,
    D = 1 << 7,
};

/* Physical memory: four tables of 4 KiB from address 0. */
static uint64_t memory[4 * 512];
static unsigned swaps, swaps_to_lose;
static struct riscv_cpu cpu;

static bool phys_load(void *engine, gpa_t gpa, uint64_t *val)
{
    (void)engine;
    if (gpa / 8 >= ARRAY_SIZE(memory))
        return false;
    *val = memory[gpa / 8];
    return true;
}

static int phys_cas(void *engine, gpa_t gpa, uint64_t old, uint64_t val)
{
    (void)engine;
    if (gpa / 8 >= ARRAY_SIZE(memory))
        return -1;
    swaps++;
    if (swaps_to_lose && swaps_to_lose--)
        return 0;
    if (memory[gpa / 8] != old)
        return 0;
    memory[gpa / 8] = val;
    return 1;
}

static const struct riscv_phys phys = {phys_load, phys_cas};

static uint64_t table_entry(unsigned table)
{
    return (uint64_t)table << 10 | V;
}

static uint64_t leaf(uint64_t gpa, unsigned flags)
{
    return gpa >> 12 << 10 | flags | V;
}

/* Tables 0, 1, 2 in a row: entry 1 of the first two leads on; entries of the third are pages. */
static void fresh(uint64_t mode)
{
    memset(memory, 0, sizeof(memory));
    swaps = swaps_to_lose = 0;
    cpu = (struct riscv_cpu){.priv = RISCV_S, .satp = mode << 60, .phys = &phys};
    cpu.menvcfg = ENVCFG_ADUE;
    cpu.pmpaddr[0] = UINT64_MAX >> 10;
    cpu.pmpcfg[0] = 0x1f;
    memory[1] = table_entry(1);
    memory[512 + 1] = table_entry(2);
}

#define L2 (UINT64_C(1) << 30) /* what entry 1 of the tables stands for, in Sv39 */
#define L1 (UINT64_C(1) << 21)
#define VA (L2 + L1)

static struct riscv_walk found;

static bool walk(gva_t va, enum riscv_access kind, enum riscv_mmu_ctx ctx)
{
    return riscv_mmu_walk(&cpu, va, kind, ctx, &found);
}

static void faults(gva_t va, enum riscv_access kind, enum riscv_mmu_ctx ctx, uint64_t cause)
{
    assert_false(walk(va, kind, ctx));
    assert_int_equal(found.cause, cause);
}

static void bare_is_the_identity(void **state)
{
    (void)state;
    fresh(SATP_BARE);
    assert_true(walk(0x12345678, RISCV_READ, RISCV_MMU_S));
    assert_int_equal(found.gpa, 0x12345678);
    fresh(SATP_SV39);
    assert_true(walk(0x12345678, RISCV_WRITE, RISCV_MMU_M)); /* M-mode does not translate */
    assert_int_equal(found.gpa, 0x12345678);
}

static void three_levels(void **state)
{
    (void)state;
    fresh(SATP_SV39);
    memory[2 * 512 + 7] = leaf(0x80005000, R | W | A | D);
    assert_true(walk(VA + 0x7abc, RISCV_READ, RISCV_MMU_S));
    assert_int_equal(found.gpa, 0x80005abc);
    assert_int_equal(found.size, 4096);
    assert_true(found.write);
    assert_false(found.global);
    assert_int_equal(swaps, 0);
    faults(VA + 0x8000, RISCV_READ, RISCV_MMU_S, RISCV_EXC_LOAD_PAGE);
    faults(VA + 0x8000, RISCV_WRITE, RISCV_MMU_S, RISCV_EXC_STORE_PAGE);
    faults(VA + 0x7000, RISCV_FETCH, RISCV_MMU_S, RISCV_EXC_FETCH_PAGE);
}

static void four_levels(void **state)
{
    (void)state;
    fresh(SATP_SV48);
    memory[2 * 512 + 1] = table_entry(3);
    memory[3 * 512 + 2] = leaf(0x9000, R | A);
    gva_t va = (UINT64_C(1) << 39) + L2 + L1 + 0x2000;
    assert_true(walk(va + 5, RISCV_READ, RISCV_MMU_S));
    assert_int_equal(found.gpa, 0x9005);
    faults(va | UINT64_C(1) << 48, RISCV_READ, RISCV_MMU_S, RISCV_EXC_LOAD_PAGE);
}

static void large_pages(void **state)
{
    (void)state;
    fresh(SATP_SV39);
    memory[2] = leaf(UINT64_C(0x140000000), R | A | G);
    assert_true(walk(2 * L2 + 0x1234567, RISCV_READ, RISCV_MMU_S));
    assert_int_equal(found.gpa, UINT64_C(0x141234567));
    assert_int_equal(found.size, 1 << 30);
    assert_true(found.global);
    memory[512 + 2] = leaf(0x200000, R | A);
    assert_true(walk(L2 + 2 * L1 + 0x12345, RISCV_READ, RISCV_MMU_S));
    assert_int_equal(found.gpa, 0x212345);
    memory[512 + 2] = leaf(0x201000, R | A); /* misaligned */
    faults(L2 + 2 * L1, RISCV_READ, RISCV_MMU_S, RISCV_EXC_LOAD_PAGE);
}

static void global_is_inherited(void **state)
{
    (void)state;
    fresh(SATP_SV39);
    memory[1] |= G;
    memory[2 * 512] = leaf(0x5000, R | A);
    assert_true(walk(VA, RISCV_READ, RISCV_MMU_S));
    assert_true(found.global);
}

static void malformed_entries_fault(void **state)
{
    static const uint64_t bad[] = {
        W | A | D,                 /* writable, not readable */
        R | A | UINT64_C(1) << 54, /* reserved */
        R | A | UINT64_C(1) << 60,
        R | A | UINT64_C(1) << 61, /* Svpbmt is off */
        R | A | UINT64_C(1) << 63, /* Svnapot with another size than 64 KiB */
        A,
        D,
        UP, /* a table in the last level; bits of leaves */
    };
    (void)state;
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        fresh(SATP_SV39);
        memory[2 * 512] = bad[i] | V;
        faults(VA, RISCV_READ, RISCV_MMU_S, RISCV_EXC_LOAD_PAGE);
    }
    fresh(SATP_SV39);
    memory[512 + 1] |= A; /* in a table above, the same */
    memory[2 * 512] = leaf(0x5000, R | A);
    faults(VA, RISCV_READ, RISCV_MMU_S, RISCV_EXC_LOAD_PAGE);
}

static void contexts(void **state)
{
    (void)state;
    fresh(SATP_SV39);
    memory[2 * 512] = leaf(0x5000, R | W | X | UP | A | D);
    memory[2 * 512 + 1] = leaf(0x6000, R | W | X | A | D);
    assert_true(walk(VA, RISCV_FETCH, RISCV_MMU_U));
    faults(VA, RISCV_READ, RISCV_MMU_S, RISCV_EXC_LOAD_PAGE);
    assert_true(walk(VA, RISCV_READ, RISCV_MMU_S_SUM));
    faults(VA, RISCV_FETCH, RISCV_MMU_S_SUM, RISCV_EXC_FETCH_PAGE);
    faults(VA + 0x1000, RISCV_READ, RISCV_MMU_U, RISCV_EXC_LOAD_PAGE);
    assert_true(walk(VA + 0x1000, RISCV_WRITE, RISCV_MMU_S));
    memory[2 * 512] = leaf(0x5000, X | UP | A);
    faults(VA, RISCV_READ, RISCV_MMU_U, RISCV_EXC_LOAD_PAGE);
    cpu.mstatus |= MSTATUS_MXR;
    assert_true(walk(VA, RISCV_READ, RISCV_MMU_U));
}

static void accessed_and_dirty_are_set(void **state)
{
    (void)state;
    fresh(SATP_SV39);
    memory[2 * 512] = leaf(0x5000, R | W);
    swaps_to_lose = 2; /* others are at it: the walk begins anew */
    assert_true(walk(VA, RISCV_READ, RISCV_MMU_S));
    assert_int_equal(swaps, 3);
    assert_int_equal(memory[2 * 512] & (A | D), A);
    assert_false(found.write);
    assert_true(walk(VA, RISCV_WRITE, RISCV_MMU_S));
    assert_int_equal(memory[2 * 512] & (A | D), A | D);
    assert_true(found.write);
    cpu.menvcfg = 0;
    memory[2 * 512] = leaf(0x5000, R | W | A);
    faults(VA, RISCV_WRITE, RISCV_MMU_S, RISCV_EXC_STORE_PAGE);
    assert_int_equal(memory[2 * 512] & (A | D), A);
}

static void tables_outside_memory_are_access_faults(void **state)
{
    (void)state;
    fresh(SATP_SV39);
    memory[512 + 1] = table_entry(1000);
    faults(VA, RISCV_FETCH, RISCV_MMU_S, RISCV_EXC_FETCH_ACCESS);
    fresh(SATP_SV39);
    memory[2 * 512] = leaf(0x5000, R | A);
    cpu.pmpaddr[0] = 0x1fff; /* all but the first 64 KiB is out of S-mode's reach, ... */
    memory[2 * 512 + 1] = leaf(0x20000, R | A);
    assert_true(walk(VA, RISCV_READ, RISCV_MMU_S));
    faults(VA + 0x1000, RISCV_READ, RISCV_MMU_S, RISCV_EXC_LOAD_ACCESS);
    cpu.pmpaddr[0] = 0; /* ... and now the tables, too */
    cpu.pmpcfg[0] = 0;
    faults(VA, RISCV_READ, RISCV_MMU_S, RISCV_EXC_LOAD_ACCESS);
}

static void contexts_follow_mstatus(void **state)
{
    static struct tlb tlbs[RISCV_MMU_CTXS];
    (void)state;
    fresh(SATP_SV39);
    for (unsigned i = 0; i < RISCV_MMU_CTXS; i++)
        cpu.tlbs[i] = &tlbs[i];
    riscv_mmu_context_changed(&cpu);
    assert_ptr_equal(cpu.tlb, &tlbs[RISCV_MMU_S]);
    cpu.mstatus = MSTATUS_SUM;
    riscv_mmu_context_changed(&cpu);
    assert_int_equal(cpu.mmu_ctx, RISCV_MMU_S_SUM);
    cpu.priv = RISCV_M;
    riscv_mmu_context_changed(&cpu);
    assert_int_equal(cpu.mmu_ctx, RISCV_MMU_M);
    cpu.mstatus |= MSTATUS_MPRV; /* MPP is U */
    riscv_mmu_context_changed(&cpu);
    assert_int_equal(cpu.mmu_ctx, RISCV_MMU_U);
    assert_int_equal(riscv_fetch_ctx(&cpu), RISCV_MMU_M);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare_is_the_identity),
        cmocka_unit_test(three_levels),
        cmocka_unit_test(four_levels),
        cmocka_unit_test(large_pages),
        cmocka_unit_test(global_is_inherited),
        cmocka_unit_test(malformed_entries_fault),
        cmocka_unit_test(contexts),
        cmocka_unit_test(accessed_and_dirty_are_set),
        cmocka_unit_test(tables_outside_memory_are_access_faults),
        cmocka_unit_test(contexts_follow_mstatus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
