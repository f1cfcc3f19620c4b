/* The tables the guest starts on: descriptors that say what the hidden parts say, page tables that
 * map every address to itself. */
#include "unit/board/boot/fixture.h"

#include "board/boot/cpu_entry.h"
#include "isa/x86/regs.h"

static struct load l;

static int setup(void **state)
{
    setup_fixture(state);
    memset(&l, 0, sizeof(l));
    l.ram.mem = &f.mem;
    l.in = &f.in;
    l.out = &f.entry;
    place_init(&l.place, &f.map);
    return 0;
}

/* The descriptor in memory decodes to `s`. [SDM 3A figure 3-8] */
static void assert_descriptor(const struct boot_seg *s)
{
    assert_true(s->sel + 7u <= f.entry.gdt_limit);
    uint64_t d = guest_u64(&f, f.entry.gdt_base + s->sel);
    uint32_t limit = (uint32_t)((d & 0xffff) | (d >> 32 & 0xf0000));
    uint64_t base = (d >> 16 & 0xffffff) | (d >> 32 & 0xff000000);
    uint16_t attr = d >> 40 & 0xf0ff;
    if (attr & 0x8000)
        limit = limit << 12 | 0xfff;
    assert_int_equal(attr, s->attr);
    assert_int_equal(limit, s->limit);
    assert_int_equal(base, s->base);
}

static void assert_segments(void)
{
    assert_int_equal(f.entry.cs.sel, 0x10);
    assert_int_equal(f.entry.data.sel, 0x18);
    assert_int_equal(guest_u64(&f, f.entry.gdt_base), 0);
    assert_descriptor(&f.entry.cs);
    assert_descriptor(&f.entry.data);
    assert_descriptor(&f.entry.tr);
}

static void protected_mode(void **state)
{
    (void)state;
    assert_int_equal(cpu_entry_prot32(&l, 0x123456, &f.err), 0);
    assert_int_equal(f.entry.mode, BOOT_PROT32);
    assert_int_equal(f.entry.rip, 0x123456);
    assert_int_equal(f.entry.cr0, CR0_PE | CR0_ET);
    assert_int_equal(f.entry.cr4 | f.entry.cr3 | f.entry.efer, 0);
    assert_int_equal(f.entry.cs.attr & 0x6000, 0x4000); /* D, not L */
    assert_segments();
}

static uint64_t walk(uint64_t va)
{
    uint64_t e = guest_u64(&f, f.entry.cr3 + (va >> 39 & 511) * 8);
    assert_int_equal(e & 1, 1);
    e = guest_u64(&f, (e & ~UINT64_C(0xfff)) + (va >> 30 & 511) * 8);
    assert_int_equal(e & 0x81, 1);
    e = guest_u64(&f, (e & ~UINT64_C(0xfff)) + (va >> 21 & 511) * 8);
    assert_int_equal(e & 0x83, 0x83); /* present, writable, large */
    return (e & ~UINT64_C(0x1fffff)) | (va & 0x1fffff);
}

static void long_mode(void **state)
{
    (void)state;
    assert_int_equal(cpu_entry_long64(&l, 0x1000000, &f.err), 0);
    assert_int_equal(f.entry.mode, BOOT_LONG64);
    assert_int_equal(f.entry.cr0, CR0_PE | CR0_ET | CR0_PG);
    assert_int_equal(f.entry.cr4, CR4_PAE);
    assert_int_equal(f.entry.efer, EFER_LME | EFER_LMA);
    assert_int_equal(f.entry.cs.attr & 0x6000, 0x2000); /* L, not D */
    assert_segments();
    for (uint64_t va = 0; va < UINT64_C(1) << 32; va += 0x1ff123)
        assert_int_equal(walk(va), va);
    assert_int_equal(walk(UINT32_MAX), UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(protected_mode, setup, teardown_fixture),
        cmocka_unit_test_setup_teardown(long_mode, setup, teardown_fixture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
