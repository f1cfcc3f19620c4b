/* Who gets which range of guest RAM. */
#include "unit/board/boot/fixture.h"

#include <errno.h>

#include "board/boot/place.h"

static const struct e820_map map = {
    .e = {{0, 0x9fc00, E820_RAM},
          {0x9fc00, 0x60400, E820_RESERVED},
          {MIB, 63 * MIB, E820_RAM},
          {UINT64_C(0x100000000), 16 * MIB, E820_RAM}},
    .n = 4,
};

static struct place place;
static struct error err;

static int setup(void **state)
{
    (void)state;
    place_init(&place, &map);
    return 0;
}

static void claims_only_free_ram(void **state)
{
    (void)state;
    assert_int_equal(place_claim(&place, MIB, MIB, "kernel", &err), 0);
    assert_int_equal(place_claim(&place, 2 * MIB, MIB, "kernel", &err), 0);
    assert_int_equal(place_claim(&place, 2 * MIB - 1, 1, "initrd", &err), -ENOMEM);
    assert_non_null(strstr(err.text, "the initrd at 0x1fffff overlaps the kernel at 0x100000"));
    assert_int_equal(place_claim(&place, 0x9fbff, 2, "kernel", &err), -ENOMEM);
    assert_int_equal(place_claim(&place, 0x9fbff, 1, "kernel", &err), 0);
    assert_int_equal(place_claim(&place, UINT64_MAX - 10, 20, "kernel", &err), -ENOMEM);
    assert_int_equal(place_claim(&place, 0, UINT64_MAX, "kernel", &err), -ENOMEM);
    assert_int_equal(place_claim(&place, UINT64_C(0x100000000), 16 * MIB, "kernel", &err), 0);
}

static void too_little_memory_is_said(void **state)
{
    (void)state;
    assert_int_equal(place_claim(&place, 16 * MIB, 60 * MIB, "kernel", &err), -ENOMEM);
    assert_string_equal(err.text, "the guest has too little memory: the kernel ends at 76 MiB and "
                                  "memory at 64 MiB (see --memory)");
    gpa_t at;
    assert_int_equal(place_find(&place, 70 * MIB, UINT32_MAX, "initrd", &at, &err), -ENOMEM);
    assert_non_null(strstr(err.text, "no room for the initrd of 71680 KiB below 64 MiB"));
}

static void finds_the_highest_free_place(void **state)
{
    (void)state;
    gpa_t at;
    assert_int_equal(place_find(&place, 4096, UINT64_C(1) << 32, "a", &at, &err), 0);
    assert_int_equal(at, 64 * MIB - 4096);
    assert_int_equal(place_find(&place, 4097, UINT64_C(1) << 32, "b", &at, &err), 0);
    assert_int_equal(at, 64 * MIB - 3 * 4096);
    assert_int_equal(place_find(&place, 100, LOAD_LOW_LIMIT, "c", &at, &err), 0);
    assert_int_equal(at, (0x9fc00 - 100) & ~15);
    assert_int_equal(place_find(&place, 4096, UINT64_MAX, "d", &at, &err), 0);
    assert_int_equal(at, UINT64_C(0x101000000) - 4096);
    assert_int_equal(place_find(&place, 4096, 10 * MIB, "e", &at, &err), 0);
    assert_int_equal(at, 10 * MIB - 4096);
}

static void found_places_never_overlap(void **state)
{
    (void)state;
    uint32_t seed = 1;
    for (unsigned i = 0; i < PLACE_MAX; i++) {
        gpa_t at;
        seed = seed * 1103515245 + 12345;
        uint64_t len = 1 + (seed >> 8) % 0x30000;
        assert_int_equal(place_find(&place, len, UINT32_MAX, "x", &at, &err), 0);
        for (unsigned j = 0; j + 1 < place.n; j++)
            assert_true(at + len <= place.taken[j].base ||
                        place.taken[j].base + place.taken[j].len <= at);
    }
    gpa_t at;
    assert_int_equal(place_find(&place, 1, UINT32_MAX, "x", &at, &err), -ENOMEM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(claims_only_free_ram, setup),
        cmocka_unit_test_setup(too_little_memory_is_said, setup),
        cmocka_unit_test_setup(finds_the_highest_free_place, setup),
        cmocka_unit_test_setup(found_places_never_overlap, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
