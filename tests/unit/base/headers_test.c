/* The header-only parts of base/: bits, endian, list. */
#include "unit/cmocka_all.h"

#include "base/bits.h"
#include "base/endian.h"
#include "base/list.h"

static void bit_fields(void **state)
{
    (void)state;
    assert_int_equal(bits_get(0xabcd, 15, 12), 0xa);
    assert_true(bits_get(UINT64_MAX, 63, 0) == UINT64_MAX);
    assert_int_equal(bits_set(0xabcd, 11, 8, 0x5), 0xa5cd);
    assert_int_equal(bits_set(0, 3, 0, 0xff), 0xf);
    assert_true(bits_mask(0) == 0 && bits_mask(64) == UINT64_MAX && bits_mask(12) == 4095);
    assert_true(bits_sign_extend(0x80, 8) == -128);
    assert_true(bits_sign_extend(0x7f, 8) == 127);
    assert_true(bits_sign_extend(UINT64_C(1) << 63, 64) == INT64_MIN);
    assert_true(bits_is_pow2(1) && bits_is_pow2(BIT64(63)));
    assert_false(bits_is_pow2(0) || bits_is_pow2(3));
    assert_int_equal(bits_align_up(4097, 4096), 8192);
    assert_int_equal(bits_align_down(4097, 4096), 4096);
    assert_int_equal(bits_log2(1), 0);
    assert_int_equal(bits_log2(BIT64(63)), 63);
    assert_int_equal(bits_log2(7), 2);
}

static void byte_orders(void **state)
{
    (void)state;
    uint8_t b[10] = {0};
    le_store32(b + 1, 0x11223344);
    assert_int_equal(b[1], 0x44);
    assert_int_equal(b[4], 0x11);
    assert_int_equal(le_load32(b + 1), 0x11223344);
    assert_int_equal(be_load32(b + 1), 0x44332211);
    be_store16(b + 7, 0xabcd);
    assert_int_equal(b[7], 0xab);
    le_store(b, 3, 0xaabbccdd);
    assert_int_equal(le_load(b, 3), 0xbbccdd);
    assert_int_equal(b[3], 0x22);
    le_store(b + 1, 8, UINT64_C(0x0102030405060708));
    assert_true(le_load64(b + 1) == UINT64_C(0x0102030405060708));
    assert_true(le_load(b + 1, 8) == UINT64_C(0x0102030405060708));
}

struct item {
    int n;
    struct list link;
};

static void lists(void **state)
{
    (void)state;
    struct list head;
    struct item items[3] = {{.n = 1}, {.n = 2}, {.n = 3}};
    int sum = 0, order = 0;
    list_init(&head);
    assert_true(list_empty(&head));
    for (int i = 0; i < 3; i++)
        list_push_back(&head, &items[i].link);
    list_for_each(p, &head) order = order * 10 + container_of(p, struct item, link)->n;
    assert_int_equal(order, 123);
    list_for_each_safe(p, next, &head)
    {
        if (container_of(p, struct item, link)->n != 2)
            list_remove(p);
    }
    list_for_each(p, &head) sum += container_of(p, struct item, link)->n;
    assert_int_equal(sum, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bit_fields),
        cmocka_unit_test(byte_orders),
        cmocka_unit_test(lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
