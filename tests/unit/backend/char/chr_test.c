/*
 * The --console option, and the consoles that need nobody at the other end.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit/cmocka_all.h"

#include "console.h"

static int setup(void **state)
{
    *state = malloc(sizeof(struct console));
    console_setup(*state);
    return 0;
}

static int teardown(void **state)
{
    console_teardown(*state);
    free(*state);
    return 0;
}

static void expect_refused(struct console *c, const char *spec, int rc, const char *says)
{
    assert_int_equal(console_open(c, spec), rc);
    assert_null(c->b);
    if (!strstr(c->err.text, says)) {
        fail_msg("%s: '%s' does not say '%s'", spec, c->err.text, says);
    }
}

static void bad_consoles_are_refused(void **state)
{
    char long_path[256] = "socket=/tmp/";

    memset(long_path + strlen(long_path), 'x', 120);
    expect_refused(*state, "", -EINVAL, "unknown console ''");
    expect_refused(*state, "stdioo", -EINVAL, "unknown console 'stdioo'");
    expect_refused(*state, "socket", -EINVAL, "unknown console 'socket'");
    expect_refused(*state, "socket=", -EINVAL, "needs the name");
    expect_refused(*state, "file=", -EINVAL, "needs the name");
    expect_refused(*state, "file=/nonexistent/x", -ENOENT, "'/nonexistent/x'");
    expect_refused(*state, "file=/", -EISDIR, "'/'");
    expect_refused(*state, "socket=/nonexistent/x", -ENOENT, "'/nonexistent/x'");
    expect_refused(*state, long_path, -ENAMETOOLONG, "at most 107 characters");
}

static void none_takes_everything(void **state)
{
    struct console *c = *state;

    assert_int_equal(console_open(c, "none"), 0);
    console_print(c, "anything");
    c->b->ops->rx_ready(c->b);
    c->b->ops->flush(c->b);
}

static void a_file_gets_the_output(void **state)
{
    struct console *c = *state;
    char path[] = "doppel-console-XXXXXX", spec[64], buf[64] = "";
    int fd = mkstemp(path);

    assert_int_equal(write(fd, "something longer than what comes", 32), 32);
    snprintf(spec, sizeof(spec), "file=%s", path);
    assert_int_equal(console_open(c, spec), 0);
    console_print(c, "hello ");
    console_print(c, "file\n");
    assert_int_equal(pread(fd, buf, sizeof(buf) - 1, 0), 11);
    assert_string_equal(buf, "hello file\n");
    close(fd);
    unlink(path);
}

static void a_full_file_is_survived(void **state)
{
    struct console *c = *state;

    if (access("/dev/full", W_OK) != 0) {
        skip();
    }
    assert_int_equal(console_open(c, "file=/dev/full"), 0);
    for (int i = 0; i < 3; i++) {
        console_print(c, "lost\n");
    }
}

static void a_pipe_may_be_the_file(void **state)
{
    struct console *c = *state;
    char path[64], spec[80], buf[8] = "";

    snprintf(path, sizeof(path), "doppel-fifo-%d", getpid());
    snprintf(spec, sizeof(spec), "file=%s", path);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refused(c, spec, -ENXIO, "nobody reads");
    int fd = open(path, O_RDONLY | O_NONBLOCK);
    assert_int_equal(console_open(c, spec), 0);
    unlink(path);
    console_print(c, "piped");
    assert_true(console_read(fd, buf, 5));
    assert_string_equal(buf, "piped");
    close(fd);
    console_print(c, "nobody is there any more"); /* no SIGPIPE, no error */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_consoles_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(none_takes_everything, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_gets_the_output, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_file_is_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pipe_may_be_the_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
