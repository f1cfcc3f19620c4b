/* Sizes, numbers and suggestions. */
#include "unit/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"64K", 65536},
        {"512M", 512u << 20},
        {"512m", 512 << 20},
        {"512MB", 512 << 20},
        {"512MiB", 512 << 20},
        {"2G", UINT64_C(2) << 30},
        {"1T", UINT64_C(1) << 40},
        {"7B", 7},
        {"18446744073709551615", UINT64_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        uint64_t v = 1;
        assert_int_equal(parse_size(good[i].text, "size", &v, NULL), 0);
        assert_int_equal(v, good[i].bytes);
    }
}

static void bad_sizes(void **state)
{
    (void)state;
    static const char *const bad[] = {"",    "M",    "-1",    " 1",  "+1", "1X",
                                      "1MM", "1.5G", "0x10M", "1BB", "1 M"};
    struct error e;
    uint64_t v;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(parse_size(bad[i], "memory size", &v, &e), -EINVAL);
    assert_string_equal(e.text, "memory size '1 M' is not a size (write for example 512M or 2G)");
    assert_int_equal(parse_size("99999999999G", "size", &v, &e), -ERANGE);
    assert_int_equal(parse_size("99999999999999999999", "size", &v, &e), -ERANGE);
    assert_string_equal(e.text, "size '99999999999999999999' is too large");
}

static void numbers(void **state)
{
    (void)state;
    struct error e;
    uint64_t v;
    assert_int_equal(parse_uint("8", "vCPUs", 1, 8, &v, &e), 0);
    assert_int_equal(v, 8);
    assert_int_equal(parse_uint("0xf4", "port", 0, 65535, &v, &e), 0);
    assert_int_equal(v, 0xf4);
    assert_int_equal(parse_uint("010", "n", 0, 100, &v, &e), 0);
    assert_int_equal(v, 10);
    assert_int_equal(parse_uint("9", "vCPUs", 1, 8, &v, &e), -ERANGE);
    assert_string_equal(e.text, "vCPUs '9' is not between 1 and 8");
    static const char *const bad[] = {"", "x", "-1", "1x", "0x", "fe", " 1"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(parse_uint(bad[i], "n", 0, 100, &v, &e), -EINVAL);
}

static void suggestions(void **state)
{
    (void)state;
    static const char *const words[] = {"--kernel", "--initrd", "--memory", "--name", "--net"};
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"--memry", "--memory"},
        {"--memroy", "--memory"},
        {"--kernal", "--kernel"},
        {"--KERNEL", "--kernel"},
        {"--frobnicate", NULL},
        {"x", NULL},
        {"", NULL},
        {"--nam", "--name"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *got = parse_nearest(cases[i].text, words, ARRAY_SIZE(words));
        if (cases[i].want)
            assert_string_equal(got, cases[i].want);
        else
            assert_null(got);
    }
    char big[200];
    memset(big, 'a', sizeof(big));
    big[199] = 0;
    assert_null(parse_nearest(big, words, ARRAY_SIZE(words)));
}

static void formats(void **state)
{
    (void)state;
    char b[32];
    assert_string_equal(parse_format_size(512, b, sizeof(b)), "512 bytes");
    assert_string_equal(parse_format_size(UINT64_C(512) << 20, b, sizeof(b)), "512 MiB");
    assert_string_equal(parse_format_size(UINT64_C(1536) << 20, b, sizeof(b)), "1.5 GiB");
    assert_string_equal(parse_format_size(UINT64_C(24689377280), b, sizeof(b)), "23.0 GiB");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),       cmocka_unit_test(bad_sizes), cmocka_unit_test(numbers),
        cmocka_unit_test(suggestions), cmocka_unit_test(formats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
