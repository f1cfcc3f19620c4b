/* Copying a file into guest memory: offsets, slots that touch, ROM, short files, unspliceable ones.
 */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem/guest_mem.h"

#define PAGE GUEST_PAGE_SIZE

static struct guest_mem mem;

static int setup(void **state)
{
    (void)state;
    assert_int_equal(guest_mem_init(&mem, 8 * PAGE, NULL), 0);
    /* The second slot comes first in the memfd: addresses and offsets differ. */
    assert_int_equal(guest_mem_add_slot(&mem, 4 * PAGE, 4 * PAGE, true, NULL), 0);
    assert_int_equal(guest_mem_add_slot(&mem, 0, 4 * PAGE, false, NULL), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    guest_mem_destroy(&mem);
    return 0;
}

static int make_file(uint8_t *bytes, size_t len)
{
    int fd = memfd_create("file", MFD_CLOEXEC);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(i * 13 + 1);
    assert_int_equal(write(fd, bytes, len), len);
    return fd;
}

static void copies_across_slots_at_any_offset(void **state)
{
    (void)state;
    uint8_t bytes[3 * PAGE], got[2 * PAGE];
    int fd = make_file(bytes, sizeof(bytes));
    assert_int_equal(gpa_write_file(&mem, 3 * PAGE - 7, fd, 11, sizeof(got)), 0);
    assert_int_equal(gpa_read(&mem, 3 * PAGE - 7, got, sizeof(got)), 0);
    assert_memory_equal(got, bytes + 11, sizeof(got));
    close(fd);
}

static void a_short_file_is_an_error(void **state)
{
    (void)state;
    uint8_t bytes[PAGE];
    int fd = make_file(bytes, sizeof(bytes));
    assert_int_equal(gpa_write_file(&mem, 0, fd, 0, PAGE + 1), -ENODATA);
    assert_int_equal(gpa_write_file(&mem, 0, fd, 2 * PAGE, 1), -ENODATA);
    assert_int_equal(gpa_write_file(&mem, 0, fd, 0, PAGE), 0);
    close(fd);
}

static void outside_memory_is_an_error(void **state)
{
    (void)state;
    uint8_t bytes[2 * PAGE];
    int fd = make_file(bytes, sizeof(bytes));
    assert_int_equal(gpa_write_file(&mem, 7 * PAGE, fd, 0, 2 * PAGE), -EFAULT);
    assert_int_equal(gpa_write_file(&mem, UINT64_MAX, fd, 0, 2 * PAGE), -EFAULT);
    assert_int_equal(gpa_write_file(&mem, 0, -1, 0, 1), -EBADF);
    close(fd);
}

static void a_file_that_cannot_be_spliced_is_read(void **state)
{
    (void)state;
    uint8_t got[64];
    int fd = memfd_create("x", MFD_CLOEXEC);
    assert_int_equal(pwrite(fd, "0123456789", 10, 0), 10);
    /* Without the memfd sendfile cannot work; the bytes then come through the mapping. */
    int own = mem.fd;
    mem.fd = -1;
    assert_int_equal(gpa_write_file(&mem, 8, fd, 2, 8), 0);
    mem.fd = own;
    assert_int_equal(gpa_read(&mem, 8, got, 8), 0);
    assert_memory_equal(got, "23456789", 8);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(copies_across_slots_at_any_offset, setup, teardown),
        cmocka_unit_test_setup_teardown(a_short_file_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(outside_memory_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_spliced_is_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
