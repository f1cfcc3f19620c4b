/* AML encoding against the byte sequences of the specification. [ACPI 6.5 20.2] */
#include "unit/cmocka_all.h"

#include <string.h>

#include "board/pc/acpi_aml.h"

static uint8_t buf[1 << 17];
static struct aml a;

static int setup(void **state)
{
    (void)state;
    a = (struct aml){.buf = buf, .cap = sizeof(buf)};
    return 0;
}

#define assert_aml(bytes)                                                                          \
    do {                                                                                           \
        assert_false(a.overflow);                                                                  \
        assert_int_equal(a.len, sizeof(bytes) - 1);                                                \
        assert_memory_equal(buf, bytes, sizeof(bytes) - 1);                                        \
    } while (0)

static void integers_take_the_least_room(void **state)
{
    (void)state;
    aml_integer(&a, 0);
    aml_integer(&a, 1);
    aml_integer(&a, 2);
    aml_integer(&a, 0x100);
    aml_integer(&a, 0x10000);
    aml_integer(&a, UINT64_C(0x100000000));
    assert_aml(
        "\x00\x01\x0a\x02\x0b\x00\x01\x0c\x00\x00\x01\x00\x0e\x00\x00\x00\x00\x01\x00\x00\x00");
}

static void names_and_ids(void **state)
{
    (void)state;
    aml_name(&a, "_HID");
    aml_eisaid(&a, "PNP0A08");
    aml_name(&a, "\\_SB_.PCI0");
    aml_string(&a, "x");
    assert_aml("\x08_HID\x0c\x41\xd0\x0a\x08\x08\\\x2e_SB_PCI0\x0dx\0");
}

/* PkgLength counts itself, and has 1 to 4 bytes. [ACPI 6.5 20.2.4] */
static void package_lengths(void **state)
{
    (void)state;
    static const size_t body[] = {0, 1, 57, 58, 59, 4000, 4087, 4088, 4089, 5000, 70000};
    for (size_t i = 0; i < sizeof(body) / sizeof(body[0]); i++) {
        setup(state);
        size_t mark = aml_scope(&a, "\\_SB_");
        for (size_t n = 0; n < body[i]; n++)
            aml_integer(&a, 1);
        aml_end(&a, mark);
        assert_int_equal(buf[0], 0x10);
        unsigned extra = buf[1] >> 6;
        size_t len = extra ? buf[1] & 0xf : buf[1] & 0x3f;
        for (unsigned b = 0; b < extra; b++)
            len |= (size_t)buf[2 + b] << (4 + 8 * b);
        assert_int_equal(len, a.len - 1);
        assert_int_equal(a.len, 1 + 1 + extra + 5 + body[i]);
        assert_memory_equal(buf + 2 + extra, "\\_SB_", 5);
    }
}

static void resources(void **state)
{
    (void)state;
    size_t r = aml_resources(&a);
    aml_io(&a, 0x3f8, 8);
    aml_irq(&a, 4);
    aml_resources_end(&a, r);
    assert_aml("\x11\x11\x0b\x0d\x00\x47\x01\xf8\x03\xf8\x03\x01\x08\x22\x10\x00\x79\x00");
}

static void a_full_buffer_is_noticed(void **state)
{
    (void)state;
    for (size_t cap = 0; cap < 64; cap++) {
        memset(buf, 0xee, 128);
        a = (struct aml){.buf = buf, .cap = cap};
        size_t d = aml_device(&a, "PCI0");
        aml_name(&a, "_CRS");
        size_t r = aml_resources(&a);
        aml_memory_window64(&a, 0, 0xfff);
        aml_resources_end(&a, r);
        aml_end(&a, d);
        assert_int_equal(a.overflow, true);
        for (size_t i = cap; i < 128; i++)
            assert_int_equal(buf[i], 0xee);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(integers_take_the_least_room, setup),
        cmocka_unit_test_setup(names_and_ids, setup),
        cmocka_unit_test_setup(package_lengths, setup),
        cmocka_unit_test_setup(resources, setup),
        cmocka_unit_test_setup(a_full_buffer_is_noticed, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
