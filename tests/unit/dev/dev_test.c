/* What dev_init leaves behind. */
#include "unit/cmocka_all.h"

#include <string.h>

#include "dev/dev.h"

static void init(void **state)
{
    (void)state;
    static const struct dev_class cls = {.name = "thing"};
    struct dev_host host = {0};
    struct dev d;
    memset(&d, 0xa5, sizeof(d));
    dev_init(&d, &cls, &host, "thing0");
    assert_ptr_equal(d.cls, &cls);
    assert_ptr_equal(d.host, &host);
    assert_string_equal(d.id, "thing0");
    assert_true(list_empty(&d.link));
    assert_int_equal(pthread_mutex_trylock(&d.lock), 0);
    dev_init(&d, &cls, &host, "a name longer than the thirty-two bytes there are");
    assert_int_equal(strlen(d.id), sizeof(d.id) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(init),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
