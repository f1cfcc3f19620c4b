/* Sentences: setting, prefixing, and what happens when they do not fit. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void sets_and_returns_errno(void **state)
{
    (void)state;
    struct error e = {"old"};
    assert_int_equal(error_set(&e, ENOENT, "no %s", "disk"), -ENOENT);
    assert_string_equal(e.text, "no disk");
    assert_int_equal(error_set(NULL, EIO, "x"), -EIO);
}

static void prefixes(void **state)
{
    (void)state;
    struct error e = {"is empty"};
    assert_int_equal(error_prefix(&e, -EINVAL, "%s", "disk.img"), -EINVAL);
    assert_string_equal(e.text, "disk.img: is empty");
    assert_int_equal(error_prefix(NULL, -EINVAL, "x"), -EINVAL);
}

static void may_quote_the_old_text(void **state)
{
    (void)state;
    struct error e = {"inner"};
    (void)error_set(&e, EIO, "outer (%s)", e.text);
    assert_string_equal(e.text, "outer (inner)");
}

static void long_texts_are_cut(void **state)
{
    (void)state;
    struct error e;
    char big[2000];
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = 0;
    (void)error_set(&e, EIO, "%s", big);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    (void)error_prefix(&e, -EIO, "%s", big);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    (void)error_prefix(&e, -EIO, "short");
    assert_int_equal(strncmp(e.text, "short: aaa", 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_and_returns_errno),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(may_quote_the_old_text),
        cmocka_unit_test(long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
