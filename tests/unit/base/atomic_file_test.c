/* Files that appear whole or not at all. */
#include "unit/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/atomic_file.h"

struct fixture {
    char dir[64], file[80], link[80];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    strcpy(f->dir, "/tmp/doppel-atomic-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->file, sizeof(f->file), "%s/f", f->dir);
    snprintf(f->link, sizeof(f->link), "%s/l", f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    unlink(f->link);
    unlink(f->file);
    assert_int_equal(rmdir(f->dir), 0); /* nothing else was left */
    free(f);
    return 0;
}

static void expect_content(const char *path, const char *want)
{
    char buf[64] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_true(read(fd, buf, sizeof(buf) - 1) >= 0);
    close(fd);
    assert_string_equal(buf, want);
}

static void write_through(const char *path, const char *text)
{
    struct atomic_file a;
    assert_int_equal(atomic_file_open(&a, path, NULL), 0);
    assert_int_equal(write(a.fd, text, strlen(text)), strlen(text));
    assert_int_equal(atomic_file_commit(&a, NULL), 0);
    atomic_file_discard(&a);
}

static void appears_on_commit(void **state)
{
    struct fixture *f = *state;
    struct atomic_file a;
    struct stat st;
    assert_int_equal(atomic_file_open(&a, f->file, NULL), 0);
    assert_int_equal(write(a.fd, "one", 3), 3);
    assert_int_equal(access(f->file, F_OK), -1);
    assert_int_equal(atomic_file_commit(&a, NULL), 0);
    expect_content(f->file, "one");
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    write_through(f->file, "two");
    expect_content(f->file, "two");
}

static void discard_keeps_the_old(void **state)
{
    struct fixture *f = *state;
    struct atomic_file a;
    write_through(f->file, "old");
    assert_int_equal(atomic_file_open(&a, f->file, NULL), 0);
    assert_int_equal(write(a.fd, "new", 3), 3);
    atomic_file_discard(&a);
    expect_content(f->file, "old");
}

static void follows_links(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    write_through(f->file, "old");
    assert_int_equal(symlink("f", f->link), 0);
    write_through(f->link, "new");
    expect_content(f->file, "new");
    assert_int_equal(lstat(f->link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
}

static void refusals(void **state)
{
    struct fixture *f = *state;
    struct atomic_file a;
    struct error e;
    assert_int_equal(atomic_file_open(&a, "/dev/null", &e), -EINVAL);
    assert_string_equal(e.text, "/dev/null: not a regular file");
    assert_int_equal(atomic_file_open(&a, f->dir, &e), -EINVAL);
    assert_int_equal(atomic_file_open(&a, "/nonexistent/x", &e), -ENOENT);
    assert_string_equal(e.text, "/nonexistent/x: cannot write here: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appears_on_commit, setup, teardown),
        cmocka_unit_test_setup_teardown(discard_keeps_the_old, setup, teardown),
        cmocka_unit_test_setup_teardown(follows_links, setup, teardown),
        cmocka_unit_test_setup_teardown(refusals, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
