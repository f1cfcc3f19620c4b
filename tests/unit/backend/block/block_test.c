/*
 * Opening disks: options, sentences for everything that can be wrong, locks.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "scratch.h"

enum { SIZE = 64 * 512 };

static int setup(void **state)
{
    *state = malloc(sizeof(struct scratch));
    return scratch_setup(*state, SIZE);
}

static int teardown(void **state)
{
    scratch_teardown(*state);
    free(*state);
    return 0;
}

static void expect_refused(struct scratch *s, const struct blk_options *o, int rc, const char *says)
{
    struct blk_backend *b = NULL;

    memset(&s->err, 0, sizeof(s->err));
    assert_int_equal(blk_open(&b, o, s->loop, &s->err), rc);
    assert_null(b);
    if (!strstr(s->err.text, says)) {
        fail_msg("'%s' does not say '%s'", s->err.text, says);
    }
}

static int parse(struct blk_options *o, const char *text, struct error *err)
{
    static char buf[256];

    snprintf(buf, sizeof(buf), "%s", text);
    return blk_options_parse(o, buf, err);
}

static void options_are_parsed(void **state)
{
    struct blk_options o;
    struct error err;

    (void)state;
    assert_int_equal(parse(&o, "a.img", &err), 0);
    assert_string_equal(o.path, "a.img");
    assert_null(o.format);
    assert_false(o.readonly);
    assert_int_equal(o.cache, BLK_CACHE_WRITEBACK);
    assert_int_equal(parse(&o, "a,,b.img,ro,format=raw,cache=none", &err), 0);
    assert_string_equal(o.path, "a,b.img");
    assert_string_equal(o.format, "raw");
    assert_true(o.readonly);
    assert_int_equal(o.cache, BLK_CACHE_NONE);
    assert_int_equal(parse(&o, "x,cache=unsafe", &err), 0);
    assert_int_equal(o.cache, BLK_CACHE_UNSAFE);
}

static void bad_options_are_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {{"", "needs the name"},          {",ro", "needs the name"},
               {"a,", "unknown option ''"},     {"a,rx", "unknown option 'rx'"},
               {"a,cache=", "cache mode ''"},   {"a,cache=none2", "cache mode 'none2'"},
               {"a,ro,b", "unknown option 'b'"}};
    struct blk_options o;
    struct error err;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(parse(&o, bad[i].text, &err), -EINVAL);
        assert_non_null(strstr(err.text, bad[i].says));
    }
}

static void a_good_disk_is_described(void **state)
{
    struct scratch *s = *state;
    struct blk_backend *b = scratch_open(s, &(struct blk_options){.path = s->path});

    assert_int_equal(b->size, SIZE);
    assert_int_equal(b->block_size, 512);
    assert_false(b->readonly);
    assert_int_equal(strncmp(b->id, "disk.img-", 9), 0);
    assert_string_equal(b->ops->name, "raw");
    b->ops->close(b);
    b = scratch_open(s, &(struct blk_options){.path = s->path, .readonly = true});
    assert_true(b->readonly);
    assert_false(b->can_discard);
    b->ops->close(b);
}

static void wrong_files_are_refused(void **state)
{
    struct scratch *s = *state;
    char path[128];

    snprintf(path, sizeof(path), "%s/none", s->dir);
    expect_refused(s, &(struct blk_options){.path = path}, -ENOENT, "does not exist");
    assert_int_not_equal(access(path, F_OK), 0);
    expect_refused(s, &(struct blk_options){.path = s->dir}, -EISDIR, "is a directory");
    expect_refused(s, &(struct blk_options){.path = "/dev/zero"}, -EINVAL,
                   "neither a regular file");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refused(s, &(struct blk_options){.path = path}, -EINVAL, "neither a regular file");
    unlink(path);
    expect_refused(s, &(struct blk_options){.path = s->path, .format = "qcow3"}, -EINVAL,
                   "unknown format 'qcow3'");
    assert_int_equal(truncate(s->path, 1000), 0);
    expect_refused(s, &(struct blk_options){.path = s->path}, -EINVAL,
                   "(1000 bytes) is not a multiple of 512");
    assert_int_equal(truncate(s->path, 0), 0);
    expect_refused(s, &(struct blk_options){.path = s->path}, -EINVAL, "is empty");
}

static void other_formats_are_refused_unless_called_raw(void **state)
{
    struct scratch *s = *state;
    int fd = open(s->path, O_WRONLY);

    assert_int_equal(pwrite(fd, "QFI\xfb", 4, 0), 4);
    close(fd);
    expect_refused(s, &(struct blk_options){.path = s->path}, -EINVAL, "looks like a qcow2 image");
    struct blk_backend *b =
        scratch_open(s, &(struct blk_options){.path = s->path, .format = "raw"});
    b->ops->close(b);
}

/* Root may open everything, so the question is asked by a child that is nobody. */
static void missing_permission_is_named(void **state)
{
    struct scratch *s = *state;

    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chmod(s->dir, 0755), 0);
    assert_int_equal(chmod(s->path, 0444), 0);
    int dir = open(s->dir, O_RDONLY | O_DIRECTORY);
    pid_t pid = fork();
    if (pid == 0) {
        struct blk_backend *b;
        struct blk_options o = {.path = "disk.img"};
        if (fchdir(dir) != 0 || setuid(65534) != 0) {
            _exit(2);
        }
        int rc = blk_open(&b, &o, s->loop, &s->err);
        _exit(rc == -EACCES && strstr(s->err.text, "no permission") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(dir);
    assert_int_equal(status, 0);
}

/* Opens the disk in another process; its exit status is 0, or the error number. */
static int open_elsewhere(struct scratch *s, bool readonly)
{
    int status;

    pid_t pid = fork();
    if (pid == 0) {
        struct evloop *l;
        struct blk_backend *b;
        struct blk_options o = {.path = s->path, .readonly = readonly};
        if (evloop_create(&l, "child", &s->err) != 0) {
            _exit(99);
        }
        int rc = blk_open(&b, &o, l, &s->err);
        _exit(rc == 0 || strstr(s->err.text, "is in use") ? -rc : 98);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_writer_is_alone(void **state)
{
    struct scratch *s = *state;
    struct blk_backend *b = scratch_open(s, &(struct blk_options){.path = s->path});

    assert_int_equal(open_elsewhere(s, false), EBUSY);
    assert_int_equal(open_elsewhere(s, true), EBUSY);
    expect_refused(s, &(struct blk_options){.path = s->path}, -EBUSY, "is in use");
    b->ops->close(b);
    assert_int_equal(open_elsewhere(s, false), 0);
}

static void readers_share(void **state)
{
    struct scratch *s = *state;
    struct blk_backend *b =
        scratch_open(s, &(struct blk_options){.path = s->path, .readonly = true});

    assert_int_equal(open_elsewhere(s, true), 0);
    assert_int_equal(open_elsewhere(s, false), EBUSY);
    b->ops->close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_parsed),
        cmocka_unit_test(bad_options_are_refused),
        cmocka_unit_test_setup_teardown(a_good_disk_is_described, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_files_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(other_formats_are_refused_unless_called_raw, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(missing_permission_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_is_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(readers_share, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
