/* Keyboard controller without a keyboard: answers at once, resets. */
#include "unit/cmocka_all.h"

#include <stdlib.h>

#include "dev/legacy/i8042.h"
#include "unit/fake/machine.h"

struct env {
    struct fake_machine m;
    struct i8042 *k;
    struct fake_line irq;
};

static int setup(void **state)
{
    struct env *e = calloc(1, sizeof(*e));

    fake_machine_init(&e->m);
    assert_int_equal(i8042_create(&e->k, &e->m.host, fake_irq(&e->irq)), 0);
    *state = e;
    return 0;
}

static int teardown(void **state)
{
    struct env *e = *state;

    fake_destroy(&e->k->dev);
    fake_machine_destroy(&e->m);
    free(e);
    return 0;
}

static uint8_t command(struct env *e, uint8_t cmd)
{
    outb(&e->m, 0x64, cmd);
    assert_int_equal(inb(&e->m, 0x64) & 3, 1);
    return inb(&e->m, 0x60);
}

static void test_self_test(void **state)
{
    struct env *e = *state;

    assert_int_equal(inb(&e->m, 0x64) & 3, 0);
    assert_int_equal(command(e, 0xaa), 0x55);
    assert_int_equal(inb(&e->m, 0x64) & 1, 0);
    assert_int_equal(command(e, 0xab), 0x00);
    assert_int_equal(command(e, 0xa9), 0x01); /* no second port */
    assert_int_equal(command(e, 0xd0) & 3, 3);
}

static void test_command_byte(void **state)
{
    struct env *e = *state;

    outb(&e->m, 0x64, 0x60);
    outb(&e->m, 0x60, 0x45);
    assert_int_equal(command(e, 0x20), 0x45);
    outb(&e->m, 0x64, 0xad);
    assert_int_equal(command(e, 0x20), 0x55);
    outb(&e->m, 0x64, 0xd3); /* the loop-back of a port that is not there is not marked as its */
    outb(&e->m, 0x60, 0x5a);
    assert_int_equal(inb(&e->m, 0x64) & 0x21, 0x01);
    assert_int_equal(inb(&e->m, 0x60), 0x5a);
}

static void test_no_keyboard(void **state)
{
    struct env *e = *state;

    outb(&e->m, 0x64, 0x60);
    outb(&e->m, 0x60, 0x01);
    outb(&e->m, 0x60, 0xf2); /* identify */
    assert_true(e->irq.level);
    assert_int_equal(inb(&e->m, 0x64) & 0x41, 0x41);
    assert_int_equal(inb(&e->m, 0x60), 0xfe);
    assert_false(e->irq.level);
    assert_int_equal(inb(&e->m, 0x64) & 0x41, 0);
}

static void test_resets(void **state)
{
    struct env *e = *state;

    outb(&e->m, 0x64, 0xff);
    assert_int_equal(e->m.events[MACHINE_RESET], 0);
    outb(&e->m, 0x64, 0xfe);
    assert_int_equal(e->m.events[MACHINE_RESET], 1);
    outb(&e->m, 0x64, 0xd1);
    outb(&e->m, 0x60, 0x03);
    assert_int_equal(e->m.events[MACHINE_RESET], 1);
    outb(&e->m, 0x64, 0xd1);
    outb(&e->m, 0x60, 0x02);
    assert_int_equal(e->m.events[MACHINE_RESET], 2);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_self_test),
        T(test_command_byte),
        T(test_no_keyboard),
        T(test_resets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
