/* The memory map for every size of guest. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "board/pc/layout.h"
#include "board/pc/memmap.h"

static void every_size_is_consistent(void **state)
{
    (void)state;
    for (uint64_t ram = PC_RAM_MIN; ram <= PC_RAM_MAX; ram += UINT64_C(33) << 20) {
        struct e820_map m;
        uint64_t usable = 0;
        assert_int_equal(pc_memmap(ram, &m, NULL), 0);
        for (unsigned i = 0; i < m.n; i++) {
            assert_true(m.e[i].len > 0);
            if (i)
                assert_true(m.e[i].base >= m.e[i - 1].base + m.e[i - 1].len);
            if (m.e[i].type == E820_RAM)
                usable += m.e[i].len;
        }
        /* All but EBDA, VGA window and firmware area is the guest's. */
        assert_int_equal(usable, ram - (PC_HIGH_RAM_BASE - PC_EBDA_BASE));
        assert_int_equal(pc_ram_low(ram) + pc_ram_high(ram), ram);
        assert_true(PC_ABOVE_4G_BASE + pc_ram_high(ram) <= PC_MMIO64_BASE);
    }
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    struct e820_map m;
    struct error err = {0};
    assert_int_equal(pc_memmap(PC_RAM_MIN - 1, &m, &err), -EINVAL);
    assert_string_equal(err.text, "guest memory must be between 32 MiB and 16 GiB, not 31 MiB");
    assert_int_equal(pc_memmap(PC_RAM_MAX + 4096, &m, &err), -EINVAL);
    assert_int_equal(pc_memmap(PC_RAM_MIN + 4096, &m, &err), -EINVAL);
    assert_non_null(strstr(err.text, "whole number of MiB"));
}

static void layout_does_not_overlap(void **state)
{
    (void)state;
    assert_true(PC_LOW_RAM_END <= PC_ECAM_BASE);
    assert_true(PC_ECAM_BASE + PC_ECAM_SIZE <= PC_MMIO32_BASE);
    assert_true(PC_ECAM_SIZE == (uint64_t)PC_PCI_BUSES << 20);
    assert_true(PC_MMIO32_END <= PC_IOAPIC_BASE);
    assert_true(PC_IOAPIC_BASE + 4096 <= PC_LAPIC_BASE);
    assert_true(PC_LAPIC_BASE + (1 << 20) <= PC_ABOVE_4G_BASE);
    assert_true(PC_MMIO64_BASE + PC_MMIO64_SIZE <= UINT64_C(1) << 36);
    for (unsigned slot = 0; slot < 32; slot++)
        for (unsigned pin = 0; pin < 4; pin++)
            assert_true(pc_pci_gsi(slot, pin) >= 16 && pc_pci_gsi(slot, pin) < PC_IOAPIC_PINS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_is_consistent),
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(layout_does_not_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
