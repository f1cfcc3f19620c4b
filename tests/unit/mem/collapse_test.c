/* Collapsing keeps content, skips the unused, ends. Whether the host gives huge pages is its own
 * business. */
#include "unit/cmocka_all.h"

#include <string.h>

#include "mem/guest_mem.h"

#define MIB UINT64_C(0x100000)

static void keeps_content(void **state)
{
    (void)state;
    struct guest_mem m;
    uint64_t cursor = 0, v;
    unsigned huge = 0;
    assert_int_equal(guest_mem_init(&m, 17 * MIB, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&m, 0, 9 * MIB, false, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&m, 64 * MIB, 8 * MIB, false, NULL), 0);
    for (gpa_t a = 0; a < 4 * MIB; a += 4096)
        assert_int_equal(gpa_store(&m, a, 8, a + 1), 0);
    for (int i = 0; i < 100; i++) {
        huge += guest_mem_collapse(&m, &cursor, 2);
        if (!cursor)
            break;
    }
    assert_int_equal(cursor, 0);
    assert_true(huge <= 2);
    for (gpa_t a = 0; a < 4 * MIB; a += 4096) {
        assert_int_equal(gpa_load(&m, a, 8, &v), 0);
        assert_int_equal(v, a + 1);
    }
    /* The part never written is still not there. */
    assert_int_equal(guest_mem_next_used(&m, &m.slots[0], 1024), 9 * 256);
    print_message("extents made huge: %u of 2\n", huge);
    guest_mem_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
