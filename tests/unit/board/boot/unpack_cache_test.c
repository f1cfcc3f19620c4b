/* The cache of unpacked kernels: hits only for the very same file, believes no strange entry. */
#include "unit/board/boot/fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "board/boot/unpack_cache.h"

static char root[64], entry[512];
static struct boot_file kernel;
static uint8_t data[0x8000];

static int setup(void **state)
{
    setup_fixture(state);
    strcpy(root, "/tmp/doppel-cache-test-XXXXXX");
    assert_non_null(mkdtemp(root));
    setenv("XDG_CACHE_HOME", root, 1);
    memset(data, 0, sizeof(data));
    memset(data + 0x2000, 7, 0x1000);
    memset(data + 0x7f00, 9, 0x100);
    assert_int_equal(boot_file_open(&kernel, fixture_file(&f, "kernel", 6), "kernel", &f.err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char cmd[128];
    boot_file_close(&kernel);
    fixture_free(&f);
    snprintf(cmd, sizeof(cmd), "rm -rf '%s'", root);
    return system(cmd);
}

/* Counts the folder's files and leaves the path of one in `entry`. */
static unsigned count_entries(void)
{
    char path[128];
    unsigned n = 0;
    snprintf(path, sizeof(path), "%s/doppel/unpacked", root);
    DIR *d = opendir(path);
    if (!d)
        return 0;
    for (struct dirent *e; (e = readdir(d));) {
        if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
            continue;
        snprintf(entry, sizeof(entry), "%s/%s", path, e->d_name);
        n++;
    }
    closedir(d);
    return n;
}

static bool hit(void)
{
    struct boot_file img;
    if (!unpack_cache_open(&kernel, &img))
        return false;
    uint8_t got[sizeof(data)];
    assert_int_equal(img.size, sizeof(data));
    assert_int_equal(boot_file_read(&img, 0, got, sizeof(got), NULL), 0);
    assert_memory_equal(got, data, sizeof(got));
    assert_int_equal(
        boot_file_load(&img, 0, &(struct boot_ram){&f.mem, true}, 0x1000, sizeof(got), NULL), 0);
    assert_guest(&f, 0x1000, data, sizeof(data));
    boot_file_close(&img);
    return true;
}

static void remembers_what_was_stored(void **state)
{
    (void)state;
    assert_false(hit());
    assert_int_equal(count_entries(), 0); /* looking leaves nothing behind */
    unpack_cache_store(&kernel, data, sizeof(data));
    assert_int_equal(count_entries(), 1);
    assert_true(hit());
    unpack_cache_store(&kernel, data, sizeof(data));
    assert_int_equal(count_entries(), 1);
    assert_true(hit());
}

static void another_file_is_another_kernel(void **state)
{
    (void)state;
    unpack_cache_store(&kernel, data, sizeof(data));
    struct timespec was[2] = {kernel.st.st_atim, kernel.st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, kernel.path, was, 0), 0); /* contents, times: same */
    const char *path = kernel.path;
    boot_file_close(&kernel);
    assert_int_equal(boot_file_open(&kernel, path, "kernel", &f.err), 0);
    assert_false(hit()); /* its change time is not */
}

static void strange_entries_are_not_believed(void **state)
{
    (void)state;
    unpack_cache_store(&kernel, data, sizeof(data));
    count_entries();
    assert_int_equal(chmod(entry, 0620), 0);
    assert_false(hit());
    assert_int_equal(chmod(entry, 0600), 0);
    assert_true(hit());
    struct stat st;
    assert_int_equal(stat(entry, &st), 0);
    assert_int_equal(truncate(entry, st.st_size - 1), 0);
    assert_false(hit());
    assert_int_equal(truncate(entry, st.st_size), 0);
    assert_false(hit());
    assert_int_equal(truncate(entry, 3), 0);
    assert_false(hit());
    unpack_cache_store(&kernel, data, sizeof(data)); /* replaced */
    assert_true(hit());
    assert_int_equal(unlink(entry), 0);
    assert_int_equal(symlink("/etc/passwd", entry), 0);
    assert_false(hit());
}

static void keeps_only_the_newest(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        struct boot_file other = kernel;
        other.st.st_ino += i + 1;
        unpack_cache_store(&other, data, sizeof(data));
    }
    assert_int_equal(count_entries(), 4);
    unpack_cache_store(&kernel, data, sizeof(data));
    assert_true(hit());
}

static void no_place_is_no_failure(void **state)
{
    (void)state;
    setenv("XDG_CACHE_HOME", "/proc/nonexistent", 1);
    unpack_cache_store(&kernel, data, sizeof(data));
    assert_false(hit());
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", "relative", 1);
    unpack_cache_store(&kernel, data, sizeof(data));
    assert_false(hit());
    setenv("XDG_CACHE_HOME", root, 1);
    struct boot_file buffer;
    boot_file_from_buffer(&buffer, "x", 1, "buffer", "kernel");
    unpack_cache_store(&buffer, data, sizeof(data));
    assert_int_equal(count_entries(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(remembers_what_was_stored, setup, teardown),
        cmocka_unit_test_setup_teardown(another_file_is_another_kernel, setup, teardown),
        cmocka_unit_test_setup_teardown(strange_entries_are_not_believed, setup, teardown),
        cmocka_unit_test_setup_teardown(keeps_only_the_newest, setup, teardown),
        cmocka_unit_test_setup_teardown(no_place_is_no_failure, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
