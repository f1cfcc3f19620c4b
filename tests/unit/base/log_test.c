/* What reaches standard error: prefix, one line, no control characters, quiet and once. */
#include "unit/cmocka_all.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"

struct capture {
    int saved, pipe[2];
};

static void capture_begin(struct capture *c)
{
    assert_int_equal(pipe(c->pipe), 0);
    c->saved = dup(STDERR_FILENO);
    dup2(c->pipe[1], STDERR_FILENO);
}

static void capture_end(struct capture *c, char *buf, size_t len)
{
    dup2(c->saved, STDERR_FILENO);
    close(c->saved);
    close(c->pipe[1]);
    ssize_t n = read(c->pipe[0], buf, len - 1);
    buf[n > 0 ? n : 0] = 0;
    close(c->pipe[0]);
}

static void lines_are_prefixed(void **state)
{
    (void)state;
    struct capture c;
    char out[512];
    capture_begin(&c);
    log_error("bad %d", 1);
    log_warn("odd");
    log_info("fyi");
    capture_end(&c, out, sizeof(out));
    assert_string_equal(out, "doppel: bad 1\ndoppel: warning: odd\ndoppel: fyi\n");
}

static void control_characters_are_replaced(void **state)
{
    (void)state;
    struct capture c;
    char out[4096], big[3000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    capture_begin(&c);
    log_error("a\033[2Jb\nc");
    log_error("%s", big);
    capture_end(&c, out, sizeof(out));
    assert_int_equal(strncmp(out, "doppel: a?[2Jb?c\ndoppel: xxx", 28), 0);
    assert_int_equal(out[strlen(out) - 1], '\n');
    assert_true(strlen(out) < 1100);
}

static void quiet_drops_all_but_errors(void **state)
{
    (void)state;
    struct capture c;
    char out[512];
    _Atomic bool once = false;
    capture_begin(&c);
    log_set_quiet(true);
    log_info("1");
    log_warn("2");
    log_warn_once(&once, "3");
    log_error("4");
    log_set_quiet(false);
    capture_end(&c, out, sizeof(out));
    assert_string_equal(out, "doppel: 4\n");
}

static void once_is_once(void **state)
{
    (void)state;
    struct capture c;
    char out[512];
    _Atomic bool once = false;
    capture_begin(&c);
    for (int i = 0; i < 3; i++)
        log_warn_once(&once, "register %d", i);
    capture_end(&c, out, sizeof(out));
    assert_string_equal(out, "doppel: warning: register 0\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_prefixed),
        cmocka_unit_test(control_characters_are_replaced),
        cmocka_unit_test(quiet_drops_all_but_errors),
        cmocka_unit_test(once_is_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
