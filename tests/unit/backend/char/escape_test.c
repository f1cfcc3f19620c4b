/*
 * The escape key, whatever way the bytes are cut.
 */
#include <stdlib.h>
#include <string.h>

#include "unit/cmocka_all.h"

#include "backend/char/escape.h"

static void on_key(void *opaque, char key)
{
    char *keys = opaque;

    keys[strlen(keys)] = key;
}

static const char input[] = "ab\001xcd\001\001e\001af\001hg\001";
static const char guest[] = "abcd\001e\001fg";
static const char commands[] = "xh";

static void commands_are_taken_out(void **state)
{
    (void)state;
    for (size_t piece = 1; piece <= sizeof(input); piece++) {
        struct escape e = {0};
        char keys[32] = "", out[64] = "";
        size_t len = 0;
        for (size_t at = 0; at < strlen(input); at += piece) {
            uint8_t buf[64];
            size_t n = strlen(input) - at < piece ? strlen(input) - at : piece;
            memcpy(buf, input + at, n);
            n = escape_filter(&e, buf, n, on_key, keys);
            memcpy(out + len, buf, n);
            len += n;
        }
        assert_string_equal(out, guest);
        assert_string_equal(keys, commands);
        assert_true(e.seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(commands_are_taken_out)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
