/* The dirty log: what was written, once, on the right page; code flags live beside it. */
#include "unit/cmocka_all.h"

#include <errno.h>

#include "mem/guest_mem.h"

#define PAGE GUEST_PAGE_SIZE

static struct guest_mem m;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(guest_mem_init(&m, 200 * PAGE, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&m, 0, 100 * PAGE, false, NULL), 0);
    return guest_mem_add_slot(&m, 1000 * PAGE, 100 * PAGE, false, NULL);
}

static int teardown(void **state)
{
    (void)state;
    guest_mem_destroy(&m);
    return 0;
}

static void collects_each_write_once(void **state)
{
    (void)state;
    uint64_t map[2] = {1, 1};
    uint8_t b[2] = {0};
    assert_int_equal(gpa_write(&m, 5 * PAGE, b, 1), 0); /* before: not logged */
    assert_int_equal(guest_mem_dirty_collect(&m, 0, map), -EINVAL);
    guest_mem_dirty_start(&m);
    assert_int_equal(guest_mem_dirty_collect(&m, 0, map), 0);
    assert_true(map[0] == 0 && map[1] == 0);

    assert_int_equal(gpa_write(&m, 64 * PAGE - 1, b, 2), 0);
    assert_int_equal(gpa_store(&m, 7 * PAGE, 4, 1), 0);
    assert_int_equal(gpa_write(&m, 1003 * PAGE, b, 1), 0);
    assert_int_equal(guest_mem_dirty_collect(&m, 0, map), 0);
    assert_true(map[0] == (UINT64_C(1) << 63 | UINT64_C(1) << 7) && map[1] == 1);
    assert_int_equal(guest_mem_dirty_collect(&m, 0, map), 0);
    assert_true(map[0] == 0 && map[1] == 0);
    assert_int_equal(guest_mem_dirty_collect(&m, 1, map), 0);
    assert_true(map[0] == 8 && map[1] == 0);
    assert_int_equal(guest_mem_dirty_collect(&m, 2, map), -EINVAL);

    guest_mem_dirty_stop(&m);
    assert_int_equal(atomic_load(&m.slots[0].page_flags[9]), 0);
    assert_int_equal(guest_mem_dirty_collect(&m, 0, map), -EINVAL);
}

static void keeps_code_flags(void **state)
{
    (void)state;
    uint64_t map[2];
    uint32_t gen = guest_mem_code_mark(&m, &m.slots[0], 3 * PAGE, MEM_ALL_LINES);
    guest_mem_dirty_start(&m);
    assert_int_equal(atomic_load(&m.slots[0].page_flags[3]), MEM_PAGE_CODE | MEM_PAGE_CLEAN);
    assert_int_equal(gpa_store(&m, 3 * PAGE, 1, 1), 0);
    assert_int_equal(atomic_load(&m.slots[0].page_flags[3]), 0);
    assert_int_equal(atomic_load(&m.slots[0].code_gen[3]), gen + 1);
    assert_int_equal(guest_mem_dirty_collect(&m, 0, map), 0);
    assert_int_equal(map[0], 8);
    guest_mem_code_mark(&m, &m.slots[0], 3 * PAGE, MEM_ALL_LINES);
    guest_mem_dirty_stop(&m);
    assert_int_equal(atomic_load(&m.slots[0].page_flags[3]), MEM_PAGE_CODE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(collects_each_write_once, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_code_flags, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
