/* Opening files of every kind a user may name, reading and loading them. */
#include "unit/board/boot/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "board/boot/boot_file.h"

static const struct boot_ram ram = {&f.mem, false};

static void assert_not_opened(const char *path, int rc, const char *words)
{
    struct boot_file img;
    assert_int_equal(boot_file_open(&img, path, "initrd", &f.err), rc);
    assert_non_null(strstr(f.err.text, words));
    assert_non_null(strstr(f.err.text, path));
}

static void refuses_what_is_not_a_file(void **state)
{
    (void)state;
    char fifo[] = "/tmp/doppel-boot-fifo-XXXXXX";
    assert_non_null(mkdtemp(fifo));
    rmdir(fifo);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_not_opened("/nonexistent/x", -ENOENT, "does not exist");
    assert_not_opened("/tmp", -EISDIR, "is a directory");
    assert_not_opened("/dev/zero", -EINVAL, "is not a regular file");
    assert_not_opened(fifo, -EINVAL, "is not a regular file");
    assert_not_opened(fixture_file(&f, "", 0), -ENOEXEC, "is empty");
    unlink(fifo);
}

static void refuses_a_huge_file(void **state)
{
    (void)state;
    const char *path = fixture_file(&f, "x", 1);
    assert_int_equal(truncate(path, (off_t)(BOOT_FILE_MAX + 1)), 0);
    assert_not_opened(path, -EFBIG, "larger than 4 GiB");
}

static void reads_within_bounds_only(void **state)
{
    (void)state;
    struct boot_file img;
    char buf[16] = {0};
    assert_int_equal(boot_file_open(&img, fixture_file(&f, "0123456789", 10), "kernel", &f.err), 0);
    assert_int_equal(boot_file_read(&img, 3, buf, 4, &f.err), 0);
    assert_memory_equal(buf, "3456", 4);
    assert_int_equal(boot_file_read(&img, 10, buf, 0, &f.err), 0);
    assert_int_equal(boot_file_read(&img, 8, buf, 3, &f.err), -ENOEXEC);
    assert_non_null(strstr(f.err.text, "is truncated"));
    assert_int_equal(boot_file_read(&img, UINT64_MAX, buf, 3, &f.err), -ENOEXEC);
    assert_int_equal(boot_file_load(&img, 8, &ram, 0x1000, 3, &f.err), -ENOEXEC);
    boot_file_close(&img);
}

static void a_file_that_shrinks_is_reported(void **state)
{
    (void)state;
    struct boot_file img;
    char buf[16];
    const char *path = fixture_file(&f, "0123456789", 10);
    assert_int_equal(boot_file_open(&img, path, "kernel", &f.err), 0);
    assert_int_equal(truncate(path, 4), 0);
    assert_int_equal(boot_file_read(&img, 0, buf, 10, &f.err), -ENOEXEC);
    assert_non_null(strstr(f.err.text, "shrank"));
    assert_int_equal(boot_file_load(&img, 0, &ram, 0, 10, &f.err), -ENOEXEC);
    assert_non_null(strstr(f.err.text, "shrank"));
    boot_file_close(&img);
}

/* 64 KiB with data in the first and the tenth page. */
static void make_sparse(uint8_t *bytes)
{
    memset(bytes, 0, 0x10000);
    memset(bytes, 0x11, 0x1000);
    memset(bytes + 0x9000, 0x22, 0x1000);
}

static void load_and_compare(const struct boot_file *img, const uint8_t *bytes, bool skip_zero)
{
    gpa_t to = MIB + 0x123;
    assert_int_equal(gpa_fill(&f.mem, to, skip_zero ? 0 : 0xee, 0xff00), 0);
    assert_int_equal(
        boot_file_load(img, 0x80, &(struct boot_ram){&f.mem, skip_zero}, to, 0xff00, &f.err), 0);
    assert_guest(&f, to, bytes + 0x80, 0xff00);
}

static void loads_files_and_buffers_alike(void **state)
{
    (void)state;
    static uint8_t bytes[0x10000];
    struct boot_file img;
    make_sparse(bytes);
    boot_file_from_buffer(&img, bytes, sizeof(bytes), "buffer", "kernel");
    load_and_compare(&img, bytes, false);
    load_and_compare(&img, bytes, true);

    const char *path = fixture_file(&f, bytes, 0x1000);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, bytes + 0x9000, 0x1000, 0x9000), 0x1000);
    assert_int_equal(ftruncate(fd, sizeof(bytes)), 0);
    close(fd);
    assert_int_equal(boot_file_open(&img, path, "kernel", &f.err), 0);
    load_and_compare(&img, bytes, false);
    load_and_compare(&img, bytes, true);
    boot_file_close(&img);
}

static void refuses_places_outside_memory(void **state)
{
    (void)state;
    struct boot_file img;
    boot_file_from_buffer(&img, "0123456789", 10, "buffer", "kernel");
    assert_int_equal(boot_file_load(&img, 0, &ram, GUEST_RAM - 5, 10, &f.err), -EFAULT);
    assert_int_equal(boot_file_load(&img, 0, &ram, GUEST_RAM, 10, &f.err), -EFAULT);
    assert_int_equal(boot_file_load(&img, 0, &ram, GUEST_RAM - 10, 10, &f.err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_with_fixture(refuses_what_is_not_a_file),
        test_with_fixture(refuses_a_huge_file),
        test_with_fixture(reads_within_bounds_only),
        test_with_fixture(a_file_that_shrinks_is_reported),
        test_with_fixture(loads_files_and_buffers_alike),
        test_with_fixture(refuses_places_outside_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
