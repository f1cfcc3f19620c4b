/* Slots: sizes, placement, refusal, laziness. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mem/guest_mem.h"

#define MIB UINT64_C(0x100000)

static void refuses_odd_and_huge_sizes(void **state)
{
    (void)state;
    struct guest_mem m;
    struct error e;
    assert_int_equal(guest_mem_init(&m, 0, &e), -EINVAL);
    assert_int_equal(guest_mem_init(&m, 4097, &e), -EINVAL);
    assert_int_equal(guest_mem_init(&m, UINT64_C(1) << 50, &e), -ENOMEM);
    guest_mem_destroy(&m);
    m = (struct guest_mem){0};
    guest_mem_destroy(&m);
    assert_int_equal(fcntl(0, F_GETFD) & ~FD_CLOEXEC, 0); /* not taken for the memfd and closed */
    assert_int_equal(strncmp(e.text, "1 PiB of guest memory is more than this host has (", 50), 0);
}

static void slots_are_placed(void **state)
{
    (void)state;
    struct guest_mem m;
    struct error e;
    assert_int_equal(guest_mem_init(&m, 16 * MIB, &e), 0);
    assert_int_equal(guest_mem_add_slot(&m, 0, 8 * MIB, false, &e), 0);
    assert_int_equal(guest_mem_add_slot(&m, 4096 * MIB, 4 * MIB, false, &e), 0);
    assert_int_equal(guest_mem_add_slot(&m, 0xfffff000, 4096, true, &e), 0);
    /* Overlap, misalignment, wrap-around, more than there is. */
    assert_int_equal(guest_mem_add_slot(&m, 7 * MIB, 2 * MIB, false, &e), -EEXIST);
    assert_int_equal(guest_mem_add_slot(&m, 100 * MIB + 1, 4096, false, &e), -EINVAL);
    assert_int_equal(guest_mem_add_slot(&m, 100 * MIB, 100, false, &e), -EINVAL);
    assert_int_equal(guest_mem_add_slot(&m, 100 * MIB, 0, false, &e), -EINVAL);
    assert_int_equal(guest_mem_add_slot(&m, -(gpa_t)4096, 8192, false, &e), -EINVAL);
    assert_int_equal(guest_mem_add_slot(&m, 100 * MIB, 4 * MIB, false, &e), -ENOSPC);

    assert_int_equal(m.nslots, 3);
    assert_ptr_equal(guest_mem_slot(&m, 0), &m.slots[0]);
    assert_ptr_equal(guest_mem_slot(&m, 8 * MIB - 1), &m.slots[0]);
    assert_null(guest_mem_slot(&m, 8 * MIB));
    assert_ptr_equal(guest_mem_slot(&m, 4100 * MIB - 1), &m.slots[1]);
    assert_ptr_equal(guest_mem_slot(&m, 0xffffffff), &m.slots[2]);
    assert_int_equal(m.slots[1].offset, 8 * MIB);
    /* Huge pages are possible: pointer and offset agree modulo 2 MiB. */
    assert_int_equal(((uintptr_t)m.slots[1].host - m.slots[1].offset) % (2 * MIB), 0);
    guest_mem_destroy(&m);
}

static void too_many_slots(void **state)
{
    (void)state;
    struct guest_mem m;
    assert_int_equal(guest_mem_init(&m, MIB, NULL), 0);
    for (unsigned i = 0; i < MEM_MAX_SLOTS; i++)
        assert_int_equal(guest_mem_add_slot(&m, i * MIB, 4096, false, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&m, 99 * MIB, 4096, false, NULL), -ENOSPC);
    guest_mem_destroy(&m);
}

/* A memfd that someone else is handed cannot be cut short under us, and starts empty. */
static void sealed_and_untouched(void **state)
{
    (void)state;
    struct guest_mem m;
    struct stat st;
    assert_int_equal(guest_mem_init(&m, 1024 * MIB, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&m, 0, 1024 * MIB, false, NULL), 0);
    assert_int_equal(ftruncate(m.fd, 4096), -1);
    assert_int_equal(fcntl(m.fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    assert_int_equal(fstat(m.fd, &st), 0);
    assert_int_equal(st.st_blocks, 0);
    guest_mem_destroy(&m);
}

static void expect_used(const struct guest_mem *m, unsigned slot, uint64_t from, uint64_t first,
                        uint64_t want)
{
    uint64_t count;
    assert_int_equal(guest_mem_next_used(m, &m->slots[slot], from, &count), first);
    assert_int_equal(count, want);
}

static void used_pages_are_found(void **state)
{
    (void)state;
    struct guest_mem m;
    uint8_t one = 1, back = 0xee;
    assert_int_equal(guest_mem_init(&m, 64 * MIB, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&m, 0, 32 * MIB, false, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&m, 64 * MIB, 32 * MIB, false, NULL), 0);
    expect_used(&m, 0, 0, 8192, 0);
    assert_int_equal(gpa_write(&m, 5 * MIB + 4095, (uint8_t[]){1, 1}, 2), 0);
    assert_int_equal(gpa_write(&m, 32 * MIB - 1, &one, 1), 0);
    assert_int_equal(gpa_write(&m, 64 * MIB, &one, 1), 0);
    expect_used(&m, 0, 0, 5 * 256, 2);
    expect_used(&m, 0, 5 * 256, 5 * 256, 2);
    expect_used(&m, 0, 5 * 256 + 1, 5 * 256 + 1, 1);
    expect_used(&m, 0, 5 * 256 + 2, 8191, 1); /* not into the next slot */
    expect_used(&m, 0, 8192, 8192, 0);
    expect_used(&m, 0, 9000, 8192, 0);
    expect_used(&m, 1, 0, 0, 1);
    expect_used(&m, 1, 1, 8192, 0);

    assert_int_equal(guest_mem_clear(&m, NULL), 0);
    expect_used(&m, 0, 0, 8192, 0);
    assert_int_equal(gpa_read(&m, 5 * MIB + 4095, &back, 1), 0);
    assert_int_equal(back, 0);
    guest_mem_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_odd_and_huge_sizes),
        cmocka_unit_test(slots_are_placed),
        cmocka_unit_test(too_many_slots),
        cmocka_unit_test(sealed_and_untouched),
        cmocka_unit_test(used_pages_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
