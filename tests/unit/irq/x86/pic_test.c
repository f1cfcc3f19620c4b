/* 8259 pair: initialisation, priorities, cascade, end-of-interrupt modes, polling. */
#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "irq/x86/pic.h"
#include "unit/fake/machine.h"

struct env {
    struct fake_machine m;
    struct pic *pic;
    struct fake_line intr;
};

static void init_pics(struct env *e, uint8_t icw4)
{
    outb(&e->m, 0x20, 0x11);
    outb(&e->m, 0x21, 0x30);
    outb(&e->m, 0x21, 0x04);
    outb(&e->m, 0x21, icw4);
    outb(&e->m, 0xa0, 0x11);
    outb(&e->m, 0xa1, 0x38);
    outb(&e->m, 0xa1, 0x02);
    outb(&e->m, 0xa1, icw4 & 0x0f);
}

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    assert_int_equal(pic_create(&e->pic, &e->m.host, fake_irq(&e->intr)), 0);
    init_pics(e, 0x01);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->pic->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static void pulse(struct env *e, unsigned n)
{
    pic_set(e->pic, n, true);
    pic_set(e->pic, n, false);
}

static void test_priority_and_eoi(void **state)
{
    struct env *e = *state;

    assert_false(e->intr.level);
    assert_int_equal(pic_ack(e->pic), -1);
    pulse(e, 4);
    assert_true(e->intr.level);
    assert_int_equal(pic_ack(e->pic), 0x34);
    assert_false(e->intr.level);
    pulse(e, 7);
    assert_false(e->intr.level); /* below what is in service */
    pulse(e, 1);
    assert_int_equal(pic_ack(e->pic), 0x31);
    outb(&e->m, 0x20, 0x0b);
    assert_int_equal(inb(&e->m, 0x20), 1 << 4 | 1 << 1);
    outb(&e->m, 0x20, 0x20); /* ends 1 */
    assert_false(e->intr.level);
    outb(&e->m, 0x20, 0x64); /* ends 4 specifically */
    assert_int_equal(pic_ack(e->pic), 0x37);
}

static void test_cascade(void **state)
{
    struct env *e = *state;

    pulse(e, 12);
    pulse(e, 9);
    assert_int_equal(pic_ack(e->pic), 0x39);
    pulse(e, 8); /* higher on the slave, held by the master's in-service bit 2 */
    assert_false(e->intr.level);
    outb(&e->m, 0xa0, 0x20);
    outb(&e->m, 0x20, 0x20);
    assert_int_equal(pic_ack(e->pic), 0x38);
    outb(&e->m, 0xa0, 0x20);
    outb(&e->m, 0x20, 0x20);
    assert_int_equal(pic_ack(e->pic), 0x3c);
    outb(&e->m, 0xa0, 0x20);
    outb(&e->m, 0x20, 0x20);
    assert_false(e->intr.level);
}

static void test_special_nested(void **state)
{
    struct env *e = *state;

    init_pics(e, 0x11);
    pulse(e, 9);
    assert_int_equal(pic_ack(e->pic), 0x39);
    pulse(e, 8);
    assert_int_equal(pic_ack(e->pic), 0x38);
}

static void test_mask(void **state)
{
    struct env *e = *state;

    outb(&e->m, 0x21, 0xff);
    assert_int_equal(inb(&e->m, 0x21), 0xff);
    pulse(e, 3);
    assert_false(e->intr.level);
    assert_int_equal(inb(&e->m, 0x20), 1 << 3); /* latched meanwhile */
    outb(&e->m, 0x21, 0xf7);
    assert_int_equal(pic_ack(e->pic), 0x33);
}

static void test_special_mask(void **state)
{
    struct env *e = *state;

    pulse(e, 1);
    assert_int_equal(pic_ack(e->pic), 0x31);
    pulse(e, 5);
    assert_false(e->intr.level);
    outb(&e->m, 0x21, 0x02);
    outb(&e->m, 0x20, 0x68);
    assert_int_equal(pic_ack(e->pic), 0x35);
}

static void test_level(void **state)
{
    struct env *e = *state;

    outb(&e->m, 0x4d0, 0xff);
    assert_int_equal(inb(&e->m, 0x4d0), 0xf8);
    outb(&e->m, 0x4d1, 0xff);
    assert_int_equal(inb(&e->m, 0x4d1), 0xde);
    pic_set(e->pic, 5, true);
    assert_int_equal(pic_ack(e->pic), 0x35);
    outb(&e->m, 0x20, 0x20);
    assert_true(e->intr.level); /* still asserted */
    pic_set(e->pic, 5, false);
    assert_false(e->intr.level);
    assert_int_equal(pic_ack(e->pic), -1);
}

static void test_auto_eoi_and_rotation(void **state)
{
    struct env *e = *state;

    init_pics(e, 0x03);
    outb(&e->m, 0x20, 0x80); /* rotate in automatic EOI mode */
    pulse(e, 0);
    assert_int_equal(pic_ack(e->pic), 0x30);
    pulse(e, 0);
    pulse(e, 6);
    assert_int_equal(pic_ack(e->pic), 0x36); /* 0 is now last */
    assert_int_equal(pic_ack(e->pic), 0x30);
    outb(&e->m, 0x20, 0xc3); /* lowest: 3 */
    pulse(e, 3);
    pulse(e, 4);
    assert_int_equal(pic_ack(e->pic), 0x34);
}

static void test_poll(void **state)
{
    struct env *e = *state;

    pulse(e, 6);
    outb(&e->m, 0x20, 0x0c);
    assert_int_equal(inb(&e->m, 0x20), 0x86);
    assert_false(e->intr.level);
    outb(&e->m, 0x20, 0x20);
    outb(&e->m, 0x20, 0x0c);
    assert_int_equal(inb(&e->m, 0x20), 0x07);
}

static void test_reset(void **state)
{
    struct env *e = *state;

    pulse(e, 4);
    assert_true(e->intr.level);
    fake_reset(&e->pic->dev);
    assert_false(e->intr.level);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_priority_and_eoi),
        T(test_cascade),
        T(test_special_nested),
        T(test_mask),
        T(test_special_mask),
        T(test_level),
        T(test_auto_eoi_and_rotation),
        T(test_poll),
        T(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
